package remediation

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"sgward/internal/finding"
	"sgward/internal/pause"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

const (
	// lagWindow is the time after an event during which a read may miss the event's
	// change: EC2's reads are eventually consistent. After it, a rule that a read does not
	// show is gone.
	lagWindow = time.Minute
	// SettleAge is the minimum age of an event before a read of its group is trusted.
	SettleAge = 5 * time.Second
)

// patience lists the pauses between reads that may lag behind, for all of a group's
// changes together: under 8 seconds, after which the message is retried.
func patience() []time.Duration {
	return []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}
}

// errLagging says that the group did not show a rule that it should hold.
var errLagging = errors.New("the group does not show the rule yet: EC2's reads lag behind its writes")

// match records how the group shows each open case.
func (b *batch) match(held []secgroup.Rule) {
	for _, c := range b.cases {
		if c.isSettled() || b.whole {
			continue
		}
		c.shownAs = unseen
		for _, r := range held {
			// The id decides if both sides know it: with other values the rule has been
			// edited, even if another rule has the old values now.
			if sameID := c.rule.ID != "" && r.ID == c.rule.ID; sameID {
				c.see(r)
				break
			}
			if r.Permission.Identity() == c.identity() && !c.byID {
				c.shownAs, c.present = seen, r
			}
		}
		if c.shownAs == seen && c.present.Permission.Direction == c.rule.Permission.Direction {
			// The values are equal; the group's other fields are newer.
			c.rule = c.present
		}
	}
}

// see records the rule with the case's id. An edit's record has no direction, which no
// edit changes.
func (c *Case) see(r secgroup.Rule) {
	c.present = r
	if c.rule.Permission.Direction == 0 {
		c.rule.Permission.Direction = r.Permission.Direction
	}
	c.shownAs = edited
	if r.Permission.Identity() == c.identity() {
		c.shownAs = seen
	}
}

// tooEarly reports that the last read may have missed a change that a verdict needs.
func (g *changedGroup) tooEarly() bool {
	for _, b := range g.batches {
		now := g.Now()
		if b.whole || g.absent {
			if b.isOpen() && b.age(now) < SettleAge {
				return true
			}
			continue
		}
		for _, c := range b.cases {
			if c.await(now) == stateWaiting {
				return true
			}
		}
	}
	return false
}

// wait waits for the next read and reports whether there is one.
func (g *changedGroup) wait(ctx context.Context) bool {
	if len(g.patience) == 0 {
		return false
	}
	next := g.patience[0]
	g.patience = g.patience[1:]
	<-g.slots // another group may work meanwhile
	defer func() { g.slots <- struct{}{} }()
	return pause.For(ctx, next) == nil
}

// expand replaces the finding of a whole group by one for each of its rules.
func (b *batch) expand(held []secgroup.Rule) {
	if !b.whole || !b.isOpen() || b.group.ID == "" {
		return
	}
	of := b.cases[0].finding
	b.cases, b.of = nil, &of
	for _, r := range held {
		if b.sibling == nil || !b.sibling.covers(r) { // else it is judged as the call's
			b.add(of, r)
		}
	}
}

// add adds a case for a rule that the group holds. of is the finding that had the
// group read.
func (b *batch) add(of finding.Finding, r secgroup.Rule) {
	key := cmp.Or(r.ID, r.Permission.String())
	if b.sibling != nil && slices.ContainsFunc(b.sibling.cases, func(c *Case) bool { return c.rule.ID == r.ID }) {
		key += " " + r.Permission.String() // the call's rule with values that it has since
	}
	of.ID, of.Rule = finding.NewID(b.account, b.region, b.group.ID, key, b.Detection.Event.EventID), &r
	b.cases = append(b.cases, &Case{batch: b, finding: of, rule: r, shownAs: seen, present: r, evidence: evidence{fromGroup: true}})
}

// addPresentOfLateEdits adds a case for the values that the group shows for the rule of
// an edit which is too old for the read to have missed it. The edit's own values are gone.
func (b *batch) addPresentOfLateEdits(now time.Time) {
	for _, c := range b.cases {
		if c.await(now) == stateOpen && c.isEdit() && c.shownAs == edited {
			b.addPresent(c)
		}
	}
}

// addPresent adds a case for the values that an edited rule has now. Another call than the
// event's has made them.
func (b *batch) addPresent(c *Case) {
	of := c.finding
	of.ID = finding.NewID(b.account, b.region, b.group.ID, c.present.ID+" "+c.present.Permission.String(), b.Detection.Event.EventID)
	of.Verdict = policy.Undetermined
	b.cases = append(b.cases, &Case{
		batch: b, finding: of, rule: c.present, shownAs: seen, present: c.present, evidence: evidence{actorUnknown: true, fromGroup: true},
	})
}
