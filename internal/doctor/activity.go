package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sgward/internal/awscall"
	"sgward/internal/logline"
	"sgward/internal/text"
)

// maxLogPages limits one search.
const maxLogPages = 50

// lines returns the lines of a log group that match a filter pattern, oldest first.
func (x *examination) lines(ctx context.Context, group, pattern string, from, to time.Time) ([]awscall.LogLine, error) {
	var out []awscall.LogLine
	for page, err := range x.aws.LogPages(ctx, awscall.LogQuery{Group: group, Pattern: pattern, From: from, To: to, MaxPages: maxLogPages}) {
		switch {
		case errors.Is(err, awscall.ErrMoreLines):
			return out, nil
		case err != nil:
			return nil, err
		}
		out = append(out, page...)
	}
	return out, nil
}

// spans are the ages up to which a search goes back, step by step: each step reads only the
// time that the earlier steps have not.
var spans = []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour, 4 * 24 * time.Hour, 14 * 24 * time.Hour}

// last returns the newest line of a log group with a message; nil if 14 days have none.
func (x *examination) last(ctx context.Context, group, message string) (*awscall.LogLine, error) {
	now := x.Now()
	to := now.Add(time.Minute) // clocks differ
	for _, span := range spans {
		from := now.Add(-span)
		found, err := x.lines(ctx, group, logline.WhereMessage(message), from, to)
		if err != nil {
			return nil, err
		}
		if n := len(found); n > 0 {
			return &found[n-1], nil
		}
		to = from
	}
	return nil, nil //nolint:nilnil // no line is a valid answer
}

// ago formats the time since t.
func (x *examination) ago(t time.Time) string {
	return text.Span(max(x.Now().Sub(t), 0).Seconds()) + " ago"
}

// checkEvents says when detect judged an event last.
func (x *examination) checkEvents(ctx context.Context) []Line {
	group := x.stack.Ref("DetectLogGroup")
	if group == "" {
		return []Line{failure(deploy, "DetectLogGroup is not in the stack")}
	}
	line, err := x.last(ctx, group, logline.Judged)
	selfTest := fmt.Sprintf("sgward doctor --self-test --stack %s --region %s", x.stack.Name, x.region)
	switch {
	case missing(err):
		return []Line{failure(deploy, "the log group of detect is gone: sweeps cannot check which openings had an event")}
	case err != nil:
		return []Line{unknown(err, "when detect judged an event last")}
	case line == nil:
		return []Line{warning(selfTest, "detect has judged no event in 14 days: either no rule was opened, or events do not arrive")}
	}
	judged, _ := logline.ReadJudged(line.Text) // it is only shown
	return []Line{ok("detect judged %s in %s %s: %s", judged.EventName, judged.GroupID, x.ago(line.At), judged.Decision)}
}

// checkSweep says when a sweep completed last.
func (x *examination) checkSweep(ctx context.Context) []Line {
	group := x.stack.Ref("SweepLogGroup")
	if group == "" {
		return []Line{failure(deploy, "SweepLogGroup is not in the stack")}
	}
	invoke := x.command(`lambda invoke --function-name %s --invocation-type Event --payload '{"sgward":"sweep"}' --cli-binary-format raw-in-base64-out /dev/null`, x.stack.Ref(sweepFunction))
	line, err := x.last(ctx, group, logline.SweepCompleted)
	switch {
	case missing(err):
		return []Line{failure(deploy, "the log group of sweep is gone")}
	case err != nil:
		return []Line{unknown(err, "when a sweep completed last")}
	case line == nil && x.Now().Sub(x.stack.Changed) < 2*time.Hour:
		return []Line{warning(invoke, "no sweep has completed yet: the first comes with the schedule")}
	case line == nil:
		return []Line{failure(invoke, "no sweep has completed in 14 days")}
	case x.Now().Sub(line.At) > 2*24*time.Hour:
		return []Line{failure(invoke, "the last sweep completed %s", x.ago(line.At))}
	case x.Now().Sub(line.At) > 25*time.Hour:
		return []Line{warning(invoke, "the last sweep completed %s", x.ago(line.At))}
	default:
		return []Line{ok("the last one completed %s", x.ago(line.At))}
	}
}
