package remediation

import (
	"time"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Why no try of this function can close something. A group elsewhere is handled by the
// sgward of its account and region; a group here that cannot be found stays open.
const (
	leftElsewhere = "the group is in another account or region, where this sgward closes nothing"
	leftUnnamed   = "the event does not name the group"
)

// judgeEvent judges a batch by the event alone and settles what that decides. It returns
// the cases to close at once; those left open need a read.
func (r *invocation) judgeEvent(b *batch) (atOnce []*Case) {
	elsewhere := r.isElsewhere(b.account, b.region)
	if b.whole || b.isStanding() {
		if elsewhere { // the alert reports detect's or sweep's verdict
			r.leaveElsewhere(b)
		}
		return nil
	}
	req := b.request(r.now, rulesOf(b.cases))
	const readable = ^policy.NeedActor
	judgements := r.Policy.Evaluate(req)
	// The rule of a late event may be long gone, and an allowed actor may have made one with
	// its values. Only the event's own rule is closed, once the group has shown it.
	var anyone []policy.Judgement
	if b.age(r.now) >= lagWindow || b.old {
		req.Actor = policy.Actor{}
		anyone = r.Policy.Evaluate(req)
	}
	for i, j := range judgements {
		c := b.cases[i]
		settles := func(j policy.Judgement) bool {
			switch j.Verdict {
			case policy.Revoke:
				return false
			case policy.Compliant, policy.Exempt:
				return j.Needs&readable == 0 && !j.Union
			default: // the rule of an old event may be gone
				return j.Needs&readable == 0 && !j.Union && !b.old
			}
		}
		settled := settles(j)
		switch {
		case settled || anyone == nil:
		case c.rule.ID != "":
			c.byID = true
		case anyone[i].Verdict != policy.Revoke: // its own rule cannot be distinguished from another
			c.actorUnknown, j = true, anyone[i]
			settled = settles(j)
		}
		c.judge(j)
		c.fromGroup = c.byID || b.old || c.rule.Permission.Direction == 0 || j.Union || j.Needs&(policy.NeedStanding|policy.NeedPeerOwner) != 0
		switch {
		case settled:
			c.settleBy(j.Verdict, r.now)
		case elsewhere:
			c.leave(finding.OutcomeAlerted, leftElsewhere, r.now)
		case !b.isNamed():
			c.leave(finding.OutcomeFailed, leftUnnamed, r.now)
		case c.ownRevoke() && !c.byID && !b.old && b.group.ID != "" && c.rule.Permission.Direction != 0 && !c.finding.FromRequest:
			atOnce = append(atOnce, c)
		}
	}
	return atOnce
}

// isElsewhere reports whether an account and region are out of this function's reach.
func (r *invocation) isElsewhere(account, region string) bool {
	return account != r.account && r.account != "" || region != r.Region
}

func (r *invocation) leaveElsewhere(b *batch) {
	for _, c := range b.cases {
		c.leave(finding.OutcomeAlerted, leftElsewhere, r.now)
	}
}

// isNamed reports whether the event names the batch's group.
func (b *batch) isNamed() bool { return b.group.ID != "" || b.group.Name != "" }

// request builds the policy request for rules, with their group and maker as the event has
// them.
func (b *batch) request(now time.Time, rules []secgroup.Rule) policy.Request {
	return policy.Request{
		Time: now, AccountID: b.account, Region: b.region, Actor: b.actor, Group: b.group, Rules: rules,
	}
}
