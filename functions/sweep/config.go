package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"sgward/internal/alert"
	"sgward/internal/finding"
	"sgward/internal/lambdaenv"
	"sgward/internal/policyfile"
	"sgward/internal/sweep"
)

// patience limits one SDK call. A large account takes hundreds of reads, which EC2
// throttles: more tries and longer pauses than where seconds count.
var patience = lambdaenv.Patience{Attempts: 8, Attempt: 15 * time.Second, Backoff: 20 * time.Second}

// readMemory reads MEMORY_TABLE, the table of reported findings; nil if it is not set.
func readMemory(lookup lambdaenv.Lookup, env lambdaenv.Environment) *sweep.Memory {
	name, _ := lookup("MEMORY_TABLE")
	if name == "" {
		return nil
	}
	config, fips := env.DynamoDB(patience)
	client := dynamodb.NewFromConfig(config, func(o *dynamodb.Options) { o.EndpointOptions.UseFIPSEndpoint = fips })
	return &sweep.Memory{Client: client, Table: name}
}

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
	a, err := sweep.New(sweep.Config{
		EC2: clients.EC2, Region: env.Region, Policy: p, Mode: env.Mode, MaxRevokes: env.MaxRevokes, Logger: logger,
		Memory: readMemory(lookup, env),
		Publish: func(ctx context.Context, a finding.Alert) error {
			return alert.Publish(ctx, clients.SNS, env.TopicARN, a)
		},
	})
	if err != nil {
		return nil, err
	}
	name, _ := lookup("AWS_LAMBDA_FUNCTION_NAME")
	return &handler{sweeper: a, logger: logger, function: name}, nil
}
