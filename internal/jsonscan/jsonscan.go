// Package jsonscan splits JSON that is too long to hold into its elements: those of the
// lists under given keys of a top-level object ({"Records":[...]}), those of a top-level
// list, and values one after the other (NDJSON). It decodes nothing.
//
// Package jsontext does this at a third of the speed, and stops at the first damage. This
// package reads each byte about once, checks the grammar, holds one buffer, and continues
// after damage.
package jsonscan

import (
	"fmt"
	"io"
)

// Limits.
const (
	// MostDepth is the deepest nesting of objects and lists in an element.
	MostDepth = 1000
	// leastBuffer holds the most that a step must see at once outside elements.
	leastBuffer = 2 * padding

	defaultBuffer = 128 << 10
)

// Config configures a Splitter. All fields but Buffer are required.
type Config struct {
	// Lists are the keys of a top-level object whose lists are split. An object without
	// such a list is itself an element.
	Lists []string
	// Resume reports whether an object found after damage is an element: it may also be a
	// part of the damaged element.
	Resume func(object []byte) bool
	// MaxElement is the longest element in bytes: a longer one is a fault and is skipped.
	// The buffer holds Buffer bytes as long as elements are shorter, and doubles for
	// longer ones, so at most 2*(MaxElement+Buffer) bytes are in use while it grows.
	MaxElement int
	// Buffer is the number of bytes read at once; 0 means 128 KiB.
	Buffer int
}

// Element is one element of a list, or a value of its own.
type Element struct {
	InList bool
	// Index counts elements from 1, over all lists of the input, including damaged ones.
	Index int64
	// Offset is where the element begins in the input, in bytes from 0; Line the same in
	// lines from 1.
	Offset int64
	Line   int64
	// JSON is the element. The content of its strings is not checked: there may be control
	// characters, unknown escapes and bytes that are not UTF-8. It is valid until the next
	// call of Next or Reset.
	JSON []byte
}

// Fault is a part of the input that cannot be read.
type Fault struct { //nolint:errname // it is read field by field, as Element is
	// Index is that of the damaged element or, if Between is set, of the last element
	// before the fault. 0 means none.
	Index   int64
	Between bool
	// Offset and Line are where the fault was noticed, in bytes from 0 and lines from 1.
	Offset int64
	Line   int64
	// Problem says what was found and what is expected, such as `want , or }, found 'x'`.
	Problem string
}

func (f *Fault) Error() string {
	return fmt.Sprintf("%s (at byte %d, line %d)", f.Problem, f.Offset, f.Line)
}

// state is the kind of the next part.
type state uint8

const (
	atTop        state = iota // a value, or the end
	firstElement              // the first element of a list, or its end
	nextElement               // an element
	afterElement              // a comma, or the end of a list
	afterMember               // a comma, or the end of an object that has a list
	withinLong                // the rest of an element that is too long to hold
	behindDamage              // the next part that can be read
	atEnd
)

// Splitter splits one input after the other. It must be used by one goroutine at a time.
type Splitter struct {
	config Config

	in   io.Reader
	err  error // the error that ended reading, io.EOF at the end
	buf  []byte
	end  int   // of the bytes read into buf; padding follows
	base int64 // offset of buf[0] in the input

	state   state
	pos     int // of the next part; nothing before it is needed any more
	index   int64
	counted int   // up to where in buf newlines were counted
	lines   int64 // newlines before it
	damaged bool  // there was a fault

	behindList state // the state after the present list
	listed     bool  // a list was entered

	sought    int             // from where in buf a backslash was searched for
	backslash int             // where the first one is, or the end; -1 before a search
	closing   [MostDepth]byte // the closing bytes of the open objects and lists

	rest    outline // the rest of the element withinLong
	follows state   // withinLong
	effort  int64   // bytes read in vain, because of damage
}

// New returns a Splitter at the end of an empty input; Reset gives it one.
func New(c Config) *Splitter {
	if c.Buffer == 0 {
		c.Buffer = defaultBuffer
	}
	c.Buffer = max(c.Buffer, leastBuffer)
	return &Splitter{config: c, state: atEnd}
}

// Reset starts another input, and forgets the one before.
func (s *Splitter) Reset(in io.Reader) {
	buf := s.buf
	if len(buf) != s.config.Buffer+padding { // one long element is not a reason to keep a large buffer
		buf = make([]byte, s.config.Buffer+padding)
	}
	clear(buf[:padding])
	*s = Splitter{config: s.config, in: in, buf: buf, backslash: -1}
}

// HasList reports whether there was a list so far, even an empty one.
func (s *Splitter) HasList() bool { return s.listed }

// Offset returns the start of the next step in the input: after the last element.
func (s *Splitter) Offset() int64 { return s.base + int64(s.pos) }

// Read returns how many bytes of the input were read.
func (s *Splitter) Read() int64 { return s.base + int64(s.end) }

// Next returns the next element. The error is io.EOF at the end of the input, or a *Fault,
// after which Next continues with the next element that it can identify.
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
