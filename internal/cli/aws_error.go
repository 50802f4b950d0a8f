package cli

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/transport/http"

	"sgward/internal/ec2rules"
	"sgward/internal/text"
)

const (
	noCredentials = "no AWS credentials: set AWS_PROFILE or --profile, run aws sso login or aws configure, " +
		"or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	expiredSession = "the session of these AWS credentials has expired or is missing: run aws sso login (with --profile if you use one), or assume the role again"
)

// awsErrorText explains why a call of AWS failed, and what to do about it.
// Other errors keep their text.
func awsErrorText(err error) string {
	var (
		session *ssocreds.InvalidTokenError
		send    *http.RequestSendError
		call    *smithy.OperationError
	)
	switch code := ec2rules.ErrorCode(err); {
	case errors.As(err, &session), strings.Contains(err.Error(), "cached SSO token"), // missing, or too old
		code == "InvalidGrantException", code == "UnauthorizedException":
		return expiredSession
	case code == "ExpiredToken", code == "ExpiredTokenException", code == "RequestExpired":
		return expiredSession + " (" + code + ")"
	case strings.Contains(err.Error(), "no EC2 IMDS role found"): // the last place that the SDK looks at
		return noCredentials
	case !errors.As(err, &call):
		return err.Error()
	case errors.As(err, &send) && !errors.Is(err, context.Canceled):
		return unreachableText(err, call)
	}
	permission := strings.ToLower(call.ServiceID) + ":" + call.OperationName
	switch code := ec2rules.ErrorCode(err); code {
	case "":
		return err.Error()
	case "UnauthorizedOperation", "AccessDenied", "AccessDeniedException":
		out := "access denied: the credentials lack " + permission + " (" + code
		if message := ec2rules.ErrorMessage(err); !strings.Contains(message, call.OperationName) && message != "" {
			out += ": " + firstSentence(message)
		}
		return text.Visible(out + ")")
	case "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch":
		return text.Visible("AWS does not accept these credentials (" + permission + ": " + code + "): check the keys, the profile and this machine's clock")
	case "OptInRequired":
		return "this account has not enabled the region (" + permission + ": " + code + ")"
	default:
		reason := ec2rules.ErrorMessage(err)
		if reason == "" {
			reason = "no reason is given"
		}
		return text.Visible(permission + ": " + code + ": " + reason)
	}
}

// firstSentence leaves out the encoded message that EC2 adds to a denial.
func firstSentence(s string) string {
	first, _, _ := strings.Cut(s, ". ")
	return text.Shown(first, 200)
}

// unreachableText describes a call that got no answer.
func unreachableText(err error, call *smithy.OperationError) string {
	var at *url.Error
	inner := err
	where := call.Service()
	if errors.As(err, &at) {
		inner = at.Err
		if u, err := url.Parse(at.URL); err == nil {
			where = u.Scheme + "://" + u.Host
			if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsLoopback() || u.Hostname() == "localhost" {
				return where + " does not answer (is sgward local running?): " + reasonText(inner)
			}
		}
	}
	return where + " does not answer: " + reasonText(inner) + ": check the region, the network and any proxy"
}

// reasonText is the innermost reason of a failed connection.
func reasonText(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
		for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
			err = inner
		}
	}
	return cmp.Or(err.Error(), "no reason is known")
}
