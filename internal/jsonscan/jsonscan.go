// Package jsonscan splits JSON that is too long to hold into its elements: those of
// the lists that an object at the top has under given keys ({"Records":[...]}), those
// of a list at the top, and values one after the other (NDJSON). Package jsontext does
// this at a third of the speed, and ends at the first damage: this one reads each byte
// about once, checks the grammar on its way, holds one buffer, and goes on behind damage.
// It decodes nothing.
package jsonscan

import (
	"fmt"
	"io"
)

// Limits.
const (
	// MostDepth is how many objects and lists may be within each other in an element.
	MostDepth = 1000
	// leastBuffer holds what a step has to see at once of what is no element.
	leastBuffer = 2 * padding

	defaultBuffer = 128 << 10
)

// Config says what a Splitter looks for. All but Buffer is required.
type Config struct {
	// Lists are the keys of an object at the top whose lists are split. An object with
	// none of them is an element itself, and so is one where they hold no list.
	Lists []string
	// Resume tells, of an object that was found behind damage, whether it is an element:
	// it may also be one that belongs into an element that was damaged.
	Resume func(object []byte) bool
	// MaxElement is the length in bytes above which an element is a fault and is skipped.
	// The Splitter's buffer holds Buffer bytes as long as elements are shorter than that; it
	// doubles for longer ones, so that at worst 2*(MaxElement+Buffer) bytes are in use while
	// it grows.
	MaxElement int
	// Buffer is how many bytes are read at once; 0 stands for 128 KiB.
	Buffer int
}

// Element is one element of a list, or a value of its own.
type Element struct {
	InList bool
	// Index counts elements from 1, over all lists of the input. One that is damaged is
	// counted, as one.
	Index int64
	// Offset is where the element begins in the input, in bytes from 0; Line the same in
	// lines from 1.
	Offset int64
	Line   int64
	// JSON is the element. What is within its strings was not checked: there may be
	// control characters, unknown escapes and bytes that are not UTF-8. It is valid until
	// the next call of Next or Reset.
	JSON []byte
}

// Fault is what keeps a part of the input from being read.
type Fault struct { //nolint:errname // it is read field by field, as Element is
	// Index is that of the damaged element, or of the last one in front if Between is set:
	// then the fault is not in an element. 0 stands for none.
	Index   int64
	Between bool
	// Offset and Line are where it was noticed, in bytes from 0 and lines from 1.
	Offset int64
	Line   int64
	// Problem says what was found and what is right there, such as `want , or }, found 'x'`.
	Problem string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%s (at byte %d, line %d)", f.Problem, f.Offset, f.Line)
}

// state is what is read next.
type state uint8

const (
	atTop        state = iota // a value, or the end
	firstElement              // the first element of a list, or its end
	nextElement               // an element
	afterElement              // a comma, or the end of a list
	afterMember               // a comma, or the end of an object that has a list
	withinLong                // the rest of an element that is too long to hold
	behindDamage              // the next thing that can be understood
	atEnd
)

// Splitter splits one input after the other. Its methods are for one goroutine.
type Splitter struct {
	config Config

	in   io.Reader
	err  error // that reading ended with, io.EOF at the end
	buf  []byte
	end  int   // of what was read into buf; padding follows
	base int64 // offset of buf[0] in the input

	state   state
	pos     int // of what is read next; nothing before it is needed any more
	index   int64
	counted int   // up to where in buf newlines were counted
	lines   int64 // newlines before it
	damaged bool  // there was a fault

	behindList state // that the present list is left for
	listed     bool  // a list was entered

	sought    int             // from where in buf a backslash was looked for
	backslash int             // where the first one is, or the end; -1 if nobody has looked
	closing   [MostDepth]byte // what ends each object and list that is being read

	rest    outline // of what is read withinLong
	follows state   // withinLong
	effort  int64   // bytes that were read in vain, because of damage
}

// New returns a Splitter that is at the end of an empty input: Reset gives it one.
func New(c Config) *Splitter {
	if c.Buffer == 0 {
		c.Buffer = defaultBuffer
	}
	c.Buffer = max(c.Buffer, leastBuffer)
	return &Splitter{config: c, state: atEnd}
}

// Reset begins another input, and forgets everything about the one before.
func (s *Splitter) Reset(in io.Reader) {
	buf := s.buf
	if len(buf) != s.config.Buffer+padding { // one long element is no reason to hold much for ever
		buf = make([]byte, s.config.Buffer+padding)
	}
	clear(buf[:padding])
	*s = Splitter{config: s.config, in: in, buf: buf, backslash: -1}
}

// HasList tells whether there was a list so far, be it empty.
func (s *Splitter) HasList() bool { return s.listed }

// Offset returns where the next step begins in the input: behind the last element.
func (s *Splitter) Offset() int64 { return s.base + int64(s.pos) }

// Read returns how many bytes of the input were read.
func (s *Splitter) Read() int64 { return s.base + int64(s.end) }

// Next returns the next element. The error is io.EOF at the end of the input, or a
// *Fault; after that, Next goes on with the next element that it can tell.
func (s *Splitter) Next() (Element, error) {
	for {
		var e Element
		var at int
		var want string // "" if the step succeeded; else at is where that was missing
		switch s.state {
		case atTop:
			e, at, want = s.top()
		case firstElement, nextElement:
			e, at, want = s.element()
		case afterElement:
			at, want = s.separator()
		case afterMember:
			at, want = s.member()
		case withinLong:
			at, want = s.skip()
		case behindDamage:
			at, want = s.resume()
		case atEnd:
			return Element{}, io.EOF
		}
		switch {
		case want != "":
			if err := s.failed(at, want); err != nil {
				return Element{}, err
			}
		case len(e.JSON) > s.config.MaxElement:
			return Element{}, s.refuse(e)
		case e.JSON != nil:
			return e, nil
		}
	}
}
