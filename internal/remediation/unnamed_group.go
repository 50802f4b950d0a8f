package remediation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/pause"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

const (
	// maxRegionPages limits the read of a region: 20,000 rules.
	maxRegionPages = 20
	// maxSuspects limits the rules in an alert for an event that names no group.
	maxSuspects = 50
)

// leftSuspect is why a rule stays open that searchRegion found.
const leftSuspect = "the record leaves out the call's rules: this may be one of them, or older; sweep looks for those that can only be the call's and has them closed"

// searchRegion looks for the openings of calls whose records name not even their group: a
// caller who pads a call with tags and descriptions makes CloudTrail leave out all of it.
//
//   - The call's rules cannot be distinguished from older ones, so none is closed. The alert
//     lists those that the policy would close; the events are reported in any case.
//   - sweep remembers its last run. It gets the same event and hands over the call's rules.
func (r *invocation) searchRegion(ctx context.Context) {
	var batches []*batch
	for _, d := range r.deliveries {
		for _, b := range d.batches {
			if b.isOpen() && !b.isNamed() {
				batches = append(batches, b)
			}
		}
	}
	if len(batches) == 0 {
		return
	}
	wait := time.Duration(0)
	for _, b := range batches {
		wait = max(wait, SettleAge-b.age(r.Now()))
	}
	var rules []secgroup.Rule
	all, err := false, ctx.Err()
	if err == nil {
		_ = pause.For(ctx, wait) // the read returns the error of an ended ctx
		// A part of the region is enough: the read lists suspects and clears no rule.
		rules, all, err = ec2rules.SomeRules(ctx, &ec2rules.Unpadded{RuleReader: r.EC2}, maxRegionPages)
	}
	if err != nil {
		r.Logger.WarnContext(ctx, "region not read", "errorCode", ec2rules.ErrorCode(err), "error", err.Error())
	}
	for _, b := range batches {
		var suspects []*Case
		note := ""
		switch {
		case err != nil:
			note = "the region's rules could not be read: " + ec2rules.ErrorMessage(err)
		case all:
			suspects = r.suspects(b, rules)
			note = fmt.Sprintf("of the region's %d rules, %d are forbidden by the policy: the call may have made them", len(rules), len(suspects))
		default:
			suspects = r.suspects(b, rules)
			note = fmt.Sprintf("of the first %d rules of the region (it has more), %d are forbidden by the policy: the call may have made them", len(rules), len(suspects))
		}
		for _, c := range b.cases {
			c.finding.Reasons = append(slices.Clip(c.finding.Reasons), policy.Remark(note))
			c.conclude(finding.OutcomeAlerted, r.now)
		}
		b.cases = append(b.cases, suspects[:min(len(suspects), maxSuspects)]...)
	}
}

// suspects judges rules group by group, as if the event's actor had made them, and returns
// a settled case for each that the policy would close.
func (r *invocation) suspects(b *batch, rules []secgroup.Rule) []*Case {
	byGroup := map[string][]secgroup.Rule{}
	var order []string
	for _, rule := range rules {
		if rule.OwnerID != "" && rule.OwnerID != b.account {
			continue // shared with this account: its owner's to close
		}
		if byGroup[rule.GroupID] == nil {
			order = append(order, rule.GroupID)
		}
		byGroup[rule.GroupID] = append(byGroup[rule.GroupID], rule)
	}
	slices.Sort(order)
	var out []*Case
	for _, id := range order {
		req := b.request(r.now, byGroup[id])
		req.Interrupted = interruptedAfter(context.Background(), eventJudgeTime)
		req.Group, req.Actor, req.StandingKnown = secgroup.Group{ID: id}, b.Detection.Event.Actor.Subject(), true
		for i, j := range r.Policy.Evaluate(req) {
			if j.Verdict != policy.Revoke {
				continue
			}
			rule := byGroup[id][i]
			c := &Case{
				batch: b, finding: finding.Of(req, i, j, b.Detection.Event.EventID), rule: rule, judgement: j, judged: true,
				shownAs: seen, present: rule,
			}
			c.leave(finding.OutcomeAlerted, leftSuspect, r.now)
			out = append(out, c)
		}
	}
	return out
}
