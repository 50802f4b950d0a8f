package tour

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"sgward/internal/text"
)

// width is the number of columns that the tour is written for.
const width = 80

// screen writes lines to a terminal or a file. The first write error stays, and ends
// the writing.
type screen struct {
	text.Ink
	out io.Writer
	err error
}

func (s *screen) line(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.out, format+"\n", args...)
	}
}

// title writes a heading with a rule below it.
func (s *screen) title(out string) {
	s.line("")
	s.line("%s", s.Paint(text.Bold, out))
	s.line("%s", s.Paint(text.Dim, strings.Repeat("─", min(width, utf8.RuneCountInString(out)))))
}

// paragraph writes wrapped text.
func (s *screen) paragraph(how text.Style, indent, out string) {
	for _, l := range wrap(out, width-utf8.RuneCountInString(indent)) {
		s.line("%s%s", indent, s.Paint(how, l))
	}
}

// wrap breaks s at spaces into lines of at most limit characters; a longer word is
// broken where it must. Spaces at the start of s indent every line.
func wrap(s string, limit int) []string {
	body := strings.TrimLeft(s, " ")
	indent := strings.Repeat(" ", min(len(s)-len(body), limit/2))
	return strings.Split(text.Wrap(indent+body, indent, limit, limit-len(indent)), "\n")
}

// command shows a shell command whose line breaks the caller has chosen, so that it
// can be pasted.
func (s *screen) command(lines ...string) {
	for i, l := range lines {
		start := "     "
		if i == 0 {
			start = "   $ "
		}
		s.line("%s%s", start, s.Paint(text.Cyan, l))
	}
}
