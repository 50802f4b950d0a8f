package remediation

import (
	"context"
	"errors"
	"sync"
	"time"

	"sgward/internal/crash"
	"sgward/internal/finding"
	"sgward/internal/secgroup"
)

const (
	// maxCounted limits the closings of one alert that are counted, and countingAtOnce those that
	// are counted at once in one invocation.
	maxCounted     = 20
	countingAtOnce = 16
	// countTime limits the time for the closings of one alert. A write takes some
	// milliseconds.
	countTime = time.Second
	// countBudget limits the time that the alerts of one invocation wait for numbers,
	// together: a slow table does not hold up a storm of a thousand. As many alerts wait at
	// once, no storm takes more than three seconds longer.
	countBudget = alerting * countTime
)

// errSlow says that counting has taken the time that an invocation has for it.
var errSlow = errors.New("the table is slow")

// count counts the closings of an alert's results, beside other work: the returned function
// waits for the numbers and puts them into the alert.
//
//   - An alert never waits for long and never fails for them: after one failure, or once
//     countBudget is spent, the alerts of this invocation have no numbers.
//   - Only rules that the event's own call has just made are counted: for how long any other
//     was open is unknown.
func (r *invocation) count(ctx context.Context, d *delivery, a *finding.Alert) (wait func()) {
	type counted struct {
		at     int // in a.Findings
		result finding.Result
		repeat *finding.Repeat
	}
	if r.Count == nil || d.old || r.uncounted.Load() {
		return func() {}
	}
	var all []*counted
	for i, result := range a.Findings {
		isOurs := result.Outcome == finding.OutcomeRevoked ||
			result.Outcome == finding.OutcomeAlreadyClosed && result.MaybeEarlier && !result.Gone && d.retried(r.now)
		if isOurs && result.Rule != nil && result.ExposureSeconds != nil && len(all) < maxCounted {
			all = append(all, &counted{at: i, result: result})
		}
	}
	if len(all) == 0 {
		return func() {}
	}
	if deadline, isLimited := ctx.Deadline(); isLimited && time.Until(deadline) < 2*countTime {
		r.stopCounting(ctx, a.Event.EventID, errors.New("too little time was left"))
		return func() {}
	}
	ctx, cancel := context.WithTimeout(ctx, countTime)
	event := a.Event
	var working sync.WaitGroup
	for _, c := range all {
		working.Go(func() {
			defer crash.Exit()
			select {
			case r.counters <- struct{}{}:
				defer func() { <-r.counters }()
			case <-ctx.Done(): // others have waited for all of the time
				r.stopCounting(ctx, event.EventID, errSlow)
				return
			}
			if r.uncounted.Load() {
				return
			}
			var err error
			if c.repeat, err = r.Count(ctx, event, c.result); err != nil {
				r.stopCounting(ctx, event.EventID, err, "groupId", c.result.GroupID)
			}
		})
	}
	return func() {
		began := time.Now()
		working.Wait()
		cancel()
		if r.waited.Add(int64(time.Since(began))) > int64(countBudget) {
			r.stopCounting(ctx, event.EventID, errSlow)
		}
		for _, c := range all {
			a.Findings[c.at].Repeat = c.repeat
		}
	}
}

// stopCounting ends the counting: the invocation's other alerts have no numbers. It logs
// that once.
func (r *invocation) stopCounting(ctx context.Context, eventID string, err error, more ...any) {
	if !r.uncounted.Swap(true) {
		r.Logger.WarnContext(ctx, "repeats not counted", append([]any{"eventId", eventID, "error", err.Error()}, more...)...)
	}
}

// stackTag is the tag that CloudFormation gives to the resources of its stacks. Nobody else
// can set it
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html).
const stackTag = "aws:cloudformation:stack-name"

// stackOf returns the name of the CloudFormation stack that made a group, or "".
func stackOf(g *described) string {
	stack, _ := secgroup.TagValue(g.group.Tags, stackTag)
	return stack
}
