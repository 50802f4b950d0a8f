package cli

import (
	"io"
	"os"

	"golang.org/x/term"

	"sgward/internal/report"
	"sgward/internal/text"
)

// terminal describes w: a terminal with its width and colours, or plain output.
func (in Invocation) terminal(w io.Writer) text.Terminal {
	f, ok := bare(w).(*os.File)
	if !ok || !isTerminal(f) {
		return text.Terminal{}
	}
	p := text.Terminal{Color: text.Color(in.wantsColor())}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 { // some terminals do not know theirs
		p.Width = max(width, leastWidth)
	}
	return p
}

// leastWidth is the width for which lines are wrapped on narrower terminals.
const leastWidth = 40

// forPeople returns a writer of lines that people read on w. Results for programs go to w
// itself.
func (in Invocation) forPeople(w io.Writer) text.Writer {
	return text.Writer{Terminal: in.terminal(w), To: bare(w)}
}

// results returns the writer of a command's results: of lines that people read, or bare for
// the formats of programs.
func (f *outputFlags) results(in Invocation) io.Writer {
	if f.format == string(report.Text) {
		return in.forPeople(in.Stdout)
	}
	return in.Stdout
}

// bare returns the writer behind forPeople.
func bare(w io.Writer) io.Writer {
	if p, ok := w.(text.Writer); ok {
		return p.To
	}
	return w
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := bare(w).(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// wantsColor follows https://no-color.org: any value but the empty one means no.
func (in Invocation) wantsColor() bool {
	value, _ := in.LookupEnv("NO_COLOR")
	return value == ""
}
