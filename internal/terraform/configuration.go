package terraform

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"slices"
	"strings"
)

// configuration is the part of a plan that shows the blocks of the source.
type configuration struct {
	Providers map[string]providerConfig `json:"provider_config"`
	Root      module                    `json:"root_module"`
}

type providerConfig struct {
	FullName    string                    `json:"full_name"`
	Module      string                    `json:"module_address"`
	Expressions map[string]jsontext.Value `json:"expressions"`
}

type module struct {
	Resources []configured          `json:"resources"`
	Calls     map[string]moduleCall `json:"module_calls"`
	Outputs   map[string]struct {
		Expression jsontext.Value `json:"expression"`
	} `json:"outputs"`
}

type moduleCall struct {
	Expressions map[string]jsontext.Value `json:"expressions"`
	ForEach     jsontext.Value            `json:"for_each_expression"`
	Module      module                    `json:"module"`
}

// configured is the block of a resource.
type configured struct {
	Mode        string                    `json:"mode"`
	Kind        string                    `json:"type"`
	Name        string                    `json:"name"`
	Provider    string                    `json:"provider_config_key"`
	Expressions map[string]jsontext.Value `json:"expressions"`
	ForEach     jsontext.Value            `json:"for_each_expression"`
}

// scope is a module of the configuration with the way to it.
type scope struct {
	*module
	call   *moduleCall // nil for the root
	parent *scope
}

// source is a resource's block and the module that holds it.
type source struct {
	configured
	scope *scope
}

// blocks lists the blocks of the managed resources by their address.
func (c *configuration) blocks() map[string]source {
	out := map[string]source{}
	var walk func(path string, s *scope)
	walk = func(path string, s *scope) {
		for _, r := range s.Resources {
			if r.Mode == "managed" {
				out[path+r.Kind+"."+r.Name] = source{r, s}
			}
		}
		for name, call := range s.Calls {
			walk(path+"module."+name+".", &scope{module: &call.Module, call: &call, parent: s})
		}
	}
	walk("", &scope{module: &c.Root})
	return out
}

// references returns the references in an expression, without those that are the beginning
// of a longer one.
func references(expression jsontext.Value) []string {
	var all []string
	collectReferences(expression, &all)
	var out []string
	for _, r := range all {
		if !slices.ContainsFunc(all, func(longer string) bool {
			return len(longer) > len(r) && strings.HasPrefix(longer, r) && (longer[len(r)] == '.' || longer[len(r)] == '[')
		}) && !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// collectReferences collects the references in an expression, and in those of nested
// blocks.
func collectReferences(expression jsontext.Value, out *[]string) {
	switch expression.Kind() {
	case '[':
		var list []jsontext.Value
		if json.Unmarshal(expression, &list) == nil {
			for _, e := range list {
				collectReferences(e, out)
			}
		}
	case '{':
		var object map[string]jsontext.Value
		if json.Unmarshal(expression, &object) != nil {
			return
		}
		var names []string
		if r, ok := object["references"]; ok && json.Unmarshal(r, &names) == nil {
			*out = append(*out, names...)
			return
		}
		if _, ok := object["constant_value"]; ok {
			return
		}
		for _, e := range object {
			collectReferences(e, out)
		}
	}
}

// constant returns the constant text of an expression; "" if it is another.
func constant(expression jsontext.Value) string {
	var e struct {
		Value jsontext.Value `json:"constant_value"`
	}
	var s string
	if len(expression) == 0 || json.Unmarshal(expression, &e) != nil || e.Value.Kind() != '"' || json.Unmarshal(e.Value, &s) != nil {
		return ""
	}
	return s
}

// mostDeep limits how far references are followed.
const mostDeep = 32

// resolver follows references to the resources that they mean.
type resolver struct {
	found []address
	// byKey is set if a reference passed count.index or each: it means the instance with
	// the resource's own key.
	byKey bool
	// local is set if a reference passed a local value, which a plan does not explain.
	local bool
}

// follow follows the references of an expression in a module of which instances are given.
// forEach is what each.value stands for there.
func (r *resolver) follow(expression, forEach jsontext.Value, s *scope, in []instance, depth int) {
	if depth > mostDeep {
		return
	}
	for _, text := range references(expression) {
		ref := parseAddress(text)
		switch {
		case len(ref.modules) > 0:
			call, ok := s.Calls[ref.modules[0].name]
			if !ok {
				continue
			}
			inner := &scope{module: &call.Module, call: &call, parent: s}
			inside := append(slices.Clip(in), ref.modules[0])
			if output, ok := call.Module.Outputs[ref.kind]; ok {
				r.follow(output.Expression, nil, inner, inside, depth+1)
				continue
			}
			// Behind an index like [each.key], a plan leaves out which output is meant.
			for _, output := range call.Module.Outputs {
				r.follow(output.Expression, nil, inner, inside, depth+1)
			}
		case ref.kind == "var" && s.call != nil:
			r.follow(s.call.Expressions[ref.name], s.call.ForEach, s.parent, in[:max(len(in)-1, 0)], depth+1)
		case ref.kind == "each" || ref.kind == "count":
			r.byKey = true
			if ref.name == "value" {
				r.follow(forEach, nil, s, in, depth+1)
			}
		case ref.kind == "local":
			r.local = true
		case ref.name != "":
			ref.modules = in
			r.found = append(r.found, ref)
		}
	}
}
