package tour

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"sgward/internal/text"
)

// The number of columns that the tour is written for, and the fewest and most that it uses.
const (
	usualWidth = 80
	leastWidth = 40
	mostWidth  = 100
)

// screen writes lines to a terminal or a file. The first write error stays, and ends
// the writing.
type screen struct {
	text.Color
	out   io.Writer
	width int // in columns
	err   error
}

// newScreen returns a screen of a width in columns; 0 is the usual one.
func newScreen(out io.Writer, color bool, width int) *screen {
	if width == 0 {
		width = usualWidth
	}
	return &screen{out: out, Color: text.Color(color), width: min(max(width, leastWidth), mostWidth)}
}

func (s *screen) line(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.out, format+"\n", args...)
	}
}

// title writes a heading with a rule below it.
func (s *screen) title(out string) {
	s.line("")
	s.line("%s", s.Apply(text.Bold, out))
	s.line("%s", s.Apply(text.Dim, strings.Repeat("─", min(s.width, utf8.RuneCountInString(out)))))
}

// paragraph writes wrapped text.
func (s *screen) paragraph(how text.Style, indent, out string) {
	for _, l := range wrap(out, s.width-utf8.RuneCountInString(indent)) {
		s.line("%s%s", indent, s.Apply(how, l))
	}
}

// wrap breaks s at spaces into lines of at most limit characters. A longer word, such as an
// ARN, stays whole. Spaces at the start of s indent every line.
func wrap(s string, limit int) []string { return broken(s, limit, 0) }

// wrapCode is wrap for text that no reader takes for words: what is too long is broken.
func wrapCode(s string, limit int) []string { return broken(s, limit, limit) }

func broken(s string, limit, longest int) []string {
	body := strings.TrimLeft(s, " ")
	indent := strings.Repeat(" ", min(len(s)-len(body), limit/2))
	if longest > 0 {
		longest -= len(indent)
	}
	return strings.Split(text.Wrap(indent+body, indent, limit, longest), "\n")
}

// code shows lines that people paste.
func (s *screen) code(lines ...string) {
	for _, l := range lines {
		s.line("%s", s.Apply(text.Cyan, l))
	}
}

// command shows a shell command whose line breaks the caller has chosen, so that it
// can be pasted.
func (s *screen) command(lines ...string) {
	for i, l := range lines {
		start := "     "
		if i == 0 {
			start = "   $ "
		}
		s.line("%s%s", start, s.Apply(text.Cyan, l))
	}
}
