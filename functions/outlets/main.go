// Command outlets is the Lambda function that passes alerts on to machines: to a bus of
// EventBridge, to Security Hub, or to both.
//
// SNS invokes it with the alerts of its own account and region. An alert that an outlet refuses
// fails the invocation; Lambda retries it twice and then keeps it in the dead-letter queue.
// Both outlets accept the same alert twice without harm.
//
// Environment:
//
//   - EVENT_BUS_ARN: the bus, in the function's region; not set or empty means none
//   - SECURITY_HUB: on or off; not set or empty means off
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
	lambda.Start(h.handle)
}
