package report

import (
	"strings"

	"sgward/internal/policy"
	"sgward/internal/text"
)

// ink colours words for a terminal, or leaves them as they are.
type ink struct{ text.Ink }

func (on ink) bold(s string) string { return on.Paint(text.Bold, s) }
func (on ink) dim(s string) string  { return on.Paint(text.Dim, s) }

// decision colours s as what is done about it: red is closed, yellow is told.
func (on ink) decision(d policy.Verdict, s string) string {
	switch d {
	case policy.Revoke:
		return on.Paint(text.BoldRed, s)
	case policy.Undetermined:
		return on.Paint(text.Magenta, s)
	case policy.Alert:
		return on.Paint(text.Yellow, s)
	default:
		return on.Paint(text.Dim, s)
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
func (s *screen) line(indent int, line string) {
	begin := len(line) - len(strings.TrimLeft(line, " "))
	s.put(text.Wrap(line, strings.Repeat(" ", begin+indent), s.width, 0))
}

func (s *screen) blank() { s.put("") }

// heading starts a section.
func (s *screen) heading(text string) {
	s.blank()
	s.put(s.bold(text))
}
