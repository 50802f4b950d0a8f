// Command emptylambda is a Lambda function that does nothing. Its time to the first
// poll is what the Go runtime and aws-lambda-go take, below which no function in Go
// can start.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(context.Context) error { return nil })
}
