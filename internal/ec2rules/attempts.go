package ec2rules

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"sgward/internal/metric"
)

// Attempts counts the failed attempts of a client's calls, those too that the SDK repeats
// with success. The zero value is ready. It is safe for concurrent use.
type Attempts struct {
	throttled, failed atomic.Int64
}

// Watch is an option of the client.
func (a *Attempts) Watch(o *ec2.Options) {
	o.APIOptions = append(o.APIOptions, afterRetry("CountAttempts", func(ctx context.Context, attempt func(context.Context) error) error {
		err := attempt(ctx)
		switch {
		case err == nil || isAnswer(err):
		case isThrottled(err):
			a.throttled.Add(1)
		default:
			a.failed.Add(1)
		}
		return err
	}))
}

// Metrics returns what was counted since the last time.
func (a *Attempts) Metrics() []metric.Metric {
	return []metric.Metric{
		metric.Counted(metric.EC2Throttles, int(a.throttled.Swap(0))), metric.Counted(metric.EC2Errors, int(a.failed.Swap(0))),
	}
}

// isAnswer reports that an error says how the world is, as the caller wanted to know.
func isAnswer(err error) bool {
	return IsPermissionNotFound(err) || IsGroupNotFound(err) || IsListVersionNotFound(err) || IsDuplicate(err) || IsDryRun(err)
}

// afterRetry returns an option that wraps each attempt of a call.
func afterRetry(name string, around func(ctx context.Context, attempt func(context.Context) error) error) func(*middleware.Stack) error {
	wrap := middleware.FinalizeMiddlewareFunc(name, func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
		out middleware.FinalizeOutput, metadata middleware.Metadata, err error,
	) {
		err = around(ctx, func(ctx context.Context) error {
			out, metadata, err = next.HandleFinalize(ctx, in)
			return err
		})
		return out, metadata, err
	})
	return func(stack *middleware.Stack) error { return stack.Finalize.Insert(wrap, "Retry", middleware.After) }
}

// watchAttempts returns an option for one call that paces its attempts and sets lost if
// one of them stays without an answer. The SDK itself tells only how the last one ended.
func watchAttempts(pace *Pace, lost *bool) func(*ec2.Options) {
	watch := afterRetry("WatchAttempts", func(ctx context.Context, attempt func(context.Context) error) error {
		pace.wait(ctx)
		err := attempt(ctx)
		pace.note(err)
		*lost = *lost || isUnanswered(err)
		return err
	})
	return func(o *ec2.Options) { o.APIOptions = append(o.APIOptions, watch) }
}

// isUnanswered reports that a request may have taken effect although it failed: it was
// sent, and no answer came, or only a part of an answer of success.
func isUnanswered(err error) bool {
	var dial *net.OpError
	var sent *smithyhttp.RequestSendError
	if errors.As(err, &sent) {
		return !errors.As(err, &dial) || dial.Op != "dial"
	}
	var answer *smithyhttp.ResponseError
	var cut *smithy.DeserializationError
	return errors.As(err, &answer) && errors.As(err, &cut) && answer.HTTPStatusCode() == http.StatusOK
}
