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

// changedGroup is the source of cases in one group that calls changed, for verdicts that
// need the group itself. One goroutine works on it.
type changedGroup struct {
	*invocation
	batches  []*batch       // in the order of their events
	group    secgroup.Group // TagsKnown is set once it has been read
	held     []secgroup.Rule
	unread   []string // why rules that it holds cannot be understood
	absent   bool     // the group does not exist
	patience []time.Duration
	// closed holds the cases whose rules are closed, or would be, by identity. They no
	// longer count as the group's rules, even if a read still shows them.
	closed map[secgroup.Permission]*Case
}

func (g *changedGroup) work(ctx context.Context) {
	slices.SortStableFunc(g.batches, func(a, b *batch) int {
		return a.Detection.Event.EventTime.Compare(b.Detection.Event.EventTime)
	})
	for suspected, again := false, false; ; {
		err := g.read(ctx)
		if err != nil && !again {
			g.unreadable(ctx, err)
			return
		}
		if err == nil {
			// Rules that are forbidden on their own do not wait for a read that shows the
			// rest.
			g.closeOwn(ctx)
			g.closeReplacements(ctx)
		}
		// A caller who replaces rules makes another soon, even if the one that raised the
		// suspicion is gone. If the read for it fails, the read before still counts.
		suspected = suspected || g.mayBeReplaced(ctx)
		tooEarly := g.tooEarly()
		again = suspected && !tooEarly
		if !tooEarly && !again || !g.wait(ctx) {
			break
		}
	}
	for _, b := range g.batches {
		b.expand(g.held)
		b.addPresentOfLateEdits(g.Now())
	}
	g.closeOwn(ctx)
	// The rest depends on the group's rules together: call by call in their order, so that
	// each is judged with the rules that remain of those before it.
	for _, b := range g.batches {
		g.finish(ctx, b)
	}
	g.closeReplacements(ctx)
	g.noteStillHeld(ctx)
	for _, b := range g.batches {
		g.reportUnread(b)
	}
}

// reportUnread adds a case for the group's rules that cannot be understood to a batch whose
// verdicts depend on the group: one of them may be the call's, or add up with its rules.
// None is ever closed.
func (g *changedGroup) reportUnread(b *batch) {
	dependsOnGroup := func(c *Case) bool { return c.fromGroup && !c.byID }
	if len(g.unread) == 0 || g.absent || !b.whole && !slices.ContainsFunc(b.cases, dependsOnGroup) {
		return
	}
	c := &Case{batch: b, finding: finding.Finding{
		ID:      finding.NewID(b.account, b.region, g.group.ID, "unread", b.Detection.Event.EventID),
		Verdict: policy.Undetermined, Severity: policy.High, GroupID: g.group.ID, GroupName: g.group.Name,
		Reasons: policy.Remarks(g.unread),
	}}
	isReported := func(other *Case) bool { return other.finding.ID == c.finding.ID }
	for _, other := range g.batches {
		if slices.ContainsFunc(other.cases, isReported) {
			return
		}
	}
	c.conclude(finding.OutcomeAlerted, g.Now())
	b.cases = append(b.cases, c)
}

// unreadable closes the cases that can be judged without the group, and fails the rest.
func (g *changedGroup) unreadable(ctx context.Context, err error) {
	if g.group.ID != "" {
		g.closeOwn(ctx)
	}
	for _, b := range g.batches {
		g.failUnread(ctx, b, err)
		for _, c := range b.cases {
			if c.isQuicklyGone() && ec2rules.IsTransient(err) { // the group may hold another
				c.fail(err, g.Now())
			}
		}
	}
}

// read reads the group and records how it shows every batch.
func (g *changedGroup) read(ctx context.Context) error {
	g.absent = false
	if g.group.ID == "" {
		group, err := g.describe(ctx)
		if errors.Is(err, ec2rules.ErrNoGroup) {
			g.absent = true
			return nil
		}
		if err != nil {
			return err
		}
		g.group = group
		for _, b := range g.batches {
			b.resolve(group.ID)
		}
	}
	began := g.Now()
	held, err := ec2rules.Held(ctx, g.EC2, g.group.ID)
	if err != nil {
		return err
	}
	g.held, g.unread = held.Rules, held.Unread
	g.firstSeen.add(g.group.ID, g.held, began)
	for _, b := range g.batches {
		b.match(g.held)
	}
	return nil
}

