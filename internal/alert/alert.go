// Package alert tells people and programs what sgward found and did: one SNS
// message for each CloudTrail event, with a body for machines (JSON), for mail
// (plain text) and for chat (a custom notification of Amazon Q Developer).
//
// It decides nothing and reads nothing: the same finding.Alert gives the same
// bytes. Text that strangers chose (descriptions, tags, names of groups and
// sessions, user agents, EC2's error messages) is quoted for its medium, and
// no alert is too large to be sent: what does not fit is left out and counted.
package alert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
)

// Publisher is the part of the SNS client that Publish needs.
type Publisher interface {
	Publish(ctx context.Context, in *sns.PublishInput, optFns ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Publish completes an alert and sends it to a topic, once. The error wraps the
// client's; the alert may then have been sent or not, and sending it again does no
// harm, since it carries the same id.
func Publish(ctx context.Context, client Publisher, topicARN string, a finding.Alert) error {
	a = Complete(a)
	m, err := NewMessage(a)
	if err != nil {
		return err
	}
	in, err := m.Input(topicARN)
	if err != nil {
		return err
	}
	if _, err := client.Publish(ctx, in); err != nil {
		return fmt.Errorf("publishing alert %s to %s: %w", a.ID, topicARN, err)
	}
	return nil
}

// Complete fills in what follows from the rest of an alert: the schema version,
// the id where there is none, and the undo command of each result that is, was or
// would be closed (and of no other). It puts the findings in order, the most urgent
// first, and drops durations that are no numbers, which JSON cannot carry. The
// argument is left as it is; completing twice changes nothing.
func Complete(a finding.Alert) finding.Alert {
	a.SchemaVersion = finding.SchemaVersion
	if a.ID == "" {
		a.ID = idOfAlert(&a)
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
		if r.Rule != nil && slices.Contains(closed, r.Outcome) {
			r.Undo = Undo(firstOf(r.AccountID, a.Event.AccountID), firstOf(r.Region, a.Event.Region), r.GroupID, *r.Rule)
		}
	}
	return a
}

// ID returns the id of an event's alert, for example "a-0123456789abcdef": equal
// for every repeat of the event, so that readers can drop repeats and chat can
// keep them in one thread. An event without an id of its own is known by its
// name, time and caller.
func ID(e cloudtrail.Event) string {
	parts := []string{e.AccountID, e.Region, e.EventID}
	if e.EventID == "" {
		parts = append(parts, e.EventName, e.EventTime.UTC().Format(time.RFC3339Nano), e.Actor.ARN)
	}
	h := sha256.New()
	for _, part := range parts {
		// The length keeps apart what the texts alone would not.
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return "a-" + hex.EncodeToString(h.Sum(nil)[:8])
}
