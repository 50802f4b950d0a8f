package outlets

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sgward/internal/awscall"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// eventSource and detailType are those of every event, for the patterns of rules.
const (
	eventSource = "sgward"
	detailType  = "Security Group Finding Result"
)

// Detail is the detail of an event: one finding with its outcome, and what its alert says of
// all. An alert about exceptions that end has findings without a rule.
type Detail struct {
	SchemaVersion string `json:"schemaVersion"`
	// ID is equal for every repeat of the same result, so that consumers can drop repeats.
	ID           string           `json:"id"`
	AlertID      string           `json:"alertId"`
	Mode         finding.Mode     `json:"mode"`
	PolicyDigest string           `json:"policyDigest"`
	Event        cloudtrail.Event `json:"event"` // the call, or the run of a sweep
	AccountName  string           `json:"accountName,omitempty"`
	Try          int              `json:"try,omitempty"` // as in finding.Alert
	Tries        int              `json:"tries,omitempty"`
	Finding      finding.Result   `json:"finding"`
	// OpeningID is equal for all results of one opening, whatever found it.
	OpeningID string `json:"openingId"`
	// Statement describes the statement that decided, as far as the policy does.
	Statement *policy.StatementRef `json:"statement,omitempty"`
	// Sweep is set for findings of a sweep.
	Sweep *finding.Sweep `json:"sweep,omitempty"`
	// Exposed are the network interfaces of the finding's group, as in finding.Alert.
	// ExposedOmitted is set if they had no room.
	Exposed        []finding.Interface `json:"exposed,omitempty"`
	ExposedError   string              `json:"exposedError,omitempty"`
	ExposedOmitted bool                `json:"exposedOmitted,omitempty"`
	// FindingsOmitted counts findings of the alert that had no room in its message, and of
	// which there is no event.
	FindingsOmitted int `json:"findingsOmitted,omitempty"`
}

// Details returns the details of an alert's findings, in their order.
func Details(a *finding.Alert) []Detail {
	out := make([]Detail, len(a.Findings))
	for i := range a.Findings {
		r := a.Findings[i]
		d := Detail{
			SchemaVersion: a.SchemaVersion, ID: resultID(a, &r), AlertID: a.ID, Mode: a.Mode, PolicyDigest: a.PolicyDigest, Event: a.Event,
			AccountName: a.AccountName, Try: a.Try, Tries: a.Tries, Finding: r, OpeningID: r.StandingID(), Sweep: a.Sweep,
			ExposedError: a.ExposedError, FindingsOmitted: a.FindingsOmitted,
		}
		if r.Event != nil { // an alert that tells of several
			d.Event, d.Finding.Event = *r.Event, nil
		}
		if s, ok := a.Statement(r.StatementID); ok {
			d.Statement = &s
		}
		for _, n := range a.Exposed {
			if n.GroupID == r.GroupID {
				d.Exposed = append(d.Exposed, n)
			}
		}
		out[i] = d
	}
	return out
}

// resultID identifies a result. A further try with the same outcome is another result, as
// its alert is.
func resultID(a *finding.Alert, r *finding.Result) string {
	return "r-" + text.Digest(8, a.ID, r.ID, string(r.Outcome), strconv.Itoa(a.Try))
}

// Limits of PutEvents. AWS's pages give the size for an entry and for all of a call: both are
// kept (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html,
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html).
const (
	maxEntries    = 10
	maxEntryBytes = 256 << 10
)

// Bus is a bus of EventBridge.
type Bus struct {
	Client  *awscall.Client
	ARN     string
	Account Account
}

type entry struct {
	Time         json.Number // seconds since 1970
	Source       string
	DetailType   string
	Detail       string
	Resources    []string
	EventBusName string
}

func (e entry) size() int {
	return len("1234567890.000") + len(e.Source) + len(e.DetailType) + len(e.Detail) + len(strings.Join(e.Resources, ""))
}

// passingErrors are the codes of PutEvents that a repeat can end.
var passingErrors = []string{"ThrottlingException", "InternalFailure", "InternalException", "ServiceUnavailable", "InternalServerError"}

// Put puts an event on the bus for each finding of an alert; at is when the alert was sent.
func (b *Bus) Put(ctx context.Context, a *finding.Alert, at time.Time) error {
	entries, err := b.entries(a, at)
	if err != nil {
		return err
	}
	if err := deliver(ctx, text.Batches(entries, maxEntries, maxEntryBytes, entry.size), passingErrors, b.put); err != nil {
		return fmt.Errorf("putting events on %s: %w", b.ARN, err)
	}
	return nil
}

func (b *Bus) entries(a *finding.Alert, at time.Time) ([]entry, error) {
	var out []entry
	for _, d := range Details(a) {
		e := entry{
			Time: json.Number(fmt.Sprintf("%d.%03d", at.Unix(), at.Nanosecond()/int(time.Millisecond))), Source: eventSource, DetailType: detailType,
			Resources: slices.DeleteFunc([]string{b.Account.groupARN(&d.Finding)}, func(s string) bool { return s == "" }), EventBusName: b.ARN,
		}
		detail, err := text.EncodeJSON(d)
		if e.Detail = string(detail); err == nil && e.size() > maxEntryBytes {
			d.Exposed, d.ExposedOmitted = nil, true
			detail, err = text.EncodeJSON(d)
			e.Detail = string(detail)
		}
		if err != nil {
			return nil, fmt.Errorf("encoding the event of finding %s: %w", d.Finding.ID, err)
		}
		out = append(out, e)
	}
	return out, nil
}

// put makes one call. Its answer has an entry for each of those sent, in their order.
func (b *Bus) put(ctx context.Context, batch []entry) ([]refusal, error) {
	var answer struct {
		FailedEntryCount int
		Entries          []struct{ ErrorCode, ErrorMessage string }
	}
	if err := b.Client.JSON(ctx, awscall.EventBridge, "PutEvents", map[string]any{"Entries": batch}, &answer); err != nil {
		return nil, err //nolint:wrapcheck // it names the call
	}
	var out []refusal
	for i, e := range answer.Entries {
		if e.ErrorCode != "" {
			out = append(out, refusal{i, e.ErrorCode, e.ErrorMessage})
		}
	}
	if len(out) != answer.FailedEntryCount || len(answer.Entries) != len(batch) {
		return nil, fmt.Errorf("PutEvents answers for %d of %d entries, counts %d failed ones and names %d", len(answer.Entries), len(batch), answer.FailedEntryCount, len(out))
	}
	return out, nil
}
