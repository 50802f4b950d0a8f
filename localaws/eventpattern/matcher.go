package eventpattern

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// matcher is one alternative of a field. It sees every leaf at the field's path;
// none means that the field is absent.
type matcher interface {
	matches(leaves []any) bool
}

// anyLeaf adapts a test of one value: the field matches if one leaf does.
type anyLeaf func(leaf any) bool

func (m anyLeaf) matches(leaves []any) bool { return slices.ContainsFunc(leaves, m) }

// exists asks for presence (true) or absence (false) of the field.
type exists bool

func (m exists) matches(leaves []any) bool { return (len(leaves) > 0) == bool(m) }

func compileMatchers(list []any) ([]matcher, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("an empty list matches nothing")
	}
	matchers := make([]matcher, 0, len(list))
	for _, item := range list {
		m, err := compileMatcher(item)
		if err != nil {
			return nil, err
		}
		matchers = append(matchers, m)
	}
	return matchers, nil
}

func compileMatcher(item any) (matcher, error) {
	switch v := item.(type) {
	case map[string]any:
		if len(v) != 1 {
			return nil, fmt.Errorf("an operator is an object with one key, found %d", len(v))
		}
		for operator, operand := range v {
			return compileOperator(operator, operand)
		}
	case []any:
		return nil, fmt.Errorf("a list inside a list is no value")
	}
	return anyLeaf(func(leaf any) bool { return equal(leaf, item) }), nil
}

func compileOperator(operator string, operand any) (matcher, error) {
	switch operator {
	case "exists":
		want, ok := operand.(bool)
		if !ok {
			return nil, fmt.Errorf("exists: want true or false, found %s", kindOf(operand))
		}
		return exists(want), nil
	case "anything-but":
		return compileAnythingBut(operand)
	case "numeric":
		return compileNumeric(operand)
	}
	test, err := compileTextTest(operator, operand)
	if err != nil {
		return nil, err
	}
	return anyLeaf(test), nil
}

// compileTextTest compiles the operators on strings, which anything-but may wrap.
// They are false for a leaf of another type.
func compileTextTest(operator string, operand any) (func(leaf any) bool, error) {
	var compare func(text, want string) bool
	switch operator {
	case "prefix":
		compare = strings.HasPrefix
	case "suffix":
		compare = strings.HasSuffix
	case "equals-ignore-case":
		compare = strings.EqualFold
	default:
		return nil, fmt.Errorf("operator %q is not known here", operator)
	}
	want, ok := operand.(string)
	if !ok {
		return nil, fmt.Errorf("%s: want a string, found %s", operator, kindOf(operand))
	}
	return func(leaf any) bool {
		text, isText := leaf.(string)
		return isText && compare(text, want)
	}, nil
}

// compileAnythingBut compiles a negation. A missing field does not match it: with
// several leaves, one that is not excluded is enough.
func compileAnythingBut(operand any) (matcher, error) {
	switch v := operand.(type) {
	case map[string]any:
		if len(v) != 1 {
			return nil, fmt.Errorf("anything-but: want one operator, found %d", len(v))
		}
		for operator, inner := range v {
			tests, err := compileTextTests(operator, inner)
			if err != nil {
				return nil, fmt.Errorf("anything-but: %w", err)
			}
			return anyLeaf(func(leaf any) bool {
				return !slices.ContainsFunc(tests, func(test func(any) bool) bool { return test(leaf) })
			}), nil
		}
	case []any:
		if len(v) == 0 {
			return nil, fmt.Errorf("anything-but: an empty list excludes nothing")
		}
		for _, item := range v {
			if !isScalar(item) {
				return nil, fmt.Errorf("anything-but: want strings or numbers, found %s", kindOf(item))
			}
		}
		return anyLeaf(func(leaf any) bool {
			return !slices.ContainsFunc(v, func(excluded any) bool { return equal(leaf, excluded) })
		}), nil
	}
	return anyLeaf(func(leaf any) bool { return !equal(leaf, operand) }), nil
}

// compileTextTests takes one string or a list of them.
func compileTextTests(operator string, operand any) ([]func(any) bool, error) {
	operands, isList := operand.([]any)
	if !isList {
		operands = []any{operand}
	}
	if len(operands) == 0 {
		return nil, fmt.Errorf("%s: an empty list excludes nothing", operator)
	}
	tests := make([]func(any) bool, 0, len(operands))
	for _, item := range operands {
		test, err := compileTextTest(operator, item)
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
	}
	return tests, nil
}

// compileNumeric compiles [op, number] or [op, number, op, number], a conjunction.
func compileNumeric(operand any) (matcher, error) {
	list, ok := operand.([]any)
	if !ok || (len(list) != 2 && len(list) != 4) {
		return nil, fmt.Errorf(`numeric: want [operator, number] once or twice`)
	}
	var tests []func(*big.Rat) bool
	for i := 0; i < len(list); i += 2 {
		operator, _ := list[i].(string)
		bound, ok := number(list[i+1])
		if !ok {
			return nil, fmt.Errorf("numeric: want a number after %v, found %s", list[i], kindOf(list[i+1]))
		}
		var accept func(order int) bool
		switch operator {
		case "<":
			accept = func(order int) bool { return order < 0 }
		case "<=":
			accept = func(order int) bool { return order <= 0 }
		case "=":
			accept = func(order int) bool { return order == 0 }
		case ">=":
			accept = func(order int) bool { return order >= 0 }
		case ">":
			accept = func(order int) bool { return order > 0 }
		default:
			return nil, fmt.Errorf("numeric: operator %v is not known here", list[i])
		}
		tests = append(tests, func(n *big.Rat) bool { return accept(n.Cmp(bound)) })
	}
	return anyLeaf(func(leaf any) bool {
		n, ok := number(leaf)
		if !ok {
			return false
		}
		for _, test := range tests {
			if !test(n) {
				return false
			}
		}
		return true
	}), nil
}

// equal compares scalars as EventBridge does: by type, numbers by value (300 and
// 3.0e2 are one number).
func equal(leaf, want any) bool {
	if a, ok := number(leaf); ok {
		b, ok := number(want)
		return ok && a.Cmp(b) == 0
	}
	return isScalar(leaf) && isScalar(want) && leaf == want
}

func number(value any) (*big.Rat, bool) {
	n, ok := value.(json.Number)
	if !ok {
		return nil, false
	}
	// Exponents beyond EventBridge's own range (15 digits) would only cost memory.
	if f, err := n.Float64(); err != nil || f > 1e30 || f < -1e30 {
		return nil, false
	}
	return new(big.Rat).SetString(n.String())
}

func isScalar(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

func kindOf(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	default:
		return "an object"
	}
}

func pathName(path []string) string {
	if len(path) == 0 {
		return "pattern"
	}
	return strings.Join(path, ".")
}
