package samtemplate

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// evaluator turns template nodes into plain values: string, bool, int, float64,
// nil, []any, map[string]any.
type evaluator struct {
	opts       Options
	parameters map[string]any
	conditions map[string]*yaml.Node
	resources  map[string]*resource
	order      []string // logical ids as written
	globals    *yaml.Node
	evaluating []string // conditions being evaluated, to find a cycle
}

type resource struct {
	logicalID  string
	kind       string // AWS::SQS::Queue
	properties *yaml.Node
}

// noValue is what AWS::NoValue evaluates to: the key that holds it disappears.
type noValue struct{}

var substitution = regexp.MustCompile(`\$\{(!?)([^}]*)\}`)

func newEvaluator(root *yaml.Node, opts Options) (*evaluator, error) {
	e := &evaluator{
		opts:       withDefaults(opts),
		parameters: map[string]any{},
		conditions: map[string]*yaml.Node{},
		resources:  map[string]*resource{},
	}
	for key, value := range pairs(child(root, "Conditions")) {
		e.conditions[key] = value
	}
	if err := e.readParameters(child(root, "Parameters")); err != nil {
		return nil, err
	}
	e.globals = child(child(root, "Globals"), "Function")
	section := child(root, "Resources")
	if section == nil {
		return nil, fmt.Errorf("there is no Resources section")
	}
	for id, node := range pairs(section) {
		if condition := child(node, "Condition"); condition != nil {
			holds, err := e.condition(condition.Value)
			if err != nil {
				return nil, fmt.Errorf("resource %s: %w", id, err)
			}
			if !holds {
				continue
			}
		}
		kind := child(node, "Type")
		if kind == nil {
			return nil, fmt.Errorf("resource %s has no Type", id)
		}
		e.resources[id] = &resource{logicalID: id, kind: kind.Value, properties: child(node, "Properties")}
		e.order = append(e.order, id)
	}
	return e, nil
}

