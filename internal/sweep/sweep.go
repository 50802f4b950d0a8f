package sweep

import (
	"cmp"
	"context"
	"encoding/json"
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
	// answerReserve is kept for the run's answer, which holds the order: what is cut off
	// before it is thrown away.
	answerReserve = 10 * time.Second
	// memoryTime is what the memory may take at a time. It is a convenience, and keeps
	// nobody waiting.
	memoryTime = 2 * time.Minute
	// maxOrderBytes bounds an order. Lambda drops what does not fit into a message of
	// 1 MiB together with the run's event.
	maxOrderBytes = 700_000
)

// sweep is what one run finds out about all groups of the region.
type sweep struct {
	*Sweeper
	event cloudtrail.Event // the run itself
	now   time.Time        // the moment of judging
	lists ec2rules.PrefixLists
	found []*swept
	tally finding.Sweep
	// known is what the memory holds, by finding; nil in a run's second step, and where
	// the memory cannot be read.
	known map[string]memo
}

// swept is one finding of a run on its way to an outcome.
type swept struct {
	inventory.Finding
	group   *secgroup.Group
	outcome finding.Outcome
	left    string
	at      time.Time
	err     error
	// gone is set where the group no longer shows the rule, and maybeEarlier where an
	// earlier try may have closed it.
	gone, maybeEarlier bool
	firstSeen          time.Time
	ended              *finding.Exception
}

// Sweep judges every group that the account has in the region, as a whole, and tells
// people in one digest what is not compliant and was not told before: the net under
// the events, which may get lost, and what an exception's end or a change of the
// policy makes of rules that nobody touched. event is the run: its id names it, its
// account is the one whose credentials EC2 works with, "" where that is not known.
// Without a region or time it is of here and now.
//
// Where rules have to be closed it returns a Detection with decision revoke that
// names them, at most MaxRevokes, for CloseSwept to take up; the digest leaves those
// out. Otherwise the Detection's decision is none.
//
// An error means that the run has to come again. People may have been told then,
// with the same id.
func (a *Sweeper) Sweep(ctx context.Context, event cloudtrail.Event) (finding.Detection, error) {
	event.Region = cmp.Or(event.Region, a.Region)
	if event.EventTime.IsZero() {
		event.EventTime = a.Now().UTC().Truncate(time.Second)
	}
	order := finding.Detection{
		SchemaVersion: finding.SchemaVersion, Verdict: policy.Compliant, PolicyDigest: a.Policy.Digest(),
		Event: event, Findings: []finding.Finding{},
	}
	if event.Region != a.Region {
		return order, fmt.Errorf("sweeping %q: %w", event.Region, errElsewhere)
	}
	acting, cancel := remediation.KeepReserve(ctx, sweepReserve)
	defer cancel()
	s := &sweep{Sweeper: a, event: event}
	groups, err := ec2rules.Groups(acting, a.EC2, a.Region, ec2rules.All())
	if err != nil {
		return order, fmt.Errorf("sweeping %s: nothing was judged: %w", a.Region, err)
	}
	if err := s.judge(acting, groups); err != nil {
		return order, fmt.Errorf("sweeping %s: nothing was told: %w", a.Region, err)
	}
	s.recall(acting)
	chosen := s.choose()
	if a.Mode == finding.Enforce {
		order.Findings, chosen = s.order(chosen)
	} else {
		s.close(acting, chosen) // which says what it would have done
		chosen = nil
	}
	if err := s.digest(ctx, chosen); err != nil {
		return order, err
	}
	if len(order.Findings) > 0 {
		order.Verdict = policy.Revoke
	}
	return order, nil
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
			s.found = append(s.found, &swept{Finding: f, group: g, at: s.now})
		}
		if len(g.Unread) > 0 {
			s.found = append(s.found, unread(g, s.now))
		}
	}
	return nil
}

// unread is the finding of a group with rules that could not be understood: what they
// open is not known.
func unread(g *secgroup.Group, now time.Time) *swept {
	return &swept{group: g, at: now, Finding: inventory.Finding{Finding: finding.Finding{
		ID:      finding.NewID(g.OwnerID, g.Region, g.ID, "unread", ""),
		Verdict: policy.Alert, Severity: policy.High,
		AccountID: g.OwnerID, Region: g.Region, GroupID: g.ID, GroupName: g.Name, VPCID: g.VPCID, Reasons: policy.Remarks(g.Unread),
	}}}
}

// choose gives every finding the outcome of its verdict and returns those that are to
// be closed, no more than one run may close: what no run has tried comes first, then
// what was tried longest ago, and of these the most urgent first. Revokes that are
// denied for ever would else keep all others from their turn.
func (s *sweep) choose() []*swept {
	var forbidden []*swept
	for _, f := range s.found {
		f.outcome = finding.OutcomeAlerted
		switch {
		case f.Verdict == policy.Exempt:
			f.outcome = finding.OutcomeExempt
		case f.Undetermined: // as in all alerts: what is not known is not the policy's wish
			f.Verdict = policy.Undetermined
		case f.Verdict != policy.Revoke:
		case f.Existing != policy.ExistingRevoke:
			f.Verdict, f.left = policy.Alert, leftStanding
		case f.Union:
			f.left = "it is forbidden only together with other rules of the group, and which of them should go only people can tell"
		default:
			forbidden = append(forbidden, f)
		}
	}
	slices.SortStableFunc(forbidden, func(a, b *swept) int {
		return cmp.Or(s.tried(a).Compare(s.tried(b)), cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.GroupID, b.GroupID), cmp.Compare(a.ID, b.ID))
	})
	return s.limit(forbidden, s.MaxRevokes)
}

// tried is when an earlier run chose a finding to be closed, zero where none did. What
// this very run chose does not count: if it comes again it chooses the same.
func (s *sweep) tried(f *swept) time.Time {
	if at := s.known[f.ID].tried; at.Before(s.event.EventTime) {
		return at
	}
	return time.Time{}
}

// limit keeps the first n and says of the rest why they are left open.
func (s *sweep) limit(forbidden []*swept, n int) []*swept {
	n = min(n, len(forbidden))
	for _, f := range forbidden[n:] {
		f.left = s.atLimit(len(forbidden) - n)
		if !s.tried(f).IsZero() {
			f.left += "; an earlier run tried to close this one, so that others came first"
		}
	}
	return forbidden[:n]
}

// order writes down what is to be closed, as much of it as one message takes, and
// returns that much of chosen.
func (s *sweep) order(chosen []*swept) ([]finding.Finding, []*swept) {
	findings := []finding.Finding{}
	used := 0
	for i, f := range chosen {
		encoded, err := json.Marshal(f.Finding.Finding)
		if used += len(encoded); err != nil || used > maxOrderBytes {
			for _, more := range chosen[i:] {
				more.left = "there was no room for it in the order of this run, and the next one chooses again"
			}
			return findings, chosen[:i]
		}
		findings = append(findings, f.Finding.Finding)
	}
	return findings, chosen
}

// close closes findings' rules, or says in observe mode that it would have.
func (s *sweep) close(ctx context.Context, findings []*swept) {
	openings := make([]remediation.Opening, len(findings))
	for i, f := range findings {
		openings[i] = remediation.Opening{Rule: f.Held, EventID: s.event.EventID}
	}
	for i, c := range s.closer.Close(ctx, openings) {
		f := findings[i]
		f.Held, f.outcome, f.at, f.err = c.Rule, c.Outcome, c.At, c.Err
		rule := c.Rule
		f.Rule = &rule
	}
}
