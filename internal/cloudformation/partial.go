package cloudformation

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Unknown stands for a value that cannot be evaluated, in partial evaluation.
type Unknown struct {
	Why string
	// Either holds the values that it may have, if they are known: the branches of an If
	// whose condition is unknown.
	Either []any
}

const (
	dynamicReference = "{{resolve:"
	dynamicWhy       = "a dynamic reference is resolved by AWS"
)

// Limits of an evaluation, against templates whose aliases multiply.
const (
	mostNodes = 1_000_000
	mostDepth = 500
)

var errTooMuch = fmt.Errorf("its aliases expand to more than %d values, or deeper than %d levels", mostNodes, mostDepth)

// enter counts a node; the caller leaves it by lowering depth.
func (t *Template) enter(node *yaml.Node) error {
	t.evaluated++
	t.depth++
	if t.evaluated > mostNodes || t.depth > mostDepth {
		t.depth--
		return fmt.Errorf("line %d: %w", node.Line, errTooMuch)
	}
	return nil
}

// Exhausted is the error of a template whose aliases multiply, of which not all was
// evaluated; nil for others.
func (t *Template) Exhausted() error {
	if t.evaluated > mostNodes {
		return errTooMuch
	}
	return nil
}

// known is Value with an error for a value that is unknown, or holds one.
func (t *Template) known(node *yaml.Node) (any, error) {
	v, err := t.Value(node)
	if err == nil {
		err = unknownIn(v)
	}
	return v, err
}

// unknownIn returns why a part of a value is unknown; nil if none is.
func unknownIn(v any) error {
	switch v := v.(type) {
	case Unknown:
		return errors.New(v.Why)
	case []any:
		for _, e := range v {
			if err := unknownIn(e); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, e := range v {
			if err := unknownIn(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// either is the value of an If whose condition is unknown.
func (t *Template) either(why error, branches ...*yaml.Node) (any, error) {
	out := Unknown{Why: why.Error()}
	for _, b := range branches {
		v, err := t.Value(b)
		if err != nil {
			return nil, err
		}
		if u, ok := v.(Unknown); ok {
			if u.Either == nil {
				return Unknown{Why: u.Why}, nil
			}
			out.Either = append(out.Either, u.Either...)
			continue
		}
		out.Either = append(out.Either, v)
	}
	return out, nil
}

// unset says why a parameter has no value; "" if it has one.
func (t *Template) unset(name string, node *yaml.Node) string {
	if !t.Options.Partial {
		return ""
	}
	_, given := t.Options.Parameters[name]
	if kind := Child(node, "Type"); kind != nil && strings.HasPrefix(kind.Value, "AWS::SSM::Parameter::Value<") {
		return "parameter " + name + " is the name of an SSM parameter, of which only AWS knows the value"
	}
	if !given && Child(node, "Default") == nil {
		return "parameter " + name + " has no default: set it with --parameter-overrides " + name + "=..."
	}
	return ""
}

// asList returns the value of a parameter: the elements of a list that is one text.
func asList(node *yaml.Node, value any) any {
	kind := Child(node, "Type")
	text, ok := value.(string)
	if kind == nil || !ok || kind.Value != "CommaDelimitedList" && !strings.HasPrefix(kind.Value, "List<") {
		return value
	}
	list := []any{}
	for part := range strings.SplitSeq(text, ",") {
		list = append(list, strings.TrimSpace(part))
	}
	return list
}

// Branch is a node that an If may stand for.
type Branch struct {
	Node      *yaml.Node
	Uncertain string // why it is unknown whether the If stands for it; "" if it does
}

// Branches returns the nodes that a node may stand for: itself, or those of its If.
func (t *Template) Branches(node *yaml.Node) []Branch {
	return t.branches(Branch{Node: node}, 0)
}

func (t *Template) branches(b Branch, depth int) []Branch {
	b.Node = followed(b.Node)
	arg := argumentOf(b.Node, "If")
	if arg == nil || arg.Kind != yaml.SequenceNode || len(arg.Content) != 3 || depth > mostDepth {
		return []Branch{b}
	}
	holds, err := t.condition(arg.Content[0].Value)
	yes, no := Branch{arg.Content[1], b.Uncertain}, Branch{arg.Content[2], b.Uncertain}
	switch {
	case err != nil:
		yes.Uncertain, no.Uncertain = err.Error(), err.Error()
		return append(t.branches(yes, depth+1), t.branches(no, depth+1)...)
	case holds:
		return t.branches(yes, depth+1)
	default:
		return t.branches(no, depth+1)
	}
}

// argumentOf returns the argument of a function, in its short or long form; nil if the node
// is not that function.
func argumentOf(node *yaml.Node, function string) *yaml.Node {
	switch {
	case node == nil:
		return nil
	case node.Tag == "!"+function:
		return untagged(node)
	case node.Kind == yaml.MappingNode && len(node.Content) == 2 && node.Content[0].Value == "Fn::"+function:
		return followed(node.Content[1])
	}
	return nil
}

// Declared returns the names of the parameters that a template declares.
func Declared(src []byte) ([]string, error) {
	root, err := document(src)
	if err != nil {
		return nil, err
	}
	var out []string
	for name := range Pairs(Child(root, "Parameters")) {
		out = append(out, name)
	}
	return out, nil
}
