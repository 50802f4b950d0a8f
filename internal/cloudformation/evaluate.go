// Package cloudformation evaluates CloudFormation and SAM templates: parameters,
// conditions and intrinsic functions, in their short and long forms. Its caller supplies
// the attributes of resources.
//
// An expression that it cannot evaluate is an error that names line and function, never a
// guess; or an Unknown value, if the caller asks for as much as can be known.
package cloudformation

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Options are the settings of an evaluation. The zero value stands for account
// 123456789012, us-east-1, partition aws, stack "sgward" and every parameter at its
// default.
type Options struct {
	// Partial makes values that cannot be evaluated Unknown, in place of errors. No pseudo
	// parameter has a default then, and a parameter without a value is Unknown too.
	Partial bool
	// Values are evaluated values of parameters, such as those that a nested stack gets.
	// They need no declaration.
	Values     map[string]any
	AccountID  string
	Region     string
	Partition  string
	StackName  string
	Parameters map[string]string // by name; undeclared ones are errors
	// Ref returns the value of a Ref to a resource, and Attribute that of GetAtt. If nil,
	// all such references are errors.
	Ref       func(t *Template, r Resource) (any, error)
	Attribute func(t *Template, r Resource, attribute string) (any, error)
}

// Template is a template with its parameters set. It turns nodes into plain values:
// string, bool, int, float64, nil, []any, map[string]any, NoValue.
type Template struct {
	// Options are those of Parse, with defaults filled in.
	Options Options
	// Root is the whole document.
	Root *yaml.Node
	// Resources are those whose condition holds, in the order of the template.
	Resources []Resource

	parameters map[string]any
	conditions map[string]*yaml.Node
	evaluating []string // conditions under evaluation, to find cycles
	evaluated  int      // nodes
	depth      int      // of the node under evaluation
}

// Resource is an entry of the Resources section.
type Resource struct {
	LogicalID  string
	Type       string // AWS::SQS::Queue
	Properties *yaml.Node
	Metadata   *yaml.Node
	Line       int // of its logical id
	// Uncertain says why it is unknown whether the resource's condition holds; "" if it
	// does. Only partial evaluation has such resources.
	Uncertain string
}

// NoValue is the value of AWS::NoValue: the key that holds it disappears.
type NoValue struct{}

var substitution = regexp.MustCompile(`\$\{(!?)([^}]*)\}`)

// Parse reads a template from its YAML or JSON text.
func Parse(src []byte, opts Options) (*Template, error) {
	root, err := document(src)
	if err != nil {
		return nil, err
	}
	t := &Template{
		Options: opts, Root: root,
		parameters: map[string]any{}, conditions: map[string]*yaml.Node{},
	}
	if !opts.Partial {
		t.Options = withDefaults(opts)
	}
	for key, value := range Pairs(Child(t.Root, "Conditions")) {
		t.conditions[key] = value
	}
	if err := t.readParameters(Child(t.Root, "Parameters")); err != nil {
		return nil, err
	}
	section := Child(t.Root, "Resources")
	if section == nil {
		return nil, ErrNoResources
	}
	if err := t.expandLoops(section); err != nil {
		return nil, err
	}
	for key, node := range entries(section) {
		id := key.Value
		if strings.HasPrefix(id, "Fn::") && opts.Partial {
			continue // the caller looks for these itself
		}
		r := Resource{LogicalID: id, Properties: Child(node, "Properties"), Metadata: Child(node, "Metadata"), Line: key.Line}
		if condition := Child(node, "Condition"); condition != nil {
			holds, err := t.condition(condition.Value)
			switch {
			case err != nil && opts.Partial:
				r.Uncertain = err.Error()
			case err != nil:
				return nil, fmt.Errorf("resource %s: %w", id, err)
			case !holds:
				continue
			}
		}
		kind := Child(node, "Type")
		if kind == nil {
			return nil, fmt.Errorf("line %d: resource %s has no Type", key.Line, id)
		}
		r.Type = kind.Value
		t.Resources = append(t.Resources, r)
	}
	return t, nil
}

// ErrNoResources is the error of Parse for a document that is not a template.
var ErrNoResources = errors.New("there is no Resources section")

