package sweep_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert"
	"sgward/internal/finding"
	"sgward/internal/sweep/sweeptest"
)

// hours lets sweeps run every hour for a while, and returns the alerts.
func hours(t *testing.T, b *sweeptest.Bench, n int) []finding.Alert {
	t.Helper()
	b.Alerts = nil
	for range n {
		_, err := b.Sweep()
		require.NoError(t, err)
		b.Pass(time.Hour)
	}
	return b.Alerts
}

// critical is Telling with severity critical for the database, and high for another port.
var critical = strings.Replace(sweeptest.Telling, "severity: high", "severity: critical", 1)

func TestACriticalOpeningThatStandsIsReportedEveryWeekAndNotEveryHour(t *testing.T) {
	b := sweeptest.NewSweep(t, critical, finding.Enforce)
	b.Open(b.Group("data"), 5432, "0.0.0.0/0")
	b.Open(b.Group("demo"), 6379, "0.0.0.0/0") // an exception covers it
	require.Len(t, hours(t, b, 1), 1)
	require.Empty(t, hours(t, b, 7*24-1))
	for week := 1; week <= 3; week++ {
		alerts := hours(t, b, 7*24)
		require.Len(t, alerts, 1, "week %d", week)
		require.Len(t, alerts[0].Findings, 1)
		f := alerts[0].Findings[0]
		assert.True(t, f.Reminder)
		assert.Equal(t, week, f.Reports)
		m, err := alert.NewMessage(alerts[0])
		require.NoError(t, err)
		assert.Contains(t, m.Subject, "Reminder: PostgreSQL open to the internet")
		assert.Contains(t, flat(m.Email), "It has stood for "+map[int]string{1: "7", 2: "14", 3: "21"}[week]+" days or more (first seen 2026-11-22)")
		assert.Contains(t, flat(m.Email), map[int]string{1: "1 time", 2: "2 times", 3: "3 times"}[week]+" before")
		assert.Contains(t, flat(m.Email), "critical openings are reported every week")
	}
}

// flat is a text in one line.
func flat(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestLessThanCriticalIsReportedOnce(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	b.Open(b.Group("data"), 5432, "0.0.0.0/0")
	assert.Len(t, hours(t, b, 30*24), 1)
}

func TestRemindersOfManyOpeningsComeTogether(t *testing.T) {
	b := sweeptest.NewSweep(t, critical, finding.Observe)
	reported := 0
	for range 10 { // one every two hours
		many(t, b, 1)
		reported += len(hours(t, b, 2))
	}
	require.Equal(t, 10, reported)
	alerts := hours(t, b, 7*24)
	require.Len(t, alerts, 1, "one reminder, and not one for each")
	assert.Len(t, alerts[0].Findings, 10)
	m, err := alert.NewMessage(alerts[0])
	require.NoError(t, err)
	assert.Contains(t, m.Subject, "Reminder: 10 critical openings still open")
	assert.Len(t, hours(t, b, 7*24), 1)
}

func TestAReminderThatWasNotPublishedComesWithTheNextSweep(t *testing.T) {
	b := sweeptest.NewSweep(t, critical, finding.Enforce)
	b.Open(b.Group("data"), 5432, "0.0.0.0/0")
	require.Len(t, hours(t, b, 7*24), 1)
	b.Refused = 1
	_, err := b.Sweep()
	require.Error(t, err)
	alerts := hours(t, b, 2)
	require.Len(t, alerts, 1)
	assert.True(t, alerts[0].Findings[0].Reminder)
}

func TestTheHeartbeatIsCountedOnceADay(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce) // begins at ten o'clock
	hours(t, b, 14)
	assert.Equal(t, map[string]int{"SweepsCompleted": 1}, b.Metrics)
	hours(t, b, 48)
	assert.Equal(t, map[string]int{"SweepsCompleted": 3}, b.Metrics)
	b.DB.FailNext("Scan", 1, "InternalServerError")
	hours(t, b, 1)
	assert.Equal(t, 4, b.Metrics["SweepsCompleted"], "rather twice than never")
	b.Open(b.Group("data"), 5432, "0.0.0.0/0")
	b.Pass(24 * time.Hour)
	b.Refused = 1
	_, err := b.Sweep()
	require.Error(t, err)
	assert.Equal(t, 4, b.Metrics["SweepsCompleted"], "a sweep that failed is no sign of life")
}
