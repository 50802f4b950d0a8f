package sweep

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/inventory"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

const (
	// sweepReserve is kept of a run's time for telling people and remembering it: ten
	// thousand findings are some seconds of writes.
	sweepReserve = 90 * time.Second
	// answerReserve is kept for the run's answer, which says what is to be closed: what is cut off
	// before it is thrown away.
	answerReserve = 10 * time.Second
	// memoryTime is what the memory may take at a time. It is a convenience, and keeps
	// nobody waiting.
	memoryTime = 2 * time.Minute
)

// sweep is what one run finds out about all groups of the region.
type sweep struct {
	*Sweeper
	event cloudtrail.Event // the run itself
	now   time.Time        // the moment of judging
	lists ec2rules.PrefixLists
	found []*standing
	tally finding.Sweep
	// known is what the memory holds, by finding; nil where it cannot be read.
	known map[string]memo
}

// Sweep judges every group that the account has in the region, as a whole, and tells
// people in one digest what is not compliant and was not told before: the net under
// the events, which may get lost, and what an exception's end or a change of the
// policy makes of rules that nobody touched. event is the run: its id names it, its
// account is the one whose credentials EC2 works with, "" where that is not known.
// Without a region or time it is of here and now.
//
// Where rules have to be closed it returns a Detection with decision revoke that
// names them, at most MaxRevokes, for remediate to take up; the digest leaves those
// out. Otherwise the Detection's decision is none.
//
// An error means that the run must be retried. People may have been told then,
// with the same id.
func (a *Sweeper) Sweep(ctx context.Context, event cloudtrail.Event) (finding.Detection, error) {
	event.Region = cmp.Or(event.Region, a.Region)
	if event.EventTime.IsZero() {
		event.EventTime = a.Now().UTC().Truncate(time.Second)
	}
	out := finding.Detection{
		SchemaVersion: finding.SchemaVersion, Source: finding.SourceSweep, Verdict: policy.Compliant, PolicyDigest: a.Policy.Digest(),
		Event: event, Findings: []finding.Finding{},
	}
	if event.Region != a.Region {
		return out, fmt.Errorf("sweeping %q: %w", event.Region, errElsewhere)
	}
	acting, cancel := remediation.KeepReserve(ctx, sweepReserve)
	defer cancel()
	s := &sweep{Sweeper: a, event: event}
	groups, err := ec2rules.Groups(acting, a.EC2, a.Region, ec2rules.All())
	if err != nil {
		return out, fmt.Errorf("sweeping %s: nothing was judged: %w", a.Region, err)
	}
	if err := s.judge(acting, groups); err != nil {
		return out, fmt.Errorf("sweeping %s: nothing was told: %w", a.Region, err)
	}
	s.recall(acting)
	chosen := s.choose()
	s.nameEnded(chosen)
	out.Findings = a.handOver(chosen)
	if err := s.digest(ctx, chosen[:len(out.Findings)]); err != nil {
		return out, err
	}
	if len(out.Findings) > 0 {
		out.Verdict = policy.Revoke
	}
	return out, nil
}

// judge judges groups whole, at one moment. Groups that other accounts share are
// theirs to judge.
func (s *sweep) judge(ctx context.Context, groups []secgroup.Group) error {
	if s.event.AccountID != "" {
		groups = slices.DeleteFunc(groups, func(g secgroup.Group) bool {
			return g.OwnerID != "" && g.OwnerID != s.event.AccountID
		})
	}
	var err error
	if s.lists, err = ec2rules.NewLists(s.EC2).Read(ctx, inventory.PrefixLists(groups)); err != nil {
		return err
	}
	s.now = s.Now()
	for i := range groups {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("judging the group %d of %d: %w", i+1, len(groups), err)
		}
		g := &groups[i]
		g.OwnerID = cmp.Or(g.OwnerID, s.event.AccountID)
		s.tally.Groups++
		s.tally.Rules += len(g.Rules) + len(g.Unread)
		for _, f := range inventory.Judge(s.Policy, *g, s.lists, s.now) {
			s.found = append(s.found, &standing{Finding: f, group: g})
		}
		if len(g.Unread) > 0 {
			s.found = append(s.found, unread(g))
		}
	}
	return nil
}

// unread is the finding of a group with rules that could not be understood: what they
// open is not known.
func unread(g *secgroup.Group) *standing {
	return &standing{group: g, Finding: inventory.Finding{Finding: finding.Finding{
		ID:      finding.NewID(g.OwnerID, g.Region, g.ID, "unread", ""),
		Verdict: policy.Alert, Severity: policy.High,
		AccountID: g.OwnerID, Region: g.Region, GroupID: g.ID, GroupName: g.Name, VPCID: g.VPCID, Reasons: policy.Remarks(g.Unread),
	}}}
}

// choose gives every finding the outcome of its verdict and returns those that are to
// be closed, no more than one run may close: what no run has tried comes first, then
// what was tried longest ago, and of these the most urgent first. Revokes that are
// denied for ever would else keep all others from their turn.
func (s *sweep) choose() []*standing {
	forbidden := settle(s.found, func(f *standing) string {
		if f.Union {
			return remediation.LeftTogether
		}
		return ""
	})
	slices.SortStableFunc(forbidden, func(a, b *standing) int { return s.tried(a).Compare(s.tried(b)) })
	chosen := s.limit(forbidden)
	for _, f := range forbidden[len(chosen):] {
		if !s.tried(f).IsZero() {
			f.left += "; an earlier run tried to close this one, so that others came first"
		}
	}
	return chosen
}

// tried is when an earlier run chose a finding to be closed, zero where none did. What
// this very run chose does not count: a retry chooses the same.
func (s *sweep) tried(f *standing) time.Time {
	if at := s.known[f.ID].tried; at.Before(s.event.EventTime) {
		return at
	}
	return time.Time{}
}
