package remediation

import (
	"errors"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
)

// The EC2 error codes that decide what is done next
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).

// ErrorCode returns EC2's code for an error, or "" for one that is not EC2's
// answer: a broken connection, a deadline.
func ErrorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// ErrorMessage returns EC2's own words where there are any, else the error's.
func ErrorMessage(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorMessage() != "" {
		return api.ErrorMessage()
	}
	return err.Error()
}

// isPermissionNotFound reports that a group does not hold a permission of the
// call. Which one, where the call had several, EC2 does not say. The second code
// is what some implementations of the API answer.
func isPermissionNotFound(err error) bool {
	switch ErrorCode(err) {
	case "InvalidPermission.NotFound", "InvalidSecurityGroupRuleId.NotFound":
		return true
	default:
		return false
	}
}

// IsGroupNotFound reports that the group is gone, and with it all of its rules.
func IsGroupNotFound(err error) bool {
	switch ErrorCode(err) {
	case "InvalidGroup.NotFound", "InvalidGroupId.NotFound":
		return true
	default:
		return false
	}
}

// IsTransient reports that the same call may well succeed later: throttling,
// faults of the service, and everything that is no answer at all. The SDK has
// retried these already by the time they are seen here. Everything else is final:
// a denial (the role's own policy, or one of the organisation's) first of all.
func IsTransient(err error) bool {
	if errors.Is(err, errBadEntry) { // an answer that another call gives again
		return false
	}
	code := ErrorCode(err)
	switch code {
	case "":
		return true
	case "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "TooManyRequestsException", "SlowDown",
		"BandwidthLimitExceeded", "InternalError", "InternalFailure", "InternalServerError",
		"Unavailable", "ServiceUnavailable", "RequestTimeout", "RequestTimeoutException":
		return true
	}
	if strings.HasPrefix(code, "Throttl") {
		return true
	}
	var answer interface{ HTTPStatusCode() int }
	return errors.As(err, &answer) &&
		(answer.HTTPStatusCode() >= http.StatusInternalServerError || answer.HTTPStatusCode() == http.StatusTooManyRequests)
}
