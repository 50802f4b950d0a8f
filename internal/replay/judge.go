package replay

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/logfile"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/secgroup"
)

// judging walks a history that has been followed, so that the end of everything is
// known, and judges each call beside what its group held then.
type judging struct {
	*Options
	*history
	sources []logfile.Source
	emit    func(report.Entry) error

	groups map[place]*known
	// blind are the accounts and regions in which a call changed a group that its
	// record does not identify: after it no group there is known whole.
	blind map[place]bool
	// second holds the entries of one second until they can be put in order.
	second []report.Entry
}

// known is what the history shows of a group so far.
type known struct {
	held  []standing
	vpcID string
	// whole is set where the group was made in this history, so that it holds no
	// ingress rule but those shown. Of egress it may hold one for all of IPv6.
	whole bool
	// lost is set where rules of the group were closed and the history does not tell
	// which: what is left of those shown is not known, and held is of no use.
	lost bool
}

// standing is a rule and what becomes of it.
type standing struct {
	rule *secgroup.Rule
	fate *fate
}

func (j *judging) run(ctx context.Context) error {
	j.groups, j.blind = map[place]*known{}, map[place]bool{}
	var now time.Time
	for at, c := range j.calls {
		if at%1024 == 0 && ctx.Err() != nil {
			return fmt.Errorf("judging the history: %w", ctx.Err())
		}
		if t := c.EventTime; !t.Equal(now) {
			if err := j.flush(); err != nil {
				return err
			}
			now = t
		}
		j.take(int32(at), c)
	}
	return j.flush()
}

// flush hands on the entries of one second.
func (j *judging) flush() error {
	slices.SortStableFunc(j.second, func(a, b report.Entry) int {
		return cmp.Or(cmp.Compare(a.Event.EventID, b.Event.EventID),
			cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.Region, b.Region))
	})
	for _, e := range j.second {
		if err := j.emit(e); err != nil {
			return err
		}
	}
	clear(j.second)
	j.second = j.second[:0]
	return nil
}

// take judges a call and notes what it means for its group.
func (j *judging) take(at int32, c *call) {
	p := placeOf(c)
	g := j.groups[p]
	if g == nil {
		g = &known{}
		j.groups[p] = g
	}
	switch c.Kind {
	case cloudtrail.KindCreate:
		egress := defaultEgress()
		*g = known{vpcID: c.Group.VPCID, whole: true, held: []standing{{&egress, &c.fates[0]}}}
	case cloudtrail.KindDelete:
		delete(j.groups, p)
	case cloudtrail.KindRevoke:
		g.lost = g.lost || c.From == cloudtrail.RulesUnknown
	default:
		if len(c.Rules) > 0 {
			j.takeChange(at, c, g)
		}
		if end := c.untold(); end != nil {
			j.takeUntold(c, g, end)
		}
	}
}

// takeUntold judges a call whose record leaves out rules.
func (j *judging) takeUntold(c *call, g *known, end *fate) {
	g.whole = false
	if c.Group.ID == "" {
		j.blind[place{account: c.AccountID, region: c.Region}] = true
	}
	if !j.judged(c.EventTime) || j.Other != nil { // no policy knows more of it
		return
	}
	j.second = append(j.second, j.entry(c, finding.Untold(c.Call), end))
}

// takeChange judges a call by every policy.
func (j *judging) takeChange(at int32, c *call, g *known) {
	if c.Group.ID == "" {
		j.blind[place{account: c.AccountID, region: c.Region}] = true
	}
	policies := j.policies()
	found := make([][]finding.Finding, len(policies))
	for k, p := range policies {
		found[k] = j.judge(p, k, at, &c.Call, g)
		for i, f := range found[k] {
			if f.Verdict == policy.Revoke {
				c.fates[i].revoked |= 1 << k
			}
		}
	}
	for i := range c.Rules {
		if g.lost || c.fates[i].harmless {
			continue
		}
		g.held = append(g.held, standing{&c.Rules[i], &c.fates[i]})
	}
	if !j.judged(c.EventTime) {
		return
	}
	for i, f := range found[0] {
		if f.Verdict == policy.Compliant {
			j.counts.Compliant++
		}
		var compared *report.Compared
		if len(found) > 1 {
			other := found[1][i]
			if !differ(f, other) {
				continue
			}
			compared = &report.Compared{Verdict: other.Verdict, Severity: other.Severity, StatementID: other.StatementID, Reasons: other.Reasons}
		} else if f.Verdict == policy.Compliant {
			continue
		}
		e := j.entry(c, f, &c.fates[i])
		e.Compared = compared
		j.second = append(j.second, e)
	}
}

