package template

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"sgward/internal/cloudformation"
)

// nest reads the template of a nested stack. It returns nil for other resources, and for a
// stack whose template is not at hand.
func (s *stack) nest(res *cloudformation.Resource) *stack {
	property := map[string]string{"AWS::CloudFormation::Stack": "TemplateURL", "AWS::Serverless::Application": "Location"}[res.Type]
	if property == "" {
		return nil
	}
	if inner, known := s.nested[res.LogicalID]; known {
		return inner
	}
	s.nested[res.LogicalID] = nil // a stack that depends on itself has no outputs
	at := s.at(res.Line, res.LogicalID)
	path := s.local(res, property)
	if path == "" || s.options.Load == nil {
		s.unclear(at, "the template of the nested stack %s is not here: check it with the parameters that it gets", res.LogicalID)
		return nil
	}
	if s.depth >= mostNested {
		s.problem(at, "stacks are nested deeper than %d; it was not judged", mostNested)
		return nil
	}
	data, name, err := s.options.Load(s.file, path)
	if err != nil {
		s.problem(at, "the template of the nested stack, %s: %v; it was not judged", path, err)
		return nil
	}
	inner, err := s.stack(data, name, s.path+res.LogicalID+"/", cloudformation.Options{
		Partial: true, Parameters: map[string]string{}, Values: s.handed(cloudformation.Child(res.Properties, "Parameters")),
	}, s.depth+1)
	if err != nil {
		s.problem(at, "the template of the nested stack, %s: %v; it was not judged", name, err)
		return nil
	}
	if res.Uncertain != "" {
		for i := range inner.Resources {
			inner.Resources[i].Uncertain = res.Uncertain
		}
	}
	s.nested[res.LogicalID] = inner
	return inner
}

// local returns the path of a nested stack's template; "" if it is not a file here.
func (s *stack) local(res *cloudformation.Resource, property string) string {
	if asset := cloudformation.Child(res.Metadata, "aws:asset:path"); asset != nil { // of the CDK
		return asset.Value
	}
	node := cloudformation.Child(res.Properties, property)
	if node == nil || node.Kind == yaml.MappingNode { // an application of the repository
		return ""
	}
	path, set, why := s.known(node)
	if !set || why != "" || strings.Contains(path, "://") {
		return ""
	}
	return path
}

// handed evaluates the parameters that a stack hands to a nested one.
func (s *stack) handed(node *yaml.Node) map[string]any {
	out := map[string]any{}
	for name, value := range cloudformation.Pairs(node) {
		v, err := s.Value(value)
		switch {
		case err != nil:
			v = cloudformation.Unknown{Why: err.Error()}
		case v == nil:
			continue
		default:
			if _, nothing := v.(cloudformation.NoValue); nothing {
				continue
			}
		}
		switch v := v.(type) {
		case []any, cloudformation.Unknown:
			out[name] = v
		default:
			out[name] = fmt.Sprint(v)
		}
	}
	return out
}
