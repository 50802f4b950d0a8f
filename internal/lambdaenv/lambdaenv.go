// Package lambdaenv reads the environment of the functions that act, as Lambda and the
// template set it, and makes the clients of AWS's SDK from it. It makes no calls.
package lambdaenv

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"sgward/internal/awsid"
	"sgward/internal/finding"
	"sgward/internal/text"
)

// Lookup returns a variable and whether it is set, as os.LookupEnv does.
type Lookup func(name string) (value string, set bool)

// Environment is the common environment of remediate and sweep. Read returns it.
type Environment struct {
	Mode     finding.Mode // MODE
	TopicARN string       // ALERT_TOPIC_ARN: the standard SNS topic of the alerts
	// MaxRevokes is MAX_REVOKES: how many existing rules one run closes at most.
	MaxRevokes int
	Region     string // AWS_REGION, as Lambda sets it
	// AccountName is ACCOUNT_NAME: the name of the function's account in alerts, or "".
	AccountName string
	lookup      Lookup
}

// Read reads the environment. The error names every variable that is missing or wrong,
// with the expected value.
func Read(lookup Lookup) (Environment, error) {
	e := Environment{lookup: lookup}
	var problems []error
	mode, _ := lookup("MODE")
	switch e.Mode = finding.Mode(mode); e.Mode {
	case finding.Observe, finding.Enforce:
	default:
		problems = append(problems, fmt.Errorf("reading MODE: %q: want observe or enforce", mode))
	}
	e.TopicARN, _ = lookup("ALERT_TOPIC_ARN")
	if _, ok := topicRegion(e.TopicARN); !ok {
		problems = append(problems, fmt.Errorf("reading ALERT_TOPIC_ARN: %q: want the ARN of a standard SNS topic "+
			"such as arn:aws:sns:eu-central-1:123456789012:alerts", e.TopicARN))
	}
	if err := e.readRegion(); err != nil {
		problems = append(problems, err)
	} else if region, ok := topicRegion(e.TopicARN); ok && region != e.Region {
		problems = append(problems, fmt.Errorf("reading ALERT_TOPIC_ARN: %q: the topic is in %s and this function in %s: "+
			"want a topic of %[3]s, as SNS takes no message for a topic of another region", e.TopicARN, region, e.Region))
	}
	e.MaxRevokes = DefaultMaxRevokes
	if given, set := lookup("MAX_REVOKES"); set {
		var err error
		if e.MaxRevokes, err = strconv.Atoi(given); err != nil || e.MaxRevokes < 0 {
			problems = append(problems, fmt.Errorf("reading MAX_REVOKES: %q: want a number from 0, or no such variable", given))
		}
	}
	if e.AccountName, _ = lookup("ACCOUNT_NAME"); e.AccountName != "" && !finding.IsAccountName(e.AccountName) {
		problems = append(problems, fmt.Errorf("reading ACCOUNT_NAME: %q: want at most 63 letters, digits, blanks, dots, dashes and underscores, "+
			"or no such variable", e.AccountName))
	}
	return e, errors.Join(problems...)
}

// ReadRegion reads what every function of Lambda has, for one without the rest.
func ReadRegion(lookup Lookup) (Environment, error) {
	e := Environment{lookup: lookup}
	return e, e.readRegion()
}

func (e *Environment) readRegion() error {
	e.Region, _ = e.lookup("AWS_REGION")
	if _, ok := text.PartitionOf(e.Region); !ok {
		return fmt.Errorf("reading AWS_REGION: %q: want the region of this function, as Lambda sets it", e.Region)
	}
	return nil
}

// Named returns the alert with the account's name, if it is of the account whose function
// runs in ctx.
func (e Environment) Named(ctx context.Context, a finding.Alert) finding.Alert {
	if own := Account(ctx); own != "" && own == a.Event.AccountID {
		a.AccountName = e.AccountName
	}
	return a
}

// Account returns the account of the function that runs in ctx, from the ARN that it was
// invoked with; "" if the platform lacks it.
func Account(ctx context.Context) string {
	invocation, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return ""
	}
	if arn, _ := awsid.ParseARN(invocation.InvokedFunctionArn); awsid.IsAccount(arn.Account) {
		return arn.Account
	}
	return ""
}

// DefaultMaxRevokes is MaxRevokes if MAX_REVOKES is not set.
const DefaultMaxRevokes = 20

// topicRegion returns the region of a standard topic's ARN; ok is false if s has not the form
// of one. FIFO topics reach neither mail nor chat.
func topicRegion(s string) (region string, ok bool) {
	arn, _ := awsid.ParseARN(s)
	if !strings.HasPrefix(arn.Partition, "aws") || arn.Service != "sns" || arn.Region == "" || !awsid.IsAccount(arn.Account) ||
		arn.Resource == "" || strings.Contains(arn.Resource, ":") || strings.HasSuffix(arn.Resource, ".fifo") {
		return "", false
	}
	return arn.Region, true
}
