// Command hook is the Lambda function that judges security groups and rules before
// CloudFormation or Cloud Control makes or changes them.
//
// AWS::CloudFormation::LambdaHook invokes it before the resource is made and follows its
// answer. It changes nothing, calls nothing and needs no permission beyond its log group, so
// its build links no AWS SDK.
//
// Environment:
//
//   - PREVENTION: warn or refuse; equal to the hook's failure mode
//   - AWS_REGION: set by Lambda
//   - POLICY_FILE: the policy's path (default: policy.yaml beside the binary); its JSON form
//     must stand beside it
//
// A missing or invalid policy keeps the function from starting.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"sgward/internal/startfailure"
)

func main() {
	logger := lambdacontext.NewLogger()
	h, err := newHandler(os.LookupEnv, logger, time.Now)
	if err != nil {
		startfailure.Report(logger, err)
		os.Exit(1)
	}
	lambda.Start(h)
}
