package ec2api

import (
	"fmt"
	"net/http"
	"strings"
)

// apiError is an error as EC2 answers it: a code without the "Client." or
// "Server." that CloudTrail puts in front of it.
type apiError struct {
	code    string
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func fail(code, format string, args ...any) *apiError {
	return &apiError{code: code, message: fmt.Sprintf(format, args...)}
}

func missing(parameter string) *apiError {
	return fail("MissingParameter", "The request must contain the parameter %s", parameter)
}

// status is the HTTP status that EC2 sends with the code
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
func (e *apiError) status() int {
	switch e.code {
	case "RequestLimitExceeded", "Unavailable", "ServiceUnavailable":
		return http.StatusServiceUnavailable
	case "InternalError", "InternalFailure":
		return http.StatusInternalServerError
	case "UnauthorizedOperation":
		return http.StatusForbidden
	case "DryRunOperation":
		return http.StatusPreconditionFailed
	default:
		return http.StatusBadRequest
	}
}

// trailCode is the code as CloudTrail records it. A throttled call is the
// caller's doing there although it is answered with a 503.
func (e *apiError) trailCode() string {
	switch e.code {
	case "InternalError", "InternalFailure", "Unavailable", "ServiceUnavailable":
		return "Server." + e.code
	default:
		return "Client." + e.code
	}
}

// messageFor is the text for a code that was asked for without one.
func messageFor(code, action, arn string) string {
	switch code {
	case "RequestLimitExceeded":
		return "Request limit exceeded."
	case "InternalError", "InternalFailure":
		return "An internal error has occurred"
	case "Unavailable", "ServiceUnavailable":
		return "The service is unavailable. Please try again shortly."
	case "UnauthorizedOperation":
		return fmt.Sprintf("You are not authorized to perform this operation. User: %s is not authorized to perform: ec2:%s "+
			"because no identity-based policy allows the ec2:%s action", arn, action, action)
	default:
		return strings.TrimSuffix(code, ".") + "."
	}
}

func dryRunError() *apiError {
	return fail("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
}
