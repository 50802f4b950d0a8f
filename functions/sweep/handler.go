package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/invocation"
	"sgward/internal/lambdaenv"
	"sgward/internal/logline"
	"sgward/internal/sweep"
)

// sweepCommand is the value in a person's event {"sgward":"sweep"}.
const sweepCommand = "sweep"

// malformedError is the error of an event that the function cannot read.
type malformedError struct {
	field   string // such as "detail-type"
	problem string // what was found, and what is expected
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

// runError is the error of a readable event whose run failed. Lambda reports the outermost
// type.
type runError struct{ err error }

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

// sweeper handles the function's events.
type sweeper interface {
	Changed(ctx context.Context, account string, change cloudtrail.Call) (finding.Detection, error)
	Unnamed(ctx context.Context, account string, call cloudtrail.Call) (finding.Detection, error)
	WarnOfExpiry(ctx context.Context, day sweep.Day) error
	Sweep(ctx context.Context, event cloudtrail.Event) (finding.Detection, error)
}

var _ sweeper = (*sweep.Sweeper)(nil)

// handler dispatches events. It is safe for concurrent use.
type handler struct {
	sweeper sweeper
	logger  *slog.Logger
	// measure logs the metrics of an invocation; nil logs none.
	measure func(context.Context)
}

// Invoke takes an event and returns the JSON of a Detection, whose decision says whether
// remediate has something to close. An unreadable event is a *malformedError or a
// *cloudtrail.MalformedError, all other errors are *runError: Lambda retries all of them
// and then sends the event to the dead-letter queue.
func (h *handler) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	if h.measure != nil {
		defer h.measure(ctx)
	}
	out, err := h.dispatch(ctx, event)
	if err != nil {
		h.logger.ErrorContext(ctx, "event failed", "error", err.Error(), "bytes", len(event))
		return nil, err
	}
	encoded, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encoding answer: %w", err)
	}
	return encoded, nil
}

func (h *handler) dispatch(ctx context.Context, event []byte) (finding.Detection, error) {
	var e invocation.Event
	if err := json.Unmarshal(event, &e); err != nil {
		return finding.Detection{}, malformed("event", "%s", err)
	}
	switch {
	case e.IsScheduled():
		return h.day(ctx, e)
	case e.Sgward == sweepCommand:
		detection, err := h.sweep(ctx, onDemand(ctx))
		return detection, runFailed(err)
	case e.Sgward != "":
		return finding.Detection{}, malformed("sgward", "%.20q: want %q", e.Sgward, sweepCommand)
	case e.DetailType == "":
		return finding.Detection{}, malformed("detail-type", "is missing: want an event of EventBridge, or {\"sgward\":\"sweep\"}")
	default:
		change, err := cloudtrail.Parse(event, append(cloudtrail.Openings(), cloudtrail.KindEditList)...)
		if err != nil {
			return finding.Detection{}, err
		}
		judge := h.sweeper.Changed
		if change.Kind.Opens() {
			judge = h.sweeper.Unnamed
		}
		detection, err := judge(ctx, lambdaenv.Account(ctx), change)
		return detection, runFailed(err)
	}
}

// day is a scheduled run: ending exceptions, and all groups. If one of them fails, the
// other still runs, and both are retried; the memory prevents repeated reports.
func (h *handler) day(ctx context.Context, e invocation.Event) (finding.Detection, error) {
	switch {
	case e.Time.IsZero():
		return finding.Detection{}, malformed("time", "is missing: want when the schedule ran")
	case e.ID == "" || e.Account == "" || e.Region == "":
		return finding.Detection{}, malformed("id", "one of id, account and region is missing")
	}
	warned := h.sweeper.WarnOfExpiry(ctx, sweep.Day{EventID: e.ID, Time: e.Time, AccountID: e.Account, Region: e.Region})
	detection, err := h.sweep(ctx, cloudtrail.Event{
		EventID: e.ID, EventName: invocation.ScheduledDetailType, EventTime: e.Time, AccountID: cmp.Or(lambdaenv.Account(ctx), e.Account), Region: e.Region,
		Actor: cloudtrail.Actor{Type: "AWSService", InvokedBy: "events.amazonaws.com"},
	})
	return detection, runFailed(errors.Join(warned, err))
}

// sweep looks at all groups, and logs that it completed.
func (h *handler) sweep(ctx context.Context, event cloudtrail.Event) (finding.Detection, error) {
	detection, err := h.sweeper.Sweep(ctx, event)
	if err == nil {
		h.logger.InfoContext(ctx, logline.SweepCompleted, logline.EventID, detection.Event.EventID, "handedOver", len(detection.Findings))
	}
	return detection, err
}

// onDemand returns the run that a person has requested. Lambda's own retries share its id.
func onDemand(ctx context.Context) cloudtrail.Event {
	event := cloudtrail.Event{EventName: "Sweep on demand", AccountID: lambdaenv.Account(ctx)}
	if running, ok := lambdacontext.FromContext(ctx); ok {
		event.EventID = running.AwsRequestID
	}
	return event
}
