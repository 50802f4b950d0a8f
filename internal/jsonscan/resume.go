package jsonscan

import (
	"bytes"
	"errors"
)

// errGivenUp is for an input that was crafted to be hard to read.
var errGivenUp = errors.New("is damaged so that the rest cannot be split into elements")

// wantRest is what skip wants.
const wantRest = "the end of what is too long"

// outline finds the end of a value that is too long to hold.
type outline struct {
	depth             int
	inString, escaped bool
}

// skip returns how many of the bytes belong to the value, and whether it has ended.
func (o *outline) skip(b []byte) (n int, ended bool) {
	for i, c := range b {
		switch {
		case o.escaped:
			o.escaped = false
		case o.inString:
			o.escaped = c == '\\'
			if c == '"' {
				if o.inString = false; o.depth == 0 {
					return i + 1, true
				}
			}
		case c == '"':
			o.inString = true
		case c == '{', c == '[':
			o.depth++
		case c == '}', c == ']':
			if o.depth == 0 { // of the list around a number
				return i, true
			}
			if o.depth--; o.depth == 0 {
				return i + 1, true
			}
		case o.depth == 0 && (c == ',' || c == ' ' || c == '\n' || c == '\r' || c == '\t'):
			return i, true
		}
	}
	return len(b), false
}

// skip skips the rest of an element that is too long.
func (s *Splitter) skip() (int, string) {
	n, ended := s.rest.skip(s.buf[s.pos:s.end])
	if s.pos += n; !ended {
		return s.end, wantRest
	}
	s.state = s.follows
	return 0, ""
}

// resume looks after damage for a place to continue: a wanted list, or a valid object that
// Config.Resume takes for an element and whose successor may follow an element. A part of
// the damaged element is thus not mistaken for an element.
func (s *Splitter) resume() (int, string) {
	for ; ; s.pos++ {
		i := bytes.IndexByte(s.buf[s.pos:s.end], '{')
		if i < 0 {
			s.pos = s.end
			return s.end, wantNothing
		}
		s.pos += i
		// Each object in the damaged part may cost another read. Accidental damage costs
		// little; input crafted to cost much is abandoned.
		if s.effort > 4*int64(s.config.MaxElement)+8*(s.base+int64(s.pos)) {
			s.pos, s.err = s.end, errGivenUp
			return s.end, wantNothing
		}
		if s.startsList(s.pos) {
			s.state = atTop
			return 0, ""
		}
		end, want := s.value(s.pos)
		s.effort += int64(end - s.pos)
		if want == "" && !s.config.Resume(s.buf[s.pos:end]) {
			continue
		}
		next := space(s.buf, end)
		after := next
		if want == "" && s.buf[next] == ',' {
			after = space(s.buf, next+1)
		}
		if after == s.end && s.err == nil {
			return s.end, wantNothing // it may be valid, as far as it was read
		}
		if want != "" {
			continue
		}
		switch c := s.buf[next]; {
		case c == ']', c == ',' && (after == s.end || s.buf[after] == '{'):
			s.state = nextElement
			return 0, ""
		case next == s.end, c == '{', c == '[':
			s.state = atTop
			return 0, ""
		}
	}
}

// startsList reports whether the object at i begins with a wanted list that holds objects
// or nothing.
func (s *Splitter) startsList(i int) bool {
	key := space(s.buf, i+1)
	for _, list := range s.config.Lists {
		if !bytes.HasPrefix(s.buf[key:s.end], []byte(`"`+list+`"`)) {
			continue
		}
		colon := space(s.buf, key+len(list)+2)
		if s.buf[colon] != ':' {
			return false
		}
		bracket := space(s.buf, colon+1)
		if s.buf[bracket] != '[' {
			return false
		}
		first := s.buf[space(s.buf, bracket+1)]
		return first == '{' || first == ']'
	}
	return false
}
