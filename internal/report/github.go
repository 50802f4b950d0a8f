package report

import (
	"bufio"
	"io"
	"strconv"
	"strings"

	"sgward/internal/policy"
	"sgward/internal/text"
)

// githubWriter writes a workflow command of GitHub Actions for each finding and problem,
// which GitHub shows beside the file and line
// (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands).
// Excepted findings get none. It holds one finding.
//
// GitHub shows ten errors and ten warnings of a step; the log has them all.
type githubWriter struct {
	out *bufio.Writer
	run Run
}

func newGitHub(w io.Writer, run Run) *githubWriter { return &githubWriter{bufio.NewWriter(w), run} }

func (w *githubWriter) Entry(e Entry) error {
	if e.Verdict == policy.Exempt && e.Compared == nil {
		return nil
	}
	severity := e.Severity
	if e.Compared != nil && e.Verdict == policy.Compliant {
		severity = e.Compared.Severity
	}
	title := e.titleText()
	if e.StatementID != "" {
		title = e.StatementID + ": " + title
	}
	at := Location{}
	if e.Location != nil {
		at = *e.Location
	}
	message := messageOf(w.run.Command, &e)
	if at.Address != "" {
		message = at.Address + " " + message
	}
	return w.command(annotation(severity), title, at, message)
}

// annotation is the workflow command of a severity.
func annotation(severity policy.Severity) string {
	if l := level(severity); l != "note" {
		return l
	}
	return "notice"
}

func (w *githubWriter) Group(g Group, entries []Entry) error {
	for i := range entries {
		if err := w.Entry(entries[i]); err != nil {
			return err
		}
	}
	for _, note := range g.Notes {
		if err := w.command("notice", groupText(g.ID, g.Name), Location{}, note); err != nil {
			return err
		}
	}
	return nil
}

func (w *githubWriter) Close(read Coverage) error {
	for _, p := range read.Problems {
		if err := w.command("error", "not read", Location{}, p.Place+": "+p.Text); err != nil {
			return err
		}
	}
	return wrote(w.out.Flush())
}

// command writes one workflow command. Its values are untrusted: nothing in them
// begins another command, property or line.
func (w *githubWriter) command(name, title string, at Location, message string) error {
	line := "::" + name + " "
	if at.File != "" {
		line += "file=" + propertyText(text.Visible(artifactPath(at.File))) + ","
	}
	if at.Line > 0 {
		line += "line=" + strconv.Itoa(at.Line) + ","
	}
	_, err := w.out.WriteString(line + "title=" + propertyText(text.Shown(title, mostName)) + "::" + messageText(text.Visible(message)) + "\n")
	return wrote(err)
}

// messageText and propertyText escape as GitHub's own toolkit does
// (https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts).
func messageText(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func propertyText(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(messageText(s))
}
