// Command detect is the Lambda function that judges one security group change.
//
// EventBridge invokes it with the CloudTrail record of the call; it returns a
// finding.Detection, which Lambda passes on. It changes nothing, calls nothing and needs
// no permission beyond its log group, so its build links no AWS SDK.
//
// Environment: POLICY_FILE, the policy's path (default: policy.yaml beside the binary); its
// JSON form must stand beside it. A missing or invalid policy keeps the function from starting. METRICS_STACK, the stack's name
// in metrics; without it none are logged.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"sgward/internal/metric"
	"sgward/internal/policyfile"
	"sgward/internal/startfailure"
)

func main() {
	logger := lambdacontext.NewLogger()
	p, err := policyfile.Load(os.LookupEnv, logger)
	if err != nil {
		startfailure.Report(logger, err)
		os.Exit(1)
	}
	lambda.Start(&handler{policy: p, logger: logger, metrics: metric.OfStack(logger, os.LookupEnv), now: time.Now})
}
