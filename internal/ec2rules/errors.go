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

// ErrorText names the call, which is also the permission that may be missing, EC2's
// code and its words.
func ErrorText(err error) string {
	var call *smithy.OperationError
	if code := ErrorCode(err); code != "" && errors.As(err, &call) {
		return fmt.Sprintf("%s: %s: %s", call.OperationName, code, ErrorMessage(err))
	}
	return err.Error()
}

// IsPermissionNotFound reports that a group does not hold a permission of the
// call. Which one, where the call had several, EC2 does not say. The second code
// is what some implementations of the API answer.
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

// IsDuplicate reports that what a call would make is there already: a rule that lets
// the same through, or a group of the name.
func IsDuplicate(err error) bool {
	switch ErrorCode(err) {
	case "InvalidPermission.Duplicate", "InvalidGroup.Duplicate":
		return true
	default:
		return false
	}
}

// IsVPCNotFound reports that there is no such VPC.
func IsVPCNotFound(err error) bool { return ErrorCode(err) == "InvalidVpcID.NotFound" }

// IsListVersionNotFound reports that EC2 does not know a version of a prefix list. Of
// one that it has shown, the read lags behind.
func IsListVersionNotFound(err error) bool {
	return ErrorCode(err) == "InvalidPrefixListVersion.NotFound"
}

// IsDryRun reports that EC2 would have taken a call that asked for a dry run.
func IsDryRun(err error) bool { return ErrorCode(err) == "DryRunOperation" }

// IsDenied reports that the caller may not make the call.
func IsDenied(err error) bool { return ErrorCode(err) == "UnauthorizedOperation" }

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
