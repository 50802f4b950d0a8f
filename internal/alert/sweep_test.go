package alert

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// standing is a result as a sweep finds it.
func standing(outcome finding.Outcome, group, name string, rule *secgroup.Rule) finding.Result {
	r := result(outcome, rule)
	r.GroupID, r.GroupName, r.ExposureSeconds, r.ClosedAt = group, name, nil, nil
	r.FirstSeen = at(900)
	return r
}

func sweptAlert(s finding.Sweep, results ...finding.Result) finding.Alert {
	a := alertOf(results...)
	a.Event = cloudtrail.Event{
		EventID: testEvent, EventName: "Scheduled Event", EventTime: testTime(), AccountID: testAccount, Region: "us-east-1",
		Actor: cloudtrail.Actor{Type: "AWSService", InvokedBy: "events.amazonaws.com"},
	}
	a.Exposed, a.Try, a.Tries, a.Sweep = nil, 0, 0, &s
	a.Verdict = policy.Alert
	return a
}

const (
	webGroup   = "sg-0aaaaaaaaaaaaaaa1"
	dataGroup  = "sg-0bbbbbbbbbbbbbbb2"
	otherGroup = "sg-0ccccccccccccccc3"
)

func sweepScenarios() []scenario {
	covered := standing(finding.OutcomeAlerted, dataGroup, "data", tcp(5432, "0.0.0.0/0"))
	covered.Severity, covered.Left = policy.Critical, "its statement closes a rule when it is made, and leaves existing ones to people"
	covered.Ended = &finding.Exception{ID: "partner-replica", Owner: "data-platform@example.com", Expires: "2026-11-02"}
	changed := standing(finding.OutcomeAlerted, webGroup, "web", tcp(8443, "0.0.0.0/0"))
	changed.FirstSeen = at(-40 * 86400)
	half := standing(finding.OutcomeAlerted, webGroup, "web", tcp(22, "128.0.0.0/1"))
	half.Union, half.Severity = true, policy.High
	named := standing(finding.OutcomeAlerted, otherGroup, hostile, tcp(8080, "0.0.0.0/0"))
	named.Rule.Description = hostile
	unread := standing(finding.OutcomeAlerted, otherGroup, hostile, tcp(1, "0.0.0.0/0"))
	unread.Rule, unread.StatementID = nil, ""
	unread.Severity, unread.Reasons = policy.High, reasons(`reading rule "sgr-0ccccccccccccccc3" of sg-0ccccccccccccccc3: parsing protocol "tpc": want tcp, udp, icmp, icmpv6, -1 or a number from 0 to 255`)

	digest := finding.Sweep{Groups: 1204, Rules: 18223, Known: 12, Gone: 1, Ordered: 2}
	would := sweptAlert(finding.Sweep{Groups: 3, Rules: 14, Forgetful: "it has no table of earlier digests"},
		standing(finding.OutcomeWouldRevoke, dataGroup, "data", tcp(5432, "0.0.0.0/0")))
	would.Mode = finding.Observe

	closed := standing(finding.OutcomeRevoked, dataGroup, "data", tcp(5432, "0.0.0.0/0"))
	closed.ClosedAt, closed.FirstSeen, closed.Ended = at(905), nil, covered.Ended
	gone := standing(finding.OutcomeAlreadyClosed, dataGroup, "data", tcp(3306, "0.0.0.0/0"))
	gone.ClosedAt, gone.FirstSeen = at(905), nil
	closing := sweptAlert(finding.Sweep{Closing: true}, closed, gone)
	closing.Verdict, closing.Try, closing.Tries = policy.Revoke, 1, 5

	stands := standing(finding.OutcomeAlerted, dataGroup, "data", tcp(5432, "0.0.0.0/0"))
	stands.Severity, stands.Left = policy.Critical, covered.Left
	stands.FirstSeen, stands.Reports, stands.Reminder = at(-21*86400), 3, true
	lost := standing(finding.OutcomeAlerted, webGroup, "web", tcp(3306, "0.0.0.0/0"))
	lost.FirstSeen, lost.Reports, lost.Unannounced = at(-3600), 1, true

	padded := sweptAlert(finding.Sweep{Closing: true, UnnamedCall: true}, closed)
	padded.Event, padded.Findings[0].Ended, padded.Verdict, padded.Try, padded.Tries = alertOf().Event, nil, policy.Revoke, 1, 5

	var many []finding.Result
	for i := range 3000 {
		many = append(many, standing(finding.OutcomeAlerted, fmt.Sprintf("sg-%017x", i/3), "app", tcp(8000+i%3, "0.0.0.0/0")))
		if i == 2999 {
			many[i].Severity = policy.Critical
		}
	}
	return []scenario{
		{name: "sweep-digest", alert: sweptAlert(digest, changed, half, named, unread, covered)},
		{name: "sweep-one-would-be-closed", alert: would},
		{name: "sweep-closed", alert: closing},
		{name: "sweep-of-three-thousand", summary: true, alert: sweptAlert(finding.Sweep{Groups: 1000, Rules: 9000}, many...)},
		{name: "sweep-unnamed-call", alert: padded},
		{name: "sweep-reminder", alert: sweptAlert(finding.Sweep{Groups: 1204, Rules: 18223, Known: 12}, stands)},
		{name: "sweep-no-event", alert: sweptAlert(finding.Sweep{Groups: 1204, Rules: 18223, Known: 12, UnannouncedGone: 1}, lost, stands)},
	}
}

