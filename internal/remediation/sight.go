package remediation

import (
	"cmp"
	"context"
	"errors"
	"time"

	"sgward/internal/finding"
	"sgward/internal/secgroup"
)

const (
	// lagWindow is how long after an event a read may still miss what the event
	// made: EC2's reads are eventually consistent. Later, what a read does not show
	// is not there.
	lagWindow = time.Minute
	// settleAge is how old an event has to be for a first look at a group of which
	// nothing tells whether the look came too early.
	settleAge = 5 * time.Second
)

// patience lists how long to wait between reads that may lag behind, for all of a
// group's changes together: under 8 seconds, after which the message comes again.
func patience() []time.Duration {
	return []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}
}

// errLagging says that the group did not show a rule that it should hold.
var errLagging = errors.New("the group does not show the rule yet: EC2's reads lag behind its writes")

// lookFor notes what the group shows of each open item.
func (c *change) lookFor(held []secgroup.Rule) {
	for _, it := range c.items {
		if it.settled || c.whole {
			continue
		}
		it.sight = unseen
		for _, r := range held {
			// The id decides where both sides know it: with other values the rule has
			// been edited, even if another one has the values now.
			if sameID := it.rule.ID != "" && r.ID == it.rule.ID; sameID {
				it.see(r)
				break
			}
			if r.Permission.Identity() == it.identity() && !it.byID {
				it.sight, it.present = seen, r
			}
		}
		if it.sight == seen && it.present.Permission.Direction == it.rule.Permission.Direction {
			// The same values; what else the group says of the rule is newer.
			it.rule = it.present
		}
	}
}

// see notes what a rule with the item's id looks like. An edit's record tells no
// direction, which no edit changes.
func (it *item) see(r secgroup.Rule) {
	it.present = r
	if it.rule.Permission.Direction == 0 {
		it.rule.Permission.Direction = r.Permission.Direction
	}
	it.sight = edited
	if r.Permission.Identity() == it.identity() {
		it.sight = seen
	}
}

// tooEarly reports that the last read may have missed something that matters.
func (w *groupWork) tooEarly() bool {
	for _, c := range w.changes {
		age := c.age(w.Now())
		if c.whole || w.absent {
			if c.open() && age < settleAge {
				return true
			}
			continue
		}
		for _, it := range c.items {
			if it.lagging(age) {
				return true
			}
		}
	}
	return false
}

// lagging reports that the item's verdict needs the group to hold its rule, and
// that the group may do so although the read does not show it.
func (it *item) lagging(age time.Duration) bool {
	if it.settled || !it.fromGroup || age >= lagWindow {
		return false
	}
	return it.sight == unseen || it.sight == edited && it.isEdit()
}

// isEdit reports that the item tells of an edit, whose record has no direction.
func (it *item) isEdit() bool {
	return it.found.Rule != nil && it.found.Rule.Permission.Direction == 0
}

// wait waits for the next read and reports whether there is one.
func (w *groupWork) wait(ctx context.Context) bool {
	if len(w.patience) == 0 {
		return false
	}
	pause := w.patience[0]
	w.patience = w.patience[1:]
	<-w.slots // for a group that has something to do
	defer func() { w.slots <- struct{}{} }()
	return sleep(ctx, pause)
}

// sleep waits, and reports whether it did so to the end.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// expand replaces the finding of a whole group by one for each rule it holds.
func (c *change) expand(held []secgroup.Rule) {
	if !c.whole || !c.open() || c.group.ID == "" {
		return
	}
	told := map[secgroup.Permission]bool{} // by the event itself: judged as the call's
	if c.sibling != nil {
		for _, it := range c.sibling.items {
			told[it.identity()] = true
		}
	}
	of := c.items[0]
	c.items = nil
	for _, r := range held {
		if told[r.Permission.Identity()] {
			continue
		}
		f := of.found
		f.ID = finding.NewID(c.account, c.region, c.group.ID, cmp.Or(r.ID, r.Permission.String()), of.eventID)
		c.items = append(c.items, &item{found: f, eventID: of.eventID, made: of.made, rule: r, sight: seen, present: r, fromGroup: true})
	}
}

// takePresent has the values judged that the group shows, where those of an edit
// are too old to be what a read may have missed.
func (c *change) takePresent(now time.Time) {
	for _, it := range c.items {
		if !it.settled && it.isEdit() && it.sight == edited && !it.lagging(c.age(now)) {
			it.takePresent()
		}
	}
}

func (it *item) takePresent() {
	it.settled, it.outcome, it.at = false, "", time.Time{}
	it.rule, it.sight, it.stranger = it.present, seen, true
}
