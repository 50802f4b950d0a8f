package sweep_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep/sweeptest"
)

// goneBench tells of what is gone, and keeps what was told.
func goneBench(t *testing.T) (*sweeptest.Bench, *[]finding.Alert) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	var told []finding.Alert
	b.Gone = func(_ context.Context, a finding.Alert) error { told = append(told, a); return nil }
	return b, &told
}

func TestMachinesHearOnceOfAnOpeningThatSomebodyClosed(t *testing.T) {
	b, told := goneBench(t)
	group := b.Group("web")
	b.Open(group, 5432, "0.0.0.0/0")
	digest := b.Day()
	require.Len(t, digest, 1)
	require.Empty(t, *told)
	b.Shut(group, 5432, "0.0.0.0/0")
	assert.Empty(t, b.Day(), "people hear nothing")
	require.Len(t, *told, 1)
	a := (*told)[0]
	require.Len(t, a.Findings, 1)
	was, is := digest[0].Findings[0], a.Findings[0]
	assert.Equal(t, finding.OutcomeAlreadyClosed, is.Outcome)
	assert.Equal(t, was.StandingID(), is.StandingID(), "the same opening")
	assert.Equal(t, was.Rule.Permission, is.Rule.Permission)
	assert.Empty(t, is.Rule.Description)
	assert.Equal(t, []any{was.Verdict, was.Severity, was.StatementID, was.GroupID}, []any{is.Verdict, is.Severity, is.StatementID, is.GroupID})
	assert.Equal(t, *was.FirstSeen, *is.FirstSeen)
	assert.Equal(t, 1, a.Sweep.Gone)
	b.Day()
	assert.Len(t, *told, 1)
}

func TestWhatIsNotPassedOnIsToldByTheNextRun(t *testing.T) {
	b, told := goneBench(t)
	group := b.Group("web")
	b.Open(group, 5432, "0.0.0.0/0")
	b.Day()
	b.Shut(group, 5432, "0.0.0.0/0")
	tell := b.Gone
	b.Gone = func(context.Context, finding.Alert) error { return errors.New("throttled") }
	b.Day()
	assert.Contains(t, b.Log.String(), "gone findings not passed on")
	require.Len(t, b.Findings(), 1, "it is not forgotten")
	b.Gone = tell
	b.Day()
	assert.Len(t, *told, 1)
	assert.Empty(t, b.Findings())
}

// A rule that stands is not said to be closed.
func TestWhatThePolicyHasComeToAllowIsNotGone(t *testing.T) {
	b, told := goneBench(t)
	group := b.Group("web")
	b.Open(group, 5432, "0.0.0.0/0")
	b.Day()
	b.Policy = "version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n  - {id: ssh, severity: low, effect: alert, ingress: {from: world, ports: [22/tcp]}}\n"
	b.Day()
	require.Len(t, *told, 1)
	is := (*told)[0].Findings[0]
	assert.Equal(t, finding.OutcomeCompliant, is.Outcome)
	assert.Equal(t, policy.Compliant, is.Verdict)
}

// A policy that comes to except many rules, by many statements: no call is too large for an
// asynchronous invocation, and none is left out.
func TestManyGoneFindingsAreToldInParts(t *testing.T) {
	b, told := goneBench(t)
	const rules = 150
	group := b.Group("web")
	for i := range rules {
		b.Open(group, int32(5000+i), "0.0.0.0/0")
	}
	b.Policy = "version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n"
	for i := range 12 {
		b.Policy += fmt.Sprintf("  - {id: databases-of-the-departments-%d, severity: low, effect: alert, ingress: {from: world, ports: [5000-5200/tcp]}}\n", i)
	}
	b.Day()
	b.Policy += "exceptions:\n  - {id: all, reason: a test, owner: ops@example.com, expires: 2027-03-31, match: {ports: [5000-5200/tcp]}}\n"
	b.Day()
	outcomes := map[finding.Outcome]int{}
	for _, a := range *told {
		for _, r := range a.Findings {
			outcomes[r.Outcome]++
		}
		message, err := json.Marshal(a)
		require.NoError(t, err)
		text, err := json.Marshal(string(message))
		require.NoError(t, err)
		assert.Less(t, len(text), 200_000)
	}
	assert.Greater(t, len(*told), 1)
	assert.Equal(t, map[finding.Outcome]int{finding.OutcomeExempt: rules}, outcomes)
	assert.Empty(t, b.Findings(), "all are forgotten")
}

func TestWithoutAnOutletNothingIsTold(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	group := b.Group("web")
	b.Open(group, 5432, "0.0.0.0/0")
	b.Day()
	b.Shut(group, 5432, "0.0.0.0/0")
	b.Day()
	assert.Empty(t, b.Findings())
}
