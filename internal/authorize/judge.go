package authorize

import (
	"cmp"
	"context"
	"slices"
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Judge judges rules that actor is about to put into a group, together with the group's
// own: one finding for each rule, in the same order. The last reason of an undetermined
// one names the missing fact. A new group has no id yet; no clause of a policy can name
// it.
//
// It reads the prefix lists that the rules reference. The error is that of such a read,
// if a retry may help.
func Judge(ctx context.Context, client ec2rules.ListReader, p *policy.Policy, g secgroup.Group, rules []secgroup.Rule, actor policy.Actor, now time.Time) ([]finding.Finding, error) {
	standing := slices.DeleteFunc(slices.Clone(g.Rules), func(r secgroup.Rule) bool {
		_, asked := secgroup.FindRule(rules, r.Permission)
		return asked
	})
	lists, err := ec2rules.NewLists(client).Read(ctx, secgroup.PrefixLists(rules, standing))
	if err != nil {
		return nil, err
	}
	// The rules will be the group's, so they are judged as existing ones.
	req := finding.RequestOfGroup(g, lists.Known, now)
	req.Actor, req.Group.ID, req.Rules, req.Standing = actor, cmp.Or(g.ID, newGroup), rules, standing
	judgements := p.Evaluate(req)
	req.Group.ID = g.ID
	out := make([]finding.Finding, len(rules))
	for i, j := range judgements {
		out[i] = finding.OfStanding(req, i, j)
		if j.Verdict != policy.Undetermined {
			continue
		}
		if j.Needs != 0 {
			out[i].Reasons = append(out[i].Reasons, policy.Remark("not known: "+j.Needs.String()))
		}
		if why := lists.Unreadable[rules[i].Permission.Peer.PrefixList()]; why != "" {
			out[i].Reasons = append(out[i].Reasons, policy.Remark(why))
		}
	}
	return out, nil
}

// newGroup stands for the id of a group that does not exist yet: known, and not one that a
// policy can name.
const newGroup = "(new)"

// Allowed reports that a policy does not forbid a judged rule, or excepts it.
func Allowed(f finding.Finding) bool {
	return f.Verdict == policy.Compliant || f.Verdict == policy.Exempt
}
