package main

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/logline"
	"sgward/internal/metric"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// handOffBudget is the limit for the event and its Detection together, in bytes. Both
// travel in one SQS message of at most 1 MiB; the rest is for the invocation record around
// them and for the escapes of JSON text inside JSON.
const handOffBudget = 900_000

// handler judges events. It is safe for concurrent use.
type handler struct {
	policy  *policy.Policy
	logger  *slog.Logger
	metrics *metric.Log // nil for none
	now     func() time.Time
}

// Invoke takes an EventBridge event and returns a Detection, both JSON. If an event cannot
// be read but names a group, the Detection asks for the group to be read. Any other
// unreadable event is a *cloudtrail.MalformedError, the only error that Invoke returns:
// Lambda retries and then sends the event to the dead-letter queue.
func (h *handler) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	call, err := cloudtrail.Parse(event, cloudtrail.Openings()...)
	if err != nil {
		h.logger.ErrorContext(ctx, "event malformed", "error", err.Error(), "bytes", len(event), "groupId", call.Group.ID)
		if call.Fault == "" {
			return nil, err
		}
	}
	now := h.now()
	detection := finding.Detect(h.policy, call, now)
	encoded, fits, err := detection.Encode(handOffBudget - len(event))
	if err != nil {
		h.logger.ErrorContext(ctx, "detection not encoded", "eventId", call.EventID, "error", err.Error())
		return nil, &cloudtrail.MalformedError{Field: "detail", Problem: err.Error(), EventID: call.EventID}
	}
	if !fits {
		// A retry would not make room. The alarm on this line asks people to look at the
		// group.
		h.logger.ErrorContext(ctx, "detection does not fit", "eventId", call.EventID, "groupId", call.Group.ID,
			"eventBytes", len(event), "detectionBytes", len(encoded), "findings", len(detection.Findings))
	}
	h.report(ctx, call, detection, now)
	return encoded, nil
}

// report logs one line per event, about rules, policy and the role or user: the record
// itself holds addresses and key ids that do not belong in a log. sweep reads the line
// (logline.ReadJudged), to notice missing events, and CloudWatch extracts the metrics from
// it.
func (h *handler) report(ctx context.Context, c cloudtrail.Call, d finding.Detection, now time.Time) {
	attrs := make([]slog.Attr, 0, 17)
	attrs = append(attrs,
		slog.String(logline.Decision, d.Verdict.String()), slog.String(logline.EventID, c.EventID), slog.String(logline.EventName, c.EventName),
		slog.String("accountId", c.AccountID), slog.String("region", c.Region), slog.String(logline.GroupID, c.Group.ID))
	if c.Skipped != "" {
		h.logger.LogAttrs(ctx, slog.LevelInfo, "nothing to judge", append(attrs, slog.String("reason", c.Skipped))...)
		return
	}
	// Never the session's name, which the caller has chosen.
	actor := c.Actor.Subject().ARN
	if actor == "" {
		actor = cmp.Or(c.Actor.InvokedBy, c.Actor.Type)
	}
	attrs = append(attrs, slog.String("actor", actor))
	attrs = append(attrs, logline.OfFindings(len(d.Findings), func(i int) *finding.Finding { return &d.Findings[i] }, logline.RuleIDs,
		func(r *secgroup.Rule) string { return r.ID })...)
	attrs = append(attrs, h.metrics.Attrs(measured(d, now)...)...)
	h.logger.LogAttrs(ctx, slog.LevelInfo, logline.Judged, attrs...)
}

// measured returns the metrics of a judged event. An event that is replayed from an archive
// has no age: it would not be the time that events take to arrive.
func measured(d finding.Detection, now time.Time) []metric.Metric {
	openings, age := metric.Counted(metric.Openings, 0), metric.Metric{Name: metric.EventAge, Unit: metric.Seconds}
	if d.Verdict != policy.Compliant && d.Verdict != policy.Exempt {
		openings = metric.Counted(metric.Openings, 1)
	}
	if made := d.Event.EventTime; !made.IsZero() && d.Event.ReplayName == "" {
		age.Values = []float64{max(0, now.Sub(made)).Seconds()}
	}
	return []metric.Metric{openings, age}
}
