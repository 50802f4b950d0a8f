package authorize

import (
	"context"
	"slices"
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Judge says what a policy makes of rules that actor is about to put into a group,
// together with what the group holds: one finding for each rule, in the same order.
// Decision is none for a rule that the policy has nothing against, and inspect for
// one of which something is not known; the last of its reasons says what. A group
// that is yet to be made has no id; no clause of a policy can name it.
//
// It reads the entries of prefix lists that the rules name. The error is that of such
// a read, where asking again may help.
func Judge(ctx context.Context, client ec2rules.EntryReader, p *policy.Policy, g secgroup.Group, rules []secgroup.Rule, actor policy.Actor, now time.Time) ([]finding.Finding, error) {
	standing := slices.DeleteFunc(slices.Clone(g.Rules), func(r secgroup.Rule) bool {
		_, asked := secgroup.FindRule(rules, r.Permission)
		return asked
	})
	lists, err := ec2rules.NewLists(client).Read(ctx, secgroup.PrefixLists(rules, standing))
	if err != nil {
		return nil, err
	}
	group := g
	if group.ID == "" {
		group.ID = "(new)" // known, and not the one that an exception names
	}
	judgements := p.Evaluate(policy.Request{
		Time: now, AccountID: g.OwnerID, Region: g.Region, Actor: actor, Group: group,
		Rules: rules, Standing: standing, StandingKnown: true, PrefixLists: lists.Entries,
	})
	out := make([]finding.Finding, len(rules))
	for i, j := range judgements {
		rule := finding.RuleOf(rules[i])
		f := &out[i]
		*f = finding.Finding{
			ID:        finding.NewID(g.OwnerID, g.Region, g.ID, rules[i].Permission.Identity().String(), ""),
			AccountID: g.OwnerID, Region: g.Region, GroupID: g.ID, GroupName: g.Name, VPCID: g.VPCID,
			Rule: &rule,
		}
		f.Judge(j)
		switch j.Verdict {
		case policy.Compliant:
			f.Decision = finding.DecisionNone
		case policy.Undetermined:
			if j.Needs != 0 {
				f.Reasons = append(f.Reasons, "not known: "+j.Needs.String())
			}
			if why := lists.Unreadable[rules[i].Permission.Peer.PrefixList()]; why != "" {
				f.Reasons = append(f.Reasons, why)
			}
		}
	}
	return out, nil
}

// Allowed reports that a policy has nothing against a judged rule, or excepts it.
func Allowed(f finding.Finding) bool {
	return f.Decision == finding.DecisionNone || f.Decision == finding.DecisionExempt
}
