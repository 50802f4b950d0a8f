package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"sgward/internal/alert"
	"sgward/internal/finding"
	"sgward/internal/policyfile"
	"sgward/internal/remediation"
)

// config is the function's environment.
type config struct {
	mode     finding.Mode
	topicARN string
	region   string
}

// readConfig reads the environment by lookup, os.LookupEnv or its like. The error
// names every variable that is missing or wrong, and says what would be right.
func readConfig(lookup func(string) (string, bool)) (config, error) {
	var c config
	var problems []error
	mode, _ := lookup("MODE")
	switch c.mode = finding.Mode(mode); c.mode {
	case finding.Observe, finding.Enforce:
	default:
		problems = append(problems, fmt.Errorf("reading MODE: %q: want observe or enforce", mode))
	}
	if c.topicARN, _ = lookup("ALERT_TOPIC_ARN"); !isTopicARN(c.topicARN) {
		problems = append(problems, fmt.Errorf("reading ALERT_TOPIC_ARN: %q: want the ARN of a standard SNS topic "+
			"such as arn:aws:sns:eu-central-1:123456789012:alerts", c.topicARN))
	}
	if c.region, _ = lookup("AWS_REGION"); c.region == "" {
		problems = append(problems, errors.New("reading AWS_REGION: it is not set: want the region of this function, as Lambda sets it"))
	}
	return c, errors.Join(problems...)
}

// isTopicARN reports whether s has the form of a standard topic's ARN. FIFO topics
// reach neither mail nor chat.
func isTopicARN(s string) bool {
	parts := strings.Split(s, ":")
	return len(parts) == 6 && parts[0] == "arn" && strings.HasPrefix(parts[1], "aws") && parts[2] == "sns" &&
		parts[3] != "" && isAccountID(parts[4]) && parts[5] != "" && !strings.HasSuffix(parts[5], ".fifo")
}

// newHandler wires the function. It makes no call to AWS.
func newHandler(lookup func(string) (string, bool), logger *slog.Logger) (*handler, error) {
	c, err := readConfig(lookup)
	if err != nil {
		return nil, err
	}
	p, err := policyfile.Load(lookup)
	if err != nil {
		return nil, err
	}
	sdk := awsConfig(c.region, lookup)
	topic := sns.NewFromConfig(sdk, func(o *sns.Options) {
		o.BaseEndpoint = endpoint(lookup, "SNS")
		o.EndpointOptions.UseFIPSEndpoint = useFIPS(lookup)
	})
	client := ec2.NewFromConfig(sdk, func(o *ec2.Options) {
		o.BaseEndpoint = endpoint(lookup, "EC2")
		o.EndpointOptions.UseFIPSEndpoint = useFIPS(lookup)
	})
	remediator, err := remediation.New(remediation.Config{
		EC2: client, Region: c.region, Policy: p, Mode: c.mode, Logger: logger,
		Publish: func(ctx context.Context, a finding.Alert) error { return alert.Publish(ctx, topic, c.topicARN, a) },
	})
	if err != nil {
		return nil, err
	}
	return &handler{remediate: remediator.Remediate, logger: logger}, nil
}
