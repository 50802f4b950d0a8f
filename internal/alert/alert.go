// Package alert writes alerts for people and programs: one SNS message for each CloudTrail
// event or sweep, with a body for machines (JSON), for mail (plain text) and for chat (a
// custom notification of Amazon Q Developer).
//
// A view (view.go) holds every text, computed once. Chat prints the brief sections
// (brief.go), mail those and the details below a rule (mail.go), and a card (card.go) is
// the brief sections in parts, for other media.
// The package decides nothing and reads nothing: the same finding.Alert gives the same
// bytes. Untrusted text (descriptions, tags, names of groups and sessions, user agents,
// EC2's error messages) is quoted for its medium. Every alert fits its limits: a text
// counts the parts that it leaves out.
package alert

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/text"
)

// Publisher is the part of the SNS client that Publish needs.
type Publisher interface {
	Publish(ctx context.Context, in *sns.PublishInput, optFns ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Publish completes an alert and sends it to a topic, once. The error wraps the client's;
// the alert may have been sent all the same. Sending it again is harmless, because it has
// the same id.
func Publish(ctx context.Context, client Publisher, topicARN string, a finding.Alert) error {
	a = Complete(a)
	m, err := NewMessage(a)
	if err != nil {
		return err
	}
	in, err := m.input(topicARN)
	if err != nil {
		return err
	}
	if _, err := client.Publish(ctx, in); err != nil {
		return fmt.Errorf("publishing alert %s to %s: %w", a.ID, topicARN, err)
	}
	return nil
}

// Complete returns the alert with its derived fields:
//   - the schema version, and the id if it is missing;
//   - the undo command of each finding that is, was or would be closed, and of no other;
//   - the findings sorted, the most urgent first;
//   - no duration that is not a number, which JSON cannot represent.
//
// Completing twice changes nothing.
func Complete(a finding.Alert) finding.Alert {
	a.SchemaVersion = finding.SchemaVersion
	if a.ID == "" {
		a.ID = idOf(&a)
	}
	a.Findings = sorted(&a)
	if a.Findings == nil {
		a.Findings = []finding.Result{}
	}
	for i := range a.Findings {
		r := &a.Findings[i]
		if s := r.ExposureSeconds; s != nil && (math.IsNaN(*s) || math.IsInf(*s, 0)) {
			r.ExposureSeconds = nil
		}
		r.Undo = ""
		closed := []finding.Outcome{finding.OutcomeRevoked, finding.OutcomeAlreadyClosed, finding.OutcomeWouldRevoke}
		if r.Rule != nil && slices.Contains(closed, r.Outcome) && !r.EditedBack {
			accountID, region := placeOf(&a, r)
			r.Undo = Undo(accountID, region, r.GroupID, *r.Rule)
		}
	}
	return a
}

// placeOf returns account and region of a finding, or the event's.
func placeOf(a *finding.Alert, r *finding.Result) (accountID, region string) {
	return cmp.Or(r.AccountID, a.Event.AccountID), cmp.Or(r.Region, a.Event.Region)
}

// sorted returns an alert's results by urgency: first the failures, then by severity,
// outcome and original order; exempt ones last. A bounded message thus leaves out the
// least important ones.
func sorted(a *finding.Alert) []finding.Result {
	out := slices.Clone(a.Findings)
	class := func(r finding.Result) int {
		switch r.Outcome {
		case finding.OutcomeFailed:
			return 0
		case finding.OutcomeExempt, finding.OutcomeCompliant:
			return 2
		default:
			return 1
		}
	}
	slices.SortStableFunc(out, func(a, b finding.Result) int {
		return cmp.Or(
			cmp.Compare(class(a), class(b)),
			cmp.Compare(severityRank(a.Severity), severityRank(b.Severity)),
			cmp.Compare(resultRank(&a), resultRank(&b)),
		)
	})
	if a.Sweep != nil {
		byGroup(out)
	}
	return out
}

// ClosingSuffix follows the event id of the alert of the rules that the queue brought, for a
// sweep and for the edit of a prefix list: see ID.
const ClosingSuffix = "/closing"

// idOf returns the id of an alert that has none. A sweep has up to three alerts: the
// expiry notice of its schedule, its digest, and the alert of the rules that the queue
// brought to be closed. The edit of a prefix list has two: of the rules that stay open,
// and of those that the queue brought.
func idOf(a *finding.Alert) string {
	e := a.Event
	switch {
	case a.Sweep == nil && a.PrefixListID != "" && a.Tries > 0:
		e.EventID += ClosingSuffix
	case a.Sweep == nil:
	case a.Sweep.Closing:
		e.EventID += ClosingSuffix
	default:
		e.EventID += "/digest"
	}
	return ID(e)
}

// ID returns the id of an event's alert, such as "a-0123456789abcdef": equal for every
// repeat of the event, so that readers can drop repeats and chat can keep them in one
// thread. An event without an id is identified by its name, time and caller.
func ID(e cloudtrail.Event) string {
	parts := []string{e.AccountID, e.Region, e.EventID}
	if e.EventID == "" {
		parts = append(parts, e.EventName, e.EventTime.UTC().Format(time.RFC3339Nano), e.Actor.ARN)
	}
	return "a-" + text.Digest(8, parts...)
}