// Outputs evaluates the outputs whose condition holds, by name.
func (t *Template) Outputs() (map[string]any, error) {
	out := map[string]any{}
	for name, node := range Pairs(Child(t.Root, "Outputs")) {
		if condition := Child(node, "Condition"); condition != nil {
			holds, err := t.condition(condition.Value)
			if err != nil {
				return nil, fmt.Errorf("output %s: %w", name, err)
			}
			if !holds {
				continue
			}
		}
		value, err := t.Value(Child(node, "Value"))
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
		out[name] = value
	}
	return out, nil
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

func (t *Template) readParameters(section *yaml.Node) error {
	for name, node := range Pairs(section) {
		if given, ok := t.Options.Values[name]; ok {
			t.parameters[name] = asList(node, given)
			continue
		}
		if why := t.unset(name, node); why != "" {
			t.parameters[name] = Unknown{Why: why}
			continue
		}
		value := ""
		if d := Child(node, "Default"); d != nil {
			value = d.Value
		}
		if given, ok := t.Options.Parameters[name]; ok {
			value = given
		}
		if allowed := Child(node, "AllowedValues"); allowed != nil &&
			!slices.ContainsFunc(allowed.Content, func(n *yaml.Node) bool { return n.Value == value }) {
			return fmt.Errorf("parameter %s: %q is not one of its AllowedValues", name, value)
		}
		t.parameters[name] = asList(node, value)
	}
	for name := range t.Options.Parameters {
		if _, ok := t.parameters[name]; !ok {
			return fmt.Errorf("the template has no parameter %s", name)
		}
	}
	return nil
}

// Value evaluates a node; nil is null.
func (t *Template) Value(node *yaml.Node) (any, error) {
	if node == nil {
		return nil, nil //nolint:nilnil // YAML's null is a value
	}
	if err := t.enter(node); err != nil {
		return nil, err
	}
	defer func() { t.depth-- }()
	if node.Kind == yaml.AliasNode {
		return t.Value(node.Alias)
	}
	if name, ok := strings.CutPrefix(node.Tag, "!"); ok && !strings.HasPrefix(name, "!") {
		return t.located(node, name, untagged(node))
	}
	switch node.Kind {
	case yaml.MappingNode:
		if len(node.Content) == 2 {
			key := node.Content[0].Value
			if name, ok := strings.CutPrefix(key, "Fn::"); ok {
				return t.located(node, name, node.Content[1])
			}
			if key == "Ref" {
				return t.located(node, key, node.Content[1])
			}
		}
		object := map[string]any{}
		for key, inner := range Pairs(node) {
			v, err := t.Value(inner)
			if err != nil {
				return nil, err
			}
			if _, gone := v.(NoValue); !gone {
				object[key] = v
			}
		}
		return object, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, inner := range node.Content {
			v, err := t.Value(inner)
			if err != nil {
				return nil, err
			}
			if _, gone := v.(NoValue); !gone {
				list = append(list, v)
			}
		}
		return list, nil
	}
	var v any
	if err := node.Decode(&v); err != nil {
		return nil, fmt.Errorf("line %d: %w", node.Line, err)
	}
	if s, ok := v.(string); ok && t.Options.Partial && strings.Contains(s, dynamicReference) {
		return Unknown{Why: fmt.Sprintf("line %d: %s", node.Line, dynamicWhy)}, nil
	}
	return v, nil
}

func (t *Template) located(node *yaml.Node, function string, argument *yaml.Node) (any, error) {
	v, err := t.call(function, followed(argument))
	if err == nil && t.Options.Partial {
		if s, ok := v.(string); ok && strings.Contains(s, dynamicReference) {
			err = errors.New(dynamicWhy)
		}
	}
	if err != nil {
		// Of nested functions, the innermost one says what is missing.
		if !t.Options.Partial || !strings.HasPrefix(err.Error(), "line ") {
			err = fmt.Errorf("line %d: %s: %w", node.Line, function, err)
		}
		if t.Options.Partial && !errors.Is(err, errTooMuch) {
			return Unknown{Why: err.Error()}, nil
		}
		return nil, err
	}
	return v, nil
}

func (t *Template) call(function string, arg *yaml.Node) (any, error) {
	switch function {
	case "Ref":
		return t.ref(arg.Value)
	case "GetAtt":
		if arg.Kind == yaml.SequenceNode && len(arg.Content) == 2 {
			return t.attribute(arg.Content[0].Value, arg.Content[1].Value)
		}
		id, attribute, _ := strings.Cut(arg.Value, ".")
		return t.attribute(id, attribute)
	case "Sub":
		return t.sub(arg)
	case "If":
		if arg.Kind != yaml.SequenceNode || len(arg.Content) != 3 {
			return nil, fmt.Errorf("want [condition, value, value]")
		}
		holds, err := t.condition(arg.Content[0].Value)
		if err != nil && t.Options.Partial {
			return t.either(err, arg.Content[1], arg.Content[2])
		}
		if err != nil {
			return nil, err
		}
		if holds {
			return t.Value(arg.Content[1])
		}
		return t.Value(arg.Content[2])
	case "Equals", "Not", "And", "Or", "Condition":
		return t.logic(function, arg)
	case "Join", "Split", "Select":
		return t.listFunction(function, arg)
	case "FindInMap":
		return t.findInMap(arg)
	case "Cidr":
		return t.cidr(arg)
	case "Length":
		return t.length(arg)
	case "ImportValue", "GetAZs", "Transform", "GetStackOutput":
		return nil, fmt.Errorf("only AWS knows its value")
	}
	return nil, fmt.Errorf("this intrinsic function is unknown here")
}

func (t *Template) sub(arg *yaml.Node) (any, error) {
	text := arg
	variables := map[string]string{}
	if arg.Kind == yaml.SequenceNode {
		if len(arg.Content) != 2 {
			return nil, fmt.Errorf("want a string, or a string and a map")
		}
		text = arg.Content[0]
		for key, node := range Pairs(arg.Content[1]) {
			v, err := t.known(node)
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
			v, err = t.attribute(id, attribute)
		} else {
			v, err = t.ref(name)
		}
		if err == nil {
			err = unknownIn(v)
		}
		if err != nil && failure == nil {
			failure = err
		}
		return fmt.Sprint(v)
	})
	return result, failure
}

func (t *Template) listFunction(function string, arg *yaml.Node) (any, error) {
	if arg.Kind != yaml.SequenceNode || len(arg.Content) != 2 {
		return nil, fmt.Errorf("want two arguments")
	}
	first, err := t.known(arg.Content[0])
	if err != nil {
		return nil, err
	}
	second, err := t.Value(arg.Content[1])
	if err != nil {
		return nil, err
	}
	// Of a list with unknown elements, one that is known can be selected.
	if u, ok := second.(Unknown); ok {
		return nil, errors.New(u.Why)
	}
	if err := unknownIn(second); err != nil && function != "Select" {
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
		if err := unknownIn(list[index]); err != nil {
			return nil, err
		}
		return list[index], nil
	}
	texts := make([]string, 0, len(list))
	for _, v := range list {
		texts = append(texts, fmt.Sprint(v))
	}
	return strings.Join(texts, fmt.Sprint(first)), nil
}
