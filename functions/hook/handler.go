package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"sgward/internal/awsid"
	"sgward/internal/finding"
	"sgward/internal/hook"
	"sgward/internal/logline"
	"sgward/internal/policyfile"
	"sgward/internal/secgroup"
)

// handler answers requests of hooks. It is safe for concurrent use.
type handler struct {
	judge  hook.Judge
	logger *slog.Logger
}

// newHandler wires the function. The error names every variable that is wrong.
func newHandler(lookup func(string) (string, bool), logger *slog.Logger, now func() time.Time) (*handler, error) {
	value, _ := lookup("PREVENTION")
	mode, err := hook.ParseMode(value)
	if err != nil {
		err = fmt.Errorf("reading PREVENTION: %w", err)
	}
	region, _ := lookup("AWS_REGION")
	if !awsid.IsRegion(region) {
		err = errors.Join(err, fmt.Errorf("reading AWS_REGION: %q: want the name of a region", region))
	}
	if err != nil {
		return nil, err
	}
	p, err := policyfile.Load(lookup, logger, "prevention", string(mode))
	if err != nil {
		return nil, err
	}
	return &handler{judge: hook.Judge{Policy: p, Mode: mode, Region: region, Now: now}, logger: logger}, nil
}

// Invoke takes the request of a hook and returns its answer, both JSON. Every
// request gets an answer.
func (h *handler) Invoke(ctx context.Context, request []byte) ([]byte, error) {
	a := h.judge.Answer(request)
	h.report(ctx, &a, len(request))
	return a.Response.JSON()
}

// report logs one line for each request, so that a period in the mode warn can be reviewed.
func (h *handler) report(ctx context.Context, a *hook.Answer, size int) {
	r := &a.Request
	attrs := []slog.Attr{
		slog.String("hookStatus", string(a.Response.Status)), slog.String("prevention", string(h.judge.Mode)),
		slog.String("action", r.Action), slog.String("targetName", r.Data.TargetName), slog.String("targetLogicalId", r.Data.LogicalID),
		slog.String("stackId", r.StackID), slog.String("accountId", r.AccountID), slog.String("region", h.judge.Region),
	}
	if a.Skipped != "" {
		h.logger.LogAttrs(ctx, slog.LevelInfo, "nothing to judge", append(attrs, slog.String("reason", a.Skipped))...)
		return
	}
	attrs = append(attrs, slog.String(logline.Decision, a.Verdict.String()))
	attrs = append(attrs, logline.OfFindings(len(a.Findings), func(i int) *finding.Finding { return &a.Findings[i].Finding }, "rules",
		func(r *secgroup.Rule) string { return r.Permission.String() })...)
	if a.Err == nil {
		h.logger.LogAttrs(ctx, slog.LevelInfo, logline.Judged, attrs...)
		return
	}
	// An alarm is on this line: a resource was made without a verdict, or a deployment failed
	// needlessly.
	attrs = append(attrs, slog.String("error", a.Err.Error()), slog.Int("bytes", size))
	if a.Stack != nil {
		attrs = append(attrs, slog.String("stack", string(a.Stack)))
	}
	h.logger.LogAttrs(ctx, slog.LevelError, "not judged", attrs...)
}
