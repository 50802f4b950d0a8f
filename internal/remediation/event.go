package remediation

import (
	"context"
	"slices"
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
	req.Interrupted = interruptedAfter(context.Background(), eventJudgeTime)
	const readable = ^policy.NeedActor
	judgements := r.Policy.Evaluate(req)
	// Whose rule has the event's values now? That of a late event may be long gone, an
	// earlier try may have closed it, and an actor whom the policy allows it may have made
	// another with its values.
	retried := b.retried(r.now)
	late := b.age(r.now) >= lagWindow || b.old
	asAnyone := req
	asAnyone.Actor, asAnyone.Interrupted = policy.Actor{}, interruptedAfter(context.Background(), eventJudgeTime)
	anyone := judgements
	if late || slices.ContainsFunc(judgements, func(j policy.Judgement) bool { return j.Verdict == policy.Revoke }) {
		anyone = r.Policy.Evaluate(asAnyone)
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
		mayBeAnothers := anyone[i].Verdict != policy.Revoke
		c.complete = j.Verdict == policy.Revoke && !j.Union && c.rule.ID != "" && c.rule.Permission.Direction != 0 && !c.finding.FromRequest
		switch {
		case settled && retried && c.finding.Verdict == policy.Revoke:
			// The policy was another: an earlier try may have closed the rule.
			settled, c.doubted, c.byID = false, true, c.rule.ID != ""
		case settled:
		case c.rule.ID != "":
			c.byID = late || j.Verdict == policy.Revoke && mayBeAnothers
		case !mayBeAnothers:
		case late || retried: // its own rule cannot be distinguished from another
			c.actorUnknown, j = true, anyone[i]
			settled = settles(j)
		case j.Verdict == policy.Revoke: // the group shows the id, which the message that closes the rule names
			c.seeFirst = true
		}
		c.judge(j)
		c.fromGroup = c.byID || c.seeFirst || c.doubted || b.old || c.rule.Permission.Direction == 0 || j.Union || j.Needs&(policy.NeedStanding|policy.NeedPeerOwner) != 0
		switch {
		case settled:
			c.settleBy(j.Verdict, r.now)
		case elsewhere:
			c.leave(finding.OutcomeAlerted, leftElsewhere, r.now)
		case !b.isNamed():
			c.leave(finding.OutcomeFailed, leftUnnamed, r.now)
		case c.ownRevoke() && !c.byID && !c.seeFirst && !b.old && b.group.ID != "" && c.rule.Permission.Direction != 0 && !c.finding.FromRequest:
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
