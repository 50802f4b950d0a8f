package inventory

import (
	"net/netip"
	"slices"
	"time"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Surroundings is what a judgement needs beside a group.
type Surroundings struct {
	// Now is the moment of judging.
	Now time.Time
	// PrefixLists holds the entries of prefix lists by id; a list that is not here
	// is unknown.
	PrefixLists map[string][]netip.Prefix
	// Unreadable says of lists that could not be read why. Findings that hang on one
	// repeat it.
	Unreadable map[string]string
}

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
func Judge(p *policy.Policy, g Group, s Surroundings) []Finding {
	judgements := p.Evaluate(policy.Request{
		Time: s.Now, AccountID: g.AccountID, Region: g.Region, Group: g.Group,
		Rules: g.Rules, StandingKnown: true, PrefixLists: s.PrefixLists,
	})
	var out []Finding
	for i, j := range judgements {
		if j.Verdict == policy.Compliant {
			continue
		}
		rule := finding.RuleOf(g.Rules[i])
		f := Finding{Held: g.Rules[i], Existing: j.Existing, Finding: finding.Finding{
			ID:        finding.NewID(g.AccountID, g.Region, g.ID, g.Rules[i].Permission.Identity().String(), ""),
			AccountID: g.AccountID, Region: g.Region, GroupID: g.ID, GroupName: g.Name, VPCID: g.VPCID,
			Rule: &rule,
		}}
		f.Judge(j)
		if j.Verdict == policy.Undetermined {
			f.Decision, f.Undetermined = finding.DecisionAlert, true
			f.Reasons = append(f.Reasons, s.unread(j.Needs, &g)...)
		}
		out = append(out, f)
	}
	return out
}

// unread says why prefix lists are not known that an undetermined verdict lacks.
func (s *Surroundings) unread(needs policy.Needs, g *Group) []string {
	if needs&policy.NeedPrefixList == 0 {
		return nil
	}
	var out []string
	for _, id := range PrefixListsOf(*g) {
		if why := s.Unreadable[id]; why != "" {
			out = append(out, why)
		}
	}
	return out
}

// PrefixListsOf returns the ids of the prefix lists that groups' rules name, sorted.
func PrefixListsOf(groups ...Group) []string {
	named := map[string]bool{}
	var out []string
	for _, g := range groups {
		for i := range g.Rules {
			if id := g.Rules[i].Permission.Peer.PrefixList(); id != "" && !named[id] {
				named[id] = true
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return out
}
