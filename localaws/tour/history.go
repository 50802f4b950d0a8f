package tour

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sgward/internal/logfile"
	"sgward/internal/policy"
	"sgward/internal/replay"
	"sgward/internal/report"
	"sgward/internal/text"
)

// lookBack judges all calls of the tour, as replay judges any history, and shows the
// totals.
func (s *stage) lookBack(ctx context.Context) error {
	s.title("Looking back")
	s.paragraph("", "   ", "These calls are a history now. Replay judges a history by a policy and changes nothing: try it on "+
		"your own CloudTrail logs before you deploy.")
	s.command("sgward replay trail.ndjson")
	const indent = "   "
	var told strings.Builder
	w, err := report.New(report.Text, &told, report.Run{
		Command: report.Replay, Policy: report.Policy{File: cmp.Or(s.cfg.PolicyFile, "policy.yaml"), Summary: s.policy.Summary()}, Sources: []string{"trail.ndjson"}, Now: time.Now(),
	}, report.Options{Color: bool(s.Color), Width: s.width - len(indent)})
	if err != nil {
		return err
	}
	revoked := 0
	summary, err := replay.Run(ctx, slices.Values(logfile.Find([]string{"-"}, strings.NewReader(s.trail())).Sources), replay.Options{Policy: s.policy}, func(e report.Entry) error {
		if e.Verdict == policy.Revoke {
			revoked++
		}
		return w.Entry(e)
	})
	if err == nil {
		err = w.Close(summary)
	}
	if err != nil {
		return fmt.Errorf("looking back: %w", err)
	}
	for line := range strings.Lines(told.String()) {
		if strings.Contains(line, "Findings, worst first") {
			break
		}
		s.line("%s", strings.TrimRight(indent+line, " \n"))
	}
	s.paragraph(text.Dim, indent, "... and each finding with its reasons, in text, JSON, CSV, SARIF or as one HTML page (--format html).")
	if closed := len(s.closed); revoked < closed {
		s.problems = append(s.problems, fmt.Sprintf("looking back: replay revokes %d, the functions closed %d", revoked, closed))
		s.line("%s%s", indent, s.Apply(text.Red, "UNEXPECTED: "+s.problems[len(s.problems)-1]))
	}
	return nil
}

// trail is CloudTrail's records of the tour's calls, one event a line.
func (s *stage) trail() string {
	var b strings.Builder
	for _, step := range s.since(0) {
		if len(step.Record) > 0 {
			b.Write(step.Record)
			b.WriteByte('\n')
		}
	}
	return b.String()
}
