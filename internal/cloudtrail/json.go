package cloudtrail

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"sgward/internal/text"
)

// Limits on a record's content. CloudTrail stays far below them.
const (
	mostKnown = 20 // keys of one object that a reading function knows
	mostPath  = 32 // steps of a path that an error shows
	mostQuote = 64 // bytes of untrusted text that an error repeats
)

// reader walks through one JSON text, token by token, and stops at the first fault. Keys
// match exactly, and a known one may occur once. Bytes that are not UTF-8, and halves of
// surrogate pairs, are read as U+FFFD.
//
// After a failure its methods do nothing, so callers need not check for one.
type reader struct {
	data   []byte
	source bytes.Buffer // of data
	tokens jsontext.Decoder

	failed         bool
	field, problem string // the place of the fault, and its description
}

// reset makes the reader read data from the start.
func (r *reader) reset(data []byte) *reader {
	r.data, r.source = data, *bytes.NewBuffer(data)
	r.tokens.Reset(&r.source, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	r.failed, r.field, r.problem = false, "", ""
	return r
}

// fail records a fault at the last value read.
func (r *reader) fail(problem string) { r.failAt("", problem) }

// failAt records a fault at a member of the last value read.
func (r *reader) failAt(member, problem string) {
	if !r.failed {
		r.failed, r.field, r.problem = true, join(pathOf(r.tokens.StackPointer()), member), problem
	}
}

// mismatch records that the next value is not of the kind wanted.
func (r *reader) mismatch(want string) {
	if v := r.value(); !r.failed {
		r.found(v, want)
	}
}

// found records that a value is not the one wanted.
func (r *reader) found(v []byte, want string) { r.fail("want " + want + ", found " + nameOf(v)) }

// notJSON records that the text is not JSON, at the place that err names.
func (r *reader) notJSON(err error) {
	at, problem := r.tokens.InputOffset(), "ends too early"
	var fault *jsontext.SyntacticError
	if errors.As(err, &fault) {
		at, r.field = fault.ByteOffset, pathOf(fault.JSONPointer)
		if !errors.Is(fault.Err, io.ErrUnexpectedEOF) {
			problem = fault.Err.Error()
		}
	}
	r.failed, r.problem = true, fmt.Sprintf("is not JSON: %s (at byte %d)", problem, at)
}

// kind returns the kind of the next token.
func (r *reader) kind() jsontext.Kind {
	if r.failed {
		return jsontext.KindInvalid
	}
	return r.tokens.PeekKind()
}

// value reads any value and returns its bytes.
func (r *reader) value() []byte {
	if r.failed {
		return nil
	}
	v, err := r.tokens.ReadValue()
	if err != nil {
		r.notJSON(err)
		return nil
	}
	end := int(r.tokens.InputOffset()) // v is valid until the next value is read, data for longer
	return r.data[end-len(v) : end]
}

// token reads a token.
func (r *reader) token() {
	if _, err := r.tokens.ReadToken(); err != nil {
		r.notJSON(err)
	}
}

// end fails if anything but white space is left.
func (r *reader) end() {
	if r.failed {
		return
	}
	if _, err := r.tokens.ReadToken(); !errors.Is(err, io.EOF) {
		r.failed, r.field, r.problem = true, "", fmt.Sprintf("is not JSON: more follows after the value (at byte %d)", r.tokens.InputOffset())
	}
}

// open enters an object or list.
func (r *reader) open(kind jsontext.Kind, want string) bool {
	switch {
	case r.failed:
	case r.tokens.PeekKind() != kind:
		r.mismatch(want)
	default:
		r.token()
	}
	return !r.failed
}

// more reports whether the object or list has more members, and leaves it if not.
func (r *reader) more(closing jsontext.Kind) bool {
	switch r.kind() {
	case closing:
		r.token()
		return false
	case jsontext.KindInvalid:
		if !r.failed {
			r.token() // records the fault
		}
		return false
	}
	return true
}

// object reads an object. known is called for each key; it reads the value and returns
// true, or returns false to skip it. A known key that occurs twice is a fault, because
// either value could be meant.
func (r *reader) object(known func(key []byte) bool) {
	if !r.open('{', "an object") {
		return
	}
	var seen [mostKnown][]byte
	n := 0
	for r.more('}') {
		key := r.key()
		if r.failed {
			return
		}
		if !known(key) {
			r.value()
			continue
		}
		for _, k := range seen[:n] {
			if bytes.Equal(k, key) {
				r.fail("is given twice")
			}
		}
		if n < mostKnown {
			seen[n] = key
			n++
		}
	}
}

// key reads the name of a member.
func (r *reader) key() []byte {
	quoted := r.value()
	if r.failed {
		return nil
	}
	if inner := quoted[1 : len(quoted)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	key, _ := jsontext.AppendUnquote(nil, quoted) // the error would be about bytes that are not UTF-8
	return key
}

// array reads a list. element is called for each element and has to read it.
func (r *reader) array(element func()) {
	if !r.open('[', "a list") {
		return
	}
	for r.more(']') {
		element()
	}
}

// list reads a list in CloudTrail's spelling: {"items": [...]}, or {} if it is empty.
// element is called for each item and has to read it.
func (r *reader) list(element func()) {
	switch r.kind() {
	case 'n':
		r.token()
		return
	case '{':
	default:
		r.mismatch(`an object with "items"`)
		return
	}
	empty, items := true, false
	r.object(func(key []byte) bool {
		empty = false
		if string(key) != "items" {
			return false
		}
		items = true
		if r.null() {
			return true
		}
		if r.kind() == '{' {
			r.fail("want a list, found an object: a copy that another tool made, with lists of one item collapsed, is not a CloudTrail record")
			return true
		}
		r.array(element)
		return true
	})
	if !items && !empty {
		r.fail(`want an object with "items", found one without`)
	}
}

// items reads a list like list, and skips a value that is not a list.
func (r *reader) items(element func()) {
	if r.kind() != '{' {
		r.value()
		return
	}
	r.object(func(key []byte) bool {
		if string(key) != "items" || r.kind() != '[' {
			return false
		}
		r.array(element)
		return true
	})
}

// member reads an object, or null, for one of its members.
func (r *reader) member(name string, read func()) {
	if r.null() {
		return
	}
	r.object(func(key []byte) bool {
		if string(key) != name {
			return false
		}
		read()
		return true
	})
}

// raw reads any value and returns its bytes, nil for null.
func (r *reader) raw() []byte {
	if v := r.value(); len(v) > 0 && v[0] != 'n' {
		return v
	}
	return nil
}

// null reads a null, if there is one.
func (r *reader) null() bool {
	if r.kind() != 'n' {
		return false
	}
	r.token()
	return !r.failed
}

// boolean reads true or false; ok is false for null.
func (r *reader) boolean() (b, ok bool) {
	switch v := r.raw(); {
	case v == nil:
		return false, false
	case v[0] == 't', v[0] == 'f':
		return v[0] == 't', true
	default:
		r.found(v, "true or false")
		return false, false
	}
}

// text reads a string, "" for null.
func (r *reader) text() string { return r.textAs("") }

// textAs reads a string like text. If it equals likely, likely is returned and nothing is
// allocated: the items of a list repeat their group and account.
func (r *reader) textAs(likely string) string {
	switch v := r.raw(); {
	case v == nil:
		return ""
	case v[0] != '"':
		r.found(v, "a string")
		return ""
	case string(v[1:len(v)-1]) == likely: // a likely text has no escapes
		return likely
	default:
		return unquote(v)
	}
}

// textOrNumber reads a string, or a number as its digits, "" for null.
func (r *reader) textOrNumber() string {
	if r.kind() == '0' {
		return string(r.value())
	}
	return r.text()
}

// port reads a port, or an ICMP type or code: a whole number from -1 to 65535. ok is false
// for null. In the wrapped calls, whose records are made from XML, the number may be a
// string; elsewhere it may not.
func (r *reader) port(wrapped bool) (port int, ok bool) {
	const want = "a whole number from -1 to 65535"
	digits := r.raw()
	switch {
	case digits == nil:
		return 0, false
	case digits[0] == '"' && wrapped:
		digits = []byte(unquote(digits))
	case jsontext.Value(digits).Kind() != '0':
		r.found(digits, want)
		return 0, false
	}
	port, err := strconv.Atoi(string(digits))
	if err != nil || port < -1 || port > 65535 {
		r.fail("want " + want + ", found " + quote(string(digits)))
		return 0, false
	}
	return port, true
}

// refused reads the return value of a call and reports whether it is false. Copies and
// wrapped calls write it as a string. Anything but false counts as success, because a
// change mistaken for a failed one would stay open.
func (r *reader) refused() bool {
	if r.kind() == '"' {
		return strings.EqualFold(r.text(), "false")
	}
	ok, given := r.boolean()
	return given && !ok
}

// unquote decodes a JSON string.
func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted) {
		return string(quoted[1 : len(quoted)-1])
	}
	out, _ := jsontext.AppendUnquote(nil, quoted) // the error would be about bytes that are not UTF-8
	return string(out)
}

