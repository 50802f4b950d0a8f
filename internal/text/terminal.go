package text

import (
	"io"
	"strings"
)

// Terminal describes the output: colours and width. The zero value is a file or a pipe: it has
// no colours, and its lines are not wrapped.
type Terminal struct {
	Color
	Width int // in columns; 0 means that lines are not wrapped
}

// Lines wraps each line of s at the width. A line goes on with its own indentation and two
// more blanks. Shell commands that are folded with backslashes stay as they are, because
// people paste them.
func (p Terminal) Lines(s string) string {
	if p.Width <= 0 {
		return s
	}
	lines := strings.Split(s, "\n")
	isFolded := false
	for i, line := range lines {
		wasFolded := isFolded
		isFolded = strings.HasSuffix(line, `\`)
		if isFolded || wasFolded || Columns(line) <= p.Width {
			continue
		}
		begin := len(line) - len(strings.TrimLeft(line, " "))
		lines[i] = Wrap(line, strings.Repeat(" ", begin+2), p.Width, 0)
	}
	return strings.Join(lines, "\n")
}

// Flow joins the lines of each paragraph of s and wraps them anew. Blank lines separate
// paragraphs; a line that begins with "- " or with one of starts begins another one.
func (p Terminal) Flow(s string, starts ...string) string {
	var out []string
	open := false // the last line takes more words
	for line := range strings.SplitSeq(s, "\n") {
		isItem := strings.HasPrefix(line, "- ")
		for _, start := range starts {
			isItem = isItem || strings.HasPrefix(line, start)
		}
		switch {
		case line == "":
			out, open = append(out, ""), false
		case open && !isItem:
			out[len(out)-1] += " " + strings.TrimSpace(line)
		default:
			out, open = append(out, line), true
		}
	}
	for i, line := range out {
		if p.Width <= 0 {
			break
		}
		indent := ""
		if strings.HasPrefix(line, "- ") {
			indent = "  "
		}
		out[i] = Wrap(line, indent, p.Width, 0)
	}
	return strings.Join(out, "\n")
}

// Writer writes lines to a terminal. Each Write holds whole lines, or the last one.
type Writer struct {
	Terminal
	To io.Writer
}

// Write wraps the lines of text.
func (w Writer) Write(text []byte) (int, error) {
	if w.Width <= 0 {
		return w.To.Write(text)
	}
	if _, err := io.WriteString(w.To, w.Lines(string(text))); err != nil {
		return 0, err
	}
	return len(text), nil
}
