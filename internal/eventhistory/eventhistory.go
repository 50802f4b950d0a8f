// Package eventhistory reads CloudTrail's event history of an account in a region: the
// management events of the last 90 days, which CloudTrail keeps without a trail and
// without a bucket.
package eventhistory

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"sgward/internal/awscall"
	"sgward/internal/text"
)

const (
	// Days is how long CloudTrail keeps the history.
	Days = 90
	// Lag is how long CloudTrail may take to show a call.
	Lag = 15 * time.Minute
	// pageSize is the most records of one answer.
	pageSize = 50
	// Pause keeps to the two calls that CloudTrail answers each second, for an account in a
	// region (https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html).
	Pause = 500 * time.Millisecond

	// triesOfACall outlasts the throttling of a history that is read call by call.
	triesOfACall = 10
)

// The attributes by which Lookup selects calls.
const (
	ByName = "EventName"
	ByID   = "EventId"
)

// Lookup asks for a page of the calls whose attribute By has a value.
type Lookup struct {
	By, Value string
	// Start and End limit the time of the calls, in milliseconds and inclusive. A zero Start
	// is 90 days ago, a zero End now.
	Start, End time.Time
	NextToken  string // of the page before; "" for the first
}

// Page is an answer. A page may be empty although others follow.
type Page struct {
	// Records are CloudTrail's records in JSON, the newest first.
	Records   [][]byte
	NextToken string // "" for the last
}

// Trail is the event history of an account in a region.
type Trail interface {
	// LookupEvents returns a page. Errors are those of awscall.
	LookupEvents(ctx context.Context, l Lookup) (Page, error)
}

// New returns the history of the configuration's account and region.
func New(config aws.Config) Trail { return &history{awscall.New(config)} }

// NewPatient is New, with calls that outlast throttling: for histories that are read call by
// call.
func NewPatient(config aws.Config) Trail {
	config.RetryMaxAttempts = max(config.RetryMaxAttempts, triesOfACall)
	return New(config)
}

type history struct{ aws *awscall.Client }

// LookupEvents calls CloudTrail
// (https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html).
func (h *history) LookupEvents(ctx context.Context, l Lookup) (Page, error) {
	type attribute struct{ AttributeKey, AttributeValue string }
	in := struct {
		LookupAttributes []attribute
		StartTime        float64 `json:",omitempty"` // seconds since 1970
		EndTime          float64 `json:",omitempty"`
		NextToken        string  `json:",omitempty"`
	}{[]attribute{{l.By, l.Value}}, seconds(l.Start), seconds(l.End), l.NextToken}
	var out struct {
		Events []struct {
			CloudTrailEvent string
		}
		NextToken string
	}
	if err := h.aws.JSON(ctx, awscall.CloudTrail, "LookupEvents", in, &out); err != nil {
		return Page{}, err
	}
	page := Page{NextToken: out.NextToken}
	for _, e := range out.Events {
		page.Records = append(page.Records, []byte(e.CloudTrailEvent))
	}
	return page, nil
}

// seconds returns a time since 1970, 0 for zero.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
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

// Read reads the records of the calls page by page, the newest first, until see returns
// false. Other errors than *TooManyError are those of awscall.
func Read(ctx context.Context, t Trail, q Query, see func(records [][]byte) (more bool)) error {
	in := Lookup{By: ByName, Value: q.Name, Start: q.Start, End: q.End}
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
		if !see(out.Records) || out.NextToken == "" {
			return nil
		}
		in.NextToken = out.NextToken
	}
	return &TooManyError{q.MaxPages * pageSize, q.Name}
}
