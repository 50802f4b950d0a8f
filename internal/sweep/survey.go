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
	// earlier is set where an earlier try of the order may have closed what is gone.
	earlier bool
}

// item is one rule on its way to an outcome.
type item struct {
	group     *group
	rule      secgroup.Rule
	judgement policy.Judgement
	notes     []string // why something is not known
	// gone is set where the group no longer shows the rule, and ordered is then what
	// an earlier step said of it.
	gone    bool
	ordered *finding.Finding

	outcome finding.Outcome // "" for a rule that is compliant: nobody hears of it
	left    string
	at      time.Time
	err     error
}

// look reads and judges all that uses the edited list. chosen are rules that an
// earlier step of this change found there.
func (a *Sweeper) look(ctx context.Context, account string, change cloudtrail.Call, chosen []secgroup.Rule) (*survey, error) {
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
	for _, r := range chosen {
		if !slices.Contains(ids, r.GroupID) {
			ids = append(ids, r.GroupID)
		}
	}
	groups, err := a.readGroups(ctx, ids, change.List.ID)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		g.OwnerID = cmp.Or(g.OwnerID, account, change.AccountID)
		g.missing(chosen)
	}
	s.now = a.Now()
	for _, g := range groups {
		if err := s.judge(ctx, g, g.using, g.others, false); err != nil {
			return nil, err
		}
		if err := s.judge(ctx, g, g.gone, slices.Concat(g.using, g.others), true); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// missing notes which of the chosen rules the group no longer shows.
func (g *group) missing(chosen []secgroup.Rule) {
	for _, r := range chosen {
		if r.GroupID == g.ID && !slices.ContainsFunc(g.using, func(held secgroup.Rule) bool { return held.Permission == r.Permission }) {
			g.gone = append(g.gone, r)
		}
	}
}

// judge judges rules of a group together, with what else the group holds. Who made
// them is not known: the event tells who edited the list.
func (s *survey) judge(ctx context.Context, g *group, rules, standing []secgroup.Rule, gone bool) error {
	if len(rules) == 0 {
		return nil
	}
	req := s.request(g, rules, standing)
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
		s.items = append(s.items, &item{group: g, rule: rules[i], judgement: j, notes: notes, gone: gone})
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
		it.at = s.now
		switch v := it.judgement.Verdict; {
		case v == policy.Compliant:
		case v == policy.Exempt:
			it.outcome = finding.OutcomeExempt
		case v != policy.Revoke:
			it.outcome = finding.OutcomeAlerted
		case it.judgement.Existing != policy.ExistingRevoke:
			it.outcome = finding.OutcomeAlerted
			it.left = leftStanding
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

// leftUnchosen is why a rule stays open that an order with room for more does not
// name: the run that chose did not see it, or not as forbidden.
const leftUnchosen = "it was not there, or not forbidden, when sgward chose what to close; the next edit of the prefix list has it judged again"

// limit keeps of what is to be closed what the order names, no more than one run may,
// and says of all that stays open why. Without an order it chooses from everything. A
// rule that is gone takes none of the run's revokes; it is closed for EC2's word that
// it is, which observe mode does not ask for.
func (s *survey) limit(toClose []*item, o *order) []*item {
	var chosen, over []*item
	held := 0
	for _, it := range toClose {
		named := o == nil || o.names(it)
		switch {
		case it.gone:
			if s.Mode == finding.Enforce {
				chosen = append(chosen, it)
			}
		case named && held < s.MaxRevokes:
			held++
			chosen = append(chosen, it)
		case named || len(o.rules) >= s.MaxRevokes:
			over = append(over, it)
		default:
			it.outcome, it.left = finding.OutcomeAlerted, leftUnchosen
		}
	}
	for _, it := range over {
		it.outcome = finding.OutcomeAlerted
		it.left = s.atLimit(len(over))
	}
	return chosen
}

// close closes items' rules, or says in observe mode that it would have, and settles
// them.
func (s *survey) close(ctx context.Context, items []*item) {
	openings := make([]remediation.Opening, len(items))
	for i, it := range items {
		openings[i] = remediation.Opening{Rule: it.rule, EventID: s.change.EventID}
	}
	for i, c := range s.closer.Close(ctx, openings) {
		items[i].rule, items[i].outcome, items[i].at, items[i].err = c.Rule, c.Outcome, c.At, c.Err
	}
}
