package main

import (
	"context"
	"log/slog"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
)

// handOffBudget is what the event and its Detection may hold together, in bytes.
// Both travel in one SQS message of at most 1 MiB; the rest is left for the
// invocation record around them and for the escapes of one JSON text inside
// another.
const handOffBudget = 900_000

// handler judges events. It is safe for concurrent use.
type handler struct {
	policy *policy.Policy
	logger *slog.Logger
	now    func() time.Time
}

// Invoke takes an EventBridge event and returns a Detection, both JSON. An event
// that it cannot understand is a *cloudtrail.MalformedError, the only error it
// returns: Lambda tries again and then keeps the event with the dead letters.
func (h *handler) Invoke(ctx context.Context, event []byte) ([]byte, error) {
	change, err := cloudtrail.ParseEvent(event)
	if err != nil {
		h.logger.ErrorContext(ctx, "event not understood", "error", err.Error(), "bytes", len(event))
		return nil, err
	}
	log := h.logger.With("eventId", change.EventID, "eventName", change.EventName,
		"accountId", change.AccountID, "region", change.Region, "groupId", change.GroupID)
	detection := finding.Detect(h.policy, change, h.now())
	encoded, fits, err := detection.Encode(handOffBudget - len(event))
	if err != nil {
		log.ErrorContext(ctx, "detection not encoded", "error", err.Error())
		return nil, &cloudtrail.MalformedError{Field: "detail", Problem: err.Error(), EventID: change.EventID}
	}
	if !fits {
		// Retrying would not make room. The alarm on this line calls people, and the
		// audit finds what the event would have told.
		log.ErrorContext(ctx, "detection does not fit", "eventBytes", len(event), "detectionBytes", len(encoded), "findings", len(detection.Findings))
	}
	if change.Skipped != "" {
		log.InfoContext(ctx, "nothing to judge", "reason", change.Skipped)
		return encoded, nil
	}
	h.report(ctx, log, detection)
	return encoded, nil
}

// report logs the outcome and each finding, of rule and policy only: the record
// itself holds addresses and key ids that do not belong in a log.
func (h *handler) report(ctx context.Context, log *slog.Logger, d finding.Detection) {
	log.InfoContext(ctx, "judged", "decision", d.Decision, "findings", len(d.Findings), "policyDigest", d.PolicyDigest)
	const most = 20
	for i, f := range d.Findings {
		if i == most {
			log.InfoContext(ctx, "more findings", "count", len(d.Findings)-most)
			return
		}
		rule := ""
		if f.Rule != nil {
			rule = f.Rule.SecurityGroupRuleID
		}
		log.InfoContext(ctx, "finding", "findingId", f.ID, "decision", f.Decision, "severity", f.Severity,
			"statementId", f.StatementID, "securityGroupRuleId", rule, "reasons", f.Reasons)
	}
}