// nameOf describes a value in words.
func nameOf(value jsontext.Value) string {
	switch value.Kind() {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

// pathOf writes a pointer as a path, such as "ipPermissions.items[0].ipRanges".
func pathOf(pointer jsontext.Pointer) string {
	path, steps := "", 0
	for token := range pointer.Tokens() {
		if steps++; steps > mostPath {
			return path + "..."
		}
		path = join(path, step(token))
	}
	return path
}

// step writes a token of a pointer as a step of a path. A token of digits is an index: no
// key that is read is all digits.
func step(token string) string {
	if token != "" && strings.Trim(token, "0123456789") == "" {
		return "[" + token + "]"
	}
	if token == "" || clip(token) != token || strings.Contains(token, ".") {
		return quote(token)
	}
	return token
}

// join puts two paths together.
func join(path, member string) string {
	if path == "" || member == "" || member[0] == '[' {
		return path + member
	}
	return path + "." + member
}

// clip returns s unchanged if it is a short plain word, else quoted and cut.
func clip(s string) string {
	if len(s) > mostQuote {
		return quote(s)
	}
	for _, c := range []byte(s) {
		if c != '.' && c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return quote(s)
		}
	}
	return s
}

// quote returns s as a Go string literal, cut to a length that fits an error.
func quote(s string) string {
	if len(s) <= mostQuote {
		return strconv.Quote(s)
	}
	return strconv.Quote(text.CutBytes(s, mostQuote)) + "..."
}
