package ec2api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// object is a JSON object that keeps the order of its members, so that records
// read as CloudTrail writes them and are the same bytes every time.
type object []field

// field's value is nil, a string, a bool, an int, an object or []object.
type field struct {
	key   string
	value any
}

// text adds a member unless it is empty.
func (o object) text(key, value string) object {
	if value == "" {
		return o
	}
	return append(o, field{key, value})
}

// items is CloudTrail's spelling of a list: {"items":[...]}, or {} when empty.
func items(list []object) object {
	if len(list) == 0 {
		return object{}
	}
	return object{{"items", list}}
}

func each[T any](values []T, show func(T) object) object {
	out := make([]object, len(values))
	for i, v := range values {
		out[i] = show(v)
	}
	return items(out)
}

func appendJSON(dst []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case string:
		return appendString(dst, v)
	case object:
		dst = append(dst, '{')
		for i, f := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, f.key), ':')
			dst = appendJSON(dst, f.value)
		}
		return append(dst, '}')
	case []object:
		dst = append(dst, '[')
		for i, o := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, o)
		}
		return append(dst, ']')
	default:
		panic(fmt.Sprintf("ec2api: a record holds a %T", value))
	}
}

// appendString quotes without Go's escapes of <, > and &, which AWS does not use.
func appendString(dst []byte, s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always encodes
	return append(dst, bytes.TrimRight(b.Bytes(), "\n")...)
}
