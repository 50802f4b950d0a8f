package cloudtrail

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// stringToken reads a string and returns what is between its quotes, escapes and
// all. plain is true if that is also what the string means.
func (r *reader) stringToken() (inner []byte, plain bool) {
	r.pos++
	start, plain := r.pos, true
	for ; r.pos < len(r.data); r.pos++ {
		switch c := r.data[r.pos]; {
		case c == '"':
			inner = r.data[start:r.pos]
			r.pos++
			return inner, plain
		case c == '\\':
			plain = false
			if !r.escape() {
				return nil, false
			}
		case c < ' ':
			r.syntax("a control character in a string")
			return nil, false
		case c >= utf8.RuneSelf:
			plain = false // to be looked at: it may not be UTF-8
		}
	}
	r.syntax("ends too early")
	return nil, false
}

// escape checks the escape at the backslash and moves to its last byte.
func (r *reader) escape() bool {
	r.pos++
	if r.pos >= len(r.data) {
		r.syntax("ends too early")
		return false
	}
	switch r.data[r.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		if r.pos+4 < len(r.data) && hex4(r.data[r.pos+1:]) >= 0 {
			r.pos += 4
			return true
		}
	}
	r.syntax("a bad escape in a string")
	return false
}

// hex4 returns the number that the first four bytes of b spell, or -1.
func hex4(b []byte) rune {
	var n rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			n = n<<4 | rune(c-'A'+10)
		default:
			return -1
		}
	}
	return n
}

// unquote reads a string and returns what it means. The result may share memory
// with the reader's data.
func (r *reader) unquote() []byte {
	inner, plain := r.stringToken()
	if plain || r.failed || bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return inner
	}
	out := make([]byte, 0, len(inner))
	for len(inner) > 0 {
		if inner[0] != '\\' {
			c, size := utf8.DecodeRune(inner) // U+FFFD for what is not UTF-8
			out = utf8.AppendRune(out, c)
			inner = inner[size:]
			continue
		}
		c, size := unescape(inner)
		out = utf8.AppendRune(out, c)
		inner = inner[size:]
	}
	return out
}

// unescape returns the character that the escape at the start of b means, and the
// escape's length. The escape has been checked.
func unescape(b []byte) (rune, int) {
	switch b[1] {
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		c := hex4(b[2:])
		if !utf16.IsSurrogate(c) {
			return c, 6
		}
		if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
			if pair := utf16.DecodeRune(c, hex4(b[8:])); pair != utf8.RuneError {
				return pair, 12
			}
		}
		return utf8.RuneError, 6
	default: // the character itself
		return rune(b[1]), 2
	}
}

// numberToken reads a number.
func (r *reader) numberToken() []byte {
	start := r.pos
	if r.data[r.pos] == '-' {
		r.pos++
	}
	zero := r.pos < len(r.data) && r.data[r.pos] == '0'
	if n := r.digits(); n == 0 || zero && n > 1 {
		r.syntax("a bad number")
		return nil
	}
	if r.pos < len(r.data) && r.data[r.pos] == '.' {
		r.pos++
		if r.digits() == 0 {
			r.syntax("a bad number")
			return nil
		}
	}
	if r.pos < len(r.data) && (r.data[r.pos] == 'e' || r.data[r.pos] == 'E') {
		r.pos++
		if r.pos < len(r.data) && (r.data[r.pos] == '+' || r.data[r.pos] == '-') {
			r.pos++
		}
		if r.digits() == 0 {
			r.syntax("a bad number")
			return nil
		}
	}
	return r.data[start:r.pos]
}

// digits moves past digits and returns how many there were.
func (r *reader) digits() int {
	start := r.pos
	for r.pos < len(r.data) && '0' <= r.data[r.pos] && r.data[r.pos] <= '9' {
		r.pos++
	}
	return r.pos - start
}

// port reads a port, or an ICMP type or code: a whole number from -1 to 65535. ok
// is false for null. In the wrapped calls, whose records are made from XML, the
// number may be a string; elsewhere it may not.
func (r *reader) port(wrapped bool) (port int, ok bool) {
	if r.failed || r.null() {
		return 0, false
	}
	var digits string
	switch c := r.peek(); {
	case c == '-' || '0' <= c && c <= '9':
		digits = string(r.numberToken())
	case c == '"' && wrapped:
		digits = string(r.unquote())
	default:
		r.mismatch("a whole number from -1 to 65535")
	}
	if r.failed {
		return 0, false
	}
	port, err := strconv.Atoi(digits)
	if err != nil || port < -1 || port > 65535 {
		r.fail("want a whole number from -1 to 65535, found " + quote(digits))
		return 0, false
	}
	return port, true
}
