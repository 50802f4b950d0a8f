package main

import (
	"cmp"
	"context"
	"encoding/json"
	jsonv2 "encoding/json/v2"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"sgward/internal/awsid"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep"
)

// maxReceiveCount is after how many deliveries the closings queue gives a message to
// the dead letters. template.yaml sets it; a test holds both together.
const maxReceiveCount = 5

// What marks an event of EventBridge's schedules.
const (
	scheduledDetailType = "Scheduled Event"
	scheduledSource     = "aws.events"
)

// sweepCommand is what a person asks for with {"sgward":"sweep"}.
const sweepCommand = "sweep"

// malformedError says that an event is none that the function understands.
type malformedError struct {
	field   string // such as "detail-type"
	problem string // what is there, and what would be right
}

func (e *malformedError) Error() string {
	return fmt.Sprintf("reading event: %s: %s", e.field, e.problem)
}

func runFailed(err error) error {
	if err == nil {
		return nil
	}
	return &runError{err}
}

func malformed(field, problem string, args ...any) *malformedError {
	return &malformedError{field, fmt.Sprintf(problem, args...)}
}

// runError says that an event was understood and could not be brought to an end.
// The platform reports the outermost type.
type runError struct{ err error }

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

// sweeper is what the function hands its events to.
type sweeper interface {
	Changed(ctx context.Context, account string, change cloudtrail.Call) (finding.Detection, error)
	Close(ctx context.Context, account string, change cloudtrail.Call, order finding.Detection, d sweep.Delivery) error
	WarnOfExpiry(ctx context.Context, day sweep.Day) error
	Sweep(ctx context.Context, event cloudtrail.Event) (finding.Detection, error)
	CloseSwept(ctx context.Context, order finding.Detection, d sweep.Delivery) error
}

var _ sweeper = (*sweep.Sweeper)(nil)

// handler tells events apart. It is safe for concurrent use.
type handler struct {
	sweeper sweeper
	logger  *slog.Logger
}

// envelope is what tells the events apart: EventBridge's own, a queue's, or a
// person's.
type envelope struct {
	Sgward     string              `json:"sgward"`
	Records    []events.SQSMessage `json:"Records"`
	ID         string              `json:"id"`
	DetailType string              `json:"detail-type"`
	Source     string              `json:"source"`
	Account    string              `json:"account"`
	Time       time.Time           `json:"time"`
	Region     string              `json:"region"`
}

func (e envelope) isScheduled() bool {
	return e.DetailType == scheduledDetailType && e.Source == scheduledSource
}

// Invoke takes an event and returns JSON: for an edited prefix list or a sweep the
// Detection whose decision says whether something is left to close, for a queue's
// batch the messages that have to come again. An event that it cannot understand is a
// *malformedError or a *cloudtrail.MalformedError, all else a *runError: Lambda tries
// all of them again and then keeps the event with the dead letters.
func (h *handler) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	out, err := h.dispatch(ctx, event)
	if err != nil {
		h.logger.ErrorContext(ctx, "event not dealt with", "error", err.Error(), "bytes", len(event))
		return nil, err
	}
	encoded, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encoding answer: %w", err)
	}
	return encoded, nil
}

func (h *handler) dispatch(ctx context.Context, event []byte) (any, error) {
	var e envelope
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, malformed("event", "%s", err)
	}
	switch {
	case e.Records != nil:
		return h.batch(ctx, e.Records), nil
	case e.isScheduled():
		return h.day(ctx, e)
	case e.Sgward == sweepCommand:
		detection, err := h.sweeper.Sweep(ctx, asked(ctx))
		return detection, runFailed(err)
	case e.Sgward != "":
		return nil, malformed("sgward", "%.20q: want %q", e.Sgward, sweepCommand)
	case e.DetailType == "":
		return nil, malformed("detail-type", "is missing: want an event of EventBridge or of an SQS queue, or {\"sgward\":\"sweep\"}")
	default:
		change, err := cloudtrail.Parse(event)
		if err != nil {
			return nil, err
		}
		detection, err := h.sweeper.Changed(ctx, ownAccount(ctx), change)
		return detection, runFailed(err)
	}
}

