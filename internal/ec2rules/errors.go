package ec2rules

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
)

// The EC2 error codes that decide the next step
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).

// ErrorCode returns EC2's code for an error, or "" if the error is not a response of EC2:
// a broken connection, a deadline.
func ErrorCode(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// ErrorMessage returns EC2's message if there is one, else the error's.
func ErrorMessage(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorMessage() != "" {
		return api.ErrorMessage()
	}
	return err.Error()
}

// ErrorText returns the call, which is also the name of the permission that may be
// missing, with EC2's code and message.
func ErrorText(err error) string {
	var call *smithy.OperationError
	if code := ErrorCode(err); code != "" && errors.As(err, &call) {
		return fmt.Sprintf("%s: %s: %s", call.OperationName, code, ErrorMessage(err))
	}
	return err.Error()
}

// IsPermissionNotFound reports that a group does not hold a permission of the call. If the
// call had several, EC2 does not say which. Some implementations of the API answer with
// the second code.
func IsPermissionNotFound(err error) bool {
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

// IsDuplicate reports that the resource exists already: a rule with the same permission,
// or a group with the name.
func IsDuplicate(err error) bool {
	switch ErrorCode(err) {
	case "InvalidPermission.Duplicate", "InvalidGroup.Duplicate":
		return true
	default:
		return false
	}
}

// IsVPCNotFound reports that the VPC does not exist.
func IsVPCNotFound(err error) bool { return ErrorCode(err) == "InvalidVpcID.NotFound" }

// IsListVersionNotFound reports that EC2 does not know a version of a prefix list. If EC2
// has shown that version before, the read lags behind.
func IsListVersionNotFound(err error) bool {
	return ErrorCode(err) == "InvalidPrefixListVersion.NotFound"
}

// IsDryRun reports that EC2 would have accepted a dry-run call.
func IsDryRun(err error) bool { return ErrorCode(err) == "DryRunOperation" }

// IsDenied reports that the caller may not make the call.
func IsDenied(err error) bool { return ErrorCode(err) == "UnauthorizedOperation" }

// IsTransient reports that the same call may succeed later: throttling, service faults,
// and calls without a response. The SDK has already retried them. All other errors are
// final, first of all a denial by a policy of the role or the organisation.
func IsTransient(err error) bool {
	if errors.Is(err, errBadEntry) || errors.Is(err, errInProgress) { // another call would get the same answer
		return false
	}
	code := ErrorCode(err)
	switch code {
	case "":
		return true
	case "InternalError", "InternalFailure", "InternalServerError",
		"Unavailable", "ServiceUnavailable", "RequestTimeout", "RequestTimeoutException":
		return true
	}
	var answer interface{ HTTPStatusCode() int }
	return isThrottled(err) || errors.As(err, &answer) &&
		(answer.HTTPStatusCode() >= http.StatusInternalServerError || answer.HTTPStatusCode() == http.StatusTooManyRequests)
}

// isThrottled reports that there were too many calls.
func isThrottled(err error) bool {
	switch code := ErrorCode(err); code {
	case "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "TooManyRequestsException", "SlowDown", "BandwidthLimitExceeded":
		return true
	default:
		return strings.HasPrefix(code, "Throttl")
	}
}
