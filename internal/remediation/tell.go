package remediation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
)

// tell brings a delivery to its end: it publishes an alert where there is
// something to tell, and returns why the message has to come again.
//
// A failure that another try may mend is told when TellFailure says so; one that
// needs people is told on every try, under the same id.
func (b *batch) tell(ctx context.Context, d *delivery) error {
	results, errs, loud := b.results(d)
	err := errors.Join(errs...)
	log := b.Logger.With("eventId", d.Detection.Event.EventID, "try", d.Try)
	if IsNews(results) && (err == nil || loud || TellFailure(d.Try, d.Tries)) {
		a := finding.Alert{
			SchemaVersion: finding.SchemaVersion, Mode: b.Mode, PolicyDigest: b.Policy.Digest(),
			Event: d.Detection.Event, Try: d.Try, Tries: d.Tries, Findings: results,
		}
		var findings []finding.Finding
		for _, r := range results {
			findings = append(findings, r.Finding)
		}
		a.Verdict = finding.Strongest(findings)
		switch d.Detection.Source {
		case finding.SourceCall:
			b.expose(ctx, &a)
		case finding.SourcePrefixListEdit:
			a.PrefixListID = d.Detection.PrefixListID
			a.PrefixListEntries = Entries(b.lists.Held(a.PrefixListID), d.Detection.PrefixListAdded)
		case finding.SourceSweep:
			a.Sweep = &finding.Sweep{Closing: true}
		}
		if publishErr := b.Publish(ctx, a); publishErr != nil {
			log.ErrorContext(ctx, "alert not published", "error", publishErr.Error())
			return errors.Join(err, fmt.Errorf("publishing the alert of event %s: %w", d.Detection.Event.EventID, publishErr))
		}
		log.InfoContext(ctx, "alert published", "decision", a.Verdict, "findings", len(results), "outcomes", outcomes(results))
	} else {
		log.InfoContext(ctx, "no alert", "findings", len(results), "outcomes", outcomes(results))
	}
	return err
}

// results gathers what an alert would tell, why the message has to come again, and
// whether that is worth telling at once.
func (b *batch) results(d *delivery) (results []finding.Result, errs []error, loud bool) {
	for _, c := range d.changes {
		for _, it := range c.items {
			if it.err != nil && it.retry {
				errs = append(errs, fmt.Errorf("finding %s: %w", it.found.ID, it.err))
			}
			loud = loud || it.loud
			if it.outcome != "" {
				results = append(results, b.result(c, it))
			}
		}
	}
	// A denied revoke is told on every try. What was done beside it was told on the
	// first; the last try tells all once more, in case that one was lost. Beside a
	// revoke that failed otherwise the first try told nothing.
	if loud && len(errs) > 0 && d.repeats() {
		results = slices.DeleteFunc(results, func(r finding.Result) bool { return r.MaybeEarlier })
	}
	return results, errs, loud
}

// IsNews reports whether there is anything that people should hear of. An exception
// is agreed on in review, and quiet; one that rests on tags is as good as whoever
// may set them.
func IsNews(results []finding.Result) bool {
	return slices.ContainsFunc(results, func(r finding.Result) bool {
		return r.Outcome != finding.OutcomeExempt || r.Exception != nil && r.Exception.ByTag
	})
}

func outcomes(results []finding.Result) map[string]int {
	out := map[string]int{}
	for _, r := range results {
		out[string(r.Outcome)]++
	}
	return out
}

// maybeEarlier reports that an earlier try may have closed what an item found gone. Of
// what a sweep has chosen nobody can tell: a person may have closed it, another message,
// or the same one, delivered twice.
func (c *change) maybeEarlier(it *item) bool {
	switch c.Detection.Source {
	case finding.SourceSweep:
		return true
	case finding.SourcePrefixListEdit:
		return EarlierTry(c.Try, it.at.Sub(c.Sent))
	default:
		return EarlierTry(c.Try, c.age(it.at))
	}
}

// result is what an item came to, in the words of an alert.
func (b *batch) result(c *change, it *item) finding.Result {
	r := finding.Result{
		Finding: it.found, Outcome: it.outcome, Left: it.left,
		Edited:       c.Detection.Event.EventName == "ModifySecurityGroupRules" && !c.whole,
		MaybeEarlier: it.outcome == finding.OutcomeAlreadyClosed && c.maybeEarlier(it),
	}
	r.AccountID, r.Region, r.GroupID = c.account, c.region, cmp.Or(c.group.ID, it.rule.GroupID)
	if it.rule.Permission.Protocol != "" && !it.asFound { // else detect's word stands: the rules were never known
		detected := r.Severity
		r.Judge(it.judgement)
		if r.Severity == policy.NoSeverity {
			r.Severity = detected
		}
		rule := it.rule
		r.Rule = &rule
		if it.judgement.Needs&policy.NeedPrefixList != 0 {
			r.Reasons = append(r.Reasons, policy.Remarks(c.notes)...)
		}
		if it.sight == seen || it.outcome == finding.OutcomeRevoked {
			r.FromRequest = false // EC2 itself has shown the rule
		}
	}
	if it.outcome == finding.OutcomeFailed {
		r.Severity = policy.Critical
	}
	if it.err != nil {
		r.ErrorCode, r.ErrorMessage = ec2rules.ErrorCode(it.err), ec2rules.ErrorMessage(it.err)
	}
	if it.outcome == finding.OutcomeRevoked || it.outcome == finding.OutcomeAlreadyClosed {
		at := it.at.UTC()
		r.ClosedAt = &at
	}
	// A rule that a whole group held may be older than the event.
	if made := c.Detection.Event.EventTime; !c.whole && !c.isStanding() && !made.IsZero() && it.outcome != finding.OutcomeExempt {
		// Both clocks are AWS's, but not the same one, and the event's has whole seconds.
		seconds := max(0, it.at.Sub(made)).Seconds()
		r.ExposureSeconds = &seconds
	}
	return r
}
