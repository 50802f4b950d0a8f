package report

import (
	"strings"
	"unicode/utf8"

	"sgward/internal/finding"
)

// ink colours words for a terminal, or leaves them as they are. Colour never says
// what the words do not.
type ink bool

func (on ink) paint(code, s string) string {
	if !on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (on ink) bold(s string) string { return on.paint("1", s) }
func (on ink) dim(s string) string  { return on.paint("2", s) }

// decision colours s as what is done about it: red is closed, yellow is told.
func (on ink) decision(d finding.Decision, s string) string {
	switch d {
	case finding.DecisionRevoke:
		return on.paint("1;31", s)
	case finding.DecisionInspect:
		return on.paint("35", s)
	case finding.DecisionAlert:
		return on.paint("33", s)
	default:
		return on.paint("2", s)
	}
}

// screen lays out text for a terminal. What it is given is safe to show.
type screen struct {
	text strings.Builder
	ink
	width int
}

// put writes a line as it is.
func (s *screen) put(line string) { s.text.WriteString(line + "\n") }

// line writes one line, broken at blanks where it is wider than the screen. Further
// lines start with indent more blanks than the first.
func (s *screen) line(indent int, text string) {
	begin := len(text) - len(strings.TrimLeft(text, " "))
	s.put(wrapped(text, strings.Repeat(" ", begin+indent), s.width))
}

func (s *screen) blank() { s.put("") }

// heading starts a section.
func (s *screen) heading(text string) {
	s.blank()
	s.put(s.bold(text))
}

// wrapped breaks text at blanks into lines of at most width characters, as far as
// its words allow; all but the first start with indent. Runs of blanks within a line
// stay. Colour codes take no room.
func wrapped(text, indent string, width int) string {
	var b strings.Builder
	column, first := 0, true
	for text != "" {
		word := strings.TrimLeft(text, " ")
		blanks := len(text) - len(word)
		if end := strings.IndexByte(word, ' '); end >= 0 {
			word = word[:end]
		}
		text = text[blanks+len(word):]
		if word == "" {
			break
		}
		n := columns(word)
		if !first && column+blanks+n > width {
			b.WriteString("\n" + indent)
			column = len(indent)
		} else {
			b.WriteString(strings.Repeat(" ", blanks))
			column += blanks
		}
		b.WriteString(word)
		column += n
		first = false
	}
	return b.String()
}

// columns counts the characters of s without colour codes.
func columns(s string) int {
	n := utf8.RuneCountInString(s)
	for {
		begin := strings.IndexByte(s, '\x1b')
		if begin < 0 {
			return n
		}
		end := strings.IndexByte(s[begin:], 'm')
		if end < 0 {
			return n
		}
		n -= end + 1
		s = s[begin+end+1:]
	}
}

// padded fills s with blanks on the right up to n columns.
func padded(s string, n int) string { return s + strings.Repeat(" ", max(n-columns(s), 0)) }

// flushed is padded on the left, for numbers.
func flushed(s string, n int) string { return strings.Repeat(" ", max(n-columns(s), 0)) + s }