// day is a scheduled run: exceptions that end, and all groups. Where one of them fails
// the other is tried all the same, and both come again; the memory keeps what was told
// from being told twice.
func (h *handler) day(ctx context.Context, e envelope) (any, error) {
	switch {
	case e.Time.IsZero():
		return nil, malformed("time", "is missing: want when the schedule ran")
	case e.ID == "" || e.Account == "" || e.Region == "":
		return nil, malformed("id", "one of id, account and region is missing")
	}
	warned := h.sweeper.WarnOfExpiry(ctx, sweep.Day{EventID: e.ID, Time: e.Time, AccountID: e.Account, Region: e.Region})
	detection, err := h.sweeper.Sweep(ctx, cloudtrail.Event{
		EventID: e.ID, EventName: scheduledDetailType, EventTime: e.Time, AccountID: cmp.Or(ownAccount(ctx), e.Account), Region: e.Region,
		Actor: cloudtrail.Actor{Type: "AWSService", InvokedBy: "events.amazonaws.com"},
	})
	return detection, runFailed(errors.Join(warned, err))
}

// asked is the run that a person has asked for. Lambda's own retries share its id.
func asked(ctx context.Context) cloudtrail.Event {
	event := cloudtrail.Event{EventName: "Sweep on demand", AccountID: ownAccount(ctx)}
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		event.EventID = invocation.AwsRequestID
	}
	return event
}

// batch closes what messages ask for. One that fails comes again alone.
func (h *handler) batch(ctx context.Context, messages []events.SQSMessage) events.SQSEventResponse {
	failures := []events.SQSBatchItemFailure{}
	for _, m := range messages {
		if err := h.message(ctx, m); err != nil {
			h.logger.WarnContext(ctx, "message comes again", "messageId", m.MessageId, "try", receiveCount(m), "tries", maxReceiveCount, "error", err.Error())
			failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return events.SQSEventResponse{BatchItemFailures: failures}
}

// message takes up what an earlier invocation of this function has left to close: its
// invocation record holds the event and what it returned.
func (h *handler) message(ctx context.Context, m events.SQSMessage) error {
	var record struct {
		Timestamp       string             `json:"timestamp"`
		RequestPayload  json.RawMessage    `json:"requestPayload"`
		ResponsePayload *finding.Detection `json:"responsePayload"`
	}
	if err := jsonv2.Unmarshal([]byte(m.Body), &record); err != nil {
		return malformed("body", "%s", err)
	}
	switch d := record.ResponsePayload; {
	case d == nil:
		return malformed("body.responsePayload", "is missing: want the invocation record of this function")
	case d.SchemaVersion != finding.SchemaVersion:
		return malformed("body.responsePayload.schemaVersion", "%.20q: want %q", d.SchemaVersion, finding.SchemaVersion)
	case d.Verdict != policy.Revoke:
		return malformed("body.responsePayload.decision", "%q: want revoke", d.Verdict)
	}
	// A time that cannot be read is one that is not known: nothing stays open for it.
	chosen, _ := time.Parse(time.RFC3339, record.Timestamp)
	delivery := sweep.Delivery{Try: receiveCount(m), Tries: maxReceiveCount, Chosen: chosen}
	var request envelope
	if err := json.Unmarshal(record.RequestPayload, &request); err != nil {
		return malformed("body.requestPayload", "%s", err)
	}
	if request.isScheduled() || request.Sgward == sweepCommand {
		return h.sweeper.CloseSwept(ctx, *record.ResponsePayload, delivery)
	}
	change, err := cloudtrail.Parse(record.RequestPayload)
	if err != nil {
		return err
	}
	if change.List == nil || change.List.ID == "" {
		return malformed("body.requestPayload", "want the event of an edited prefix list or of a sweep")
	}
	return h.sweeper.Close(ctx, ownAccount(ctx), change, *record.ResponsePayload, delivery)
}

// ownAccount returns the account of this function, by the ARN that it was invoked
// with; "" where the platform does not tell.
func ownAccount(ctx context.Context) string {
	invocation, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return ""
	}
	if parts := strings.Split(invocation.InvokedFunctionArn, ":"); len(parts) >= 7 && awsid.IsAccount(parts[4]) {
		return parts[4]
	}
	return ""
}

// receiveCount returns which delivery this is, from 1; 0 where SQS does not say.
func receiveCount(m events.SQSMessage) int {
	n, err := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	if err != nil || n < 0 {
		return 0
	}
	return n
}
