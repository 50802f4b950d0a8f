package remediation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/logline"
	"sgward/internal/policy"
)

// conclude ends a delivery: it publishes an alert if there is something to report, and
// returns why the message must be retried.
func (r *invocation) conclude(ctx context.Context, d *delivery) error {
	results, err := r.reportable(ctx, d)
	if len(results) == 0 {
		return err
	}
	return errors.Join(err, r.publish(ctx, r.alert(ctx, d, results)))
}

// reportable returns the results of a delivery that an alert should report, if any, and
// why the message must be retried. reportsFailure selects the tries that report failures,
// under the same id; a retry reports the rules that it has closed in any case.
func (r *invocation) reportable(ctx context.Context, d *delivery) ([]finding.Result, error) {
	results, errs, urgent := d.results()
	err := errors.Join(errs...)
	if err != nil && !reportsFailure(d.Try, d.Tries, urgent) {
		closed := d.closedUnnamed
		if d.Try > 1 {
			closed = d.closedNow
		}
		results = closed()
	}
	if err == nil {
		results = append(results, d.corrections()...)
	}
	if !IsReportable(results) {
		r.Logger.InfoContext(ctx, "no alert", "eventId", d.Detection.Event.EventID, "try", d.Try, "findings", len(results), "outcomes", outcomes(results))
		return nil, err
	}
	return results, err
}

// publish publishes an alert.
func (r *invocation) publish(ctx context.Context, a finding.Alert) error {
	a.Cite(r.Policy)
	log := r.Logger.With(logline.EventID, a.Event.EventID, "try", a.Try)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("publishing the alert of event %s: no time was left: %w", a.Event.EventID, err)
	}
	if err := r.Publish(ctx, a); err != nil {
		log.ErrorContext(ctx, "alert not published", "error", err.Error())
		return fmt.Errorf("publishing the alert of event %s: %w", a.Event.EventID, err)
	}
	attrs := []any{logline.Decision, a.Verdict, logline.Findings, len(a.Findings), "outcomes", outcomes(a.Findings)}
	if seconds := longestExposure(a.Findings); seconds > 0 {
		attrs = append(attrs, "exposureSeconds", seconds)
	}
	log.InfoContext(ctx, logline.AlertPublished, attrs...)
	return nil
}

// longestExposure returns for how long the first of the revoked rules was open; 0 if that
// is not known.
func longestExposure(results []finding.Result) (seconds float64) {
	for _, r := range results {
		if r.Outcome == finding.OutcomeRevoked && r.ExposureSeconds != nil {
			seconds = max(seconds, *r.ExposureSeconds)
		}
	}
	return seconds
}

// alert returns the alert of a delivery's results.
func (r *invocation) alert(ctx context.Context, d *delivery, results []finding.Result) finding.Alert {
	a := finding.NewAlert(r.Mode, r.Policy, d.Detection.Event, results)
	a.Try, a.Tries = d.Try, d.Tries
	for _, b := range d.batches {
		owner := r.Policy.Owner(&b.group)
		for i := range results {
			if owner != "" && results[i].GroupID == b.group.ID {
				results[i].Owner = owner
			}
		}
	}
	switch d.Detection.Source {
	case finding.SourceCall:
		wait := r.count(ctx, d, &a)
		r.describe(ctx, &a)
		wait()
	case finding.SourcePrefixListEdit:
		a.PrefixListID = d.Detection.PrefixListID
		a.PrefixListEntries = Entries(r.lists.Held(a.PrefixListID), d.Detection.PrefixListAdded)
		a.PrefixListBefore = Entries(d.listBefore, nil)
	case finding.SourceSweep:
		a.Sweep = &finding.Sweep{Closing: true}
	case finding.SourceUnnamedCall:
		a.Sweep = &finding.Sweep{Closing: true, UnnamedCall: true}
	}
	return a
}

// results returns the results to report, why the message must be retried, and whether
// people must know of that at once.
func (d *delivery) results() (results []finding.Result, errs []error, urgent bool) {
	for _, b := range d.batches {
		for _, c := range b.all() {
			if c.err != nil {
				errs = append(errs, fmt.Errorf("finding %s: %w", c.finding.ID, c.err))
			}
			// An unread group may prove harmless on the next try.
			urgent = urgent || c.needsPeople() && (d.Try != 1 || c.finding.Verdict == policy.Revoke)
			if c.outcome != "" && !c.carried {
				results = append(results, c.result())
			}
		}
	}
	results = append(d.told(), results...)
	// The results beside a failure were reported with it; the last try reports all again, in
	// case an alert was lost. Beside a revoke that failed otherwise, the first try reported
	// nothing.
	if (urgent || d.Try > 2) && len(errs) > 0 && d.repeats() {
		results = slices.DeleteFunc(results, func(r finding.Result) bool { return r.MaybeEarlier })
	}
	return results, errs, urgent
}

// closedNow returns the rules that this try has closed.
func (d *delivery) closedNow() (results []finding.Result) {
	for _, b := range d.batches {
		for _, c := range b.all() {
			if c.outcome == finding.OutcomeRevoked && !c.earlier {
				results = append(results, c.result())
			}
		}
	}
	return results
}

