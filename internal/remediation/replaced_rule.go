package remediation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// isQuicklyGone reports that a call's rule was found gone moments after the call, and
// that no earlier try can have closed it. The caller may be faster than the events: a new
// rule, shifted by a port, every few seconds keeps the port open although every event
// finds its own rule gone. So the rest of the group is judged too.
func (c *Case) isQuicklyGone() bool {
	return c.outcome == finding.OutcomeAlreadyClosed && c.batch.mayBeOvertaken(c.at)
}

// mayBeOvertaken reports whether the caller may have replaced a rule that is gone.
func (b *batch) mayBeOvertaken(now time.Time) bool {
	return !b.makerUnknown() && !b.isStanding() && !b.old && b.age(now) < lagWindow && !EarlierTry(b.Try, b.age(now))
}

// quicklyGone returns the batch's cases whose rules may have been replaced and for
// which the group has not been judged yet. A read that does not show the rule of an
// edit may lag, but that is no reason to leave open what it does show.
func (g *changedGroup) quicklyGone(b *batch) []*Case {
	var out []*Case
	for _, c := range b.cases {
		now := g.Now()
		hidden := c.shownAs == unseen && (!c.settled || errors.Is(c.err, errLagging)) && c.isEdit() &&
			b.mayBeOvertaken(now) && b.age(now) >= settleAge && g.forbids(b, c)
		if (hidden || c.isQuicklyGone()) && !c.replaced {
			out = append(out, c)
		}
	}
	return out
}

// forbids reports whether an edit's rule is forbidden on its own in one direction.
func (g *changedGroup) forbids(b *batch, c *Case) bool {
	req := g.request(b, []*Case{c, c}, b.lists)
	req.Rules[0].Permission.Direction, req.Rules[1].Permission.Direction = secgroup.Ingress, secgroup.Egress
	return slices.ContainsFunc(g.Policy.Evaluate(req), func(j policy.Judgement) bool {
		return j.Verdict == policy.Revoke && !j.Union
	})
}

// overlaps reports whether a rule lets through some of the traffic of a case's. Of an
// edit the direction may not be known.
func (c *Case) overlaps(r secgroup.Rule) bool {
	p := c.rule.Permission
	if p.Direction == 0 {
		p.Direction = r.Permission.Direction
	}
	return sharesTraffic(p, r.Permission)
}

// closeReplacements judges the rules that may have replaced those of calls, as for a
// record without rules, and closes of them what is forbidden on its own.
func (g *changedGroup) closeReplacements(ctx context.Context) {
	if g.absent {
		return
	}
	var added []*batch
	for _, b := range g.batches {
		if gone := g.quicklyGone(b); len(gone) > 0 {
			added = append(added, g.replacements(b, gone))
		}
	}
	if len(added) == 0 {
		return
	}
	for _, b := range added {
		if !slices.Contains(g.batches, b) {
			g.batches = append(g.batches, b)
		}
	}
	g.closeOwn(ctx)
	for _, b := range added {
		g.finish(ctx, b)
	}
}

// doubtClosed withdraws the outcome of every case that was found closed if the group still
// lets its traffic through.
func (g *changedGroup) doubtClosed(ctx context.Context) {
	for _, b := range g.batches {
		for _, c := range b.cases {
			if c.outcome == finding.OutcomeAlreadyClosed && !b.whole && !g.absent {
				c.editedBack = c.editedBack || slices.ContainsFunc(g.held, func(r secgroup.Rule) bool {
					return r.ID == c.rule.ID && r.ID != "" && r.Permission.Identity() != c.identity()
				})
				c.doubt(g.stillHeld(ctx, c))
			}
		}
	}
}

// replacements adds the rules that the group holds for the traffic of cases to a batch
// of their own. Their makers are unknown.
func (g *changedGroup) replacements(b *batch, gone []*Case) *batch {
	if b.replacements == nil {
		b.replacements = &batch{delivery: b.delivery, account: b.account, region: b.region, group: b.group, whole: true, sibling: b}
	}
	out := b.replacements
	for _, r := range g.held {
		if !b.covers(r) && !out.covers(r) && slices.ContainsFunc(gone, func(c *Case) bool { return c.overlaps(r) }) {
			out.add(gone[0].finding, r)
		}
	}
	for _, c := range gone {
		c.replaced = true
	}
	return out
}

// covers reports whether one of the batch's own cases is about a rule that a read shows. A
// case whose rule was found gone is not about another rule that now has its values.
func (b *batch) covers(r secgroup.Rule) bool {
	return slices.ContainsFunc(b.cases, func(c *Case) bool {
		return c.identity() == r.Permission.Identity() && (c.outcome != finding.OutcomeAlreadyClosed || cmp.Or(c.rule.ID, r.ID) == r.ID)
	})
}

// stillHeld returns the rules that the group holds for some of the traffic of a case
// whose rule is gone: those that stayed open, and those that the policy forbids for any
// actor.
func (g *changedGroup) stillHeld(ctx context.Context, c *Case) []secgroup.Rule {
	var out []secgroup.Rule
	if around := c.batch.replacements; around != nil {
		for _, other := range around.cases {
			switch other.outcome {
			case finding.OutcomeFailed, finding.OutcomeWouldRevoke, finding.OutcomeAlerted:
				if other.finding.Rule != nil && c.overlaps(other.rule) {
					out = append(out, other.rule)
				}
			}
		}
		return out
	}
	b := c.batch
	around := &batch{delivery: b.delivery, account: b.account, region: b.region, group: b.group, whole: true}
	for _, r := range g.held {
		closed := g.closed[r.Permission.Identity()]
		if c.overlaps(r) && !b.covers(r) && (closed == nil || closed.outcome == finding.OutcomeWouldRevoke) {
			around.add(c.finding, r)
		}
	}
	judgements, err := g.evaluate(ctx, around, around.cases, alone)
	if err != nil { // the verdicts are undetermined where that matters
		g.Logger.WarnContext(ctx, "group not read", "groupId", g.group.ID, "errorCode", ec2rules.ErrorCode(err), "error", err.Error())
	}
	for i, j := range judgements {
		if j.Verdict == policy.Revoke {
			out = append(out, around.cases[i].rule)
		}
	}
	return out
}

// doubt withdraws the outcome of a case that was found closed if the group still holds
// rules for its traffic.
func (c *Case) doubt(held []secgroup.Rule) {
	if len(held) == 0 {
		return
	}
	const most = 3
	var names []string
	for _, r := range held[:min(most, len(held))] {
		names = append(names, strings.TrimSpace(r.ID+" "+r.Permission.String()))
	}
	why := "the group still holds " + strings.Join(names, "; ")
	if more := len(held) - most; more > 0 {
		why += fmt.Sprintf("; and %d more", more)
	}
	c.gone, c.settled, c.outcome, c.left = true, true, finding.OutcomeAlerted, why
}
