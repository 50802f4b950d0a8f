package sweep

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"sgward/internal/finding"
	"sgward/internal/inventory"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

// maxHandOverBytes bounds what a run hands over. Lambda drops what does not fit into a
// message of 1 MiB together with the run's event.
const maxHandOverBytes = 700_000

// leftNoRoom says why a rule stays open that maxHandOverBytes leaves out.
const leftNoRoom = "there was no room for it in the message of this run, and the next sweep chooses again"

// standing is one finding of a run: a rule that exists and is not compliant.
type standing struct {
	inventory.Finding
	group     *secgroup.Group // in a sweep
	outcome   finding.Outcome // "" where remediate tells of it
	left      string
	firstSeen time.Time // in a sweep
}

// settle gives findings the outcomes of their verdicts and returns those that are to be
// closed, the most urgent first. left says why a finding is to stay open although its
// statement closes what exists, "" where it is not.
func settle(found []*standing, left func(*standing) string) []*standing {
	var forbidden []*standing
	for _, f := range found {
		f.outcome = finding.OutcomeAlerted
		switch {
		case f.Verdict == policy.Exempt:
			f.outcome = finding.OutcomeExempt
		case f.Undetermined: // as in all alerts: what is not known is not the policy's wish
			f.Verdict = policy.Undetermined
		case f.Verdict != policy.Revoke:
		case f.Existing != policy.ExistingRevoke:
			f.Verdict, f.left = policy.Alert, remediation.LeftStanding
		default:
			if f.left = left(f); f.left == "" {
				forbidden = append(forbidden, f)
			}
		}
	}
	slices.SortStableFunc(forbidden, func(a, b *standing) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.GroupID, b.GroupID), cmp.Compare(a.ID, b.ID))
	})
	return forbidden
}

// limit keeps no more than one run may have closed and says of the rest why it stays.
func (a *Sweeper) limit(forbidden []*standing) []*standing {
	n := min(a.MaxRevokes, len(forbidden))
	for _, f := range forbidden[n:] {
		f.left = remediation.LeftAtLimit(a.MaxRevokes, len(forbidden)-n)
	}
	return forbidden[:n]
}

// handOver writes down what remediate is to close, the first of chosen, as much as one
// message takes. That much is told by remediate. In observe mode it is nothing: what
// would be closed is told by this run.
func (a *Sweeper) handOver(chosen []*standing) []finding.Finding {
	findings := []finding.Finding{}
	used := 0
	for _, f := range chosen {
		if a.Mode != finding.Enforce {
			f.outcome = finding.OutcomeWouldRevoke
			continue
		}
		encoded, err := json.Marshal(&f.Finding.Finding)
		if used += len(encoded); err != nil || used > maxHandOverBytes {
			used = maxHandOverBytes // so that none of the rest is taken
			f.left = leftNoRoom
			continue
		}
		f.outcome = ""
		findings = append(findings, f.Finding.Finding)
	}
	return findings
}

// resultsOf returns what an alert of this run tells of findings.
func resultsOf(found []*standing) []finding.Result {
	var out []finding.Result
	for _, f := range found {
		if f.outcome == "" {
			continue
		}
		r := finding.Result{Finding: f.Finding.Finding, Outcome: f.outcome, Left: f.left}
		if !f.firstSeen.IsZero() {
			first := f.firstSeen.UTC()
			r.FirstSeen = &first
		}
		out = append(out, r)
	}
	return out
}
