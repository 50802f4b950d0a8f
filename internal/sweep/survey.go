package sweep

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

// survey is what one run finds out about the rules that use an edited list.
type survey struct {
	*Sweeper
	account string // whose groups are judged; "" where it is not known
	change  cloudtrail.Call
	list    list
	now     time.Time
	items   []*item
	others  *ec2rules.Lists // than the edited one
}

// item is one rule on its way to an outcome.
type item struct {
	group     *group
	rule      secgroup.Rule
	judgement policy.Judgement
	notes     []string // why something is not known

	// outcome is "" for a rule that is compliant: nobody hears of it. One that is handed
	// over has none either: remediate tells of it.
	outcome finding.Outcome
	left    string
}

// look reads and judges all that uses the edited list.
func (a *Sweeper) look(ctx context.Context, account string, change cloudtrail.Call) (*survey, error) {
	s := &survey{Sweeper: a, account: account, change: change, others: ec2rules.NewLists(a.EC2)}
	var err error
	if s.list, err = a.readList(ctx, change); err != nil {
		return nil, err
	}
	if early := settleAge - a.Now().Sub(change.EventTime); early > 0 {
		if err := a.Wait(ctx, min(early, settleAge)); err != nil {
			return nil, fmt.Errorf("waiting for EC2's reads to catch up: %w", err)
		}
	}
	ids, err := ec2rules.GroupsUsing(ctx, a.EC2, account, change.List.ID)
	if err != nil {
		return nil, err
	}
	groups, err := a.readGroups(ctx, ids, change.List.ID)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		g.OwnerID = cmp.Or(g.OwnerID, account, change.AccountID)
	}
	s.now = a.Now()
	for _, g := range groups {
		if err := s.judge(ctx, g); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// judge judges the rules of a group that use the list together, with what else the
// group holds. Who made them is not known: the event tells who edited the list.
func (s *survey) judge(ctx context.Context, g *group) error {
	if len(g.using) == 0 {
		return nil
	}
	req := s.request(g, g.using, g.others)
	var notes []string
	if s.list.known {
		req.PrefixLists[s.change.List.ID] = ec2rules.Ranges(s.list.entries)
	}
	if s.list.problem != "" {
		notes = append(notes, s.list.problem)
	}
	judgements := s.Policy.Evaluate(req)
	if slices.ContainsFunc(judgements, func(j policy.Judgement) bool { return j.Needs&policy.NeedPrefixList != 0 }) {
		more, err := s.readOthers(ctx, req)
		if err != nil {
			return err
		}
		notes = append(notes, more...)
		judgements = s.Policy.Evaluate(req)
	}
	for i, j := range judgements {
		s.items = append(s.items, &item{group: g, rule: g.using[i], judgement: j, notes: notes})
	}
	return nil
}

// request asks for the verdict on rules of a group that holds other rules beside
// them.
func (s *survey) request(g *group, rules, standing []secgroup.Rule) policy.Request {
	return policy.Request{
		Time: s.now, AccountID: g.OwnerID, Region: s.Region, Group: g.Group,
		Rules: rules, Standing: standing, StandingKnown: true, PrefixLists: map[string][]netip.Prefix{},
	}
}

// readOthers adds to a request the other lists that its rules name. It says of those
// that cannot be read why.
func (s *survey) readOthers(ctx context.Context, req policy.Request) (notes []string, err error) {
	ids := slices.DeleteFunc(secgroup.PrefixLists(req.Rules, req.Standing), func(id string) bool { return id == s.change.List.ID })
	others, err := s.others.Read(ctx, ids)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.PrefixLists, others.Entries)
	return others.Why(ids), nil
}

// settle gives every item the outcome of its verdict and returns those that are to
// be closed, the most urgent first.
func (s *survey) settle() (toClose []*item) {
	for _, it := range s.items {
		switch v := it.judgement.Verdict; {
		case v == policy.Compliant:
		case v == policy.Exempt:
			it.outcome = finding.OutcomeExempt
		case v != policy.Revoke:
			it.outcome = finding.OutcomeAlerted
		case it.judgement.Existing != policy.ExistingRevoke:
			it.outcome = finding.OutcomeAlerted
			it.left = remediation.LeftStanding
		case s.list.unfinished:
			it.outcome = finding.OutcomeAlerted
			it.left = "what the prefix list holds is not certain yet, and sgward will look again"
		case !s.list.settled:
			it.outcome = finding.OutcomeAlerted
			it.left = "what the prefix list holds could not be read"
		default:
			toClose = append(toClose, it)
		}
	}
	slices.SortStableFunc(toClose, func(a, b *item) int {
		return cmp.Or(cmp.Compare(b.judgement.Severity, a.judgement.Severity), cmp.Compare(a.rule.GroupID, b.rule.GroupID), cmp.Compare(a.rule.ID, b.rule.ID))
	})
	return toClose
}

// limit keeps of what is to be closed no more than one run may, and says of the rest
// why it stays open.
func (s *survey) limit(toClose []*item) []*item {
	n := min(s.MaxRevokes, len(toClose))
	for _, it := range toClose[n:] {
		it.outcome = finding.OutcomeAlerted
		it.left = remediation.LeftAtLimit(s.MaxRevokes, len(toClose)-n)
	}
	return toClose[:n]
}
