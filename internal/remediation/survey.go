package remediation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

const (
	// maxSurveyPages bounds a look at a region: 20,000 rules.
	maxSurveyPages = 20
	// maxSuspects bounds how many rules an alert names for an event that names no
	// group.
	maxSuspects = 50
)

// leftSuspect is why a rule stays open that survey found.
const leftSuspect = "the record does not say which rules the call made: this may be one of them, or older"

// survey looks for what calls opened whose records name not even their group: who
// pads a call with tags and descriptions has CloudTrail leave out all of it. Nothing
// tells the call's rules from older ones, so none is touched: people get those that
// the policy has closed, to find theirs among them. The events are told in any case.
func (b *batch) survey(ctx context.Context, changes []*change) {
	if len(changes) == 0 {
		return
	}
	pause := time.Duration(0)
	for _, c := range changes {
		pause = max(pause, settleAge-c.age(b.Now()))
	}
	var rules []secgroup.Rule
	all, err := false, ctx.Err()
	if err == nil {
		sleep(ctx, pause)
		rules, all, err = ec2rules.SomeRules(ctx, b.EC2, maxSurveyPages) // nothing is called safe here
	}
	if err != nil {
		b.Logger.WarnContext(ctx, "region not read", "errorCode", ec2rules.ErrorCode(err), "error", err.Error())
	}
	for _, c := range changes {
		var suspects []*item
		note := ""
		switch {
		case err != nil:
			note = "the region's rules could not be read: " + ec2rules.ErrorMessage(err)
		case all:
			suspects = b.suspects(c, rules)
			note = fmt.Sprintf("of the region's %d rules, %d are such as the policy has closed: the call may have made them", len(rules), len(suspects))
		default:
			suspects = b.suspects(c, rules)
			note = fmt.Sprintf("of the first %d rules of the region (it has more), %d are such as the policy has closed: the call may have made them", len(rules), len(suspects))
		}
		for _, it := range c.items {
			it.found.Reasons = append(slices.Clip(it.found.Reasons), policy.Remark(note))
			it.conclude(finding.OutcomeAlerted, b.now)
		}
		c.items = append(c.items, suspects[:min(len(suspects), maxSuspects)]...)
	}
}

// suspects judges rules group by group, as if the event's actor had made them, and
// returns an item, already settled, for each that the policy has closed.
func (b *batch) suspects(c *change, rules []secgroup.Rule) []*item {
	byGroup := map[string][]secgroup.Rule{}
	var order []string
	for _, r := range rules {
		if r.OwnerID != "" && r.OwnerID != c.account {
			continue // shared with this account: its owner's to close
		}
		if byGroup[r.GroupID] == nil {
			order = append(order, r.GroupID)
		}
		byGroup[r.GroupID] = append(byGroup[r.GroupID], r)
	}
	slices.Sort(order)
	var out []*item
	for _, id := range order {
		req := c.request(b.now, byGroup[id])
		req.Group, req.Actor, req.StandingKnown = secgroup.Group{ID: id}, c.Detection.Event.Actor.Subject(), true
		for i, j := range b.Policy.Evaluate(req) {
			if j.Verdict != policy.Revoke {
				continue
			}
			r := byGroup[id][i]
			it := &item{found: finding.Of(req, i, j, c.Detection.Event.EventID), eventID: c.Detection.Event.EventID, rule: r, judgement: j, sight: seen, present: r, left: leftSuspect}
			it.conclude(finding.OutcomeAlerted, b.now)
			out = append(out, it)
		}
	}
	return out
}
