package cloudtrail

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits on what a record may hold. CloudTrail stays far below them.
const (
	mostDepth = 1000 // objects and lists within each other
	mostKnown = 16   // keys of one object that a reading function knows
	mostPath  = 32   // steps of a path that an error shows
	mostQuote = 64   // bytes of strangers' text that an error repeats
)

// reader reads one JSON text (RFC 8259) from front to back, each byte once, and
// stops at the first thing that is not as expected. It exists beside
// encoding/json for what that cannot do: matching keys exactly, refusing a key
// given twice, and naming the place of a fault with its list index. Like
// encoding/json it reads bytes that are not UTF-8, and halves of surrogate pairs,
// as U+FFFD.
//
// Its methods may be called after a failure and then do nothing, so that only
// those who need to know ask for failed.
type reader struct {
	data  []byte
	pos   int
	depth int

	failed  bool
	problem string
	path    []string // of the fault, innermost step first; grows as calls return
}

// fail records a fault at the value that is being read.
func (r *reader) fail(problem string) {
	if !r.failed {
		r.failed, r.problem = true, problem
	}
}

// failAt records a fault at a member of the value that is being read.
func (r *reader) failAt(member, problem string) {
	if !r.failed {
		r.fail(problem)
		r.path = append(r.path, member)
	}
}

// mismatch records that something else than want is there.
func (r *reader) mismatch(want string) {
	if r.pos >= len(r.data) {
		r.unexpected(want)
		return
	}
	found := "what is not JSON"
	switch c := r.data[r.pos]; {
	case c == '{':
		found = "an object"
	case c == '[':
		found = "a list"
	case c == '"':
		found = "a string"
	case c == 't', c == 'f':
		found = "true or false"
	case c == 'n':
		found = "null"
	case c == '-', '0' <= c && c <= '9':
		found = "a number"
	}
	r.fail("want " + want + ", found " + found)
}

func (r *reader) syntax(what string) {
	r.fail(fmt.Sprintf("is not JSON: %s (at byte %d)", what, r.pos))
}

// unexpected records that JSON's grammar asks for something else than what is there.
func (r *reader) unexpected(want string) {
	if r.pos >= len(r.data) {
		r.syntax("ends too early")
		return
	}
	r.syntax("want " + want + ", found " + strconv.QuoteRune(rune(r.data[r.pos])))
}

// field returns the path of the fault, outermost step first, below prefix.
func (r *reader) field(prefix string) string {
	var b strings.Builder
	b.WriteString(prefix)
	for i, shown := len(r.path)-1, 0; i >= 0; i, shown = i-1, shown+1 {
		if shown == mostPath {
			b.WriteString("...")
			break
		}
		if b.Len() > 0 && r.path[i][0] != '[' {
			b.WriteByte('.')
		}
		b.WriteString(r.path[i])
	}
	return b.String()
}

