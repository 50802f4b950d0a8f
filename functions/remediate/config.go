package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"sgward/internal/alert"
	"sgward/internal/finding"
	"sgward/internal/policyfile"
	"sgward/internal/remediation"
)

// How long the SDK may take over one call, within the function's 30 seconds: four
// attempts of at most 4 seconds, with at most 2 seconds between them. Most of that
// is never used; it bounds a connection that hangs.
const (
	maxAttempts    = 4
	attemptTimeout = 4 * time.Second
	maxBackoff     = 2 * time.Second
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
func newHandler(ctx context.Context, lookup func(string) (string, bool), logger *slog.Logger) (*handler, error) {
	c, err := readConfig(lookup)
	if err != nil {
		return nil, err
	}
	p, err := policyfile.Load(lookup)
	if err != nil {
		return nil, err
	}
	sdk, err := awsconfig.LoadDefaultConfig(ctx,
		awsconfig.WithRegion(c.region),
		// Marks our calls in CloudTrail.
		awsconfig.WithAppID("sgward"),
		awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(attemptTimeout)),
		// A function's credentials are in its environment: nothing is to be asked of a
		// machine that is not there.
		awsconfig.WithEC2IMDSClientEnableState(imds.ClientDisabled),
		awsconfig.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.MaxBackoff = maxAttempts, maxBackoff
			})
		}))
	if err != nil {
		return nil, fmt.Errorf("configuring the AWS SDK: %w", err)
	}
	topic := sns.NewFromConfig(sdk)
	remediator, err := remediation.New(remediation.Config{
		EC2: ec2.NewFromConfig(sdk), Region: c.region, Policy: p, Mode: c.mode, Logger: logger,
		Publish: func(ctx context.Context, a finding.Alert) error { return alert.Publish(ctx, topic, c.topicARN, a) },
	})
	if err != nil {
		return nil, err
	}
	return &handler{remediate: remediator.Remediate, logger: logger}, nil
}
