package remediation

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// Why an existing rule stays open although its statement would revoke it.
const (
	LeftStanding = "its statement closes a rule when it is made, and leaves existing ones to people"
	LeftTogether = "it is forbidden only together with other rules of the group, and people must choose which of them to close"
)

// LeftAtLimit says why rules stay open that exceed MaxRevokes.
func LeftAtLimit(maxRevokes, left int) string {
	return fmt.Sprintf("a run closes no more than %s, which leaves %d open", text.Plural(maxRevokes, "rule"), left)
}

// standing is the source of a message of sweep, which names existing rules that sweep chose
// to close, or those of a call whose record names no group. The choice is not an order: the
// groups are read and judged again. The makers of the rules are unknown.
type standing struct {
	*invocation
	*delivery
}

// work closes the named rules that are still forbidden. Other rules stay untouched:
// sweep's own alert reports them.
func (s *standing) work(ctx context.Context) {
	if err := s.judgeGroups(ctx); err != nil {
		s.Logger.ErrorContext(ctx, "groups not read", "errorCode", ec2rules.ErrorCode(err), "error", err.Error())
		for _, b := range s.batches {
			b.failOpen(err, s.Now())
		}
		return
	}
	s.close(ctx, s.settle())
}

// judgeGroups reads the named groups and judges each by its own policy.
func (s *standing) judgeGroups(ctx context.Context) error {
	var ids []string
	for _, b := range s.batches {
		if b.isOpen() && !slices.Contains(ids, b.group.ID) {
			ids = append(ids, b.group.ID)
		}
	}
	groups, undescribed, err := ec2rules.GroupsByID(ctx, s.EC2, s.Region, ids)
	if err != nil {
		return err
	}
	if undescribed != nil { // name, VPC and tags stay unknown
		s.Logger.WarnContext(ctx, "groups not described", "errorCode", ec2rules.ErrorCode(undescribed), "error", undescribed.Error())
	}
	var rules [][]secgroup.Rule
	for _, b := range s.batches {
		rules = append(rules, rulesOf(b.cases))
	}
	for i := range groups {
		rules = append(rules, groups[i].Rules)
	}
	lists, err := s.lists.Read(ctx, secgroup.PrefixLists(rules...))
	if err != nil {
		return err
	}
	var edit ListEdit
	if d := &s.Detection; d.Source == finding.SourcePrefixListEdit && !s.isOld(s.now) {
		if edit, err = ReadListEdit(ctx, s.EC2, d.PrefixListID, d.PrefixListVersion); err != nil {
			return err
		}
		s.listBefore = edit.Before
	}
	for _, b := range s.batches {
		// A group that is gone cannot be judged.
		if at := slices.IndexFunc(groups, func(g secgroup.Group) bool { return g.ID == b.group.ID }); at >= 0 {
			s.judge(ctx, b, groups[at], lists, edit)
		}
	}
	return nil
}

// judge judges a group in its current state and records the verdicts on the rules that the
// message names. Those that the group no longer shows are judged as if they were added to
// it.
func (s *standing) judge(ctx context.Context, b *batch, g secgroup.Group, lists ec2rules.PrefixLists, edit ListEdit) {
	g.OwnerID = cmp.Or(g.OwnerID, b.account)
	if s.isElsewhere(g.OwnerID, s.Region) {
		s.leaveElsewhere(b)
		return
	}
	b.notes = lists.Why(secgroup.PrefixLists(g.Rules, rulesOf(b.cases)))
	b.group = g
	req := finding.RequestOfGroup(g, lists.Known, s.now)
	req.Interrupted = interruptedAfter(ctx, judgeTime)
	if s.Detection.Source == finding.SourcePrefixListEdit {
		// The edit adds to the traffic that the group's other rules allow.
		req.Rules, req.Standing = SplitByList(g.Rules, s.Detection.PrefixListID)
	}
	listID, editor := s.Detection.PrefixListID, s.Detection.Event.Actor.Subject()
	judgements, opened := edit.Judge(s.Policy, req, listID, editor)
	var gone []*Case
	for _, c := range b.cases {
		if c.isSettled() {
			continue
		}
		c.finding.GroupName, c.finding.VPCID = cmp.Or(g.Name, c.finding.GroupName), cmp.Or(g.VPCID, c.finding.VPCID)
		at := slices.IndexFunc(req.Rules, func(r secgroup.Rule) bool { return r.Permission.Identity() == c.identity() })
		if at < 0 {
			gone = append(gone, c)
			continue
		}
		c.shownAs, c.rule = seen, req.Rules[at]
		c.judge(judgements[at])
		c.opened = opened[at]
	}
	if len(gone) == 0 {
		return
	}
	// Their tags are the message's claim.
	req.Rules, req.RulesRead, req.Standing = rulesOf(gone), false, g.Rules
	judgements, opened = edit.Judge(s.Policy, req, listID, editor)
	for i, c := range gone {
		c.judge(judgements[i])
		c.opened = opened[i]
	}
}

