// Package startfailure says why a function of Lambda does not start.
package startfailure

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"time"
)

// errorType is the type of the error in logs of the platform and in answers.
const errorType = "Function.ConfigurationInvalid"

// maxMessage limits the message, which travels in invocation records with the event: 64 KiB.
const maxMessage = 64 << 10

// Report says why a function does not start, before it exits: err goes into the log, and to
// Lambda, whose answers and invocation records show it in place of a bare exit status.
func Report(logger *slog.Logger, err error) {
	logger.Error("function does not start", "error", err.Error())
	report(os.Getenv("AWS_LAMBDA_RUNTIME_API"), err)
}

// report sends err as the initialization error
// (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror).
// aws-lambda-go has no call for it. If it fails, Lambda reports the exit status, and the log
// has the error.
func report(runtimeAPI string, err error) {
	if runtimeAPI == "" {
		return
	}
	message := err.Error()
	message = message[:min(len(message), maxMessage)]
	body, unencoded := json.Marshal(map[string]string{"errorType": errorType, "errorMessage": message})
	if unencoded != nil {
		return
	}
	const path = "/2018-06-01/runtime/init/error"
	request, unmade := http.NewRequest(http.MethodPost, "http://"+runtimeAPI+path, bytes.NewReader(body)) //nolint:gosec // the address is Lambda's
	if unmade != nil {
		return
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Lambda-Runtime-Function-Error-Type", errorType)
	client := http.Client{Timeout: time.Second}
	if answer, unsent := client.Do(request); unsent == nil { //nolint:gosec // the same
		_ = answer.Body.Close()
	}
}
