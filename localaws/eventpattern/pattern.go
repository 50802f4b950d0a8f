// Package eventpattern decides whether a JSON event matches an EventBridge event
// pattern or a Lambda event source filter, which share one language
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html).
//
// It knows the part of the language that template.yaml uses: nested fields, exact
// strings, and exists. Anything else is an error when the pattern is compiled: a
// stand-in that quietly never matched would be worse than none. `make e2e` judges the
// template with AWS's own matcher.
//
// As on EventBridge, arrays in the event are looked through: a field matches when any
// element does.
package eventpattern

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Pattern is a compiled event pattern, safe for concurrent use. The zero value
// matches nothing; patterns come from Compile.
type Pattern struct{ fields []field }

// field is the list of alternatives that a pattern gives for one path.
type field struct {
	path    []string
	values  []string
	present bool // {"exists": true} is an alternative
	absent  bool // {"exists": false} is one
}

func (f field) holds(event any) bool {
	leaves := leavesAt(event, f.path, nil)
	if len(leaves) == 0 {
		return f.absent
	}
	return f.present || slices.ContainsFunc(leaves, func(leaf any) bool {
		text, ok := leaf.(string)
		return ok && slices.Contains(f.values, text)
	})
}

// Compile reads a pattern: a JSON object whose leaves are lists of alternatives. It
// returns an error for anything that the package does not know, and for a pattern
// without a single field.
func Compile(src []byte) (*Pattern, error) {
	var object map[string]any
	if err := json.Unmarshal(src, &object); err != nil {
		return nil, fmt.Errorf("reading event pattern: %w", err)
	}
	var p Pattern
	if err := p.compile(object, nil); err != nil {
		return nil, fmt.Errorf("reading event pattern: %w", err)
	}
	return &p, nil
}

// Matches reports whether event, a JSON document, matches. An event that is not
// JSON is an error.
func (p *Pattern) Matches(event []byte) (bool, error) {
	var value any
	if err := json.Unmarshal(event, &value); err != nil {
		return false, fmt.Errorf("reading event: %w", err)
	}
	for _, f := range p.fields {
		if !f.holds(value) {
			return false, nil
		}
	}
	return len(p.fields) > 0, nil
}

func (p *Pattern) compile(object map[string]any, path []string) error {
	if len(object) == 0 {
		return fmt.Errorf("%s: an empty object is no condition", pathName(path))
	}
	for key, value := range object {
		at := append(slices.Clone(path), key)
		var err error
		switch v := value.(type) {
		case map[string]any:
			err = p.compile(v, at)
		case []any:
			err = p.add(v, at)
		default:
			err = fmt.Errorf("%s: want a list or an object, found %v", pathName(at), value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// add compiles the alternatives of one field.
func (p *Pattern) add(alternatives []any, path []string) error {
	if len(alternatives) == 0 {
		return fmt.Errorf("%s: an empty list matches nothing", pathName(path))
	}
	f := field{path: path}
	for _, alternative := range alternatives {
		switch v := alternative.(type) {
		case string:
			f.values = append(f.values, v)
		case map[string]any:
			exists, ok := v["exists"].(bool)
			if !ok || len(v) != 1 {
				return fmt.Errorf(`%s: %v is unknown here: want a string, {"exists": true} or {"exists": false}`, pathName(path), v)
			}
			f.present, f.absent = f.present || exists, f.absent || !exists
		default:
			return fmt.Errorf(`%s: %v is unknown here: want a string, {"exists": true} or {"exists": false}`, pathName(path), v)
		}
	}
	p.fields = append(p.fields, f)
	return nil
}

func pathName(path []string) string {
	if len(path) == 0 {
		return "pattern"
	}
	return strings.Join(path, ".")
}

// leavesAt collects the scalar values at path, looking through arrays on the way
// and at its end. Objects are no leaves: "exists" asks about leaves only.
func leavesAt(value any, path []string, leaves []any) []any {
	if list, ok := value.([]any); ok {
		for _, item := range list {
			leaves = leavesAt(item, path, leaves)
		}
		return leaves
	}
	object, isObject := value.(map[string]any)
	switch {
	case len(path) == 0 && isObject:
		return leaves
	case len(path) == 0:
		return append(leaves, value)
	}
	next, ok := object[path[0]]
	if !ok {
		return leaves
	}
	return leavesAt(next, path[1:], leaves)
}
