package remediation

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// oldAge is the age from which an event is about a rule that exists already. Lambda
// keeps an event for at most six hours before it gives up.
const oldAge = 6 * time.Hour

// leftOfOldEvent is why a rule stays open if an old event does not name it by its id.
const leftOfOldEvent = "the event is old and does not name the rule by its id: it may be another that has the same values now"

// isOld reports whether the event was old when its message reached the queue, or
// EventBridge replayed it from an archive: its rule has existed for long, or is gone. A
// retry makes no event old. A redrive does, since it queues the message again, and nothing
// makes an event younger.
func (m Message) isOld(now time.Time) bool {
	arrived := now // if nothing says when it was
	switch {
	case m.Sent.After(m.Queued):
		arrived = m.Sent
	case !m.Queued.IsZero():
		arrived = m.Queued
	}
	return IsOld(m.Detection.Event, arrived)
}

// IsOld reports whether an event was old when it arrived, or replayed from an archive.
func IsOld(event cloudtrail.Event, arrived time.Time) bool {
	return event.ReplayName != "" || arrived.Sub(event.EventTime) > oldAge
}

// oldRules gathers the rules of old events that may be closed. Several groups add to it
// at the same time.
type oldRules struct {
	mu    sync.Mutex
	cases []*Case
}

func (o *oldRules) add(c *Case) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cases = append(o.cases, c)
}

// finishOld settles the remaining cases of an old event's batch. Its rules exist already:
// they are closed only if their statement revokes existing rules, by the event's own rule
// id, and after all groups have been judged, because MaxRevokes limits all of them together.
func (g *changedGroup) finishOld(ctx context.Context, b *batch) {
	var shown, gone []*Case
	for _, c := range b.cases {
		switch now := g.Now(); {
		case c.isSettled():
		case c.shownAs == seen && !g.absent:
			shown = append(shown, c)
		case c.await(now) == stateWaiting:
			c.fail(errLagging, now)
		default:
			gone = append(gone, c)
		}
	}
	if g.readFailed(ctx, b, g.judge(ctx, b, shown, withOthers)) {
		return
	}
	if g.absent {
		shown, gone = nil, slices.Concat(shown, gone)
	}
	g.settleOldGone(ctx, b, gone)
	for _, c := range shown {
		switch j := c.judgement; {
		case c.isSettled(): // something could not be read
		case j.Verdict != policy.Revoke:
			c.settleBy(j.Verdict, g.now)
		case j.Existing != policy.ExistingRevoke:
			c.judgement.Verdict = policy.Alert
			c.leave(finding.OutcomeAlerted, LeftStanding, g.now)
		case j.Union:
			c.leave(finding.OutcomeAlerted, LeftTogether, g.now)
		case !c.byID:
			c.leave(finding.OutcomeAlerted, leftOfOldEvent, g.now)
		default:
			g.old.add(c)
		}
	}
}

// settleOldGone settles rules of old events that are gone. In a replay of an archive they
// are not reported.
func (g *changedGroup) settleOldGone(ctx context.Context, b *batch, gone []*Case) {
	switch {
	case len(gone) == 0:
	case b.Detection.Event.ReplayName != "" && !earlierTry(b.Try, g.now.Sub(b.Sent)):
		for _, c := range gone {
			c.comply()
		}
	case g.absent:
		g.finishAbsent(b)
	default:
		g.settleGone(ctx, b, gone, nil)
	}
}

// closeOld closes the gathered rules of old events, the most urgent first and at most
// MaxRevokes.
func (r *invocation) closeOld(ctx context.Context) {
	r.close(ctx, r.atMostMaxRevokes(r.old.cases))
}

// concludeOld ends the deliveries of old events with one alert for all of them.
func (r *invocation) concludeOld(ctx context.Context, deliveries []*delivery) {
	var reported []*delivery
	var results [][]finding.Result // of each of reported
	for _, d := range deliveries {
		var news []finding.Result
		if news, d.err = r.reportable(ctx, d); len(news) > 0 {
			reported, results = append(reported, d), append(results, news)
		}
	}
	if err := r.publishOld(ctx, reported, results); err != nil {
		for _, d := range reported {
			d.err = errors.Join(d.err, err)
		}
	}
	for _, d := range deliveries {
		r.tally.add(d, r.Now())
	}
}

// publishOld publishes one alert for the results of deliveries, if there are any.
func (r *invocation) publishOld(ctx context.Context, reported []*delivery, results [][]finding.Result) error {
	if len(reported) == 0 {
		return nil
	}
	a := r.alert(ctx, reported[0], results[0]) // which adds the context of its groups to its results
	if len(reported) > 1 {
		a = r.digest(reported, results)
	}
	return r.publish(ctx, a)
}

// digest makes one alert of several old events. Its own event is not one of them: the
// findings name theirs.
func (r *invocation) digest(reported []*delivery, results [][]finding.Result) finding.Alert {
	first := reported[0].Detection.Event
	event := cloudtrail.Event{
		EventName: "OldEvents", EventTime: r.now.UTC().Truncate(time.Second),
		AccountID: first.AccountID, Region: first.Region, ReplayName: first.ReplayName,
	}
	var ids []string
	var told []finding.Result
	try, tries := 0, 0
	for i, d := range reported {
		if d.Detection.Event.ReplayName != event.ReplayName {
			event.ReplayName = ""
		}
		ids = append(ids, d.Detection.Event.EventID)
		try, tries = max(try, d.Try), max(tries, d.Tries)
		for _, result := range results[i] {
			result.Event = &d.Detection.Event
			told = append(told, result)
		}
	}
	slices.Sort(ids)
	event.EventID = "old-events-" + text.Digest(8, ids...)
	a := finding.NewAlert(r.Mode, r.Policy, event, told)
	a.Try, a.Tries, a.OldEvents = try, tries, len(reported)
	return a
}
