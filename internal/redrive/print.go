package redrive

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"sgward/internal/text"
)

// Printer writes results, and counts them. The zero value counts only.
type Printer struct {
	Out  io.Writer // nil: nothing is written
	JSON bool      // results are lines of JSON
	// Most is how many letters are written as text; 0 means all.
	Most int

	counts    map[Outcome]int
	functions map[string]int // how many letters are, or were, for each function
	written   int
	err       error // the first of writing
}

// line is a result in JSON.
type line struct {
	MessageID string  `json:"messageId"`
	Since     string  `json:"since,omitempty"`
	Function  string  `json:"function,omitempty"`
	Event     string  `json:"event,omitempty"`
	Reason    string  `json:"reason,omitempty"`
	Unknown   string  `json:"unknown,omitempty"`
	Outcome   Outcome `json:"outcome"`
	Error     string  `json:"error,omitempty"`
}

// Result writes one result.
func (p *Printer) Result(r Handled) {
	if p.counts == nil {
		p.counts, p.functions = map[Outcome]int{}, map[string]int{}
	}
	p.counts[r.Outcome]++
	if r.Outcome == Shown && r.Unknown != "" {
		p.counts[Kept]++ // it will be
	} else if r.Outcome == Shown || r.Outcome == Sent || r.Outcome == Undeleted {
		p.functions[r.Function]++
	}
	if p.Out == nil || p.Most > 0 && p.written >= p.Most {
		return
	}
	p.written++
	if p.JSON {
		out := line{MessageID: r.ID, Function: r.Function, Event: r.What, Reason: r.Why, Unknown: r.Unknown, Outcome: r.Outcome}
		if !r.Since.IsZero() {
			out.Since = r.Since.UTC().Format(time.RFC3339)
		}
		if r.Err != nil {
			out.Error = r.Err.Error()
		}
		encoded, err := json.Marshal(out)
		if err == nil {
			_, err = p.Out.Write(append(text.EscapeJSON(encoded), '\n'))
		}
		p.note(err)
		return
	}
	_, err := io.WriteString(p.Out, r.text())
	p.note(err)
}

func (p *Printer) note(err error) {
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("writing results: %w", err)
	}
}

// longest limits untrusted texts in lines for people.
const longest = 400

func (r Handled) text() string {
	var b strings.Builder
	b.WriteString(text.Visible(r.ID))
	if r.Function != "" {
		b.WriteString(", for " + r.Function)
	}
	if !r.Since.IsZero() {
		b.WriteString(", since " + text.Time(r.Since))
	}
	switch r.Outcome {
	case Sent:
		b.WriteString(": sent back")
	case Failed, Undeleted, Kept:
		b.WriteString(": " + strings.ToUpper(string(r.Outcome)))
	case Shown:
	}
	b.WriteString("\n")
	for _, part := range []string{r.What, r.Why} {
		if part != "" {
			b.WriteString("  " + text.Shown(text.Visible(part), longest) + "\n")
		}
	}
	if r.Unknown != "" {
		b.WriteString("  It stays in the queue: " + text.Shown(text.Visible(r.Unknown), longest) + ".\n")
	}
	if r.Err != nil {
		b.WriteString("  " + text.Shown(text.Visible(r.Err.Error()), longest) + "\n")
	}
	return b.String()
}

// Count returns how many letters had an outcome.
func (p *Printer) Count(o Outcome) int { return p.counts[o] }

// Unwritten returns how many letters were left out because of Most.
func (p *Printer) Unwritten() int {
	return p.counts[Shown] + p.counts[Sent] + p.counts[Failed] + p.counts[Undeleted] - p.written
}

// Err returns the first error of writing.
func (p *Printer) Err() error { return p.err }

// Functions says how many letters are for which function: "2 for detect and 1 for sweep".
func (p *Printer) Functions() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(p.functions)) {
		parts = append(parts, text.Thousands(p.functions[name])+" for "+name)
	}
	if n := len(parts); n > 1 {
		return strings.Join(parts[:n-1], ", ") + " and " + parts[n-1]
	}
	return strings.Join(parts, "")
}
