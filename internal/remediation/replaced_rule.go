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
	return !b.makerUnknown() && !b.isStanding() && !b.old && b.age(now) < lagWindow && !earlierTry(b.Try, b.age(now))
}

// quicklyGone returns the batch's cases whose rules may have been replaced. A read that does
// not show the rule of an edit may lag, but the rules that it does show need not wait.
func (g *changedGroup) quicklyGone(b *batch) []*Case {
	var out []*Case
	for _, c := range b.cases {
		now := g.Now()
		hidden := c.shownAs == unseen && (!c.isSettled() || errors.Is(c.err, errLagging)) && c.isEdit() &&
			b.mayBeOvertaken(now) && b.age(now) >= SettleAge && g.forbids(b, c)
		if hidden || c.isQuicklyGone() {
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

// overlaps reports whether a rule lets through some of the traffic of a case's
// rule. The direction of an edited rule may be unknown.
func (c *Case) overlaps(r secgroup.Rule) bool {
	p := c.rule.Permission
	if p.Direction == 0 {
		p.Direction = r.Permission.Direction
	}
	return p.SharesTraffic(r.Permission)
}

// closeReplacements judges the rules that have replaced those of calls, as for a record
// without rules, and closes those that are forbidden on their own.
func (g *changedGroup) closeReplacements(ctx context.Context) {
	if g.absent {
		return
	}
	var added []*batch
	for _, b := range g.batches {
		if gone := g.quicklyGone(b); len(gone) > 0 && g.replacements(b, gone) {
			added = append(added, b.replacements)
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

// noteStillHeld records for every case that was found closed whether its rule was
// edited, and which rules still let its traffic through.
func (g *changedGroup) noteStillHeld(ctx context.Context) {
	for _, b := range g.batches {
		for _, c := range b.cases {
			if c.outcome != finding.OutcomeAlreadyClosed || b.whole || g.absent {
				continue
			}
			isEdited := func(r secgroup.Rule) bool {
				return r.ID == c.rule.ID && r.ID != "" && r.Permission.Identity() != c.identity()
			}
			if slices.ContainsFunc(g.held, isEdited) {
				c.noteEdited()
			}
			c.noteHeld(g.stillHeld(ctx, c))
		}
	}
}

// replacements adds the rules that the group holds for the traffic of cases, and that are
// newer than the batch's event, to a batch of their own. Their makers are unknown. It
// reports whether there are any.
func (g *changedGroup) replacements(b *batch, gone []*Case) bool {
	var found bool
	for _, r := range g.held {
		if b.covers(r) || b.replacements != nil && b.replacements.covers(r) {
			continue
		}
		newer := g.firstSeen.isNewer(r, b.Detection.Event.EventTime)
		of := slices.IndexFunc(gone, func(c *Case) bool {
			isEdited := r.ID != "" && r.ID == c.rule.ID // since the call gave it the values that are gone
			if isEdited {
				c.noteEdited()
			}
			return (newer || isEdited) && c.overlaps(r)
		})
		if of < 0 {
			continue
		}
		if b.replacements == nil {
			b.replacements = &batch{delivery: b.delivery, account: b.account, region: b.region, group: b.group, whole: true, sibling: b}
		}
		b.replacements.add(gone[of].finding, r)
		found = true
	}
	return found
}

// mayBeReplaced reports whether a later read may show a rule that has replaced a call's:
// one has, or the group holds a forbidden one for its traffic that may be older.
func (g *changedGroup) mayBeReplaced(ctx context.Context) bool {
	for _, b := range g.batches {
		for _, c := range g.quicklyGone(b) {
			if !g.absent && (b.replacements != nil || len(g.stillHeld(ctx, c)) > 0) {
				return true
			}
		}
	}
	return false
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
	replaced := c.batch.replacements
	if replaced != nil {
		for _, other := range replaced.cases {
			switch other.outcome {
			case finding.OutcomeFailed, finding.OutcomeWouldRevoke, finding.OutcomeAlerted:
				if other.finding.Rule != nil && c.overlaps(other.rule) {
					out = append(out, other.rule)
				}
			}
		}
	}
	b := c.batch
	around := &batch{delivery: b.delivery, account: b.account, region: b.region, group: b.group, whole: true}
	for _, r := range g.held {
		closed := g.closed[r.Permission.Identity()]
		if c.overlaps(r) && !b.covers(r) && (replaced == nil || !replaced.covers(r)) && (closed == nil || closed.outcome == finding.OutcomeWouldRevoke) {
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

// stillHolds begins the text of stillHolding.
const stillHolds = "the group still holds "

// stillHolding tells people which rules the group holds for the traffic of a rule that is
// gone. It is empty if there are none.
func stillHolding(held []secgroup.Rule) string {
	if len(held) == 0 {
		return ""
	}
	const most = 3
	var names []string
	for _, r := range held[:min(most, len(held))] {
		names = append(names, strings.TrimSpace(r.ID+" "+r.Permission.String()))
	}
	why := stillHolds + strings.Join(names, "; ")
	if more := len(held) - most; more > 0 {
		why += fmt.Sprintf("; and %d more", more)
	}
	return why
}
