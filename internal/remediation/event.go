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

// judgeEvent judges a batch by its event alone and settles the decided cases. It returns
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
	judgements := r.Policy.Evaluate(req)
	byAnyone := judgements
	if b.isLate(r.now) || slices.ContainsFunc(judgements, func(j policy.Judgement) bool { return j.Verdict == policy.Revoke }) {
		asAnyone := req
		asAnyone.Actor, asAnyone.Interrupted = policy.Actor{}, interruptedAfter(context.Background(), eventJudgeTime)
		byAnyone = r.Policy.Evaluate(asAnyone)
	}
	for i, c := range b.cases {
		isDecided := c.weigh(judgements[i], byAnyone[i], r.now)
		switch {
		case isDecided:
			c.settleBy(c.judgement.Verdict, r.now)
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

// weigh judges a case by its event alone and sets the case's evidence. byActor is the
// verdict on a rule of the event's actor, byAnyone that on a rule of an unknown one. It
// reports whether the verdict decides the case without a read.
//
// A rule that has the event's values now may be another than the event's:
//
//   - the rule of a late event may be long gone;
//   - an earlier try may have closed it;
//   - an actor whom the policy allows it may have made one with its values.
func (c *Case) weigh(byActor, byAnyone policy.Judgement, now time.Time) (isDecided bool) {
	b, j, p := c.batch, byActor, c.rule.Permission
	late, retried, hasID := b.isLate(now), b.retried(now), c.rule.ID != ""
	mayBeAnothers := byAnyone.Verdict != policy.Revoke
	isDecided = b.isDecidedBy(j)
	e := evidence{complete: j.Verdict == policy.Revoke && !j.Union && hasID && p.Direction != 0 && !c.finding.FromRequest}
	isDoubted := isDecided && retried && c.finding.Verdict == policy.Revoke
	switch {
	case isDoubted: // by another policy, an earlier try may have closed the rule
		isDecided, e.byID = false, hasID
	case isDecided:
	case hasID:
		e.byID = late || j.Verdict == policy.Revoke && mayBeAnothers
	case !mayBeAnothers:
	case late || retried: // its own rule cannot be distinguished from another
		e.actorUnknown, j = true, byAnyone
		isDecided = b.isDecidedBy(j)
	case j.Verdict == policy.Revoke: // the group shows the id, which the message that closes the rule names
		e.seeFirst = true
	}
	e.fromGroup = e.byID || e.seeFirst || isDoubted || b.old || p.Direction == 0 || j.Union || j.Needs&(policy.NeedStanding|policy.NeedPeerOwner) != 0
	c.evidence = e
	c.judge(j)
	return isDecided
}

// isDecidedBy reports whether a verdict holds whatever could be read. The rule of an old
// event may be gone, which only a read shows.
func (b *batch) isDecidedBy(j policy.Judgement) bool {
	const readable = ^policy.NeedActor
	if j.Needs&readable != 0 || j.Union {
		return false
	}
	switch j.Verdict {
	case policy.Revoke:
		return false
	case policy.Compliant, policy.Exempt:
		return true
	default:
		return !b.old
	}
}

// isLate reports that the batch's rules may be long gone, so that others may have their
// values.
func (b *batch) isLate(now time.Time) bool { return b.age(now) >= lagWindow || b.old }

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
