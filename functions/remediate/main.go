// Command remediate is the Lambda function that closes what the policy forbids and
// tells people.
//
// SQS invokes it with batches of invocation records, each with the finding.Detection of
// detect or sweep as responsePayload. A Detection is a hint and no order: it is
// judged again by this function's own copy of the policy. What could not be brought
// to an end is named in batchItemFailures and retried.
//
// Environment: MODE (observe or enforce), ALERT_TOPIC_ARN (the SNS topic of the
// alerts), POLICY_FILE (default: policy.yaml beside the binary) and MAX_REVOKES (how many
// rules that exist already one message closes at most; default: 20). Where one of them is
// missing or wrong the function says so and does not start.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

func main() {
	logger := lambdacontext.NewLogger()
	h, err := newHandler(os.LookupEnv, logger)
	if err != nil {
		logger.Error("function does not start", "error", err.Error())
		os.Exit(1)
	}
	lambda.StartHandlerFunc(h.handle)
}
