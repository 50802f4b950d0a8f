package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"sgward/internal/alert"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/lambdaenv"
	"sgward/internal/metric"
	"sgward/internal/policyfile"
	"sgward/internal/sweep"
)

// patience limits one SDK call. A large account takes hundreds of reads, which EC2
// throttles: it has more tries and longer pauses than the functions that must be fast.
var patience = lambdaenv.Patience{Attempts: 8, Attempt: 15 * time.Second, Backoff: 20 * time.Second}

// readAnnouncements reads DETECT_LOG_GROUP and LOG_RETENTION_DAYS; nil if the first is not
// set.
func readAnnouncements(lookup lambdaenv.Lookup, env lambdaenv.Environment) (sweep.Announcements, error) {
	group, _ := lookup("DETECT_LOG_GROUP")
	if group == "" {
		return nil, nil //nolint:nilnil // optional
	}
	text, _ := lookup("LOG_RETENTION_DAYS")
	days, err := strconv.Atoi(text)
	if err != nil || days < 1 {
		return nil, fmt.Errorf("reading LOG_RETENTION_DAYS: %q: want for how many days %s keeps its lines", text, group)
	}
	return &detectLog{client: env.Client(patience), group: group, kept: time.Duration(days) * 24 * time.Hour}, nil
}

// release identifies this program by its own bytes: another one may judge differently, and
// the findings that differ are not new openings.
func release() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program: %w", err)
	}
	program, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	defer func() { _ = program.Close() }() // it was only read
	sum := sha256.New()
	if _, err := io.Copy(sum, program); err != nil {
		return "", fmt.Errorf("reading this program: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

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
	announcements, err := readAnnouncements(lookup, env)
	if err != nil {
		return nil, err
	}
	build, err := release()
	if err != nil {
		return nil, err
	}
	name, _ := lookup("AWS_LAMBDA_FUNCTION_NAME")
	own := metric.New(logger, metric.FunctionName, name)
	metrics := metric.OfStack(logger, lookup)
	config := env.Config(patience)
	var attempts ec2rules.Attempts
	ec2Client := ec2.NewFromConfig(config, attempts.Watch)
	snsClient := sns.NewFromConfig(config)
	sweeper, err := sweep.New(sweep.Config{
		EC2: ec2Client, Region: env.Region, Policy: p, Mode: env.Mode, MaxRevokes: env.MaxRevokes, Logger: logger,
		Memory: env.Memory(patience), Release: build, Announcements: announcements, Gone: readOutlets(lookup, env),
		Count: func(ctx context.Context, name string, n int) { own.Put(ctx, metric.Counted(name, n)) },
		Publish: func(ctx context.Context, a finding.Alert) error {
			return alert.Publish(ctx, snsClient, env.TopicARN, env.Named(ctx, a))
		},
	})
	if err != nil {
		return nil, err
	}
	return &handler{sweeper: sweeper, logger: logger, measure: func(ctx context.Context) { metrics.Put(ctx, attempts.Metrics()...) }}, nil
}
