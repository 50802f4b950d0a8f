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

// maxHandOverBytes limits the findings handed over by a run. Lambda drops a result that
// does not fit into a message of 1 MiB together with the run's event.
const maxHandOverBytes = 700_000

// leftNoRoom says why a rule stays open that maxHandOverBytes leaves out.
const leftNoRoom = "there was no room for it in the message of this run, and the next sweep chooses again"

// candidate is one finding of a run: an existing rule that is not compliant.
type candidate struct {
	inventory.Finding
	group     *secgroup.Group // in a sweep
	outcome   finding.Outcome // "" if remediate reports it
	left      string
	opened    bool      // an edit took it across the threshold
	firstSeen time.Time // in a sweep
	// isReminder is set if nothing has changed since reports digests reported it, and
	// isUnannounced if no event has announced the rule.
	isReminder, isUnannounced bool
	reports                   int
	owner                     string // of the group, as far as its tags are known
}

// settle gives findings the outcomes of their verdicts and returns those to close, the
// most urgent first. left returns why a finding stays open although its statement would
// close it, "" if it does not.
func settle(found []*candidate, left func(*candidate) string) []*candidate {
	var forbidden []*candidate
	for _, f := range found {
		f.outcome = finding.OutcomeAlerted
		switch {
		case f.Verdict == policy.Exempt:
			f.outcome = finding.OutcomeExempt
		case f.Undetermined: // as in all alerts: an unknown fact is not the policy's verdict
			f.Verdict = policy.Undetermined
		case f.Verdict != policy.Revoke:
		case f.Existing != policy.ExistingRevoke && !f.opened:
			f.Verdict, f.left = policy.Alert, remediation.LeftStanding
		default:
			if f.left = left(f); f.left == "" {
				forbidden = append(forbidden, f)
			}
		}
	}
	slices.SortStableFunc(forbidden, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.GroupID, b.GroupID), cmp.Compare(a.ID, b.ID))
	})
	return forbidden
}

// limit keeps the first MaxRevokes and gives the rest the reason why they stay open.
func (s *Sweeper) limit(forbidden []*candidate) []*candidate {
	n := min(s.MaxRevokes, len(forbidden))
	for _, f := range forbidden[n:] {
		f.left = remediation.LeftAtLimit(s.MaxRevokes, len(forbidden)-n)
	}
	return forbidden[:n]
}

// handOver returns the findings for remediate to close, the first of chosen, as many as
// one message takes; remediate reports them. In observe mode there are none: this run
// reports the rules that would be closed.
func (s *Sweeper) handOver(chosen []*candidate) []finding.Finding {
	if s.Mode != finding.Enforce {
		for _, f := range chosen {
			f.outcome = finding.OutcomeWouldRevoke
		}
		return []finding.Finding{}
	}
	findings := messageOf(chosen)
	for i, f := range chosen {
		if i < len(findings) {
			f.outcome = ""
		} else {
			f.left = leftNoRoom
		}
	}
	return findings
}

// messageOf returns the first findings of chosen, as many as one message takes.
func messageOf(chosen []*candidate) []finding.Finding {
	findings := []finding.Finding{}
	used := 0
	for _, f := range chosen {
		encoded, err := json.Marshal(&f.Finding.Finding)
		if used += len(encoded); err != nil || used > maxHandOverBytes {
			break
		}
		findings = append(findings, f.Finding.Finding)
	}
	return findings
}

// resultsOf returns the findings for this run's alert.
func resultsOf(found []*candidate) []finding.Result {
	var out []finding.Result
	for _, f := range found {
		if f.outcome == "" {
			continue
		}
		r := finding.Result{
			Finding: f.Finding.Finding, Outcome: f.outcome, Left: f.left, OpenedByEdit: f.opened,
			Reminder: f.isReminder, Reports: f.reports, Unannounced: f.isUnannounced, Owner: f.owner,
		}
		if !f.firstSeen.IsZero() {
			first := f.firstSeen.UTC()
			r.FirstSeen = &first
		}
		out = append(out, r)
	}
	return out
}
