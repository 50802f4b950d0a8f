package inventory

import (
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Finding is a rule of a group that is not compliant.
type Finding struct {
	finding.Finding
	// Held is the rule as the group holds it, for a revoke.
	Held secgroup.Rule
	// Existing is the deciding statement's setting for existing rules. It is used only
	// with the verdict Revoke.
	Existing policy.Existing
	// Undetermined is set if a fact that the policy asks for is unknown. The verdict is
	// then Alert because sgward never guesses, and not because of a statement.
	Undetermined bool
}

// Judge judges all rules of a group together. Their makers are unknown, so a clause on the
// actor leaves a verdict undetermined. It returns the findings in the order of the rules,
// one for each rule. Their ids depend on account, region, group and permission alone, so a
// later run gives the same ids.
//
// There is nothing more to read, so an undetermined verdict becomes Alert, and its reasons
// name the unknown facts.
func Judge(p *policy.Policy, g secgroup.Group, lists ec2rules.PrefixLists, now time.Time) []Finding {
	req := finding.RequestOfGroup(g, lists.Known, now)
	var out []Finding
	for i, j := range p.Evaluate(req) {
		if j.Verdict == policy.Compliant {
			continue
		}
		f := Finding{Held: g.Rules[i], Existing: j.Existing, Finding: finding.OfStanding(req, i, j)}
		if j.Verdict == policy.Undetermined {
			f.Verdict, f.Undetermined = policy.Alert, true
			if j.Needs&policy.NeedsOfLists != 0 {
				f.Reasons = append(f.Reasons, policy.Remarks(lists.Why(secgroup.PrefixLists(g.Rules)))...)
			}
		}
		out = append(out, f)
	}
	return out
}

// PrefixLists returns the sorted ids of the prefix lists that groups' rules reference.
func PrefixLists(groups []secgroup.Group) []string {
	rules := make([][]secgroup.Rule, len(groups))
	for i := range groups {
		rules[i] = groups[i].Rules
	}
	return secgroup.PrefixLists(rules...)
}
