package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"sgward/internal/alert"
	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/lambdaenv"
	"sgward/internal/metric"
	"sgward/internal/policyfile"
	"sgward/internal/remediation"
	"sgward/internal/repeats"
)

// patience limits one SDK call within the function's 60 seconds.
var patience = lambdaenv.Patience{Attempts: 4, Attempt: 4 * time.Second, Backoff: 2 * time.Second}

// countPatience limits the write that counts a closing: an alert waits at most a second for
// it.
var countPatience = lambdaenv.Patience{Attempts: 3, Attempt: 500 * time.Millisecond, Backoff: 100 * time.Millisecond}

// newHandler wires the function. It makes no call to AWS.
func newHandler(lookup lambdaenv.Lookup, logger *slog.Logger) (*handler, error) {
	env, err := lambdaenv.Read(lookup)
	if err != nil {
		return nil, err
	}
	p, err := policyfile.Load(lookup, logger, "mode", env.Mode)
	if err != nil {
		return nil, err
	}
	config := env.Config(patience)
	var attempts ec2rules.Attempts
	ec2Client := ec2.NewFromConfig(config, attempts.Watch)
	snsClient := sns.NewFromConfig(config)
	queue, err := queueOf(env, lookup, logger)
	if err != nil {
		return nil, err
	}
	metrics := metric.OfStack(logger, lookup)
	engine, err := remediation.New(remediation.Config{
		EC2: ec2Client, Region: env.Region, Policy: p, Mode: env.Mode, MaxRevokes: env.MaxRevokes, Logger: logger,
		Choose: queue.choose, Count: counterOf(env),
		Measure: func(ctx context.Context, done ...metric.Metric) {
			metrics.Put(ctx, append(done, attempts.Metrics()...)...)
		},
		Publish: func(ctx context.Context, a finding.Alert) error {
			return alert.Publish(ctx, snsClient, env.TopicARN, env.Named(ctx, a))
		},
	})
	if err != nil {
		return nil, err
	}
	return &handler{remediate: engine.Run, queue: queue, logger: logger, policyDigest: p.Digest()}, nil
}

// counterOf returns the counter of closings in the table of the environment; nil without a
// table.
func counterOf(env lambdaenv.Environment) func(context.Context, cloudtrail.Event, finding.Result) (*finding.Repeat, error) {
	memory := env.Memory(countPatience)
	if memory == nil {
		return nil
	}
	return repeats.New(memory).Count
}

// queueOf reads the URLs of the queues and makes their client.
func queueOf(env lambdaenv.Environment, lookup lambdaenv.Lookup, logger *slog.Logger) (*findingsQueue, error) {
	q := &findingsQueue{logger: logger}
	var problems []error
	for name, at := range map[string]*string{"FINDINGS_QUEUE_URL": &q.URL, "DEAD_LETTER_QUEUE_URL": &q.deadLetters.URL} {
		if *at, _ = lookup(name); !strings.HasPrefix(*at, "https://") && !strings.HasPrefix(*at, "http://") {
			problems = append(problems, fmt.Errorf("reading %s: %q: want the URL of an SQS queue "+
				"such as https://sqs.eu-central-1.amazonaws.com/123456789012/findings", name, *at))
		}
	}
	client := env.Client(patience)
	q.Client, q.deadLetters.Client = client, client
	return q, errors.Join(problems...)
}
