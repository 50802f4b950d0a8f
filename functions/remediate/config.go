package main

import (
	"context"
	"log/slog"
	"time"

	"sgward/internal/alert"
	"sgward/internal/finding"
	"sgward/internal/lambdaenv"
	"sgward/internal/policyfile"
	"sgward/internal/remediation"
)

// patience limits one SDK call within the function's 60 seconds. Most of it is never used.
var patience = lambdaenv.Patience{Attempts: 4, Attempt: 4 * time.Second, Backoff: 2 * time.Second}

// newHandler wires the function. It makes no call to AWS.
func newHandler(lookup lambdaenv.Lookup, logger *slog.Logger) (*handler, error) {
	env, err := lambdaenv.Read(lookup)
	if err != nil {
		return nil, err
	}
	p, err := policyfile.Load(lookup)
	if err != nil {
		return nil, err
	}
	clients := env.Clients(patience)
	engine, err := remediation.New(remediation.Config{
		EC2: clients.EC2, Region: env.Region, Policy: p, Mode: env.Mode, MaxRevokes: env.MaxRevokes, Logger: logger,
		Publish: func(ctx context.Context, a finding.Alert) error {
			return alert.Publish(ctx, clients.SNS, env.TopicARN, a)
		},
	})
	if err != nil {
		return nil, err
	}
	return &handler{remediate: engine.Run, logger: logger}, nil
}