// peek skips white space and returns the next byte, or 0 at the end.
func (r *reader) peek() byte {
	for ; r.pos < len(r.data); r.pos++ {
		switch c := r.data[r.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// end fails if anything but white space is left.
func (r *reader) end() {
	if !r.failed && (r.peek() != 0 || r.pos < len(r.data)) {
		r.syntax("more follows after the value")
	}
}

// open enters an object or list. It returns false if there is none, or an empty
// one, which is then left again.
func (r *reader) open(opening, closing byte, want string) bool {
	if r.failed {
		return false
	}
	if r.peek() != opening {
		r.mismatch(want)
		return false
	}
	if r.depth++; r.depth > mostDepth {
		r.fail(fmt.Sprintf("is nested more than %d deep", mostDepth))
		return false
	}
	r.pos++
	if r.peek() == closing {
		r.pos++
		r.depth--
		return false
	}
	return true
}

// more moves past a comma, or leaves the object or list and returns false.
func (r *reader) more(closing byte) bool {
	switch r.peek() {
	case ',':
		r.pos++
		return true
	case closing:
		r.pos++
		r.depth--
	default:
		r.unexpected("a comma or " + string(closing))
	}
	return false
}

// object reads an object. known is called for each key; it reads the value and
// returns true, or returns false to have it passed over. A known key given twice
// is a fault: which one counts would be a guess.
func (r *reader) object(known func(key []byte) bool) {
	if !r.open('{', '}', "an object") {
		return
	}
	var seen [mostKnown][]byte
	n := 0
	for again := true; again; again = r.more('}') {
		key := r.key()
		if r.failed {
			return
		}
		if known(key) {
			for _, k := range seen[:n] {
				if bytes.Equal(k, key) {
					r.fail("is given twice")
				}
			}
			if n < mostKnown {
				seen[n] = key
				n++
			}
		} else {
			r.skip()
		}
		if r.failed {
			r.path = append(r.path, step(key))
			return
		}
	}
}

// array reads a list. element is called for each element and has to read it.
func (r *reader) array(element func()) {
	if !r.open('[', ']', "a list") {
		return
	}
	i := 0
	for again := true; again; again = r.more(']') {
		element()
		if r.failed {
			r.path = append(r.path, "["+strconv.Itoa(i)+"]")
			return
		}
		i++
	}
}

// list reads a list in CloudTrail's spelling: {"items": [...]}, {} where it is
// empty. element is called for each item and has to read it.
func (r *reader) list(element func()) {
	if r.failed || r.null() {
		return
	}
	if r.peek() != '{' {
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
		if r.peek() == '{' {
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

// skip reads any value and forgets it.
func (r *reader) skip() {
	if r.failed {
		return
	}
	switch c := r.peek(); {
	case c == '{':
		r.object(func([]byte) bool { return false })
	case c == '[':
		r.array(r.skip)
	case c == '"':
		r.stringToken()
	case c == '-' || '0' <= c && c <= '9':
		r.numberToken()
	case c == 't':
		r.literal("true")
	case c == 'f':
		r.literal("false")
	case c == 'n':
		r.literal("null")
	default:
		r.unexpected("a value")
	}
}

// raw reads any value and returns its bytes, nil for null.
func (r *reader) raw() []byte {
	if r.failed || r.null() {
		return nil
	}
	r.peek()
	start := r.pos
	r.skip()
	return r.data[start:r.pos]
}

// null reads a null, if there is one.
func (r *reader) null() bool {
	if r.failed || r.peek() != 'n' {
		return false
	}
	return r.literal("null")
}

func (r *reader) literal(word string) bool {
	if !bytes.HasPrefix(r.data[r.pos:], []byte(word)) {
		r.unexpected(word)
		return false
	}
	r.pos += len(word)
	return true
}

// boolean reads true or false; ok is false for null.
func (r *reader) boolean() (b, ok bool) {
	if r.failed || r.null() {
		return false, false
	}
	switch r.peek() {
	case 't':
		return true, r.literal("true")
	case 'f':
		return false, r.literal("false")
	}
	r.mismatch("true or false")
	return false, false
}

// text reads a string, "" for null.
func (r *reader) text() string {
	if r.failed || r.null() {
		return ""
	}
	if r.peek() != '"' {
		r.mismatch("a string")
		return ""
	}
	return string(r.unquote())
}

// textAs reads a string like text. If it is the likely one, that is returned and
// no memory is taken: the items of a list repeat their group and account.
func (r *reader) textAs(likely string) string {
	if r.failed || r.peek() != '"' {
		return r.text()
	}
	if s := r.unquote(); string(s) != likely {
		return string(s)
	}
	return likely
}

// textOrNumber reads a string, or a number as its digits, "" for null.
func (r *reader) textOrNumber() string {
	if c := r.peek(); !r.failed && (c == '-' || '0' <= c && c <= '9') {
		return string(r.numberToken())
	}
	return r.text()
}

// key reads a key and the colon after it.
func (r *reader) key() []byte {
	if r.peek() != '"' {
		r.unexpected("a key in quotes")
		return nil
	}
	key := r.unquote()
	if r.failed {
		return nil
	}
	if r.peek() != ':' {
		r.unexpected("a colon after the key")
		return nil
	}
	r.pos++
	return key
}

// step returns key as a step of a path.
func step(key []byte) string {
	plain := len(key) > 0 && len(key) <= mostQuote
	for _, c := range key {
		plain = plain && (c == '_' || c == '-' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z')
	}
	if plain {
		return string(key)
	}
	return quote(string(key))
}

// quote returns s as a Go string literal, cut to a length fit for an error.
func quote(s string) string {
	if len(s) <= mostQuote {
		return strconv.Quote(s)
	}
	cut := mostQuote
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}
