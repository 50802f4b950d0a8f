package sweep_test

import (
	"context"
	"errors"
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

func TestWithoutAnOutletNothingIsTold(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	group := b.Group("web")
	b.Open(group, 5432, "0.0.0.0/0")
	b.Day()
	b.Shut(group, 5432, "0.0.0.0/0")
	b.Day()
	assert.Empty(t, b.Findings())
}
