// Command idle is a remediate that takes every message and does nothing.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() {
	lambda.Start(func() (map[string][]string, error) { return map[string][]string{"batchItemFailures": {}}, nil })
}
