package ec2rules

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// watchAttempts returns an option for one call that paces its attempts and sets lost if
// one of them stays without an answer. The SDK itself tells only how the last one ended.
func watchAttempts(pace *Pace, lost *bool) func(*ec2.Options) {
	watch := middleware.FinalizeMiddlewareFunc("WatchAttempts", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
		middleware.FinalizeOutput, middleware.Metadata, error,
	) {
		pace.wait(ctx)
		out, metadata, err := next.HandleFinalize(ctx, in)
		pace.note(err)
		*lost = *lost || isUnanswered(err)
		return out, metadata, err
	})
	return func(o *ec2.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(watch, "Retry", middleware.After)
		})
	}
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
