package cloudformation

import (
	"cmp"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"
)

// condition evaluates a named condition.
func (t *Template) condition(name string) (bool, error) {
	node, ok := t.conditions[name]
	if !ok {
		return false, fmt.Errorf("there is no condition %s", name)
	}
	if slices.Contains(t.evaluating, name) {
		return false, fmt.Errorf("condition %s depends on itself", name)
	}
	t.evaluating = append(t.evaluating, name)
	defer func() { t.evaluating = t.evaluating[:len(t.evaluating)-1] }()
	holds, err := t.truth(node)
	if err != nil {
		return false, fmt.Errorf("condition %s: %w", name, err)
	}
	return holds, nil
}

// truth evaluates a node that must be a boolean; {Condition: Name} is one too.
func (t *Template) truth(node *yaml.Node) (bool, error) {
	if node.Kind == yaml.MappingNode && len(node.Content) == 2 && node.Content[0].Value == "Condition" {
		return t.condition(node.Content[1].Value)
	}
	v, err := t.known(node)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("line %d: want a condition, found %v", node.Line, v)
	}
	return b, nil
}

func (t *Template) logic(function string, arg *yaml.Node) (any, error) {
	if function == "Condition" {
		return t.condition(arg.Value)
	}
	if arg.Kind != yaml.SequenceNode || len(arg.Content) == 0 {
		return nil, fmt.Errorf("want a list")
	}
	if function == "Equals" {
		if len(arg.Content) != 2 {
			return nil, fmt.Errorf("want two values")
		}
		a, err := t.known(arg.Content[0])
		if err != nil {
			return nil, err
		}
		b, err := t.known(arg.Content[1])
		if err != nil {
			return nil, err
		}
		return fmt.Sprint(a) == fmt.Sprint(b), nil
	}
	and, or := true, false
	var unknown error
	for _, node := range arg.Content {
		holds, err := t.truth(node)
		if err != nil {
			if !t.Options.Partial {
				return nil, err
			}
			unknown = cmp.Or(unknown, err)
			continue
		}
		and, or = and && holds, or || holds
	}
	// One false value decides an And, and a true one an Or, whatever the others are.
	switch {
	case function == "And" && (unknown == nil || !and):
		return and, nil
	case function == "Or" && (unknown == nil || or):
		return or, nil
	case unknown != nil:
		return nil, unknown
	}
	return !and, nil
}
