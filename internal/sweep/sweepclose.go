package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/inventory"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

// leftStanding says why a rule stays that its statement would close when made.
const leftStanding = "its statement closes a rule when it is made, and says nothing of rules that exist already (existing: revoke would)"

// CloseSwept closes of the rules that an order of Sweep names those that are still
// forbidden, and tells people what became of them. An order is no more than a choice:
// the groups are read and judged again.
//
// An error means that the order has to come again. A failure that another try may
// mend is told when remediation.TellFailure says so.
func (a *Sweeper) CloseSwept(ctx context.Context, order finding.Detection, d Delivery) error {
	if order.Event.Region != a.Region {
		return fmt.Errorf("closing what a sweep of %q chose: %w", order.Event.Region, errElsewhere)
	}
	orders, err := readSwept(order)
	if err != nil {
		return err
	}
	acting, cancel := remediation.KeepReserve(ctx, alertReserve)
	defer cancel()
	groups, err := a.readNamed(acting, orders)
	if err != nil {
		return fmt.Errorf("closing what a sweep of %s chose: %w", a.Region, err)
	}
	addGone(groups, orders)
	s := &sweep{Sweeper: a, event: order.Event}
	if err := s.judge(acting, groups); err != nil {
		return fmt.Errorf("closing what a sweep of %s chose: %w", a.Region, err)
	}
	s.tally = finding.Sweep{Closing: true}
	s.keep(orders)
	chosen := slices.DeleteFunc(s.choose(), func(f *swept) bool { return f.gone && a.Mode != finding.Enforce })
	s.close(acting, chosen)
	s.settleGone(orders, chosen, remediation.EarlierTry(d.Try, s.now.Sub(d.Chosen)))
	return s.report(ctx, d)
}

// ordered is a rule that an order names.
type ordered struct {
	finding finding.Finding
	rule    secgroup.Rule
	gone    bool // the group no longer shows it
}

func (o *ordered) is(r secgroup.Rule) bool {
	return o.rule.GroupID == r.GroupID && o.rule.Permission.Identity() == r.Permission.Identity()
}

// readSwept reads the rules that an order names, in its order.
func readSwept(order finding.Detection) ([]*ordered, error) {
	out := make([]*ordered, len(order.Findings))
	for i, f := range order.Findings {
		if f.Rule == nil || !f.Rule.Permission.IsValid() || f.GroupID == "" {
			return nil, fmt.Errorf("reading findings[%d]: want a rule and its group", i)
		}
		out[i] = &ordered{finding: f, rule: *f.Rule}
	}
	return out, nil
}

// readNamed reads the groups that orders name. A group that is gone is not among
// them.
func (a *Sweeper) readNamed(ctx context.Context, orders []*ordered) ([]secgroup.Group, error) {
	var ids []string
	for _, o := range orders {
		ids = append(ids, o.rule.GroupID)
	}
	slices.Sort(ids)
	return ec2rules.Groups(ctx, a.EC2, a.Region, ec2rules.WithIDs(slices.Compact(ids)...))
}

// addGone adds to groups the ordered rules that they no longer show, so that these
// are judged like the others: a read may lag behind, and only EC2's answer to a revoke
// says that a rule is gone. Of a group that is gone itself there is nothing to judge.
func addGone(groups []secgroup.Group, orders []*ordered) {
	for _, o := range orders {
		at := slices.IndexFunc(groups, func(g secgroup.Group) bool { return g.ID == o.rule.GroupID })
		o.gone = at < 0 || !slices.ContainsFunc(groups[at].Rules, o.is)
		if o.gone && at >= 0 {
			groups[at].Rules = append(groups[at].Rules, o.rule)
		}
	}
}

// keep leaves of what was found only what orders name.
func (s *sweep) keep(orders []*ordered) {
	s.found = slices.DeleteFunc(s.found, func(f *swept) bool {
		at := slices.IndexFunc(orders, func(o *ordered) bool { return o.is(f.Held) })
		f.gone = at >= 0 && orders[at].gone
		return at < 0
	})
}

// settleGone deals with rules that are gone and that nothing was sent for: nobody
// minds, unless an earlier try may have closed them. That has to be told, in the
// words of the order.
func (s *sweep) settleGone(orders []*ordered, chosen []*swept, earlier bool) {
	s.found = slices.DeleteFunc(s.found, func(f *swept) bool {
		return f.outcome == finding.OutcomeExempt || f.gone && !slices.Contains(chosen, f)
	})
	for _, f := range chosen {
		// Whoever found it gone a moment after it was chosen cannot say who it was: a
		// person, remediate, or this very run, delivered twice.
		f.maybeEarlier = f.outcome == finding.OutcomeAlreadyClosed
	}
	for _, o := range orders {
		if earlier && o.gone && !slices.ContainsFunc(chosen, func(f *swept) bool { return o.is(f.Held) }) {
			s.found = append(s.found, &swept{
				Finding: inventory.Finding{Finding: o.finding}, outcome: finding.OutcomeAlreadyClosed, at: s.now, maybeEarlier: true,
			})
		}
	}
}

// report tells people what became of an order, and returns why it has to come again.
func (s *sweep) report(ctx context.Context, d Delivery) error {
	var errs []error
	loud := false
	for _, f := range s.found {
		if f.err != nil {
			errs = append(errs, fmt.Errorf("closing %s of %s: %w", f.Held.ID, f.GroupID, f.err))
			loud = loud || !ec2rules.IsTransient(f.err)
		}
	}
	err := errors.Join(errs...)
	if len(s.found) == 0 || err != nil && !loud && !remediation.TellFailure(d.Try, d.Tries) {
		s.Logger.InfoContext(ctx, "no alert", "eventId", s.event.EventID, "rules", len(s.found))
		return err
	}
	if loud && d.repeats() {
		s.found = slices.DeleteFunc(s.found, func(f *swept) bool { return f.maybeEarlier })
	}
	s.nameEnded(s.found)
	return errors.Join(err, s.publish(ctx, s.alert(s.found, d.Try, d.Tries)))
}
