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

// judging walks the followed history and judges each call beside the rules that its group
// held then.
type judging struct {
	*Options
	*history
	names map[int32]string // of the sources with calls
	emit  func(report.Entry) error

	groups map[place]*known
	// blind are the accounts and regions where a call changed a group that its record does
	// not identify: after it, no group there is known completely.
	blind map[place]bool
	// second holds the entries of one second until they are sorted.
	second []report.Entry
}

// known is a group's content as the history shows it so far.
type known struct {
	held  []ruleFate
	vpcID string
	name  string // "" if the history does not show the group being made
	// whole is set if the group was made in this history, so that its ingress rules are
	// all known. It may hold one unknown egress rule, for all of IPv6.
	whole bool
	// lost is set if the history does not show which rules were closed: the remaining ones
	// are then unknown, and held is unused.
	lost bool
}

// ruleFate is a rule with its fate.
type ruleFate struct {
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

// flush emits the entries of one second.
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

// take judges a call and applies it to its group.
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
		*g = known{vpcID: c.Group.VPCID, name: c.Group.Name, whole: true, held: []ruleFate{{&egress, &c.fates[0]}}}
	case cloudtrail.KindDelete:
		delete(j.groups, p)
	case cloudtrail.KindRevoke:
		g.lost = g.lost || c.From == cloudtrail.RulesUnknown
	default:
		if len(c.Rules) > 0 {
			j.takeChange(at, c, g)
		}
		if end := c.missing(); end != nil {
			j.takeMissing(c, g, end)
		}
	}
}

// takeMissing judges a call whose record leaves out rules.
func (j *judging) takeMissing(c *call, g *known, end *fate) {
	g.whole = false
	if c.Group.ID == "" {
		j.blind[place{account: c.AccountID, region: c.Region}] = true
	}
	if !j.judged(c.EventTime) || j.Other != nil { // no policy knows more about it
		return
	}
	j.second = append(j.second, j.entry(c, g, finding.OfMissing(c.Call), end))
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
		g.held = append(g.held, ruleFate{&c.Rules[i], &c.fates[i]})
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
		e := j.entry(c, g, f, &c.fates[i])
		e.Compared = compared
		j.second = append(j.second, e)
	}
}

// judge returns a finding for each rule of a change, with decision none if the k-th policy
// does not forbid it. It decides as detect would have and, where detect would have the
// group read, as remediate would have with the rules that the history shows.
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
			f.Verdict = policy.Undetermined // a name does not identify a group
		}
		out[i] = f
	}
	return out
}

// settled returns the verdict on a rule that was judged alone and beside the known rules
// of its group. If these may not be all rules, only a verdict that they are sufficient for
// is certain.
func settled(alone, beside policy.Judgement, whole bool) policy.Judgement {
	enough := beside.Verdict == policy.Revoke ||
		beside.Verdict == policy.Alert && beside.StatementID == alone.StatementID
	if alone.Needs&policy.NeedStanding == 0 || !whole && !enough {
		return alone
	}
	return beside
}

// mostRules is the most rules of one direction in a group: 1,000 of each address family
// with the highest quota
// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html).
const mostRules = 2000

// refresh drops the rules that the group no longer holds at a position in the time line.
// It reports whether the others are reliable: a history that lacks the calls that close
// rules shows more than a group can hold.
func (g *known) refresh(at int32) bool {
	g.held = slices.DeleteFunc(g.held, func(s ruleFate) bool { return s.fate.gone > 0 && s.fate.gone <= at })
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

// standing returns the group's rules without those that the k-th policy would have closed.
func (g *known) standing(k int) []secgroup.Rule {
	var out []secgroup.Rule
	for _, s := range g.held {
		if s.fate.revoked&(1<<k) == 0 {
			out = append(out, *s.rule)
		}
	}
	return out
}

// entry returns the report entry of a finding, with its end if the history shows it. The
// records of most calls lack the group's name: the call that made the group has it.
func (j *judging) entry(c *call, g *known, f finding.Finding, end *fate) report.Entry {
	f.GroupName = cmp.Or(f.GroupName, g.name)
	r := logfile.Record{Index: c.index, Line: c.line}
	e := report.Entry{Finding: f, Event: &c.Event, Place: nameOf(j.names[c.source]) + " " + r.Place()}
	if end.shown {
		by := j.calls[end.gone].Event
		open := by.EventTime.Sub(c.EventTime).Seconds()
		e.ClosedAt, e.ClosedBy, e.ExposureSeconds = &by.EventTime, &by, &open
	}
	return e
}
