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
	// before. It means something only beside the decision revoke.
	Existing policy.Existing
	// Undetermined is set where something that the policy asks for is not known: the
	// decision is then alert because nobody may guess, and not by a statement.
	Undetermined bool
}

// Judge judges a group as a whole: all its rules, together. Nobody knows who made
// them, so a clause on the actor leaves a verdict undetermined. It returns the
// findings in the order of the rules; one rule is one finding, whatever number of
// statements it meets. Their ids depend on the account, region, group and permission
// alone, so that a later run gives the same.
//
// What is undetermined here stays so: there is nothing more to read. Its decision is
// alert, and its reasons say what is not known and why.
func Judge(p *policy.Policy, g secgroup.Group, lists ec2rules.PrefixLists, now time.Time) []Finding {
	judgements := p.Evaluate(policy.Request{
		Time: now, AccountID: g.OwnerID, Region: g.Region, Group: g,
		Rules: g.Rules, StandingKnown: true, PrefixLists: lists.Entries,
	})
	var out []Finding
	for i, j := range judgements {
		if j.Verdict == policy.Compliant {
			continue
		}
		rule := finding.RuleOf(g.Rules[i])
		f := Finding{Held: g.Rules[i], Existing: j.Existing, Finding: finding.Finding{
			ID:        finding.NewID(g.OwnerID, g.Region, g.ID, g.Rules[i].Permission.Identity().String(), ""),
			AccountID: g.OwnerID, Region: g.Region, GroupID: g.ID, GroupName: g.Name, VPCID: g.VPCID,
			Rule: &rule,
		}}
		f.Judge(j)
		if j.Verdict == policy.Undetermined {
			f.Decision, f.Undetermined = finding.DecisionAlert, true
			if j.Needs&policy.NeedPrefixList != 0 {
				f.Reasons = append(f.Reasons, lists.Why(secgroup.PrefixLists(g.Rules))...)
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
