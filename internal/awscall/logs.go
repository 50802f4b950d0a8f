package awscall

import (
	"context"
	"errors"
	"iter"
	"time"
)

// LogQuery selects lines of a log group of CloudWatch Logs.
type LogQuery struct {
	Group   string
	Pattern string // of a filter, such as `{ $.message = "judged" }`
	From    time.Time
	To      time.Time // zero is now
	// MaxPages ends the reading with ErrMoreLines; 0 means no limit. A page holds up to
	// 10,000 lines or 1 MB.
	MaxPages int
}

// LogLine is a line of a log group.
type LogLine struct {
	At   time.Time
	Text string
}

// ErrMoreLines says that a log group has more lines than the pages asked for hold.
var ErrMoreLines = errors.New("there are more lines")

// LogPages returns the lines of a log group page by page, the oldest first. A page may be
// empty although others follow. An error, ErrMoreLines or one of JSON, is the last.
// (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html)
func (c *Client) LogPages(ctx context.Context, q LogQuery) iter.Seq2[[]LogLine, error] {
	type request struct {
		LogGroupName  string `json:"logGroupName"`
		StartTime     int64  `json:"startTime"` // milliseconds since 1970
		EndTime       int64  `json:"endTime,omitempty"`
		FilterPattern string `json:"filterPattern"`
		NextToken     string `json:"nextToken,omitempty"`
	}
	return func(yield func([]LogLine, error) bool) {
		in := request{LogGroupName: q.Group, StartTime: q.From.UnixMilli(), FilterPattern: q.Pattern}
		if !q.To.IsZero() {
			in.EndTime = q.To.UnixMilli()
		}
		for pages := 0; q.MaxPages == 0 || pages < q.MaxPages; pages++ {
			var page struct {
				Events []struct {
					Timestamp int64  `json:"timestamp"`
					Message   string `json:"message"`
				} `json:"events"`
				NextToken string `json:"nextToken"`
			}
			if err := c.JSON(ctx, Logs, "FilterLogEvents", in, &page); err != nil {
				yield(nil, err)
				return
			}
			lines := make([]LogLine, len(page.Events))
			for i, e := range page.Events {
				lines[i] = LogLine{time.UnixMilli(e.Timestamp), e.Message}
			}
			if !yield(lines, nil) || page.NextToken == "" {
				return
			}
			in.NextToken = page.NextToken
		}
		yield(nil, ErrMoreLines)
	}
}
