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
	// Held is the rule as the group holds it, for whoever would revoke it.
	Held secgroup.Rule
	// Existing is what the deciding statement wants done about a rule that was there
	// before. It means something only beside the verdict Revoke.
	Existing policy.Existing
	// Undetermined is set where something that the policy asks for is not known: the
	// verdict is then Alert because nobody may guess, and not by a statement.
	Undetermined bool
}

// Judge judges a group as a whole: all its rules, together. Nobody knows who made
// them, so a clause on the actor leaves a verdict undetermined. It returns the
// findings in the order of the rules; one rule is one finding, whatever number of
// statements it meets. Their ids depend on the account, region, group and permission
// alone, so that a later run gives the same.
//
// What is undetermined here stays so: there is nothing more to read. Its verdict is
// Alert, and its reasons say what is not known and why.
func Judge(p *policy.Policy, g secgroup.Group, lists ec2rules.PrefixLists, now time.Time) []Finding {
	req := finding.RequestOfGroup(g, lists.Entries, now)
	var out []Finding
	for i, j := range p.Evaluate(req) {
		if j.Verdict == policy.Compliant {
			continue
		}
		f := Finding{Held: g.Rules[i], Existing: j.Existing, Finding: finding.OfStanding(req, i, j)}
		if j.Verdict == policy.Undetermined {
			f.Verdict, f.Undetermined = policy.Alert, true
			if j.Needs&policy.NeedPrefixList != 0 {
				f.Reasons = append(f.Reasons, policy.Remarks(lists.Why(secgroup.PrefixLists(g.Rules)))...)
			}
		}
		out = append(out, f)
	}
	return out
}

// PrefixLists returns the ids of the prefix lists that groups' rules name, sorted.
func PrefixLists(groups []secgroup.Group) []string {
	rules := make([][]secgroup.Rule, len(groups))
	for i := range groups {
		rules[i] = groups[i].Rules
	}
	return secgroup.PrefixLists(rules...)
}
