package samtemplate

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"go.yaml.in/yaml/v3"

	"sgward/internal/cloudformation"
)

// reader evaluates single properties of one resource and keeps the first error.
type reader struct {
	template   *cloudformation.Template
	properties *yaml.Node
	err        error
}

// get returns nil for a property that is absent, AWS::NoValue or in error.
func (p *reader) get(key string) any {
	node := cloudformation.Child(p.properties, key)
	if node == nil || p.err != nil {
		return nil
	}
	v, err := p.template.Value(node)
	if err != nil {
		p.err = fmt.Errorf("%s: %w", key, err)
		return nil
	}
	if _, gone := v.(cloudformation.NoValue); gone {
		return nil
	}
	return v
}

func (p *reader) fail(key, want string, found any) {
	p.err = fmt.Errorf("%s: want %s, found %v", key, want, found)
}

func (p *reader) text(key string, into *string) {
	if v := p.get(key); v != nil {
		*into = fmt.Sprint(v)
	}
}

func (p *reader) integer(key string, into *int) {
	if v := p.get(key); v != nil {
		n, err := strconv.Atoi(fmt.Sprint(v))
		if err != nil {
			p.fail(key, "a whole number", v)
			return
		}
		*into = n
	}
}

func (p *reader) object(key string, into *map[string]any) {
	if v := p.get(key); v != nil {
		object, ok := v.(map[string]any)
		if !ok {
			p.fail(key, "an object", v)
			return
		}
		*into = maps.Clone(object)
	}
}

func (p *reader) list(key string, into *[]any) {
	if v := p.get(key); v != nil {
		list, ok := v.([]any)
		if !ok {
			p.fail(key, "a list", v)
			return
		}
		*into = list
	}
}

// document keeps an object as JSON.
func (p *reader) document(key string, into *json.RawMessage) {
	if v := p.get(key); v != nil {
		doc, err := json.Marshal(v)
		if err != nil {
			p.err = fmt.Errorf("%s: %w", key, err)
			return
		}
		*into = doc
	}
}

func textOf(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
