package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// isFinding reports whether a judgement is a finding other than exempt.
func isFinding(j policy.Judgement) bool {
	return j.Verdict != policy.Compliant && j.Verdict != policy.Exempt
}

// write explains the judgements in the requested format. With quiet, it leaves out
// compliant rules.
func (f explainFlags) write(out *strings.Builder, q question, judgements []policy.Judgement, steps [][]policy.Step) error {
	asJSON := f.format == string(report.JSON)
	switch {
	case asJSON && q.untold:
		if err := writeJSON(out, explanation{Finding: finding.OfMissing(q.call), Statements: []explanationStep{}}); err != nil {
			return err
		}
	case !asJSON && q.note != "":
		fmt.Fprintln(out, q.note)
	}
	for i, j := range judgements {
		switch {
		case f.quiet && !isFinding(j):
		case asJSON:
			if err := writeJSON(out, explanationOf(q.req, i, j, steps[i])); err != nil {
				return err
			}
		default:
			if out.Len() > 0 {
				out.WriteString("\n")
			}
			writeExplanation(out, q.req.Rules[i], j, steps[i], finding.Mode(f.mode))
		}
	}
	return nil
}

// explanation is one line of JSON: the finding, whose decision is none for a
// compliant rule, and every statement's part in it.
type explanation struct {
	finding.Finding
	Needs      string            `json:"needs,omitempty"` // the facts to read from EC2
	Statements []explanationStep `json:"statements"`
}

type explanationStep struct {
	ID     string `json:"id"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Effect string `json:"effect"`
	Part   string `json:"part"` // applies, may apply, excepted or does not apply
	Why    string `json:"why"`
}

// writeJSON writes one line of JSON.
func writeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

func explanationOf(req policy.Request, i int, j policy.Judgement, steps []policy.Step) explanation {
	out := explanation{Needs: j.Needs.String(), Statements: []explanationStep{}, Finding: finding.Of(req, i, j, "")}
	for _, s := range steps {
		out.Statements = append(out.Statements, explanationStep(s))
	}
	return out
}

func writeExplanation(out *strings.Builder, r secgroup.Rule, j policy.Judgement, steps []policy.Step, mode finding.Mode) {
	fmt.Fprintf(out, "%s\n  verdict: %s\n", text.VisibleLines(r.String()), verdictInWords(j, mode))
	for _, w := range j.With {
		fmt.Fprintf(out, "  together with %s\n", w)
	}
	for _, s := range steps {
		fmt.Fprintf(out, "  %s:%d %s (%s) %s\n      %s\n", s.File, s.Line, s.ID, s.Effect, s.Part, text.VisibleLines(s.Why))
	}
}

// verdictInWords describes the effect of a verdict.
func verdictInWords(j policy.Judgement, mode finding.Mode) string {
	switch j.Verdict {
	case policy.Compliant:
		return "compliant: left alone"
	case policy.Exempt:
		return fmt.Sprintf("exempt by %s until the end of %s UTC (%s): left alone", j.Exception.ID, j.Exception.Expires, j.Exception.Owner)
	case policy.Alert:
		return fmt.Sprintf("alert (%s, %s): left open, an alert is sent", j.Severity, j.StatementID)
	case policy.Revoke:
		does := "revoked, and an alert is sent"
		if mode == finding.Observe {
			does = "left open in observe mode; the alert says that enforce would have revoked it"
		}
		return fmt.Sprintf("revoke (%s, %s): %s", j.Severity, j.StatementID, does)
	default:
		return fmt.Sprintf("undetermined (%s, %s): unknown: %s; EC2 is read first, and if it stays unknown an alert is sent", j.Severity, j.StatementID, j.Needs)
	}
}
