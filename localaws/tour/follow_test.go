package tour

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/localaws"
)

func newFollower(out *bytes.Buffer) *follower {
	return &follower{screen: newScreen(out, false, 0), known: map[string]*cause{}, alert: func(localaws.Step, string) {}}
}

func TestStepsOfOverlappingCallsDoNotInterleave(t *testing.T) {
	var out bytes.Buffer
	f := newFollower(&out)
	now := time.Now()
	at := time.Duration(0)
	add := func(s localaws.Step) {
		at += time.Millisecond
		s.At = at
		f.add(s, "", now)
		f.show(now, false)
	}
	add(localaws.Step{Kind: localaws.StepCall, EventID: "one", EventName: "AuthorizeSecurityGroupIngress", GroupID: "sg-1"})
	add(localaws.Step{Kind: localaws.StepMatched, EventID: "one", EventName: "AuthorizeSecurityGroupIngress", Rule: "OpeningsRule"})
	add(localaws.Step{Kind: localaws.StepCall, EventID: "two", EventName: "CreateManagedPrefixList"})
	add(localaws.Step{Kind: localaws.StepIgnored, EventID: "two", EventName: "CreateManagedPrefixList"})
	add(localaws.Step{Kind: localaws.StepDetected, EventID: "one", Function: "DetectFunction", Detection: &finding.Detection{Verdict: policy.Revoke}})
	add(localaws.Step{Kind: localaws.StepDelivered, EventID: "one", Function: "RemediateFunction", Messages: 1})
	assert.NotContains(t, out.String(), "CreateManagedPrefixList", "it waits")
	add(localaws.Step{Kind: localaws.StepRevoked, EventID: "own", EventName: "RevokeSecurityGroupIngress", Function: "RemediateFunction", GroupID: "sg-1"})
	add(localaws.Step{Kind: localaws.StepIgnored, EventID: "own", EventName: "RevokeSecurityGroupIngress"})
	add(localaws.Step{Kind: localaws.StepHandled, EventID: "one", Function: "RemediateFunction"})
	got := out.String()
	require.Contains(t, got, "CreateManagedPrefixList")
	first, second, _ := strings.Cut(got, "CreateManagedPrefixList")
	assert.Contains(t, first, "remediate    RevokeSecurityGroupIngress")
	assert.NotContains(t, first, "nothing to close")
	assert.NotContains(t, second, "remediate")
	assert.Contains(t, second, "no rule takes CreateManagedPrefixList: ignored")
	assert.Contains(t, second, "    1.0 ms  EventBridge", "the time since its own call")

	add(localaws.Step{Kind: localaws.StepReturned, EventID: "one", Function: "RemediateFunction", Reason: "again"})
	assert.Contains(t, out.String(), "later, of AuthorizeSecurityGroupIngress:")
}

func TestACauseThatDoesNotEndKeepsNoOtherFromBeingShown(t *testing.T) {
	var out bytes.Buffer
	f := newFollower(&out)
	now := time.Now()
	f.add(localaws.Step{Kind: localaws.StepCall, EventID: "one", EventName: "AuthorizeSecurityGroupIngress", GroupID: "sg-1"}, "", now)
	f.add(localaws.Step{Kind: localaws.StepCall, EventID: "two", EventName: "CreateSecurityGroup", GroupID: "sg-2", GroupName: "web"}, "", now)
	f.show(now, false)
	assert.NotContains(t, out.String(), "CreateSecurityGroup")
	f.show(now.Add(2*patience), false)
	assert.Contains(t, out.String(), "CreateSecurityGroup on sg-2 (web)")
}

