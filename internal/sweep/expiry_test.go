package sweep_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep"
	"sgward/internal/sweep/sweeptest"
)

const ending = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, ingress: {from: world, ports: [5432/tcp]}}
exceptions:
  - {id: later, reason: later, owner: l@example.com, expires: 2026-12-20, match: {ports: [22/tcp]}}
  - id: partner
    reason: a migration
    owner: data@example.com
    expires: 2026-11-30
    match: {ports: [5432/tcp], peers: [203.0.113.0/24], groups: [sg-0123456789abcdef0]}
  - {id: elsewhere, reason: r, owner: e@example.com, expires: 2026-11-30, match: {regions: [eu-west-1]}}
`

// on runs the schedule on a day of UTC, at a quarter past midnight.
func on(t *testing.T, b *sweeptest.Bench, day string) error {
	t.Helper()
	at, err := time.Parse(time.DateOnly, day)
	require.NoError(t, err)
	return b.Sweeper().WarnOfExpiry(t.Context(), sweep.Day{EventID: "day " + day, Time: at.Add(15 * time.Minute), AccountID: sweeptest.Account, Region: sweeptest.Region})
}

func TestExceptionsAreWarnedOfFrom14DaysBeforeTheirEndUntilTheDayAfter(t *testing.T) {
	b := sweeptest.New(t, ending, finding.Observe)
	var warned []string
	for day := time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC); day.Before(time.Date(2026, 12, 5, 0, 0, 0, 0, time.UTC)); day = day.AddDate(0, 0, 1) {
		b.Alerts = nil
		require.NoError(t, on(t, b, day.Format(time.DateOnly)))
		if len(b.Alerts) > 0 {
			require.Len(t, b.Alert().Findings, 1)
			require.Equal(t, "partner", b.Alert().Findings[0].Exception.ID)
			warned = append(warned, day.Format("01-02"))
		}
	}
	assert.Equal(t, []string{
		"11-17", "11-18", "11-19", "11-20", "11-21", "11-22", "11-23", "11-24", "11-25", "11-26", "11-27", "11-28", "11-29", "11-30",
		"12-01", // the day after: it has ended
	}, warned)
}

func TestTheWarningSaysWhoseItIsWhatItCoversAndWhen(t *testing.T) {
	b := sweeptest.New(t, ending, finding.Enforce)
	require.NoError(t, on(t, b, "2026-11-25"))
	a := b.Alert()
	f := a.Findings[0]
	assert.Equal(t, "Scheduled Event", a.Event.EventName)
	assert.Equal(t, policy.Low, f.Severity)
	assert.Empty(t, f.StatementID)
	assert.Equal(t, finding.OutcomeAlerted, f.Outcome)
	assert.Equal(t, &finding.Exception{ID: "partner", Owner: "data@example.com", Expires: "2026-11-30"}, f.Exception)
	assert.Equal(t, []string{"policy.yaml:8 partner: ends with 2026-11-30; covers 5432/tcp, peers 203.0.113.0/24, groups sg-0123456789abcdef0; a migration"}, policy.Texts(f.Reasons))
	assert.Zero(t, b.Server.Calls().Of("DescribeSecurityGroupRules"), "the policy is all it takes")
}

func TestOneAlertReportsAllThatEndsTheFirstFirst(t *testing.T) {
	b := sweeptest.New(t, ending, finding.Enforce)
	b.Policy += "  - {id: sooner, reason: r, owner: s@example.com, expires: 2026-11-24, match: {ports: [80/tcp]}}\n"
	require.NoError(t, on(t, b, "2026-11-25"))
	var ids []string
	for _, f := range b.Alert().Findings {
		ids = append(ids, f.Exception.ID)
	}
	assert.Equal(t, []string{"sooner", "partner"}, ids)
	assert.Contains(t, b.Alert().Findings[0].Reasons[0].String(), "ended with 2026-11-24")
}

func TestAWarningThatIsNotPublishedIsRetriedUnderTheSameID(t *testing.T) {
	b := sweeptest.New(t, ending, finding.Enforce)
	b.Refused = 1
	require.ErrorContains(t, on(t, b, "2026-11-25"), "publishing the alert")
	require.NoError(t, on(t, b, "2026-11-25"))
	require.NoError(t, on(t, b, "2026-11-25"))
	assert.Equal(t, b.Alerts[0].ID, b.Alerts[1].ID)
	require.NoError(t, on(t, b, "2026-11-26"))
	assert.NotEqual(t, b.Alerts[0].ID, b.Alerts[2].ID, "another day is another alert")
}

func TestAScheduleThatRunsOftenWarnsOnceADay(t *testing.T) {
	b := sweeptest.NewSweep(t, ending, finding.Enforce)
	b.Open(b.Group("data"), 5432, "0.0.0.0/0")
	hour := func() {
		t.Helper()
		require.NoError(t, b.Sweeper().WarnOfExpiry(t.Context(), sweep.Day{EventID: b.Time().String(), Time: b.Time(), AccountID: sweeptest.Account, Region: sweeptest.Region}))
		_, err := b.Sweep()
		require.NoError(t, err)
		b.Pass(6 * time.Hour)
	}
	b.Refused = 2 // the warning and the digest are lost
	require.Error(t, b.Sweeper().WarnOfExpiry(t.Context(), sweep.Day{EventID: "lost", Time: b.Time(), AccountID: sweeptest.Account, Region: sweeptest.Region}))
	_, err := b.Sweep()
	require.Error(t, err)
	for range 9 { // from 10:00 on the first day to 10:00 on the third
		hour()
	}
	warned := map[string]int{}
	digests := 0
	for _, a := range b.Alerts {
		if a.Sweep != nil {
			digests++
			assert.Zero(t, a.Sweep.Gone)
			continue
		}
		warned[a.Event.EventTime.Format(time.DateOnly)]++
	}
	assert.Equal(t, map[string]int{"2026-11-22": 1, "2026-11-23": 1, "2026-11-24": 1}, warned)
	assert.Equal(t, 1, digests)

	b.Alerts = nil
	b.DB.FailNext("Scan", 1, "InternalServerError")
	require.NoError(t, b.Sweeper().WarnOfExpiry(t.Context(), sweep.Day{EventID: "forgetful", Time: b.Time(), AccountID: sweeptest.Account, Region: sweeptest.Region}))
	assert.Len(t, b.Alerts, 1, "twice is better than never")
}

func TestTheWarningSaysTheHour(t *testing.T) {
	b := sweeptest.New(t, ending+"  - {id: tonight, reason: r, owner: s@example.com, until: 2026-11-25T18:00Z, match: {ports: [80/tcp]}}\n", finding.Enforce)
	require.NoError(t, on(t, b, "2026-11-25"))
	f := b.Alert().Findings[0]
	assert.Equal(t, "2026-11-25T18:00:00Z", f.Exception.Expires)
	assert.Contains(t, f.Reasons[0].String(), "tonight: ends at 2026-11-25T18:00Z; covers 80/tcp; r")
	b.Alerts = nil
	require.NoError(t, on(t, b, "2026-11-26"))
	assert.Contains(t, b.Alert().Findings[0].Reasons[0].String(), "tonight: ended at 2026-11-25T18:00Z")
}
