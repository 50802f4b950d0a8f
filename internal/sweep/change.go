package sweep

import (
	"context"
	"errors"
	"fmt"

	"sgward/internal/cloudtrail"
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
// Where rules have to be closed it returns a Detection with decision revoke that
// names them, at most MaxRevokes, for remediate to take up; the alert leaves those
// out. Otherwise the Detection's decision is none.
//
// An error means that the change has to come again. People may have been told
// then, with the same id.
func (a *Sweeper) Changed(ctx context.Context, account string, change cloudtrail.Call) (finding.Detection, error) {
	out := finding.Detection{
		SchemaVersion: finding.SchemaVersion, Source: finding.SourcePrefixListEdit, Verdict: policy.Compliant, PolicyDigest: a.Policy.Digest(),
		Event: change.Event, Findings: []finding.Finding{},
	}
	log := a.Logger.With("eventId", change.EventID, "eventName", change.EventName)
	if change = change.Only(cloudtrail.KindEditList); change.List == nil {
		log.InfoContext(ctx, "nothing to judge", "reason", change.Skipped)
		return out, nil
	}
	log = log.With("prefixListId", change.List.ID)
	switch {
	case change.Region != a.Region:
		return out, fmt.Errorf("judging %s: %w", change.List.ID, errElsewhere)
	case change.List.ID == "":
		return out, a.publish(ctx, a.alertOf(change, []finding.Result{unnamed(change)}))
	}
	out.PrefixListID = change.List.ID
	out.PrefixListAdded = change.List.Added[:min(len(change.List.Added), finding.MaxPrefixListAdded)]
	acting, cancel := remediation.KeepReserve(ctx, alertReserve)
	defer cancel()
	s, err := a.look(acting, account, change)
	if err != nil {
		return out, err
	}
	chosen := s.limit(s.settle())
	log.InfoContext(ctx, "judged", "rules", len(s.items), "toClose", len(chosen), "settled", s.list.settled)
	if a.Mode == finding.Enforce {
		out.Findings = s.handOver(chosen)
	} else {
		for _, it := range chosen {
			it.outcome = finding.OutcomeWouldRevoke
		}
	}
	if err := s.finish(ctx); err != nil {
		return out, err
	}
	if len(out.Findings) > 0 {
		out.Verdict = policy.Revoke
	}
	return out, nil
}

// handOver writes down what remediate is to close, as much of it as one message takes.
// That much is told by remediate.
func (s *survey) handOver(chosen []*item) []finding.Finding {
	findings := make([]finding.Finding, len(chosen))
	for i, it := range chosen {
		findings[i] = s.finding(it)
	}
	findings = fit(findings)
	for i, it := range chosen {
		if i >= len(findings) {
			it.outcome, it.left = finding.OutcomeAlerted, leftNoRoom
		}
	}
	return findings
}

// finish tells people what there is to tell, and returns why the change has to come
// again.
func (s *survey) finish(ctx context.Context) error {
	var results []finding.Result
	for _, it := range s.items {
		if it.outcome != "" {
			results = append(results, finding.Result{Finding: s.finding(it), Outcome: it.outcome, Left: it.left})
		}
	}
	var err error
	if s.list.unfinished && len(s.items) > 0 {
		err = fmt.Errorf("judging %s: %w", s.change.List.ID, errUnsettled)
	}
	if !remediation.IsNews(results) {
		s.Logger.InfoContext(ctx, "no alert", "eventId", s.change.EventID, "rules", len(results))
		return err
	}
	a := s.alertOf(s.change, results)
	a.PrefixListID = s.change.List.ID
	a.PrefixListEntries = remediation.Entries(s.list.entries, s.change.List.Added)
	return errors.Join(err, s.publish(ctx, a))
}

func (a *Sweeper) publish(ctx context.Context, told finding.Alert) error {
	if err := a.Publish(ctx, told); err != nil {
		return fmt.Errorf("publishing the alert of event %s: %w", told.Event.EventID, err)
	}
	a.Logger.InfoContext(ctx, "alert published", "eventId", told.Event.EventID, "decision", told.Verdict, "findings", len(told.Findings))
	return nil
}

func (a *Sweeper) alertOf(change cloudtrail.Call, results []finding.Result) finding.Alert {
	var findings []finding.Finding
	for _, r := range results {
		findings = append(findings, r.Finding)
	}
	return finding.Alert{
		SchemaVersion: finding.SchemaVersion, Mode: a.Mode, PolicyDigest: a.Policy.Digest(), Verdict: finding.Strongest(findings),
		Event: change.Event, Findings: results,
	}
}

// finding writes an item down.
func (s *survey) finding(it *item) finding.Finding {
	g := it.group
	f := finding.Of(s.request(g, []secgroup.Rule{it.rule}, nil), 0, it.judgement, s.change.EventID)
	if it.judgement.Verdict == policy.Revoke && it.judgement.Existing != policy.ExistingRevoke {
		f.Verdict = policy.Alert
	}
	if !s.list.settled || it.judgement.Needs&policy.NeedPrefixList != 0 {
		f.Reasons = append(f.Reasons, policy.Remarks(it.notes)...)
	}
	return f
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
