package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"sgward/internal/text"
)

// Printer writes reports.
type Printer struct {
	Out   io.Writer
	JSON  bool // one line of JSON for each line
	Quiet bool // no lines that are OK, and no headings
	Color text.Color
	// ErrorText says in a person's words why a call failed.
	ErrorText func(error) string
}

type jsonLine struct {
	AccountID   string `json:"accountId"`
	AccountName string `json:"accountName,omitempty"`
	Region      string `json:"region"`
	Stack       string `json:"stack"`
	Check       string `json:"check"`
	Status      string `json:"status"`
	Text        string `json:"text"`
	Fix         string `json:"fix,omitempty"`
	Error       string `json:"error,omitempty"`
}

// Print writes one report of a stack.
func (p *Printer) Print(r *Report, stackName string) error {
	if p.JSON {
		return p.printJSON(r, stackName)
	}
	var b strings.Builder
	if !p.Quiet {
		fmt.Fprintf(&b, "Stack %s in account %s, %s\n", text.Visible(stackName), r.AccountID, r.Region)
	}
	for _, l := range r.Lines {
		if p.Quiet && l.Status == OK {
			continue
		}
		b.WriteString(p.line("  ", l))
	}
	if !p.Quiet {
		b.WriteString(sum(r.Count))
	}
	return p.write(b.String())
}

func (p *Printer) printJSON(r *Report, stackName string) error {
	for _, l := range r.Lines {
		out := jsonLine{AccountID: r.AccountID, AccountName: r.AccountName, Region: r.Region, Stack: stackName, Check: l.Check, Status: l.Status.String(), Text: l.Text, Fix: l.Fix}
		if l.Err != nil {
			out.Error = p.ErrorText(l.Err)
		}
		encoded, err := json.Marshal(out)
		if err != nil {
			return fmt.Errorf("encoding a line: %w", err)
		}
		if err := p.write(string(text.EscapeJSON(encoded)) + "\n"); err != nil {
			return err
		}
	}
	return nil
}

func (p *Printer) write(s string) error {
	if _, err := io.WriteString(p.Out, s); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// longest limits untrusted texts.
const longest = 600

func (p *Printer) line(indent string, l Line) string {
	out := indent + p.status(l.Status) + text.PadRight(l.Check, 14) + p.found(l) + "\n"
	if l.Fix != "" {
		out += indent + strings.Repeat(" ", 23) + text.Visible(l.Fix) + "\n"
	}
	return out
}

// status is a column with a status.
func (p *Printer) status(s Status) string {
	style := map[Status]text.Style{OK: text.Green, Warning: text.Yellow, Failure: text.Red}[s]
	status := s.String()
	if s == Failure {
		status = "FAILURE"
	}
	return p.Color.Apply(style, text.PadRight(status, 9))
}

// found says what a check found.
func (p *Printer) found(l Line) string {
	out := text.Shown(text.Visible(l.Text), longest)
	if l.Err != nil {
		out += ": " + text.Shown(text.Visible(p.ErrorText(l.Err)), longest)
	}
	return out
}

// bySeverity are the statuses, the worst first.
var bySeverity = [...]Status{Failure, Unknown, Warning, OK}

// sum is a line with the number of lines of each status.
func sum(count func(Status) int) string {
	var parts []string
	for _, s := range bySeverity {
		n := count(s)
		switch {
		case n == 0:
		case s == Failure || s == Warning:
			parts = append(parts, text.Plural(n, s.String()))
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	return strings.Join(parts, ", ") + "\n"
}

// ErrIncomplete says that some checks could not be completed.
var ErrIncomplete = errors.New("the examination is incomplete")
