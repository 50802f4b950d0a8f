// Command bootstrap is a Lambda function that misbehaves on request, for the tests
// of the Runtime API. The payload says what to do.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type request struct {
	Do      string `json:"do"`
	Name    string `json:"name"`    // of an environment variable
	Size    int    `json:"size"`    // of an answer, bytes
	Counter string `json:"counter"` // a file that grows by a byte each try
	Until   int    `json:"until"`   // tries that fail
	Millis  int    `json:"millis"`  // of sleep
}

type spoiled struct{ what string }

func (e *spoiled) Error() string { return "spoiled " + e.what }

func handle(ctx context.Context, raw json.RawMessage) (any, error) {
	var r request
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, err
	}
	switch r.Do {
	case "echo":
		return raw, nil
	case "fail":
		return nil, &spoiled{what: "milk"}
	case "panic":
		panic("all is lost")
	case "exit":
		os.Exit(7)
	case "sleep":
		time.Sleep(time.Duration(r.Millis) * time.Millisecond)
		return os.Getpid(), nil
	case "pid":
		return os.Getpid(), nil
	case "environment":
		return os.Getenv(r.Name), nil
	case "working directory":
		return os.Getwd()
	case "log":
		fmt.Println("to stdout")
		fmt.Fprintln(os.Stderr, "to stderr")
		return nil, nil
	case "big":
		return strings.Repeat("x", r.Size), nil
	case "context":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]any{"requestId": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "leftMs": time.Until(deadline).Milliseconds()}, nil
	case "fail at first":
		file, err := os.OpenFile(r.Counter, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if _, err := file.WriteString("x"); err != nil {
			return nil, err
		}
		info, err := file.Stat()
		if err != nil {
			return nil, err
		}
		if int(info.Size()) <= r.Until {
			return nil, errors.New("not yet")
		}
		return "at last", nil
	}
	return nil, fmt.Errorf("asked to do %q", r.Do)
}

func main() {
	switch os.Getenv("INIT") {
	case "exit":
		os.Exit(3)
	case "hang":
		time.Sleep(time.Hour)
	case "report":
		url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
		body := strings.NewReader(`{"errorType":"ConfigError","errorMessage":"MODE is missing"}`)
		if response, err := http.Post(url, "application/json", body); err == nil {
			response.Body.Close()
		}
		os.Exit(1)
	}
	lambda.Start(handle)
}