func TestEffectsComeAfterCausesAndQuietOutcomesAreSaid(t *testing.T) {
	var n narration
	text := func(s localaws.Step) (out []string) {
		for _, l := range n.lines(s) {
			out = append(out, l.where+" "+l.what)
		}
		return out
	}
	assert.Equal(t, []string{"sweep starts: looks at all groups"}, text(localaws.Step{Kind: localaws.StepInvoked, Function: sweepFunction}))
	assert.Equal(t, []string{"sweep has judged: nothing to close"}, text(localaws.Step{Kind: localaws.StepDetected, Function: sweepFunction, Detection: &finding.Detection{Verdict: policy.Compliant}}))
	n = narration{}
	assert.Equal(t, []string{"remediate has read the group: nothing to close, nothing to report"}, text(localaws.Step{Kind: localaws.StepHandled, Function: "RemediateFunction"}))
	text(localaws.Step{Kind: localaws.StepRevoked, Function: "RemediateFunction"})
	assert.Empty(t, text(localaws.Step{Kind: localaws.StepHandled, Function: "RemediateFunction"}))
	text(localaws.Step{Kind: localaws.StepDeadLetter, Function: "RemediateFunction", Queue: "DeadLetterQueue"})
	assert.Empty(t, text(localaws.Step{Kind: localaws.StepHandled, Function: "RemediateFunction"}))
}

func TestDryRunsDoNotLookLikeFaults(t *testing.T) {
	for code, want := range map[string][]string{
		"":                               {"Authorize on sg-1", "no rule takes Authorize: ignored"},
		"Client.DryRunOperation":         {"Authorize on sg-1, dry run: allowed", "no rule takes it: a dry run opens nothing"},
		"Client.InvalidGroup.NotFound":   {"Authorize on sg-1 failed: Client.InvalidGroup.NotFound", "no rule takes it: the call failed, so it opened nothing"},
		"Client.UnauthorizedOperation\a": {"Authorize on sg-1 failed: Client.UnauthorizedOperation[U+0007]", "no rule takes it: the call failed, so it opened nothing"},
	} {
		for i, kind := range []localaws.StepKind{localaws.StepCall, localaws.StepIgnored} {
			l, ok := describe(localaws.Step{Kind: kind, EventName: "Authorize", GroupID: "sg-1", ErrorCode: code})
			assert.True(t, ok)
			assert.Equal(t, want[i], l.what)
		}
	}
	l, _ := describe(localaws.Step{Kind: localaws.StepIgnored, EventName: "Authorize", ErrorCode: "Client.DryRunOperation", Reason: "elsewhere"})
	assert.Equal(t, "no rule takes Authorize (elsewhere): ignored", l.what)
}

// remediate sends itself what an inspection finds to close: its message has led to something,
// whichever of the two is handled first.
func TestAnInspectionThatSendsItsRulesOnHasFoundSomething(t *testing.T) {
	event := func(kind localaws.StepKind) localaws.Step {
		return localaws.Step{Kind: kind, EventID: "one", EventName: "ModifySecurityGroupRules", Function: "RemediateFunction", GroupID: "sg-1", Messages: 1}
	}
	call, other, sent := event(localaws.StepCall), event(localaws.StepCall), event(localaws.StepSent)
	call.Function = ""
	other.Function, other.EventID, other.EventName, other.GroupID = "", "two", "CreateSecurityGroup", "sg-2"
	sent.Detection = &finding.Detection{Verdict: policy.Revoke, Chosen: true, Findings: make([]finding.Finding, 1)}
	handled, delivered, revoked := event(localaws.StepHandled), event(localaws.StepDelivered), event(localaws.StepRevoked)
	revoked.EventID, revoked.EventName = "own", "RevokeSecurityGroupIngress"
	for name, steps := range map[string][]localaws.Step{
		"the inspection first": {call, delivered, sent, other, handled, delivered, revoked, handled},
		"the choice first":     {call, delivered, sent, other, delivered, revoked, handled, handled},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			f := newFollower(&out)
			for _, step := range steps {
				f.add(step, "", time.Now())
				f.show(time.Now(), false)
			}
			assert.Contains(t, out.String(), "remediate    has read the group: 1 rule to close\n")
			assert.NotContains(t, out.String(), "nothing to close")
			assert.NotContains(t, out.String(), "later, of")
			first, _, _ := strings.Cut(out.String(), "CreateSecurityGroup")
			assert.Contains(t, first, "RevokeSecurityGroupIngress", "the other call waits for both messages")

			f.add(event(localaws.StepHandled), "", time.Now())
			f.show(time.Now(), true)
			assert.Contains(t, out.String(), "nothing to close", "a later message is spoken of by itself")
		})
	}
}
