// Package eventpattern decides whether a JSON event matches an EventBridge event
// pattern or a Lambda event source filter, which share one language.
//
// It knows exact values, nesting, "$or", exists, prefix, suffix,
// equals-ignore-case, anything-but (values, prefix, suffix, equals-ignore-case)
// and numeric. Any other operator is an error when the pattern is compiled: a
// stand-in that quietly never matched would be worse than none.
//
// As on EventBridge, arrays in the event are looked through: a field matches when
// any element does, and two fields of an array of objects may match in different
// elements.
package eventpattern

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Pattern is a compiled event pattern, safe for concurrent use. The zero value
// matches nothing; patterns come from Compile.
type Pattern struct {
	root condition
}

// condition is one part of a pattern: a field, a conjunction or a disjunction.
type condition interface {
	holds(event any) bool
}

type allOf []condition

func (c allOf) holds(event any) bool {
	for _, part := range c {
		if !part.holds(event) {
			return false
		}
	}
	return true
}

type anyOf []condition

func (c anyOf) holds(event any) bool {
	for _, part := range c {
		if part.holds(event) {
			return true
		}
	}
	return false
}

// field is the list of alternatives that a pattern gives for one path.
type field struct {
	path     []string
	matchers []matcher
}

func (f field) holds(event any) bool {
	leaves := leavesAt(event, f.path, nil)
	return slices.ContainsFunc(f.matchers, func(m matcher) bool { return m.matches(leaves) })
}

// Compile reads a pattern: a JSON object whose leaves are lists of values or
// operators. It returns an error for anything that the package does not know and
// for a pattern without a single field.
func Compile(src []byte) (*Pattern, error) {
	value, err := decode(src)
	if err != nil {
		return nil, fmt.Errorf("reading event pattern: %w", err)
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("reading event pattern: want a JSON object, found %s", kindOf(value))
	}
	root, err := compileObject(object, nil)
	if err != nil {
		return nil, fmt.Errorf("reading event pattern: %w", err)
	}
	return &Pattern{root: root}, nil
}

// Matches reports whether event, a JSON document, matches. An event that is not
// JSON is an error.
func (p *Pattern) Matches(event []byte) (bool, error) {
	value, err := decode(event)
	if err != nil {
		return false, fmt.Errorf("reading event: %w", err)
	}
	return p.root != nil && p.root.holds(value), nil
}

func compileObject(object map[string]any, path []string) (condition, error) {
	if len(object) == 0 {
		return nil, fmt.Errorf("%s: an empty object is no condition", pathName(path))
	}
	var all allOf
	for key, value := range object {
		if key == "$or" {
			either, err := compileOr(value, path)
			if err != nil {
				return nil, err
			}
			all = append(all, either)
			continue
		}
		at := append(slices.Clone(path), key)
		switch v := value.(type) {
		case map[string]any:
			nested, err := compileObject(v, at)
			if err != nil {
				return nil, err
			}
			all = append(all, nested)
		case []any:
			matchers, err := compileMatchers(v)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", pathName(at), err)
			}
			all = append(all, field{path: at, matchers: matchers})
		default:
			return nil, fmt.Errorf("%s: want a list or an object, found %s", pathName(at), kindOf(value))
		}
	}
	return all, nil
}

func compileOr(value any, path []string) (condition, error) {
	list, ok := value.([]any)
	if !ok || len(list) < 2 {
		return nil, fmt.Errorf(`%s: "$or" wants a list of two or more objects`, pathName(path))
	}
	var either anyOf
	for _, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf(`%s: "$or" wants objects, found %s`, pathName(path), kindOf(item))
		}
		branch, err := compileObject(object, path)
		if err != nil {
			return nil, err
		}
		either = append(either, branch)
	}
	return either, nil
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
	if len(path) == 0 {
		if isObject {
			return leaves
		}
		return append(leaves, value)
	}
	if !isObject {
		return leaves
	}
	next, ok := object[path[0]]
	if !ok {
		return leaves
	}
	return leavesAt(next, path[1:], leaves)
}

// decode keeps numbers as written, so that large ones compare exactly.
func decode(src []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(src))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return value, nil
}
