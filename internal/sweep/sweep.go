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
	// sweepReserve is the part of a run's time reserved for the alert and the memory: ten
	// thousand findings take some seconds of writes.
	sweepReserve = 90 * time.Second
	// answerReserve is reserved for the run's answer, which names the rules to close:
	// without it they would be lost.
	answerReserve = 10 * time.Second
	// MetricSweeps is 1 with the first completed sweep of a day of UTC.
	MetricSweeps = "SweepsCompleted"
	// MetricUnannounced counts rules that no event has announced.
	MetricUnannounced = "UnannouncedOpenings"
	// memoryTime limits one use of the memory, which is optional.
	memoryTime = 2 * time.Minute
)

// sweep is the state of one run over all groups of the region.
type sweep struct {
	*Sweeper
	event  cloudtrail.Event // the run itself
	now    time.Time        // the moment of judging
	lists  ec2rules.PrefixLists
	groups []secgroup.Group // those of the account
	found  []*candidate
	tally  finding.Sweep
	// padded holds the ids of rules with so many tags that they were read without.
	padded map[string]bool
	// began is when the run began to read the groups.
	began time.Time
	// known is the content of the memory, by finding; nil if it cannot be read. last is the
	// last completed sweep, zero if unknown. pending are the rules whose events are not known
	// yet, by their items' ids.
	known, pending map[string]memo
	last           memo
}

// Sweep judges every group of the account in the region and reports new findings in one
// digest: openings whose events were lost, and rules that became forbidden when an exception
// ended or the policy changed.
//
//   - event is the run. Its id names it; its account is that of EC2's credentials, "" if
//     unknown; its region and time default to here and now.
//   - The Detection has decision revoke and names the rules for remediate to close, at most
//     MaxRevokes, which the digest leaves out; or its decision is none.
//   - An error means that the run must be retried. An alert with the same id may have been
//     sent.
func (s *Sweeper) Sweep(ctx context.Context, event cloudtrail.Event) (finding.Detection, error) {
	event.Region = cmp.Or(event.Region, s.Region)
	if event.EventTime.IsZero() {
		event.EventTime = s.Now().UTC().Truncate(time.Second)
	}
	out := finding.NewDetection(s.Policy, event, finding.SourceSweep)
	if event.Region != s.Region {
		return out, fmt.Errorf("sweeping %q: %w", event.Region, errElsewhere)
	}
	acting, cancel := remediation.KeepReserve(ctx, sweepReserve)
	defer cancel()
	run := &sweep{Sweeper: s, event: event, began: s.Now()}
	groups, err := run.readGroups(acting)
	if err != nil {
		return out, fmt.Errorf("sweeping %s: nothing was judged: %w", s.Region, err)
	}
	if err := run.judge(acting, groups); err != nil {
		return out, fmt.Errorf("sweeping %s: no alert was sent: %w", s.Region, err)
	}
	run.recall(acting)
	chosen := run.choose()
	run.nameEnded(chosen)
	out.Findings = s.handOver(chosen)
	if err := run.digest(ctx, chosen[:len(out.Findings)]); err != nil {
		return out, err
	}
	run.countSweep(ctx)
	if len(out.Findings) > 0 {
		out.Verdict = policy.Revoke
	}
	return out, nil
}

// countSweep publishes MetricSweeps with the first sweep of a day of UTC: CloudWatch charges
// a metric for every hour with data.
func (s *sweep) countSweep(ctx context.Context) {
	if dayOf(s.last.lastSeen) != dayOf(s.now) {
		s.Count(ctx, MetricSweeps, 1)
	}
}

func dayOf(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// readGroups reads all groups of the region.
func (s *sweep) readGroups(ctx context.Context) ([]secgroup.Group, error) {
	rules := &ec2rules.Unpadded{RuleReader: s.EC2}
	groups, err := ec2rules.Groups(ctx, struct {
		ec2rules.GroupDescriber
		ec2rules.RuleReader
	}{s.EC2, rules}, s.Region, ec2rules.All())
	s.padded = rules.Padded
	return groups, err
}

// judge judges all groups as of one moment. Groups that other accounts share are left to
// those accounts.
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
	s.now, s.groups = s.Now(), groups
	for i := range groups {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("judging the group %d of %d: %w", i+1, len(groups), err)
		}
		g := &groups[i]
		g.OwnerID = cmp.Or(g.OwnerID, s.event.AccountID)
		s.tally.Groups++
		s.tally.Rules += len(g.Rules) + len(g.Unread)
		for _, f := range inventory.Judge(s.Policy, *g, s.lists, s.now) {
			s.found = append(s.found, &candidate{Finding: f, group: g, owner: s.Policy.Owner(g)})
		}
		if len(g.Unread) > 0 {
			u := unread(g)
			u.owner = s.Policy.Owner(g)
			s.found = append(s.found, u)
		}
	}
	return nil
}

// unread returns the finding of a group with rules that could not be parsed.
func unread(g *secgroup.Group) *candidate {
	return &candidate{group: g, Finding: inventory.Finding{Finding: finding.Finding{
		ID:      finding.NewID(g.OwnerID, g.Region, g.ID, "unread", ""),
		Verdict: policy.Alert, Severity: policy.High,
		AccountID: g.OwnerID, Region: g.Region, GroupID: g.ID, GroupName: g.Name, VPCID: g.VPCID, Reasons: policy.Remarks(g.Unread),
	}}}
}

// choose gives every finding the outcome of its verdict and returns those to close, at
// most MaxRevokes: rules that no run has tried, then those tried longest ago, each by
// urgency. So revokes that are always denied do not block the others.
func (s *sweep) choose() []*candidate {
	forbidden := settle(s.found, func(f *candidate) string {
		if f.Union {
			return remediation.LeftTogether
		}
		return ""
	})
	slices.SortStableFunc(forbidden, func(a, b *candidate) int { return s.tried(a).Compare(s.tried(b)) })
	chosen := s.limit(forbidden)
	for _, f := range forbidden[len(chosen):] {
		if !s.tried(f).IsZero() {
			f.left += "; an earlier run tried to close this one, so others came first"
		}
	}
	return chosen
}

// tried is when an earlier run chose a finding to be closed, zero if none did. This run's
// own choice does not count: a retry chooses the same.
func (s *sweep) tried(f *candidate) time.Time {
	if at := s.known[f.ID].tried; at.Before(s.event.EventTime) {
		return at
	}
	return time.Time{}
}
