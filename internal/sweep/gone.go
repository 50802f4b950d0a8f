package sweep

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// The most findings of one call of Gone, and the most bytes of them as JSON. An asynchronous
// invocation takes 256 KB, in which that JSON is a text, and has the commands of undo as well.
const (
	mostGone      = 200
	mostGoneBytes = 100_000
)

// reportGone reports the findings of earlier digests that no longer exist, and returns the ids
// to forget. Those that could not be reported stay in the memory, for the next run.
func (s *sweep) reportGone(ctx context.Context, forget []string) []string {
	if s.Gone == nil {
		return forget
	}
	var settled []string
	var gone []finding.Result
	for _, id := range forget {
		if s.known[id].fingerprint != "" {
			gone = append(gone, s.goneResult(id))
		} else {
			settled = append(settled, id)
		}
	}
	for _, results := range text.Batches(gone, mostGone, mostGoneBytes, sizeOf) {
		a := s.alert(s.event, results)
		tally := s.tally
		a.Sweep = &tally
		if err := s.Gone(ctx, a); err != nil {
			s.Logger.ErrorContext(ctx, "gone findings not passed on", "findings", len(results), "error", err.Error())
			continue
		}
		for _, r := range results {
			settled = append(settled, r.ID)
		}
	}
	return settled
}

// sizeOf returns the bytes of a result as JSON.
func sizeOf(r finding.Result) int {
	encoded, err := json.Marshal(r)
	if err != nil { // as in encodePermission
		return 0
	}
	return len(encoded)
}

// goneResult is the result of a finding that the memory holds and that the run has not found
// again: its rule is gone, or the policy has come to allow it.
func (s *sweep) goneResult(id string) finding.Result {
	m := s.known[id]
	if i := slices.IndexFunc(s.found, func(f *candidate) bool { return f.ID == id }); i >= 0 { // an exception covers it
		return resultsOf(s.found[i : i+1])[0]
	}
	r := finding.Result{
		Finding: finding.Finding{
			ID: id, AccountID: s.event.AccountID, Region: s.Region, GroupID: m.groupID, Rule: m.rule,
			Reasons: []policy.Reason{policy.Remark("an earlier digest reported it; this sweep found no such rule")},
		},
		Outcome: finding.OutcomeAlreadyClosed, FirstSeen: &m.firstSeen,
	}
	r.Verdict, r.Severity, r.StatementID = reportedAs(m.fingerprint)
	if m.rule != nil && r.StandingID() != id { // the memory is of another account
		r.Rule = nil
	}
	if s.holds(m) {
		r.Verdict, r.Outcome = policy.Compliant, finding.OutcomeCompliant
		r.Reasons = []policy.Reason{policy.Remark("an earlier digest reported it; the policy allows the rule by now")}
	}
	return r
}

// holds reports whether the group still has the rule.
func (s *sweep) holds(m memo) bool {
	if m.rule == nil {
		return false
	}
	same := func(r secgroup.Rule) bool { return r.Permission.Identity() == m.rule.Permission.Identity() }
	return slices.ContainsFunc(s.groups, func(g secgroup.Group) bool { return g.ID == m.groupID && slices.ContainsFunc(g.Rules, same) })
}

// reportedAs reads a fingerprint. An unreadable one returns Alert and no statement.
func reportedAs(fingerprint string) (v policy.Verdict, s policy.Severity, statementID string) {
	words := append(strings.Split(fingerprint, " "), "", "", "")
	if v.UnmarshalText([]byte(words[0])) != nil || s.UnmarshalText([]byte(words[1])) != nil {
		return policy.Alert, policy.NoSeverity, ""
	}
	return v, s, words[2]
}

// encodePermission returns a rule's JSON without description and tags; "" for no rule.
func encodePermission(r *secgroup.Rule) string {
	if r == nil {
		return ""
	}
	out, err := json.Marshal(secgroup.Rule{Permission: r.Permission})
	if err != nil { // a rule that has no JSON cannot have come from EC2
		return ""
	}
	return string(out)
}

// decodePermission reads the output of encodePermission; nil for anything else.
func decodePermission(encoded string) *secgroup.Rule {
	var r secgroup.Rule
	if json.Unmarshal([]byte(encoded), &r) != nil {
		return nil
	}
	return &r
}
