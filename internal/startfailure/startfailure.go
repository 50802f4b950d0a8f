// Package startfailure ends a function of Lambda that cannot start.
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

// Exit says why a function does not start and ends the process: err goes into the log, and to
// Lambda, whose answers and invocation records show it in place of a bare exit status.
func Exit(logger *slog.Logger, err error) {
	logger.Error("function does not start", "error", err.Error())
	report(os.Getenv("AWS_LAMBDA_RUNTIME_API"), err)
	os.Exit(1)
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
	request, unmade := http.NewRequest(http.MethodPost, "http://"+runtimeAPI+"/2018-06-01/runtime/init/error", bytes.NewReader(body))
	if unmade != nil {
		return
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Lambda-Runtime-Function-Error-Type", errorType)
	client := http.Client{Timeout: time.Second}
	if answer, unsent := client.Do(request); unsent == nil {
		_ = answer.Body.Close()
	}
}
