// Command slack is the Lambda function that posts alerts to a channel of Slack, through an
// incoming webhook.
//
// SNS invokes it with the messages of the alert topic, one at a time: its reserved
// concurrency is 1. It shows an alert by its machine JSON, and alarms of CloudWatch. A
// message that Slack does not accept in the time of an invocation fails; Lambda retries it
// twice and then keeps it in the dead-letter queue.
//
// Environment:
//
//   - WEBHOOK_SECRET_ARN: the secret in Secrets Manager that holds the webhook's URL, as it
//     is or as "url" of a JSON object
//
// Logs and errors never hold the URL.
package main

import (
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"sgward/internal/startfailure"
)

func main() {
	logger := lambdacontext.NewLogger()
	h, err := newHandler(os.LookupEnv, logger, http.DefaultTransport)
	if err != nil {
		startfailure.Report(logger, err)
		os.Exit(1)
	}
	lambda.Start(h.handle)
}