// settle settles every case that is not to be closed and returns the others, the most
// urgent first and at most MaxRevokes. A rule that the group no longer shows does not
// count: a read may lag, and EC2's answer to a revoke proves that it is gone.
func (s *standing) settle() []*Case {
	var toClose, gone []*Case
	for _, b := range s.batches {
		for _, c := range b.cases {
			forbidden := s.closes(c)
			switch {
			case c.isSettled():
			case c.shownAs == unseen && forbidden && s.Mode == finding.Enforce:
				gone = append(gone, c)
			case c.shownAs == unseen:
				s.settleGone(c)
			case forbidden:
				toClose = append(toClose, c)
			default:
				s.settleHeld(b, c)
			}
		}
	}
	return append(s.atMostMaxRevokes(toClose), gone...)
}

// atMostMaxRevokes returns the most urgent of cases whose existing rules are to be closed,
// and leaves the others open. It sorts cases.
func (r *invocation) atMostMaxRevokes(cases []*Case) []*Case {
	slices.SortStableFunc(cases, func(a, b *Case) int {
		return cmp.Or(cmp.Compare(b.judgement.Severity, a.judgement.Severity), cmp.Compare(a.rule.GroupID, b.rule.GroupID), cmp.Compare(a.rule.ID, b.rule.ID))
	})
	n := min(r.MaxRevokes, len(cases))
	for _, c := range cases[n:] {
		c.leave(finding.OutcomeAlerted, LeftAtLimit(r.MaxRevokes, len(cases)-n), r.now)
	}
	return cases[:n:n]
}

// closes reports whether a verdict has an existing rule closed. In a union, people must
// choose the rules to close, unless the edit of a list has completed the union.
func (s *standing) closes(c *Case) bool {
	j := c.judgement
	return j.Verdict == policy.Revoke && (c.opened || s.isUnnamedCall() || j.Existing == policy.ExistingRevoke) &&
		(!j.Union || s.Detection.Source == finding.SourcePrefixListEdit)
}

// isUnnamedCall reports that the rules were made by the event's call, although its record
// does not name them: the statement's effect applies.
func (s *standing) isUnnamedCall() bool {
	return s.Detection.Source == finding.SourceUnnamedCall && !s.isOld(s.now)
}

// settleGone settles a rule that is gone and that is not sent to EC2. It is not reported,
// unless an earlier try may have closed it; then with the message's values.
func (s *standing) settleGone(c *Case) {
	if !earlierTry(s.Try, s.now.Sub(s.Sent)) {
		c.comply()
		return
	}
	c.judged = false
	c.conclude(finding.OutcomeAlreadyClosed, s.now)
}

// settleHeld settles a rule that the group holds and that is not to be closed. If it has
// become compliant or exempt, it is not reported.
func (s *standing) settleHeld(b *batch, c *Case) {
	switch j := c.judgement; {
	case j.Verdict == policy.Exempt:
		c.comply()
	case j.Verdict == policy.Compliant && s.Detection.Source == finding.SourcePrefixListEdit && b.age(s.now) < lagWindow:
		c.fail(errListLagging, s.now)
	case j.Verdict != policy.Revoke:
		c.settleBy(j.Verdict, s.now)
	case j.Existing != policy.ExistingRevoke && !s.isUnnamedCall():
		c.judgement.Verdict = policy.Alert
		c.leave(finding.OutcomeAlerted, LeftStanding, s.now)
	default:
		c.leave(finding.OutcomeAlerted, LeftTogether, s.now)
	}
}
