package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

// Why an event has to come again, or nothing can be made of it.
var (
	errUnsettled = errors.New("EC2 has not finished the edit, so that what is safe now may not be then")
	errElsewhere = errors.New("the prefix list is of another region than this function")
)

// Changed judges every rule of the account that uses the list which a change has
// edited, and tells people what is now forbidden. account is the account whose
// credentials EC2 works with, "" where it is not known.
//
// Where something has to be closed it does neither: it returns a Detection with
// decision revoke that names the rules, at most MaxRevokes, for Close to take up.
// Otherwise the Detection's decision is none and the change is dealt with.
//
// An error means that the change has to come again. People may have been told
// then, with the same id.
func (a *Sweeper) Changed(ctx context.Context, account string, change cloudtrail.Call) (finding.Detection, error) {
	done := finding.Detection{
		SchemaVersion: finding.SchemaVersion, Verdict: policy.Compliant, PolicyDigest: a.Policy.Digest(),
		Event: change.Event, Findings: []finding.Finding{},
	}
	log := a.Logger.With("eventId", change.EventID, "eventName", change.EventName)
	if change = change.Only(cloudtrail.KindEditList); change.List == nil {
		log.InfoContext(ctx, "nothing to judge", "reason", change.Skipped)
		return done, nil
	}
	log = log.With("prefixListId", change.List.ID)
	switch {
	case change.Region != a.Region:
		return done, fmt.Errorf("judging %s: %w", change.List.ID, errElsewhere)
	case change.List.ID == "":
		return done, a.publish(ctx, a.alertOf(change, Delivery{}, []finding.Result{unnamed(change)}))
	}
	acting, cancel := remediation.KeepReserve(ctx, alertReserve)
	defer cancel()
	s, err := a.look(acting, account, change, nil)
	if err != nil {
		return done, err
	}
	chosen := s.limit(s.settle(), nil)
	log.InfoContext(ctx, "judged", "rules", len(s.items), "toClose", len(chosen), "settled", s.list.settled)
	if len(chosen) > 0 && a.Mode == finding.Enforce {
		done.Verdict = policy.Revoke
		for _, it := range chosen {
			done.Findings = append(done.Findings, s.finding(it))
		}
		return done, nil
	}
	s.close(acting, chosen)
	return done, s.finish(ctx, Delivery{})
}

// Close closes of the rules that an order of Changed names those that are still
// forbidden, and tells people of all that uses the list. An order is no more than a
// choice: rules that it names are judged like all others.
//
// An error means that the order has to come again. A failure that another try may
// mend is told when remediation.TellFailure says so.
func (a *Sweeper) Close(ctx context.Context, account string, change cloudtrail.Call, detection finding.Detection, d Delivery) error {
	if change.List == nil {
		return fmt.Errorf("closing what event %s opened: it edited no prefix list", change.EventID)
	}
	if change.Region != a.Region {
		return fmt.Errorf("judging %s: %w", change.List.ID, errElsewhere)
	}
	order, err := readOrder(change.List.ID, detection)
	if err != nil {
		return err
	}
	acting, cancel := remediation.KeepReserve(ctx, alertReserve)
	defer cancel()
	s, err := a.look(acting, account, change, order.rules)
	if err != nil {
		return err
	}
	s.earlier = remediation.EarlierTry(d.Try, s.now.Sub(d.Chosen))
	chosen := s.limit(s.settle(), &order)
	s.close(acting, chosen)
	for _, it := range s.items {
		if !it.gone || slices.Contains(chosen, it) {
			continue
		}
		// No longer forbidden, and gone: nobody minds, unless it was an earlier try that
		// closed it. That has to be told.
		it.outcome, it.left = "", ""
		if s.earlier {
			it.outcome, it.ordered = finding.OutcomeAlreadyClosed, order.findingOf(it)
		}
	}
	return s.finish(ctx, d)
}

// Delivery is what a queue says of how an order comes. The zero value says nothing.
type Delivery struct {
	// Try and Tries say which delivery of the order this is, from 1, and after how
	// many it goes to the dead letters; 0 where that is not known.
	Try, Tries int
	// Chosen is when the order was made, zero where that is not known.
	Chosen time.Time
}

// repeats reports that people have heard before of what an earlier try did. As in
// remediation a denied revoke is told on every try, and what was done beside it on the
// first, and on the last in case that one was lost.
func (d Delivery) repeats() bool { return d.Try > 1 && d.Try < d.Tries }

// order is what an earlier step chose to close.
type order struct {
	findings []finding.Finding
	rules    []secgroup.Rule // of findings, in the same order
}

func readOrder(listID string, d finding.Detection) (order, error) {
	out := order{findings: d.Findings}
	for i, f := range d.Findings {
		if f.Rule == nil || !f.Rule.Permission.IsValid() || f.GroupID == "" || f.Rule.Permission.Peer.PrefixList() != listID {
			return order{}, fmt.Errorf("reading findings[%d]: want a rule of %s and its group", i, listID)
		}
		out.rules = append(out.rules, *f.Rule)
	}
	return out, nil
}

