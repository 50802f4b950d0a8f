package jsonscan

import (
	"bytes"
	"strings"
)

// padding follows the input in a buffer: zero bytes, which are invalid in JSON, so that
// the end needs no check at every byte. It holds the longest literal.
const padding = 8

// The parts that a value may lack, in the words of messages.
const (
	wantValue    = "a value"
	wantKey      = "a key"
	wantFirstKey = "a key or }"
	wantColon    = ":"
	wantMember   = ", or }"
	wantElement  = ", or ]"
	wantDigit    = "a digit"
	wantSpace    = "white space"
	wantEnd      = "the end of a string"
	tooDeep      = "no more depth" // has a message of its own
)

// value reads the value at i, after white space, and returns its end. If it cannot, it
// returns where it stopped and what was missing, "" if nothing was.
//
// This is the hot loop. Strings are most bytes of JSON, so bytes.IndexByte finds their
// ends, 32 bytes at once; a backslash before the quote is searched for in advance, once
// for many strings.
func (s *Splitter) value(i int) (int, string) {
	b, n, depth := s.buf, s.end, 0
	s.lookForBackslash(i)
values:
	for {
		if b[i] <= ' ' {
			i = space(b, i)
		}
		switch b[i] {
		case '"':
			end := s.stringFrom(i + 1)
			if end < 0 {
				return n, wantEnd
			}
			i = end
		case '{', '[':
			if depth == MostDepth {
				return i, tooDeep
			}
			closing := b[i] + 2 // ASCII has ] two behind [, and } two behind {
			s.closing[depth] = closing
			depth++
			if i = space(b, i+1); b[i] == closing {
				i++
				depth--
				break
			}
			if closing == '}' {
				var want string
				if i, want = s.memberKey(i, wantFirstKey); want != "" {
					return i, want
				}
			}
			continue values
		case 't':
			if string(b[i:i+4]) != "true" {
				return s.unlike(i, "true"), wantValue
			}
			i += 4
		case 'n':
			if string(b[i:i+4]) != "null" {
				return s.unlike(i, "null"), wantValue
			}
			i += 4
		case 'f':
			if string(b[i:i+5]) != "false" {
				return s.unlike(i, "false"), wantValue
			}
			i += 5
		default:
			var want string
			if i, want = number(b, i); want != "" {
				return i, want
			}
			if i == n && s.err == nil {
				return n, wantDigit // it may go on
			}
		}
		for { // a value has ended
			if depth == 0 {
				return i, ""
			}
			if b[i] <= ' ' {
				i = space(b, i)
			}
			switch closing := s.closing[depth-1]; b[i] {
			case closing:
				i++
				depth--
				continue
			case ',':
				i++
				if closing == '}' {
					var want string
					if i, want = s.memberKey(i, wantKey); want != "" {
						return i, want
					}
				}
				continue values
			default:
				if closing == '}' {
					return i, wantMember
				}
				return i, wantElement
			}
		}
	}
}

// unlike returns where the literal at i goes wrong: at its beginning, or where the input
// ends.
func (s *Splitter) unlike(i int, literal string) int {
	if strings.HasPrefix(literal, string(s.buf[i:min(i+len(literal), s.end)])) {
		return s.end
	}
	return i
}

// memberKey reads a key and the colon after it, and returns the end.
func (s *Splitter) memberKey(i int, want string) (int, string) {
	b := s.buf
	if b[i] <= ' ' {
		i = space(b, i)
	}
	if b[i] != '"' {
		return i, want
	}
	if i = s.stringFrom(i + 1); i < 0 {
		return s.end, wantEnd
	}
	if b[i] <= ' ' {
		i = space(b, i)
	}
	if b[i] != ':' {
		return i, wantColon
	}
	return i + 1, ""
}

// stringFrom returns the end of the string whose text begins at i, or -1 if it has none.
func (s *Splitter) stringFrom(i int) int {
	b := s.buf[:s.end]
	for end := i; ; end++ {
		j := bytes.IndexByte(b[end:], '"')
		if j < 0 {
			return -1
		}
		if end += j; end <= s.backslash {
			return end + 1
		}
		escapes := 0
		for end-escapes > i && b[end-escapes-1] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			s.backslash = -1
			s.lookForBackslash(end)
			return end + 1
		}
	}
}

// lookForBackslash sets backslash to the index of the first one from i on, or the end.
func (s *Splitter) lookForBackslash(i int) {
	if s.sought <= i && i <= s.backslash {
		return
	}
	s.sought, s.backslash = i, s.end
	if j := bytes.IndexByte(s.buf[i:s.end], '\\'); j >= 0 {
		s.backslash = i + j
	}
}

// space returns the index of the first byte from i on that is not white space.
func space(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t' {
		i++
	}
	return i
}

// number reads a number: -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)?
func number(b []byte, i int) (int, string) {
	want := wantValue
	if b[i] == '-' {
		i++
		want = wantDigit
	}
	start := i
	if i = digits(b, i); i == start {
		return i, want
	}
	if b[start] == '0' {
		i = start + 1
	}
	if b[i] == '.' {
		i++
		if start = i; digits(b, i) == start {
			return i, wantDigit
		}
		i = digits(b, i)
	}
	if b[i] == 'e' || b[i] == 'E' {
		i++
		if b[i] == '+' || b[i] == '-' {
			i++
		}
		if start = i; digits(b, i) == start {
			return i, wantDigit
		}
		i = digits(b, i)
	}
	return i, ""
}

func digits(b []byte, i int) int {
	for '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}
