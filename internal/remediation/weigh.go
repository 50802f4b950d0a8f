package remediation

import (
	"time"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Why no try of this function can close something. What lies elsewhere is for the sgward
// of that account and region; what is here and cannot be found stays open.
const (
	leftElsewhere = "the group is in another account or region, where this sgward closes nothing"
	leftUnnamed   = "the event does not name the group"
)

// weigh judges a batch by the event alone and settles what that settles. It
// returns the cases that are to be closed at once; what is left open is read.
func (r *invocation) weigh(b *batch) (atOnce []*Case) {
	elsewhere := r.isElsewhere(b.account, b.region)
	if b.whole || b.isStanding() {
		if elsewhere { // people get detect's or sweep's word for it
			r.leaveElsewhere(b)
		}
		return nil
	}
	req := b.request(r.now, rulesOf(b.cases))
	const readable = ^policy.NeedActor
	judgements := r.Policy.Evaluate(req)
	// Of an old event, sent again by hand or late, the rule may be long gone, and one
	// with its values may have been made by somebody whom the policy lets. Unless it is
	// forbidden whoever made it, wherever the group is, only the event's own goes.
	var anyone []policy.Judgement
	if b.age(r.now) >= lagWindow {
		req.Actor = policy.Actor{}
		anyone = r.Policy.Evaluate(req)
	}
	for i, j := range judgements {
		c := b.cases[i]
		settled := j.Verdict != policy.Revoke && j.Needs&readable == 0 && !j.Union
		if !settled && anyone != nil && anyone[i].Verdict != policy.Revoke {
			if c.rule.ID != "" {
				c.byID = true
			} else { // nothing tells its own rule from another
				c.actorUnknown, j = true, anyone[i]
				settled = j.Needs&readable == 0 && !j.Union
			}
		}
		c.judge(j)
		c.fromGroup = c.byID || c.rule.Permission.Direction == 0 || j.Union || j.Needs&(policy.NeedStanding|policy.NeedPeerOwner) != 0
		switch {
		case settled:
			c.settleBy(j.Verdict, r.now)
		case elsewhere:
			c.leave(finding.OutcomeAlerted, leftElsewhere, r.now)
		case !b.isNamed():
			c.leave(finding.OutcomeFailed, leftUnnamed, r.now)
		case c.ownRevoke() && !c.byID && b.group.ID != "" && c.rule.Permission.Direction != 0 && !c.finding.FromRequest:
			atOnce = append(atOnce, c)
		}
	}
	return atOnce
}

// isElsewhere reports whether nothing can be closed in an account and region from here.
func (r *invocation) isElsewhere(account, region string) bool {
	return account != r.account && r.account != "" || region != r.Region
}

func (r *invocation) leaveElsewhere(b *batch) {
	for _, c := range b.cases {
		c.leave(finding.OutcomeAlerted, leftElsewhere, r.now)
	}
}

// isNamed reports whether the event tells the batch's group.
func (b *batch) isNamed() bool { return b.group.ID != "" || b.group.Name != "" }

// request asks for the verdict on rules by what the event tells of their group and
// their maker.
func (b *batch) request(now time.Time, rules []secgroup.Rule) policy.Request {
	return policy.Request{
		Time: now, AccountID: b.account, Region: b.region, Actor: b.actor, Group: b.group, Rules: rules,
	}
}
