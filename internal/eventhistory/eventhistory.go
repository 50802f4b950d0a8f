// Package eventhistory reads CloudTrail's event history of an account in a region: the
// management events of the last 90 days, which CloudTrail keeps without a trail and
// without a bucket.
package eventhistory

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	trail "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"sgward/internal/text"
)

const (
	// Days is how long CloudTrail keeps the history.
	Days = 90
	// Lag is how long CloudTrail may take to show a call.
	Lag = 15 * time.Minute
	// PageSize is the most records of one answer.
	PageSize = 50
	// Pause keeps to the two calls that CloudTrail answers each second, for an account in a
	// region (https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html).
	Pause = 500 * time.Millisecond

	// triesOfACall outlasts the throttling of a history that is read call by call.
	triesOfACall = 10
)

// Trail is the event history of an account in a region. *cloudtrail.Client of the SDK is
// one.
type Trail interface {
	LookupEvents(context.Context, *trail.LookupEventsInput, ...func(*trail.Options)) (*trail.LookupEventsOutput, error)
}

var _ Trail = (*trail.Client)(nil)

// New returns the history of the configuration's account and region.
func New(config aws.Config) *trail.Client {
	return trail.NewFromConfig(config, func(o *trail.Options) { o.RetryMaxAttempts = max(o.RetryMaxAttempts, triesOfACall) })
}

// Query selects calls. Name is required.
type Query struct {
	// Name is the calls' eventName.
	Name string
	// Start and End limit the time of the calls. A zero Start is 90 days ago, a zero End
	// now.
	Start, End time.Time
	// MaxPages ends the search with an error of type *TooManyError; 0 means no limit.
	MaxPages int
	// Wait is called before each call of CloudTrail; nil means at once. Its error ends the
	// search.
	Wait func(context.Context) error
}

// TooManyError is for a search that has come to its limit.
type TooManyError struct {
	Calls int
	Name  string
}

func (e *TooManyError) Error() string {
	return fmt.Sprintf("the account has made more than %s calls of %s in that time", text.Thousands(e.Calls), e.Name)
}

// Read reads the calls page by page, the newest first, until see returns false. Other
// errors than *TooManyError are the SDK's.
func Read(ctx context.Context, t Trail, q Query, see func([]types.Event) (more bool)) error {
	in := &trail.LookupEventsInput{
		LookupAttributes: []types.LookupAttribute{{AttributeKey: types.LookupAttributeKeyEventName, AttributeValue: aws.String(q.Name)}},
	}
	if !q.Start.IsZero() {
		in.StartTime = aws.Time(q.Start)
	}
	if !q.End.IsZero() {
		in.EndTime = aws.Time(q.End)
	}
	for pages := 0; q.MaxPages == 0 || pages < q.MaxPages; pages++ {
		if q.Wait != nil {
			if err := q.Wait(ctx); err != nil {
				return err
			}
		}
		out, err := t.LookupEvents(ctx, in)
		if err != nil {
			return err //nolint:wrapcheck // callers look for its code
		}
		if !see(out.Events) || aws.ToString(out.NextToken) == "" {
			return nil
		}
		in.NextToken = out.NextToken
	}
	return &TooManyError{q.MaxPages * PageSize, q.Name}
}
