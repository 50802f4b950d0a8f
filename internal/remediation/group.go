package remediation

import (
	"context"
	"errors"
	"slices"
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// groupWork brings the changes of one group to an end, those whose verdict needs
// the group itself. One goroutine works on it.
type groupWork struct {
	*batch
	changes  []*change      // of run, in the order of their events
	group    secgroup.Group // TagsKnown is set once it has been read
	held     []secgroup.Rule
	absent   bool // the group is not there
	patience []time.Duration
	// closed holds the items whose rules are closed, or would be, by identity. They
	// are no part of what the group holds, even where a read still shows them.
	closed map[secgroup.Permission]*item
}

func (w *groupWork) run(ctx context.Context) {
	w.slots <- struct{}{}
	defer func() { <-w.slots }()
	slices.SortStableFunc(w.changes, func(a, b *change) int {
		return a.Detection.Event.EventTime.Compare(b.Detection.Event.EventTime)
	})
	for {
		if err := w.read(ctx); err != nil {
			w.unreadable(ctx, err)
			return
		}
		// What is forbidden on its own does not wait for a read that shows the rest.
		w.closeOwn(ctx)
		if !w.tooEarly() || !w.wait(ctx) {
			break
		}
	}
	for _, c := range w.changes {
		c.expand(w.held)
		c.takePresent(w.Now())
	}
	w.closeOwn(ctx)
	// The rest depends on what the group holds together: call by call as they were
	// made, so that each is judged with what was left of those before it.
	for _, c := range w.changes {
		w.finish(ctx, c)
	}
}

// unreadable closes what can be judged without the group, and fails the rest.
func (w *groupWork) unreadable(ctx context.Context, err error) {
	if w.group.ID != "" {
		w.closeOwn(ctx)
	}
	for _, c := range w.changes {
		w.failUnread(ctx, c, err)
	}
}

func (c *change) failOpen(err error, at time.Time) {
	for _, it := range c.items {
		if !it.settled {
			it.fail(err, at)
		}
	}
}

// read reads the group and notes what it shows of every change.
func (w *groupWork) read(ctx context.Context) error {
	w.absent = false
	if w.group.ID == "" {
		group, err := w.describe(ctx)
		if errors.Is(err, ec2rules.ErrNoGroup) {
			w.absent = true
			return nil
		}
		if err != nil {
			return err
		}
		w.group = group
		for _, c := range w.changes {
			c.resolve(group.ID)
		}
	}
	held, err := ec2rules.Rules(ctx, w.EC2, ec2rules.WithIDs(w.group.ID))
	if err != nil {
		return err
	}
	w.held = held
	for _, c := range w.changes {
		c.lookFor(held)
	}
	return nil
}

// describe reads the group's name, VPC and tags, by id or, in the default VPC, by
// name.
func (w *groupWork) describe(ctx context.Context) (secgroup.Group, error) {
	if w.group.ID == "" {
		return ec2rules.DescribeGroupNamed(ctx, w.EC2, w.group.Name)
	}
	return ec2rules.DescribeGroup(ctx, w.EC2, w.group.ID)
}

// resolve writes the group's id where an event had only its name.
func (c *change) resolve(groupID string) {
	c.group.ID = groupID
	for _, it := range c.items {
		it.found.GroupID, it.rule.GroupID = groupID, groupID
	}
}

// remember notes the items whose rules are closed, or would be.
func (w *groupWork) remember(items []*item) {
	for _, it := range items {
		switch it.outcome {
		case finding.OutcomeRevoked, finding.OutcomeAlreadyClosed, finding.OutcomeWouldRevoke:
			if _, known := w.closed[it.identity()]; !known {
				w.closed[it.identity()] = it
			}
		}
	}
}

// closeOwn judges what is open in every change and closes, in one call for each
// direction, what is forbidden whatever else the group holds. Nothing else is
// settled yet: closing these changes what the group holds.
func (w *groupWork) closeOwn(ctx context.Context) {
	if w.absent {
		return
	}
	var own []*item
	for _, c := range w.changes {
		shown, loose := c.parts(w.Now())
		c.unread = errors.Join(w.judge(ctx, c, shown, alone), w.judge(ctx, c, loose, alone))
		if errors.Is(c.unread, ec2rules.ErrNoGroup) {
			w.absent, c.unread = true, nil
		}
		for _, it := range slices.Concat(shown, loose) {
			if it.ownRevoke() { // whatever else could not be read
				own = append(own, it)
			}
		}
	}
	w.close(ctx, own)
	for _, c := range w.changes {
		if c.unread != nil {
			w.failUnread(ctx, c, c.unread)
		}
	}
	for _, it := range own {
		if it.isEdit() && it.sight == edited && it.outcome == finding.OutcomeAlreadyClosed {
			it.takePresent() // EC2's own word that the edit's values are gone
		}
	}
}

// parts returns the open items that the group is seen to hold, and those that can
// be judged and closed without: compare-and-revoke removes nothing but what was
// judged. The rest waits for finish.
func (c *change) parts(now time.Time) (shown, loose []*item) {
	young := c.age(now) < lagWindow
	for _, it := range c.items {
		switch {
		case it.settled:
		case it.sight == seen:
			shown = append(shown, it)
		case it.sight == unseen && !it.fromGroup:
			loose = append(loose, it)
		case it.sight == edited && it.rule.Permission.Direction != 0 && (young || !it.fromGroup):
			// Either the read lags behind the edit, or there was another one since.
			loose = append(loose, it)
		}
	}
	return shown, loose
}

// close closes items' rules and settles them.
func (w *groupWork) close(ctx context.Context, items []*item) {
	w.closeItems(ctx, items)
	w.remember(items)
}

// finish settles what is left of a change.
func (w *groupWork) finish(ctx context.Context, c *change) {
	for _, it := range c.items {
		// Another message had the same rule closed.
		if twin := w.closed[it.identity()]; !it.settled && it.sight == seen && twin != nil {
			it.judgement = twin.judgement
			it.conclude(twin.outcome, twin.at)
		}
	}
	shown, loose := c.parts(w.Now())
	if !w.absent {
		switch err := w.judge(ctx, c, shown, inCompany); {
		case errors.Is(err, ec2rules.ErrNoGroup):
			w.absent = true
		case err != nil:
			w.failUnread(ctx, c, err)
			return
		}
	}
	if w.absent {
		w.finishAbsent(c)
		return
	}
	w.judgeCrowd(c, shown)
	var crossing []*item
	for _, it := range shown {
		switch v := it.judgement.Verdict; {
		case it.left != "":
			it.conclude(finding.OutcomeAlerted, w.now)
		case v == policy.Revoke && (!it.judgement.Union || !c.whole):
			crossing = append(crossing, it)
		case v == policy.Revoke:
			// Which call crossed the line is not known: people decide what stays.
			it.conclude(finding.OutcomeAlerted, w.now)
		default:
			it.settleBy(v, w.now)
		}
	}
	w.close(ctx, crossing)
	for _, it := range loose {
		if it.judgement.Union || it.judgement.Needs&policy.NeedStanding != 0 {
			it.fromGroup = true // as it turned out
		}
		if !it.fromGroup {
			it.settleBy(it.judgement.Verdict, w.now)
		}
	}
	w.finishUnseen(ctx, c, shown)
}

// finishUnseen settles the items whose rules the group would have to show and
// does not. While reads may lag behind, the message has to come again. After that
// the rule is gone; people hear of it if the policy would have minded, together
// with the change's rules that the group showed.
func (w *groupWork) finishUnseen(ctx context.Context, c *change, shown []*item) {
	var gone []*item
	for _, it := range c.items {
		switch {
		case it.settled:
		case it.lagging(c.age(w.Now())):
			it.fail(errLagging, w.Now())
		default:
			gone = append(gone, it)
		}
	}
	if len(gone) == 0 {
		return
	}
	judgements, err := w.evaluate(ctx, c, slices.Concat(gone, shown), inCompany)
	if errors.Is(err, ec2rules.ErrNoGroup) {
		w.absent = true
		w.finishAbsent(c)
		return
	}
	if err != nil {
		c.failOpen(err, w.Now())
		return
	}
	for i, it := range gone {
		it.judgement = judgements[i]
		switch it.judgement.Verdict {
		case policy.Compliant, policy.Exempt:
			it.settleBy(it.judgement.Verdict, w.now)
		default:
			it.conclude(finding.OutcomeAlreadyClosed, w.Now())
		}
	}
}

// finishAbsent settles what is open of a group that is not there: nothing of it is
// reachable. A group just made may not be listed yet.
func (w *groupWork) finishAbsent(c *change) {
	for _, it := range c.items {
		switch {
		case it.settled:
		case c.age(w.Now()) < lagWindow:
			it.fail(ec2rules.ErrNoGroup, w.Now())
		default:
			it.conclude(finding.OutcomeAlreadyClosed, w.Now())
		}
	}
}