// describe reads the group's name, VPC and tags, by id or, in the default VPC, by name.
func (g *changedGroup) describe(ctx context.Context) (secgroup.Group, error) {
	if g.group.ID == "" {
		return ec2rules.DescribeGroupNamed(ctx, g.EC2, g.group.Name)
	}
	return ec2rules.DescribeGroup(ctx, g.EC2, g.group.ID)
}

// resolve sets the group's id if an event had only its name.
func (b *batch) resolve(groupID string) {
	b.group.ID = groupID
	for _, c := range b.cases {
		c.finding.GroupID, c.rule.GroupID = groupID, groupID
	}
}

// remember records the cases whose rules are closed, or would be.
func (g *changedGroup) remember(cases []*Case) {
	for _, c := range cases {
		isClosed := c.state == stateHandedOff || c.outcome == finding.OutcomeRevoked || c.outcome == finding.OutcomeAlreadyClosed || c.outcome == finding.OutcomeWouldRevoke
		if _, known := g.closed[c.identity()]; isClosed && !known {
			g.closed[c.identity()] = c
		}
	}
}

// closeOwn judges the open cases of every batch and closes, in one call for each
// direction, the rules that are forbidden whatever else the group holds. Nothing else is
// settled yet, because this changes the group.
func (g *changedGroup) closeOwn(ctx context.Context) {
	if g.absent {
		return
	}
	var own []*Case
	for _, b := range g.batches {
		shown, loose := b.parts(g.Now())
		b.unread = errors.Join(g.judge(ctx, b, shown, alone), g.judge(ctx, b, loose, alone))
		if errors.Is(b.unread, ec2rules.ErrNoGroup) {
			g.absent, b.unread = true, nil
		}
		for _, c := range slices.Concat(shown, loose) {
			if c.ownRevoke() && !b.old { // whatever else could not be read
				own = append(own, c)
			}
		}
	}
	g.close(ctx, own)
	for _, b := range g.batches {
		if b.unread != nil {
			g.failUnread(ctx, b, b.unread)
		}
	}
	for _, c := range own {
		if c.isEdit() && c.shownAs == edited && c.outcome == finding.OutcomeAlreadyClosed {
			c.noteEdited() // EC2 itself says that the edit's values are gone
			c.batch.addPresent(c)
		}
	}
}

// parts returns the open cases that the group shows, and those that can be judged and
// closed unseen: compare-and-revoke removes nothing but the judged values. The other open
// cases wait for finish.
func (b *batch) parts(now time.Time) (shown, loose []*Case) {
	young := b.age(now) < lagWindow
	for _, c := range b.cases {
		switch {
		case c.isSettled():
		case c.shownAs == seen:
			shown = append(shown, c)
		case c.shownAs == unseen && !c.fromGroup:
			loose = append(loose, c)
		case c.shownAs == edited && c.rule.Permission.Direction != 0 && (young || !c.fromGroup):
			// Either the read lags behind the edit, or there was another edit.
			loose = append(loose, c)
		}
	}
	return shown, loose
}

// close closes the rules of cases and settles the cases. A message of its own closes a rule
// if a retry of this message could not tell that this try has closed it.
func (g *changedGroup) close(ctx context.Context, cases []*Case) {
	g.invocation.close(ctx, g.choose(ctx, cases))
	g.remember(cases)
}