func withDefaults(o Options) Options {
	if o.AccountID == "" {
		o.AccountID = "123456789012"
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Partition == "" {
		o.Partition = "aws"
	}
	if o.StackName == "" {
		o.StackName = "sgward"
	}
	return o
}

func (e *evaluator) readParameters(section *yaml.Node) error {
	for name, node := range pairs(section) {
		value := ""
		if d := child(node, "Default"); d != nil {
			value = d.Value
		}
		if given, ok := e.opts.Parameters[name]; ok {
			value = given
		}
		if allowed := child(node, "AllowedValues"); allowed != nil &&
			!slices.ContainsFunc(allowed.Content, func(n *yaml.Node) bool { return n.Value == value }) {
			return fmt.Errorf("parameter %s: %q is not one of its AllowedValues", name, value)
		}
		e.parameters[name] = value
		if kind := child(node, "Type"); kind != nil &&
			(kind.Value == "CommaDelimitedList" || strings.HasPrefix(kind.Value, "List<")) {
			list := []any{}
			for part := range strings.SplitSeq(value, ",") {
				list = append(list, strings.TrimSpace(part))
			}
			e.parameters[name] = list
		}
	}
	for name := range e.opts.Parameters {
		if _, ok := e.parameters[name]; !ok {
			return fmt.Errorf("the template has no parameter %s", name)
		}
	}
	return nil
}

// value evaluates a node.
func (e *evaluator) value(node *yaml.Node) (any, error) {
	if node == nil {
		return nil, nil //nolint:nilnil // YAML's null is a value
	}
	if node.Kind == yaml.AliasNode {
		return e.value(node.Alias)
	}
	if name, ok := strings.CutPrefix(node.Tag, "!"); ok && !strings.HasPrefix(name, "!") {
		return e.located(node, name, untagged(node))
	}
	switch node.Kind {
	case yaml.MappingNode:
		if len(node.Content) == 2 {
			key := node.Content[0].Value
			if name, ok := strings.CutPrefix(key, "Fn::"); ok {
				return e.located(node, name, node.Content[1])
			}
			if key == "Ref" {
				return e.located(node, key, node.Content[1])
			}
		}
		object := map[string]any{}
		for key, inner := range pairs(node) {
			v, err := e.value(inner)
			if err != nil {
				return nil, err
			}
			if _, gone := v.(noValue); !gone {
				object[key] = v
			}
		}
		return object, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, inner := range node.Content {
			v, err := e.value(inner)
			if err != nil {
				return nil, err
			}
			if _, gone := v.(noValue); !gone {
				list = append(list, v)
			}
		}
		return list, nil
	}
	var v any
	if err := node.Decode(&v); err != nil {
		return nil, fmt.Errorf("line %d: %w", node.Line, err)
	}
	return v, nil
}

func (e *evaluator) located(node *yaml.Node, function string, argument *yaml.Node) (any, error) {
	v, err := e.call(function, argument)
	if err != nil {
		return nil, fmt.Errorf("line %d: %s: %w", node.Line, function, err)
	}
	return v, nil
}

func (e *evaluator) call(function string, arg *yaml.Node) (any, error) {
	switch function {
	case "Ref":
		return e.ref(arg.Value)
	case "GetAtt":
		if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 {
			return e.attribute(arg.Content[0].Value, arg.Content[1].Value)
		}
		id, attribute, _ := strings.Cut(arg.Value, ".")
		return e.attribute(id, attribute)
	case "Sub":
		return e.sub(arg)
	case "If":
		if arg.Kind != yaml.SequenceNode || len(arg.Content) != 3 {
			return nil, fmt.Errorf("want [condition, value, value]")
		}
		holds, err := e.condition(arg.Content[0].Value)
		if err != nil {
			return nil, err
		}
		if holds {
			return e.value(arg.Content[1])
		}
		return e.value(arg.Content[2])
	case "Equals", "Not", "And", "Or", "Condition":
		return e.logic(function, arg)
	case "Join", "Split", "Select":
		return e.listFunction(function, arg)
	}
	return nil, fmt.Errorf("this intrinsic function is not known here")
}

func (e *evaluator) ref(name string) (any, error) {
	if v, ok := e.pseudo(name); ok {
		return v, nil
	}
	if v, ok := e.parameters[name]; ok {
		return v, nil
	}
	r, ok := e.resources[name]
	if !ok {
		return nil, fmt.Errorf("%s is neither a parameter nor a resource that exists here", name)
	}
	return e.refOf(r)
}

func (e *evaluator) pseudo(name string) (any, bool) {
	switch name {
	case "AWS::AccountId":
		return e.opts.AccountID, true
	case "AWS::Region":
		return e.opts.Region, true
	case "AWS::Partition":
		return e.opts.Partition, true
	case "AWS::StackName":
		return e.opts.StackName, true
	case "AWS::StackId":
		return e.arn("cloudformation", "stack/"+e.opts.StackName+"/00000000-0000-0000-0000-000000000000"), true
	case "AWS::URLSuffix":
		return "amazonaws.com", true
	case "AWS::NotificationARNs":
		return []any{}, true
	case "AWS::NoValue":
		return noValue{}, true
	}
	return nil, false
}

func (e *evaluator) sub(arg *yaml.Node) (any, error) {
	text := arg
	variables := map[string]string{}
	if arg.Kind == yaml.SequenceNode {
		if len(arg.Content) != 2 {
			return nil, fmt.Errorf("want a string, or a string and a map")
		}
		text = arg.Content[0]
		for key, node := range pairs(arg.Content[1]) {
			v, err := e.value(node)
			if err != nil {
				return nil, err
			}
			variables[key] = fmt.Sprint(v)
		}
	}
	var failure error
	result := substitution.ReplaceAllStringFunc(text.Value, func(match string) string {
		parts := substitution.FindStringSubmatch(match)
		if parts[1] == "!" { // ${!Literal} stands for ${Literal}
			return "${" + parts[2] + "}"
		}
		name := strings.TrimSpace(parts[2])
		if v, ok := variables[name]; ok {
			return v
		}
		var v any
		var err error
		if id, attribute, ok := strings.Cut(name, "."); ok {
			v, err = e.attribute(id, attribute)
		} else {
			v, err = e.ref(name)
		}
		if err != nil && failure == nil {
			failure = err
		}
		return fmt.Sprint(v)
	})
	return result, failure
}

func (e *evaluator) listFunction(function string, arg *yaml.Node) (any, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 2 {
		return nil, fmt.Errorf("want two arguments")
	}
	first, err := e.value(arg.Content[0])
	if err != nil {
		return nil, err
	}
	second, err := e.value(arg.Content[1])
	if err != nil {
		return nil, err
	}
	if function == "Split" {
		parts := []any{}
		for part := range strings.SplitSeq(fmt.Sprint(second), fmt.Sprint(first)) {
			parts = append(parts, part)
		}
		return parts, nil
	}
	list, ok := second.([]any)
	if !ok {
		return nil, fmt.Errorf("want a list as the second argument")
	}
	if function == "Select" {
		index, err := strconv.Atoi(fmt.Sprint(first))
		if err != nil || index < 0 || index >= len(list) {
			return nil, fmt.Errorf("there is no element %v", first)
		}
		return list[index], nil
	}
	texts := make([]string, 0, len(list))
	for _, v := range list {
		texts = append(texts, fmt.Sprint(v))
	}
	return strings.Join(texts, fmt.Sprint(first)), nil
}

// condition evaluates a named condition.
func (e *evaluator) condition(name string) (bool, error) {
	node, ok := e.conditions[name]
	if !ok {
		return false, fmt.Errorf("there is no condition %s", name)
	}
	if slices.Contains(e.evaluating, name) {
		return false, fmt.Errorf("condition %s depends on itself", name)
	}
	e.evaluating = append(e.evaluating, name)
	defer func() { e.evaluating = e.evaluating[:len(e.evaluating)-1] }()
	holds, err := e.truth(node)
	if err != nil {
		return false, fmt.Errorf("condition %s: %w", name, err)
	}
	return holds, nil
}

// truth evaluates a node that must be a boolean; {Condition: Name} is one too.
func (e *evaluator) truth(node *yaml.Node) (bool, error) {
	if node.Kind == yaml.MappingNode && len(node.Content) == 2 && node.Content[0].Value == "Condition" {
		return e.condition(node.Content[1].Value)
	}
	v, err := e.value(node)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("line %d: want a condition, found %v", node.Line, v)
	}
	return b, nil
}

func (e *evaluator) logic(function string, arg *yaml.Node) (any, error) {
	if function == "Condition" {
		return e.condition(arg.Value)
	}
	if arg.Kind != yaml.SequenceNode || len(arg.Content) == 0 {
		return nil, fmt.Errorf("want a list")
	}
	if function == "Equals" {
		if len(arg.Content) != 2 {
			return nil, fmt.Errorf("want two values")
		}
		a, err := e.value(arg.Content[0])
		if err != nil {
			return nil, err
		}
		b, err := e.value(arg.Content[1])
		if err != nil {
			return nil, err
		}
		return fmt.Sprint(a) == fmt.Sprint(b), nil
	}
	and, or := true, false
	for _, node := range arg.Content {
		holds, err := e.truth(node)
		if err != nil {
			return nil, err
		}
		and, or = and && holds, or || holds
	}
	switch function {
	case "And":
		return and, nil
	case "Or":
		return or, nil
	}
	return !and, nil
}