// findingOf returns what the earlier step said of the item's rule, or nil.
func (o order) findingOf(it *item) *finding.Finding {
	i := slices.IndexFunc(o.rules, func(r secgroup.Rule) bool {
		return r.GroupID == it.rule.GroupID && r.Permission == it.rule.Permission
	})
	if i < 0 {
		return nil
	}
	return &o.findings[i]
}

func (o order) names(it *item) bool { return o.findingOf(it) != nil }

// finish tells people what there is to tell, and returns why the change has to come
// again.
func (s *survey) finish(ctx context.Context, d Delivery) error {
	var results []finding.Result
	var errs []error
	loud, news := false, false
	for _, it := range s.items {
		if it.err != nil {
			errs = append(errs, fmt.Errorf("closing %s of %s: %w", it.rule.ID, it.rule.GroupID, it.err))
			loud = loud || !ec2rules.IsTransient(it.err)
		}
		if it.outcome != "" {
			results = append(results, s.result(it))
			news = news || it.outcome != finding.OutcomeExempt
		}
	}
	if s.list.unfinished && len(s.items) > 0 {
		errs, loud = append(errs, fmt.Errorf("judging %s: %w", s.change.List.ID, errUnsettled)), true
	}
	err := errors.Join(errs...)
	if !news || err != nil && !loud && !remediation.TellFailure(d.Try, d.Tries) {
		s.Logger.InfoContext(ctx, "no alert", "eventId", s.change.EventID, "rules", len(results))
		return err
	}
	if loud && d.repeats() {
		results = slices.DeleteFunc(results, func(r finding.Result) bool { return r.MaybeEarlier })
	}
	a := s.alertOf(s.change, d, results)
	a.PrefixListID = s.change.List.ID
	a.PrefixListEntries = s.list.tell(s.change.List.Added)
	return errors.Join(err, s.publish(ctx, a))
}

func (a *Sweeper) publish(ctx context.Context, told finding.Alert) error {
	if err := a.Publish(ctx, told); err != nil {
		return fmt.Errorf("publishing the alert of event %s: %w", told.Event.EventID, err)
	}
	a.Logger.InfoContext(ctx, "alert published", "eventId", told.Event.EventID, "decision", told.Verdict, "findings", len(told.Findings))
	return nil
}

func (a *Sweeper) alertOf(change cloudtrail.Call, d Delivery, results []finding.Result) finding.Alert {
	var findings []finding.Finding
	for _, r := range results {
		findings = append(findings, r.Finding)
	}
	return finding.Alert{
		SchemaVersion: finding.SchemaVersion, Mode: a.Mode, PolicyDigest: a.Policy.Digest(), Verdict: finding.Strongest(findings),
		Event: change.Event, Try: d.Try, Tries: d.Tries, Findings: results,
	}
}

// finding writes an item down.
func (s *survey) finding(it *item) finding.Finding {
	g := it.group
	f := finding.Of(s.request(g, []secgroup.Rule{it.rule}, nil), 0, it.judgement, s.change.EventID)
	if it.ordered != nil {
		f.Verdict, f.Severity, f.StatementID, f.Reasons = it.ordered.Verdict, it.ordered.Severity, it.ordered.StatementID, it.ordered.Reasons
	}
	if it.judgement.Verdict == policy.Revoke && it.judgement.Existing != policy.ExistingRevoke {
		f.Verdict = policy.Alert
	}
	if !s.list.settled || it.judgement.Needs&policy.NeedPrefixList != 0 {
		f.Reasons = append(f.Reasons, policy.Remarks(it.notes)...)
	}
	return f
}

// result is what an item came to. How long it was open is not known: the list may
// have held the same before.
func (s *survey) result(it *item) finding.Result {
	r := finding.Result{
		Finding: s.finding(it), Outcome: it.outcome, Left: it.left,
		MaybeEarlier: it.outcome == finding.OutcomeAlreadyClosed && s.earlier,
	}
	if it.err != nil {
		r.Severity = policy.Critical
		r.ErrorCode, r.ErrorMessage = ec2rules.ErrorCode(it.err), ec2rules.ErrorMessage(it.err)
	}
	if it.outcome == finding.OutcomeRevoked || it.outcome == finding.OutcomeAlreadyClosed {
		at := it.at.UTC()
		r.ClosedAt = &at
	}
	return r
}

// unnamed is the result for a change whose record does not name the list.
func unnamed(change cloudtrail.Call) finding.Result {
	return finding.Result{
		Outcome: finding.OutcomeAlerted,
		Finding: finding.Finding{
			ID:      finding.NewID(change.AccountID, change.Region, "", "", change.EventID),
			Verdict: policy.Alert, Severity: policy.High, AccountID: change.AccountID, Region: change.Region,
			Reasons: policy.Remarks([]string{fmt.Sprintf("the record of %s leaves out its parameters, the prefix list too: look at what uses the list that this call edited", change.EventName)}),
		},
	}
}
