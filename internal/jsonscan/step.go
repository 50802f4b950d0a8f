package jsonscan

import (
	"bytes"
	"encoding/json/jsontext"
	"slices"
)

// The steps below read from pos on. Each either succeeds, moves pos and sets the next
// state, or returns where it stopped and what it wanted there; it is then repeated from
// the same pos once more input was read. No step keeps anything of a failed attempt.

// byteOrderMark begins files of some editors and shells. RFC 8259, section 8.1 lets
// readers ignore it.
const byteOrderMark = "\ufeff"

// top reads a value of its own, or the beginning of an object or list to split.
func (s *Splitter) top() (Element, int, string) {
	if s.base+int64(s.pos) == 0 && bytes.HasPrefix(s.buf[:s.end], []byte(byteOrderMark)) {
		s.pos = len(byteOrderMark)
	}
	i := space(s.buf, s.pos)
	s.pos = i
	switch c := s.buf[i]; {
	case i == s.end:
		if s.err == nil {
			return Element{}, i, wantValue
		}
		return Element{}, i, wantNothing
	case c == '{':
		return s.topObject(i)
	case s.damaged: // whatever it is, it belongs to the damaged element
		s.state = behindDamage
		return Element{}, 0, ""
	case c == '[':
		s.enter(i+1, atTop)
		return Element{}, 0, ""
	}
	end, want := s.value(i)
	if want == "" && space(s.buf, end) == end && (end < s.end || s.err == nil) {
		want = wantSpace
	}
	if want != "" {
		return Element{}, end, want
	}
	return s.deliver(end, false, atTop), 0, ""
}

// topObject reads the object at i up to the first wanted list, or to its end: then it is
// an element.
func (s *Splitter) topObject(i int) (Element, int, string) {
	if j := space(s.buf, i+1); s.buf[j] == '}' {
		return s.deliver(j+1, false, atTop), 0, ""
	}
	i++
	for want := wantFirstKey; ; want = wantKey {
		end, list, missing := s.memberOf(i, want)
		switch {
		case missing != "":
			return Element{}, end, missing
		case list:
			return Element{}, 0, ""
		}
		switch i = space(s.buf, end); s.buf[i] {
		case ',':
			i++
		case '}':
			return s.deliver(i+1, false, atTop), 0, ""
		default:
			return Element{}, i, wantMember
		}
	}
}

// memberOf reads a member of a top-level object. If the member is a wanted list, it enters
// it.
func (s *Splitter) memberOf(i int, want string) (end int, list bool, missing string) {
	s.lookForBackslash(i)
	i = space(s.buf, i)
	end, missing = s.memberKey(i, want)
	if missing != "" {
		return end, false, missing
	}
	key := s.buf[i:end] // with the colon
	i = space(s.buf, end)
	if s.buf[i] == '[' && s.isList(key[:bytes.LastIndexByte(key, '"')+1]) {
		s.enter(i+1, afterMember)
		return i + 1, true, ""
	}
	end, missing = s.value(i)
	return end, false, missing
}

// isList reports whether a list under a key, which is in quotes, is to be split.
func (s *Splitter) isList(key []byte) bool {
	text, err := jsontext.AppendUnquote(nil, key)
	return err == nil && slices.Contains(s.config.Lists, string(text))
}

// enter begins a list whose first element is at pos. behind is the state after the list.
func (s *Splitter) enter(pos int, behind state) {
	s.pos, s.state, s.behindList, s.listed = pos, firstElement, behind, true
}

// element reads an element of a list, or the end of a list that has none.
func (s *Splitter) element() (Element, int, string) {
	i := space(s.buf, s.pos)
	s.pos = i
	if s.state == firstElement && s.buf[i] == ']' {
		s.pos, s.state = i+1, s.behindList
		return Element{}, 0, ""
	}
	end, want := s.value(i)
	if want != "" {
		return Element{}, end, want
	}
	return s.deliver(end, true, afterElement), 0, ""
}

// deliver returns the element from pos to end.
func (s *Splitter) deliver(end int, inList bool, next state) Element {
	s.index++
	e := Element{InList: inList, Index: s.index, Offset: s.base + int64(s.pos), Line: s.line(s.pos), JSON: s.buf[s.pos:end:end]}
	s.pos, s.state = end, next
	return e
}

// separator reads the separator after an element of a list.
func (s *Splitter) separator() (int, string) {
	i := space(s.buf, s.pos)
	s.pos = i
	switch s.buf[i] {
	case ',':
		s.pos, s.state = i+1, nextElement
		return 0, ""
	case ']':
		s.pos, s.state = i+1, s.behindList
		return 0, ""
	default:
		return i, wantElement
	}
}

// member reads the next member of an object whose list was split, or the end of the
// object.
func (s *Splitter) member() (int, string) {
	i := space(s.buf, s.pos)
	s.pos = i
	switch s.buf[i] {
	case '}':
		s.pos, s.state = i+1, atTop
		return 0, ""
	case ',':
	default:
		return i, wantMember
	}
	end, list, missing := s.memberOf(i+1, wantKey)
	if missing == "" && !list {
		s.pos = end
	}
	return end, missing
}
