// Command sweep is the Lambda function that judges existing rules.
//
// EventBridge invokes it, asynchronously, with the CloudTrail record of a call that edited
// a managed prefix list, or of one that opens a group and names none, and by a schedule; a person invokes it with {"sgward":"sweep"}.
// It judges the rules that use the list; on schedule it judges all groups of the region
// and warns about ending exceptions. Rules to close are returned as a finding.Detection
// with decision revoke, which Lambda puts on remediate's queue. Lambda retries a failed
// run.
//
// Environment:
//
//   - MODE: observe or enforce
//   - ALERT_TOPIC_ARN: the SNS topic of the alerts
//   - POLICY_FILE: default policy.yaml beside the binary; its JSON form must stand beside it
//   - MAX_REVOKES: how many rules one run has closed at most; default 20
//   - ACCOUNT_NAME: the name of the account in alerts; without it they show the id
//   - MEMORY_TABLE: the DynamoDB table of reported findings; without it, every sweep
//     reports everything
//   - DETECT_LOG_GROUP: the log group of detect, in which a sweep looks up whether an event
//     announced a new opening; without it, no sweep notices missing events
//   - LOG_RETENTION_DAYS: for how long that group keeps its lines
//   - METRICS_STACK: the name of the stack in more metrics; without it none are logged
//
// If one of them is missing or wrong, the function says so and does not start.
//
// It logs as metrics a heartbeat and the number of openings without an event.
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
	lambda.Start(h)
}
