package dynamodbapi

import (
	"maps"
	"strings"
)

// updateItem writes attributes of one item if a condition holds. Of DynamoDB's expressions
// it knows the forms that the product uses; all others are refused.
func (s *Server) updateItem(body []byte) (any, *apiError) {
	var in struct {
		TableName                           string
		Key                                 Item
		UpdateExpression                    string
		ConditionExpression                 string
		ExpressionAttributeValues           Item
		ReturnValues                        string
		ReturnValuesOnConditionCheckFailure string
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, err
	}
	key, err := t.keyOf(in.Key, true)
	if err != nil {
		return nil, err
	}
	e := expression{item: t.items[key], values: in.ExpressionAttributeValues, used: map[string]bool{}}
	holds := true
	if in.ConditionExpression != "" {
		if holds, err = e.condition(in.ConditionExpression); err != nil {
			return nil, err
		}
	}
	next, err := e.set(in.UpdateExpression)
	if err != nil {
		return nil, err
	}
	for name := range in.ExpressionAttributeValues {
		if !e.used[name] {
			return nil, refuse("ValidationException", "Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", name)
		}
	}
	if !holds {
		failure := refuse("ConditionalCheckFailedException", "The conditional request failed")
		if in.ReturnValuesOnConditionCheckFailure == "ALL_OLD" {
			failure.item = e.item
		}
		return nil, failure
	}
	next[t.key] = in.Key[t.key]
	if _, err := t.keyOf(next, false); err != nil {
		return nil, err
	}
	if next.size() > maxItem {
		return nil, refuse("ValidationException", "Item size to update has exceeded the maximum allowed size")
	}
	answer := any(struct{}{})
	switch in.ReturnValues {
	case "", "NONE":
	case "ALL_NEW":
		answer = struct{ Attributes Item }{next}
	default:
		return nil, refuse("ValidationException", "ReturnValues %s is unknown here", in.ReturnValues)
	}
	t.items[key] = next
	return answer, nil
}

// expression evaluates the expressions of one request.
type expression struct {
	item   Item // nil if there is none
	values Item
	used   map[string]bool
}

// value returns the value of a placeholder.
func (e expression) value(name string) (Value, *apiError) {
	v, ok := e.values[name]
	if !strings.HasPrefix(name, ":") || !ok {
		return Value{}, refuse("ValidationException", "An expression attribute value used in expression is not defined; attribute value: %s", name)
	}
	e.used[name] = true
	return v, nil
}

// condition knows attribute_not_exists(name), contains(name, :value) and name = :value.
func (e expression) condition(text string) (bool, *apiError) {
	inside := func(function string) (string, bool) {
		rest, isCall := strings.CutPrefix(text, function+"(")
		rest, isWhole := strings.CutSuffix(rest, ")")
		return strings.TrimSpace(rest), isCall && isWhole
	}
	if name, ok := inside("attribute_not_exists"); ok {
		_, isThere := e.item[name]
		return !isThere, nil
	}
	if both, ok := inside("contains"); ok {
		name, operand, _ := strings.Cut(both, ", ")
		v, err := e.value(operand)
		if err != nil {
			return false, err
		}
		held := e.item[name].S
		return held != nil && v.S != nil && strings.Contains(*held, *v.S), nil
	}
	name, operand, isEquality := strings.Cut(text, " = ")
	if !isEquality || strings.ContainsAny(name, " (<>") {
		return false, refuse("ValidationException", "ConditionExpression %q is unknown here", text)
	}
	v, err := e.value(operand)
	if err != nil {
		return false, err
	}
	held, isThere := e.item[name]
	return isThere && held.equals(v), nil
}

// set knows SET with assignments of placeholders and of other attributes.
func (e expression) set(text string) (Item, *apiError) {
	next := maps.Clone(e.item)
	if next == nil {
		next = Item{}
	}
	assignments, isSet := strings.CutPrefix(text, "SET ")
	if !isSet {
		return nil, refuse("ValidationException", "UpdateExpression %q is unknown here", text)
	}
	for assignment := range strings.SplitSeq(assignments, ", ") {
		name, operand, isAssignment := strings.Cut(assignment, " = ")
		if !isAssignment {
			return nil, refuse("ValidationException", "UpdateExpression %q is unknown here", text)
		}
		if !strings.HasPrefix(operand, ":") {
			v, isThere := e.item[operand]
			if !isThere && e.item != nil {
				return nil, refuse("ValidationException", "The provided expression refers to an attribute that does not exist in the item")
			}
			next[name] = v
			continue
		}
		v, err := e.value(operand)
		if err != nil {
			return nil, err
		}
		next[name] = v
	}
	return next, nil
}

func (v Value) equals(o Value) bool {
	same := func(a, b *string) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
	return same(v.S, o.S) && same(v.N, o.N)
}
