package jsonscan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// wantNothing is what a step wants where the input may end.
const wantNothing = "nothing"

// failed handles a step that stopped at i because something was missing. It returns nil if
// more input was read and the step must be repeated.
func (s *Splitter) failed(i int, want string) error {
	if i == s.end && s.err == nil {
		if s.fill() {
			return nil
		}
		return s.tooLong()
	}
	if i == s.end && want == wantNothing && errors.Is(s.err, io.EOF) {
		s.state = atEnd
		return io.EOF
	}
	f := s.fault(i)
	switch {
	case i == s.end && errors.Is(s.err, io.EOF):
		f.Problem = "ends too early: want " + want
	case i == s.end:
		f.Problem = s.err.Error()
		s.err = io.EOF // reported once
	case want == tooDeep:
		f.Problem = fmt.Sprintf("is nested more than %d deep", MostDepth)
	case f.Offset == 0 && (bytes.HasPrefix(s.buf, []byte("\xff\xfe")) || bytes.HasPrefix(s.buf, []byte("\xfe\xff"))):
		f.Problem = "is UTF-16, as some shells write it: want UTF-8"
	default:
		f.Problem = "is not JSON: want " + want + ", found " + quoteByte(s.buf[i])
	}
	s.state = behindDamage
	return f
}

// fault returns a fault noticed at i. It leaves pos where reading may continue.
func (s *Splitter) fault(i int) *Fault {
	between := s.state == atTop && s.pos == s.end
	switch s.state {
	case atTop, firstElement, nextElement:
		if !between {
			s.index++
		}
		if s.buf[s.pos] == '{' { // which did not end well
			s.pos++
		}
	case afterElement, afterMember:
		between = true
	}
	s.damaged = true
	s.effort += int64(i - min(i, s.pos))
	return &Fault{Index: s.index, Between: between, Offset: s.base + int64(i), Line: s.line(i)}
}

func quoteByte(c byte) string {
	if c < 0x80 {
		return strconv.QuoteRune(rune(c))
	}
	return fmt.Sprintf("byte 0x%02x", c)
}

// line returns the line of what is at i, from 1.
func (s *Splitter) line(i int) int64 {
	newline := []byte{'\n'}
	if i < s.counted {
		return s.lines - int64(bytes.Count(s.buf[i:s.counted], newline)) + 1
	}
	s.lines += int64(bytes.Count(s.buf[s.counted:i], newline))
	s.counted = i
	return s.lines + 1
}

// fill drops the bytes before pos and reads until the buffer is full or the input ends. It
// returns false if there is no room left for a longer element.
func (s *Splitter) fill() bool {
	if s.pos == 0 && s.end == len(s.buf)-padding {
		if s.end > s.config.MaxElement {
			return false
		}
		longer := make([]byte, min(2*s.end, s.config.MaxElement+s.config.Buffer)+padding)
		copy(longer, s.buf[:s.end])
		s.buf = longer
	}
	if s.pos > 0 {
		s.line(s.pos) // counts the dropped lines
		copy(s.buf, s.buf[s.pos:s.end])
		s.base += int64(s.pos)
		s.end -= s.pos
		s.counted -= s.pos
		s.pos = 0
	}
	room := s.buf[:len(s.buf)-padding]
	for empty := 0; s.end < len(room) && s.err == nil; {
		n, err := s.in.Read(room[s.end:])
		s.end += n
		s.err = err
		if empty++; n > 0 {
			empty = 0
		} else if empty == 100 && err == nil {
			s.err = io.ErrNoProgress
		}
	}
	clear(s.buf[s.end : s.end+padding])
	s.backslash = -1
	return true
}

// tooLong handles an element at pos that does not fit.
func (s *Splitter) tooLong() error {
	at, before := s.pos, s.state
	if before == behindDamage { // it was a guess
		s.pos++
		return nil
	}
	f := s.fault(at)
	f.Problem = s.longer()
	if before == afterMember {
		s.state = behindDamage
		return f
	}
	s.pos, s.state, s.rest = at, withinLong, outline{}
	if s.follows = afterElement; before == atTop {
		s.follows = atTop
	}
	return f
}

// refuse returns the fault of an element that fits, but is too long.
func (s *Splitter) refuse(e Element) error {
	return &Fault{Index: e.Index, Offset: e.Offset, Line: e.Line, Problem: s.longer()}
}

func (s *Splitter) longer() string {
	return fmt.Sprintf("is longer than %d bytes", s.config.MaxElement)
}
