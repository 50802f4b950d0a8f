package tour

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// width is the number of columns that the tour is written for.
const width = 80

// style is an ANSI "select graphic rendition" sequence.
type style string

const (
	plain  style = ""
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

// screen writes lines to a terminal or a file. The zero color is none, and nothing
// depends on color alone. The first write error stays, and ends the writing.
type screen struct {
	out   io.Writer
	color bool
	err   error
}

func (s *screen) line(format string, args ...any) {
	if s.err == nil {
		_, s.err = fmt.Fprintf(s.out, format+"\n", args...)
	}
}

// paint wraps text in a style where there is color.
func (s *screen) paint(how style, text string) string {
	if !s.color || how == plain || text == "" {
		return text
	}
	return "\x1b[" + string(how) + "m" + text + "\x1b[0m"
}

// title writes a heading with a rule below it.
func (s *screen) title(text string) {
	s.line("")
	s.line("%s", s.paint(bold, text))
	s.line("%s", s.paint(dim, strings.Repeat("─", min(width, utf8.RuneCountInString(text)))))
}

// paragraph writes wrapped text.
func (s *screen) paragraph(how style, indent, text string) {
	for _, l := range wrap(text, width-utf8.RuneCountInString(indent)) {
		s.line("%s%s", indent, s.paint(how, l))
	}
}

// wrap breaks text at spaces into lines of at most limit characters; a longer word
// is broken where it must. Spaces at the start of the text indent every line.
func wrap(text string, limit int) []string {
	body := strings.TrimLeft(text, " ")
	indent := strings.Repeat(" ", min(len(text)-len(body), limit/2))
	limit -= len(indent)
	var lines []string
	line, used := "", 0
	flush := func() {
		lines = append(lines, indent+line)
		line, used = "", 0
	}
	for _, word := range strings.Fields(body) {
		n := utf8.RuneCountInString(word)
		if used > 0 && used+1+n > limit {
			flush()
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		for n > limit {
			runes := []rune(word)
			line = string(runes[:limit])
			flush()
			word = string(runes[limit:])
			n -= limit
		}
		line, used = line+word, used+n
	}
	if used > 0 || len(lines) == 0 {
		flush()
	}
	return lines
}

// command shows a shell command whose line breaks the caller has chosen, so that it
// can be pasted.
func (s *screen) command(lines ...string) {
	for i, l := range lines {
		start := "     "
		if i == 0 {
			start = "   $ "
		}
		s.line("%s%s", start, s.paint(cyan, l))
	}
}
