package cli

import (
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
func (f explainFlags) write(out *strings.Builder, terminal text.Terminal, q question, judgements []policy.Judgement, steps [][]policy.Step) error {
	asJSON := f.format == string(report.JSON)
	switch {
	case asJSON && q.missing:
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
			f.writeExplanation(out, terminal, q.req.Rules[i], j, steps[i])
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
	encoded, err := text.EncodeJSON(value)
	if err == nil {
		_, err = out.Write(append(text.EscapeJSON(encoded), '\n'))
	}
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

func explanationOf(req policy.Request, i int, j policy.Judgement, steps []policy.Step) explanation {
	out := explanation{Needs: j.Needs.String(), Statements: []explanationStep{}, Finding: finding.Of(req, i, j, "")}
	for _, s := range steps {
		out.Statements = append(out.Statements, explanationStep{s.ID, s.File, s.Line, s.Effect, s.Part, s.Why})
	}
	return out
}

// writeExplanation prints the verdict first, then the statements that led to it, then those
// that apply too. The others are counted, or listed last with details.
func (f explainFlags) writeExplanation(out *strings.Builder, terminal text.Terminal, r secgroup.Rule, j policy.Judgement, steps []policy.Step) {
	exact := strings.TrimSpace(r.ID + " " + r.Permission.String())
	fmt.Fprintln(out, terminal.Apply(text.Bold, text.VisibleLines(r.Permission.Title())))
	fmt.Fprintf(out, "  %s\n", text.VisibleLines(exact))
	verdict, note := verdictInWords(j, steps, finding.Mode(f.mode))
	fmt.Fprintf(out, "  verdict: %s\n", terminal.Apply(styleOf(j), verdict))
	if note != "" {
		fmt.Fprintf(out, "  %s\n", note)
	}
	for _, w := range j.With {
		fmt.Fprintf(out, "  together with %s\n", w)
	}
	var silent []policy.Step
	for _, deciding := range []bool{true, false} {
		for _, s := range steps {
			switch {
			case s.Part == policy.PartNone:
				if deciding {
					silent = append(silent, s)
				}
			case deciding == (s.ID == j.StatementID):
				writeStep(out, s)
			}
		}
	}
	switch n := len(silent); {
	case n == 0:
	case f.details:
		for _, s := range silent {
			writeStep(out, s)
		}
	case n == len(steps):
		fmt.Fprintf(out, "  none of the %s applies (--details says why)\n", text.Plural(n, "statement"))
	default:
		fmt.Fprintf(out, "  %s %s not apply (--details says why)\n", text.Plural(n, "other statement"), text.Agree(n, "does", "do"))
	}
}

func writeStep(out *strings.Builder, s policy.Step) {
	fmt.Fprintf(out, "  %s:%d %s (%s) %s\n      %s\n", s.File, s.Line, s.ID, s.Effect, s.Part, text.VisibleLines(s.Why))
}

// styleOf is the colour of a verdict.
func styleOf(j policy.Judgement) text.Style {
	switch j.Verdict {
	case policy.Revoke:
		return text.BoldRed
	case policy.Alert:
		return text.Yellow
	case policy.Compliant, policy.Exempt:
		return text.Green
	default:
		return text.Magenta
	}
}

// aloneIn returns the deciding step of a rule that is below the threshold on its own, so
// that only the group's other rules, which are not known, could make it forbidden.
func aloneIn(j policy.Judgement, steps []policy.Step) (policy.Step, bool) {
	if j.Verdict != policy.Undetermined || j.Needs != policy.NeedStanding {
		return policy.Step{}, false
	}
	for _, s := range steps {
		if s.ID == j.StatementID && s.Alone != "" {
			return s, true
		}
	}
	return policy.Step{}, false
}

// verdictInWords describes the effect of a verdict, and what else to know of it.
func verdictInWords(j policy.Judgement, steps []policy.Step, mode finding.Mode) (verdict, note string) {
	if s, ok := aloneIn(j, steps); ok {
		return "compliant on its own (" + s.Alone + ")",
			fmt.Sprintf("Forbidden (%s, %s) only where the group's other rules bring it to %s addresses: name them with --standing RULE, or say --standing none.", j.Severity, j.StatementID, s.Threshold)
	}
	switch j.Verdict {
	case policy.Compliant:
		return "compliant: left alone", ""
	case policy.Exempt:
		return fmt.Sprintf("exempt by %s until %s (%s): left alone", j.Exception.ID, policy.EndOf(j.Exception.Expires), j.Exception.Owner), ""
	case policy.Alert:
		return fmt.Sprintf("alert (%s, %s): left open, an alert is sent", j.Severity, j.StatementID), ""
	case policy.Revoke:
		does := "revoked, and an alert is sent"
		if mode == finding.Observe {
			does = "left open in observe mode; the alert says that enforce would have revoked it"
		}
		return fmt.Sprintf("revoke (%s, %s): %s", j.Severity, j.StatementID, does), ""
	default:
		return fmt.Sprintf("undetermined (%s, %s): unknown: %s; EC2 is read first, and if it stays unknown an alert is sent", j.Severity, j.StatementID, j.Needs), ""
	}
}
