// Command remediate is the Lambda function that closes openings that the policy forbids
// and publishes alerts.
//
// SQS invokes it with batches of invocation records, each with the finding.Detection of
// detect or sweep as responsePayload. A Detection is a hint and not an order: this
// function judges it again by its own copy of the policy. Messages that failed are named
// in batchItemFailures and retried.
//
// Environment:
//
//   - MODE: observe or enforce
//   - ALERT_TOPIC_ARN: the SNS topic of the alerts
//   - FINDINGS_QUEUE_URL: the queue that its messages come from. It puts rules there that it
//     is about to close, and takes more messages from it behind a full batch
//   - DEAD_LETTER_QUEUE_URL: the queue for messages that hold no Detection
//   - POLICY_FILE: default policy.yaml beside the binary; its JSON form must stand beside it
//   - MAX_REVOKES: how many existing rules one message closes at most; default 20
//   - MEMORY_TABLE: the DynamoDB table in which it counts closings; without it alerts do not
//     say that an opening was made again
//   - ACCOUNT_NAME: the name of the account in alerts; without it they show the id
//   - METRICS_STACK: the name of the stack in metrics; without it none are logged
//
// If one of them is wrong, or one without a default is missing, the function says so and does not start.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"sgward/internal/startfailure"
)

func main() {
	logger := lambdacontext.NewLogger()
	h, err := newHandler(os.LookupEnv, logger)
	if err != nil {
		startfailure.Report(logger, err)
		os.Exit(1)
	}
	lambda.StartHandlerFunc(h.handle)
}
