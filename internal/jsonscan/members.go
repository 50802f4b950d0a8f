package jsonscan

import (
	"bytes"
	"encoding/json"
	"iter"
)

// Members returns the members of an object that an Element holds: the key, unescaped,
// and the object from the member's value on. First cuts that off behind the value. Of
// other bytes it returns what looks like members.
func Members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, rest []byte) bool) {
		rest := trim(object)
		if len(rest) == 0 || rest[0] != '{' {
			return
		}
		for {
			rest = trim(rest[1:])
			if len(rest) == 0 || rest[0] != '"' {
				return
			}
			raw := First(rest)
			rest = trim(rest[len(raw):])
			if len(rest) == 0 || rest[0] != ':' {
				return
			}
			rest = trim(rest[1:])
			if !yield(unescaped(raw), rest) {
				return
			}
			rest = trim(rest[len(First(rest)):])
			if len(rest) == 0 || rest[0] != ',' {
				return
			}
		}
	}
}

// First returns the value that rest begins with.
func First(rest []byte) []byte {
	var o outline
	n, _ := o.skip(rest)
	return rest[:n]
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\n' || b[0] == '\r' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

// unescaped returns the text of a string that was read with its quotes; nil if it has
// escapes that JSON does not know.
func unescaped(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return bytes.Trim(raw, `"`)
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return nil
	}
	return []byte(s)
}