func TestADigestIsGatheredByGroupTheWorstFirst(t *testing.T) {
	var groups []string
	for _, r := range Complete(sweepScenarios()[0].alert).Findings {
		groups = append(groups, r.GroupName)
	}
	assert.Equal(t, []string{"data", "web", "web", hostile, hostile}, groups, "the critical one first, the others of a group beside its worst")
}

func TestReportsOfOneRunAreDistinguishable(t *testing.T) {
	digest, closing := sweepScenarios()[0].alert, sweepScenarios()[2].alert
	day := digest
	day.Sweep = nil
	ids := []string{Complete(digest).ID, Complete(closing).ID, Complete(day).ID}
	assert.NotEqual(t, ids[0], ids[1])
	assert.NotEqual(t, ids[0], ids[2])
	assert.NotEqual(t, ids[1], ids[2])
	assert.Equal(t, ids[0], Complete(digest).ID, "a repeat carries the same")
}

func TestADigestNamesNobodyAndNoEvent(t *testing.T) {
	for _, s := range sweepScenarios() {
		if s.alert.Sweep.UnnamedCall {
			continue // which has an event and a caller
		}
		m := messageOf(t, s.alert)
		for _, text := range []string{m.Email, chatOf(t, m).Content.Description} {
			assert.NotContains(t, strings.ToLower(text), "who did it", s.name)
			assert.NotContains(t, text, "lookup-events", "CloudTrail knows no event of a run")
			assert.NotContains(t, text, "cloudtrailv2")
		}
	}
}

func TestADigestCountsWhatItDoesNotList(t *testing.T) {
	s := sweepScenarios()[3]
	m := messageOf(t, s.alert)
	assert.Equal(t, "Sweep: 3,000 existing openings in 1,000 groups (1 critical, 2,999 medium), production 123456789012 us-east-1", newView(&s.alert).title())
	text := strings.Join(strings.Fields(m.Email), " ")
	assert.Contains(t, text, "And 2,975 more: 2,975 medium.")
	assert.Contains(t, text, "sgward audit --regions us-east-1")
	a := decoded(t, m)
	assert.Equal(t, 3000, len(a.Findings)+a.FindingsOmitted)
	assert.Equal(t, policy.Critical, a.Findings[0].Severity, "what is left out matters least")
}