// closedUnnamed returns the closed rules that the event does not name. Another try will
// not find them in the group, so they are reported although the message is retried.
func (d *delivery) closedUnnamed() (results []finding.Result) {
	for _, b := range d.batches {
		for _, c := range b.all() {
			if c.batch.whole && c.outcome == finding.OutcomeRevoked {
				results = append(results, c.result())
			}
		}
	}
	return results
}

// corrections returns a result for each finding that the policy allows and that an earlier try
// may have reported as a failure. It is for a message that ends with this try.
func (d *delivery) corrections() (results []finding.Result) {
	for _, b := range d.batches {
		allowed := b.allowed()
		for _, f := range d.Detection.Findings {
			// The second try has reported any failure; a choice says that a rule was to be closed.
			reported := d.Try > 2 || d.Detection.Chosen
			c := allowed[f.ID]
			if !reported || c == nil || f.Verdict == policy.Exempt {
				continue
			}
			r := c.result()
			r.Outcome = finding.OutcomeCompliant
			results = append(results, r)
		}
	}
	return results
}

// allowed returns the batch's cases without anything to report, by their findings' ids. A
// whole group, of which each rule is a case, has one case for the group.
func (b *batch) allowed() map[string]*Case {
	out := map[string]*Case{}
	isAllowed := func(c *Case) bool {
		result := c.result()
		return c.state == stateSettled && c.err == nil && (c.outcome == "" || result.IsQuiet())
	}
	if b.whole && b.of != nil {
		if !slices.ContainsFunc(b.cases, func(c *Case) bool { return !isAllowed(c) }) {
			group := &Case{batch: b, finding: *b.of}
			group.comply()
			out[b.of.ID] = group
		}
		return out
	}
	for _, c := range b.cases {
		if isAllowed(c) {
			out[c.finding.ID] = c
		}
	}
	return out
}

// all returns the batch's cases and those of the rules that replaced theirs.
func (b *batch) all() []*Case {
	if b.replacements == nil {
		return b.cases
	}
	return slices.Concat(b.cases, b.replacements.cases)
}

// IsReportable reports whether results are worth an alert.
func IsReportable(results []finding.Result) bool {
	return slices.ContainsFunc(results, func(r finding.Result) bool { return !r.IsQuiet() })
}

func outcomes(results []finding.Result) map[string]int {
	out := map[string]int{}
	for _, r := range results {
		out[string(r.Outcome)]++
	}
	return out
}

// maybeOurs reports that sgward itself may have closed a rule that was found gone. That
// holds for a first try too: an earlier delivery of the event or the message may have ended
// before its alert.
func (c *Case) maybeOurs() bool { return c.outcome == finding.OutcomeAlreadyClosed && !c.editedBack }

// retried reports that an earlier try of the message may have closed its rules. The
// message about an event is as old as the event; other messages name their own age.
func (d *delivery) retried(now time.Time) bool {
	made := d.Sent
	if d.Detection.Source == finding.SourceCall && !d.Detection.Chosen {
		made = d.Detection.Event.EventTime
	}
	return earlierTry(d.Try, now.Sub(made))
}

// result returns the case's result for an alert.
func (c *Case) result() finding.Result {
	b := c.batch
	r := finding.Result{
		Finding: c.finding, Outcome: c.outcome, Left: c.left, Gone: c.gone,
		Edited:       b.Detection.Event.EventName == "ModifySecurityGroupRules" && !b.makerUnknown(),
		MaybeEarlier: c.maybeOurs() || c.earlier,
		EditedBack:   c.outcome == finding.OutcomeAlreadyClosed && c.editedBack,
		AnswerLost:   c.outcome == finding.OutcomeRevoked && c.answerLost,
	}
	r.AccountID, r.Region, r.GroupID = b.account, b.region, cmp.Or(b.group.ID, c.rule.GroupID)
	if c.judged { // else the message's values stand
		detected := r.Severity
		r.Judge(c.judgement)
		if r.Severity == policy.NoSeverity {
			r.Severity = detected
		}
		rule := c.rule
		r.Rule = &rule
		if c.judgement.Needs&policy.NeedsOfLists != 0 {
			r.Reasons = append(r.Reasons, policy.Remarks(b.notes)...)
		}
		if c.shownAs == seen || c.outcome == finding.OutcomeRevoked {
			r.FromRequest = false // EC2 itself has shown the rule
		}
	}
	if c.outcome == finding.OutcomeFailed {
		r.Severity = policy.Critical
	}
	if c.err != nil {
		r.ErrorCode, r.ErrorMessage = ec2rules.ErrorCode(c.err), ec2rules.ErrorMessage(c.err)
	}
	if c.outcome == finding.OutcomeRevoked || c.outcome == finding.OutcomeAlreadyClosed {
		at := c.at.UTC()
		r.ClosedAt = &at
	}
	r.OpenedByEdit = c.opened
	// A rule found by reading the whole group may be older than the event.
	if made := b.Detection.Event.EventTime; !b.makerUnknown() && (!b.isStanding() || c.opened) && !made.IsZero() && c.outcome != finding.OutcomeExempt {
		// Both clocks are AWS's, but not the same one, and the event's has whole seconds.
		seconds := max(0, c.at.Sub(made)).Seconds()
		r.ExposureSeconds = &seconds
	}
	return r
}