// finish settles the remaining cases of a batch.
func (g *changedGroup) finish(ctx context.Context, b *batch) {
	var alike []*Case
	for _, c := range b.cases {
		// Another message had the same rule closed.
		if other := g.closed[c.identity()]; !c.isSettled() && c.shownAs == seen && other != nil {
			c.judge(other.judgement)
			if other.state == stateHandedOff {
				alike = append(alike, c)
				continue
			}
			c.conclude(other.outcome, other.at)
		}
	}
	g.close(ctx, alike)
	if b.old {
		g.finishOld(ctx, b)
		return
	}
	shown, loose := b.parts(g.Now())
	if !g.absent {
		if g.readFailed(ctx, b, g.judgeShown(ctx, b, shown)) {
			return
		}
	}
	if g.absent {
		g.finishAbsent(b)
		return
	}
	g.judgeAtThreshold(ctx, b, shown)
	var crossing []*Case
	for _, c := range shown {
		switch v := c.judgement.Verdict; {
		case c.isSettled(): // at the threshold
		case v == policy.Revoke && (!c.judgement.Union || !b.whole):
			crossing = append(crossing, c)
		case v == policy.Revoke:
			// It is unknown which call crossed the threshold: people decide.
			c.conclude(finding.OutcomeAlerted, g.now)
		default:
			c.settleBy(v, g.now)
		}
	}
	g.close(ctx, crossing)
	for _, c := range loose {
		if c.judgement.Union || c.judgement.Needs&policy.NeedStanding != 0 {
			c.fromGroup = true // as it turned out
		}
		if !c.fromGroup {
			c.settleBy(c.judgement.Verdict, g.now)
		}
	}
	g.finishUnseen(ctx, b, shown)
}

// judgeShown judges a batch's rules that the group shows beside the group's others. An
// earlier try may have closed some rules of a choice: the remaining ones are judged
// together with them, as they were chosen.
func (g *changedGroup) judgeShown(ctx context.Context, b *batch, shown []*Case) error {
	cases := shown
	if b.Detection.Chosen && b.retried(g.Now()) && len(shown) > 0 {
		for _, c := range b.cases {
			if !c.isSettled() && c.shownAs == unseen {
				cases = append(slices.Clip(cases), c)
			}
		}
	}
	judgements, err := g.evaluate(ctx, b, cases, withOthers)
	for i := range min(len(judgements), len(shown)) {
		shown[i].judge(judgements[i])
	}
	return err
}

// finishUnseen settles the cases whose rules the group does not show. While reads may lag
// behind, the message must be retried. After that the rule is gone; it is reported if the
// policy would have forbidden it, together with the batch's rules that the group showed.
func (g *changedGroup) finishUnseen(ctx context.Context, b *batch, shown []*Case) {
	var gone []*Case
	for _, c := range b.cases {
		switch now := g.Now(); c.await(now) {
		case stateWaiting:
			c.fail(errLagging, now)
		case stateOpen:
			gone = append(gone, c)
		}
	}
	if len(gone) == 0 {
		return
	}
	g.settleGone(ctx, b, gone, shown)
}

// settleGone settles cases whose rules are gone. shown are the batch's rules that the
// group showed.
func (g *changedGroup) settleGone(ctx context.Context, b *batch, gone, shown []*Case) {
	judgements, err := g.evaluate(ctx, b, slices.Concat(gone, shown), withOthers)
	if errors.Is(err, ec2rules.ErrNoGroup) {
		g.absent = true
		g.finishAbsent(b)
		return
	}
	if err != nil {
		b.failOpen(err, g.Now())
		return
	}
	for i, c := range gone {
		c.judge(judgements[i])
		switch c.judgement.Verdict {
		case policy.Compliant, policy.Exempt:
			if c.mayHaveBeenClosed(g.Now()) {
				c.conclude(finding.OutcomeAlreadyClosed, g.Now())
				continue
			}
			c.settleBy(c.judgement.Verdict, g.now)
		default:
			if c.shownAs == edited {
				c.noteEdited()
			}
			c.conclude(finding.OutcomeAlreadyClosed, g.Now())
		}
	}
}

// mayHaveBeenClosed reports that an earlier try may have closed a rule that is gone,
// although the policy allows it now: the message says that it was to be closed, and the
// facts or the policy may have been others.
func (c *Case) mayHaveBeenClosed(now time.Time) bool {
	return c.shownAs == unseen && c.finding.Verdict == policy.Revoke && c.batch.retried(now)
}

// finishAbsent settles the open cases of a group that does not exist, which opens nothing.
// A new group may not be listed yet.
func (g *changedGroup) finishAbsent(b *batch) {
	for _, c := range b.cases {
		switch {
		case c.isSettled():
		case b.age(g.Now()) < lagWindow:
			c.fail(ec2rules.ErrNoGroup, g.Now())
		default:
			c.conclude(finding.OutcomeAlreadyClosed, g.Now())
		}
	}
}
