package remediation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// judge judges cases of one batch together, beside standing rules or alone. An error names
// a failed read; the verdicts are then those without it: undetermined where it matters.
func (g *changedGroup) judge(ctx context.Context, b *batch, cases []*Case, with counting) error {
	judgements, err := g.evaluate(ctx, b, cases, with)
	for i, j := range judgements {
		cases[i].judge(j)
	}
	return err
}

// failUnread fails the open cases of a batch after a failed read.
func (g *changedGroup) failUnread(ctx context.Context, b *batch, err error) {
	g.Logger.ErrorContext(ctx, "group not read", "groupId", g.group.ID, "errorCode", ec2rules.ErrorCode(err), "error", err.Error())
	b.failOpen(err, g.Now())
}

// readFailed notes what an error of a judgement says of the group: it is absent, or it could not
// be read, and the batch has failed.
func (g *changedGroup) readFailed(ctx context.Context, b *batch, err error) bool {
	switch {
	case err == nil:
		return false
	case errors.Is(err, ec2rules.ErrNoGroup):
		g.absent = true
		return false
	default:
		g.failUnread(ctx, b, err)
		return true
	}
}

// counting selects the rules beside which cases are judged. The zero value is none.
type counting uint8

const (
	alone      counting = iota // without the group's other rules
	withOthers                 // with the group's other rules
)

// evaluate judges cases of one batch together and reads the facts that the policy needs.
// With an error it returns the verdicts without the failed read.
func (g *changedGroup) evaluate(ctx context.Context, b *batch, cases []*Case, with counting) ([]policy.Judgement, error) {
	if len(cases) == 0 {
		return nil, nil
	}
	var lists map[string]secgroup.PrefixList
	for {
		req := g.request(b, cases, lists)
		req.Interrupted = interruptedAfter(ctx, judgeTime)
		if with == withOthers {
			req.StandingKnown, req.Standing = true, g.standing(b)
		}
		judgements := g.Policy.Evaluate(req)
		g.judgeWithoutActor(req, cases, judgements)
		var needs policy.Needs
		for _, j := range judgements {
			needs |= j.Needs
		}
		switch {
		case needs&(policy.NeedVPC|policy.NeedGroupTags) != 0 && !g.group.TagsKnown:
			group, err := g.describe(ctx)
			if err != nil {
				return judgements, err
			}
			g.group = group
		case needs&policy.NeedPrefixList != 0 && lists == nil:
			ids := secgroup.PrefixLists(req.Rules, req.Standing)
			read, err := g.lists.Read(ctx, ids)
			if err != nil {
				return judgements, err
			}
			lists, b.lists, b.notes = read.Known, read.Known, read.Why(ids)
		case needs&policy.NeedTime != 0:
			return judgements, errJudgeTime
		default:
			return judgements, nil
		}
	}
}

// eventJudgeTime limits the judgement of an event alone, for which the other messages of a
// batch wait.
const eventJudgeTime = 200 * time.Millisecond

// judgeTime limits the judgement of one group's rules. Only a test changes it.
var judgeTime = 3 * time.Second

// errJudgeTime says that a group has too many rules to add up in time.
var errJudgeTime = fmt.Errorf("adding up the group's rules took longer than %s", judgeTime)

// interruptedAfter returns a policy.Request's Interrupted that ends a judgement after some
// time, or with ctx.
func interruptedAfter(ctx context.Context, limit time.Duration) func() bool {
	end := time.Now().Add(limit)
	return func() bool { return ctx.Err() != nil || time.Now().After(end) }
}

// request builds the policy request for cases of one batch.
func (g *changedGroup) request(b *batch, cases []*Case, lists map[string]secgroup.PrefixList) policy.Request {
	req := b.request(g.now, rulesOf(cases))
	req.Group, req.PrefixLists = g.known(b), lists
	return req
}

// judgeWithoutActor judges cases again whose current values another call than the event's
// has made: the event's actor does not count for them.
func (g *changedGroup) judgeWithoutActor(req policy.Request, cases []*Case, judgements []policy.Judgement) {
	if !slices.ContainsFunc(cases, func(c *Case) bool { return c.actorUnknown }) {
		return
	}
	req.Actor = policy.Actor{}
	for i, j := range g.Policy.Evaluate(req) {
		if cases[i].actorUnknown {
			judgements[i] = j
		}
	}
}

// known is the group as far as it is known: as read, else as the event names it.
func (g *changedGroup) known(b *batch) secgroup.Group {
	if g.group.TagsKnown {
		return g.group
	}
	return b.group
}

// standing returns the rules that the group held beside the batch's: the read ones without
// those, without the rules of later calls, and without closed ones.
func (g *changedGroup) standing(b *batch) []secgroup.Rule {
	others := map[string]bool{} // by id, as an edited rule has other values now
	for _, id := range b.Detection.Apart {
		others[id] = true
	}
	for _, c := range b.cases {
		others[c.rule.ID] = true
	}
	for _, later := range g.batches[slices.Index(g.batches, b)+1:] {
		for _, c := range later.cases {
			if !later.whole {
				others[c.rule.ID] = true
			}
		}
	}
	var out []secgroup.Rule
	for _, r := range g.held {
		if g.closed[r.Permission.Identity()] == nil && !others[r.ID] {
			out = append(out, r)
		}
	}
	return out
}

// leftAtThreshold is why a rule stays open that judgeAtThreshold found.
const leftAtThreshold = "the group's other rules were at the threshold without it too, so it is unknown which call crossed the threshold. " +
	"Close those that are not needed"

// judgeAtThreshold leaves to people the cases that did not cross the threshold only because
// the rest of the group is at it already. Each of several quick calls looks like this when
// the group is read after the last of them: it is unknown which one crossed it.
func (g *changedGroup) judgeAtThreshold(ctx context.Context, b *batch, cases []*Case) {
	if b.whole || len(cases) == 0 {
		return
	}
	req := g.request(b, cases, b.lists)
	others := g.standing(b)
	req.StandingKnown, req.Rules, req.Interrupted = true, slices.Concat(req.Rules, others), interruptedAfter(ctx, judgeTime)
	judgements := g.Policy.Evaluate(req)
	for i, c := range cases {
		j := judgements[i]
		if j.Needs&policy.NeedTime != 0 && j.Verdict.IsStrongerThan(c.judgement.Verdict) {
			c.judge(j)
			continue
		}
		// An undetermined verdict alerts anyway, and names the unknown facts.
		if !j.Union || c.judgement.Verdict == policy.Undetermined || j.Verdict <= c.judgement.Verdict {
			continue
		}
		for k, r := range others {
			if judgements[len(cases)+k].Union && r.Permission.SharesTraffic(c.rule.Permission) {
				j.With = append(j.With, r)
			}
		}
		c.judge(j)
		c.leave(finding.OutcomeAlerted, leftAtThreshold, g.now)
	}
}