// judge returns a finding for each rule of a change, with decision none for those that
// the policy, the k-th, has nothing against. It decides as detect would have, and
// where that asks for a look at the group, as remediate would have after a look at
// what the history shows of it.
func (j *judging) judge(p *policy.Policy, k int, at int32, c *cloudtrail.Call, g *known) []finding.Finding {
	req := finding.RequestOf(*c, c.EventTime)
	req.Group.VPCID = g.vpcID
	judgements := p.Evaluate(req)
	asks := func(o policy.Judgement) bool { return o.Needs&policy.NeedStanding != 0 }
	if slices.ContainsFunc(judgements, asks) && g.refresh(at) {
		req.StandingKnown, req.Standing = true, g.standing(k)
		whole := g.whole && !j.blind[place{account: c.AccountID, region: c.Region}]
		for i, beside := range p.Evaluate(req) {
			ingress := c.Rules[i].Permission.Direction == secgroup.Ingress
			judgements[i] = settled(judgements[i], beside, whole && ingress)
		}
	}
	out := make([]finding.Finding, len(c.Rules))
	for i := range c.Rules {
		f := finding.Of(req, i, judgements[i], c.EventID)
		f.FromRequest = c.From == cloudtrail.RulesFromRequest
		if f.Verdict == policy.Revoke && c.Group.ID == "" {
			f.Verdict = policy.Undetermined // a name is not yet a group
		}
		out[i] = f
	}
	return out
}

// settled returns what can be said of a rule that was judged alone and beside those
// that its group is known to hold. Where that may not be all of them only what these
// are enough for is certain.
func settled(alone, beside policy.Judgement, whole bool) policy.Judgement {
	enough := beside.Verdict == policy.Revoke ||
		beside.Verdict == policy.Alert && beside.StatementID == alone.StatementID
	if alone.Needs&policy.NeedStanding == 0 || !whole && !enough {
		return alone
	}
	return beside
}

// mostRules is how many rules of one direction a group can hold: 1,000 of each address
// family, where the quota is raised to the last
// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html).
const mostRules = 2000

// refresh forgets what the group no longer holds at a position in the time line. It
// reports whether what is left can be relied on: a history that lacks the calls that
// close rules shows more than any group can hold.
func (g *known) refresh(at int32) bool {
	g.held = slices.DeleteFunc(g.held, func(s standing) bool { return s.fate.gone > 0 && s.fate.gone <= at })
	ingress := 0
	for _, s := range g.held {
		if s.rule.Permission.Direction == secgroup.Ingress {
			ingress++
		}
	}
	if ingress > mostRules || len(g.held)-ingress > mostRules {
		g.lost, g.held = true, nil
	}
	return !g.lost
}

// standing returns the rules that the group holds, but for those that the k-th policy
// would have had closed.
func (g *known) standing(k int) []secgroup.Rule {
	var out []secgroup.Rule
	for _, s := range g.held {
		if s.fate.revoked&(1<<k) == 0 {
			out = append(out, *s.rule)
		}
	}
	return out
}

// entry writes a finding down with what the history tells of its end.
func (j *judging) entry(c *call, f finding.Finding, end *fate) report.Entry {
	r := logfile.Record{Index: c.index, Line: c.line}
	e := report.Entry{Finding: f, Event: &c.Event, Place: nameOf(j.sources[c.source].Name) + " " + r.Place()}
	if end.shown {
		by := j.calls[end.gone].Event
		open := by.EventTime.Sub(c.EventTime).Seconds()
		e.ClosedAt, e.ClosedBy, e.ExposureSeconds = &by.EventTime, &by, &open
	}
	return e
}
