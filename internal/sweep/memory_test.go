package sweep_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/sweep/sweeptest"
	"sgward/localaws/dynamodbapi"
)

// many opens a port of n groups to the world.
func many(t *testing.T, b *sweeptest.Bench, n int) {
	t.Helper()
	for i := range n {
		b.Open(b.Group(fmt.Sprint("many ", i)), 5432, "0.0.0.0/0")
	}
}

func TestWithoutATableEveryRunReportsEverythingAndSaysSo(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	b.Memory = nil
	many(t, b, 2)
	for range 2 {
		alerts := b.Day()
		require.Len(t, alerts, 1)
		assert.Len(t, alerts[0].Findings, 2)
		assert.Contains(t, alerts[0].Sweep.Forgetful, "no table")
	}
}

func TestAnAlertThatWasNotPublishedIsNotRemembered(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	many(t, b, 2)
	b.Refused = 1
	_, err := b.Sweep()
	require.ErrorContains(t, err, "publishing the alert")
	assert.Empty(t, b.Findings())
	assert.Len(t, b.Day(), 1)
	assert.Len(t, b.Findings(), 2)
}

func TestAMemoryThatCannotBeReadSilencesNothingAndIsNotOverwritten(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
	b.Most = 1
	many(t, b, 3)
	require.Len(t, b.Day(), 2, "two are left for another day, and one is closed")
	before := b.Findings()
	require.Len(t, before, 3, "also that one was tried")
	b.DB.FailNext("Scan", 1, "ProvisionedThroughputExceededException")
	alerts := b.Day()
	require.Len(t, alerts, 2)
	assert.Contains(t, alerts[0].Sweep.Forgetful, "could not be read")
	assert.Len(t, alerts[0].Findings, 1, "it is told once more")
	assert.Len(t, alerts[1].Findings, 1, "and what has to be closed is closed")
	assert.Contains(t, b.Log.String(), `"memory failed"`, "an alarm counts that")
	assert.Equal(t, before, b.Findings())
}

func TestAMemoryThatCannotBeWrittenStopsNothing(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
	b.Most = 1
	many(t, b, 2)
	b.DB.FailNext("BatchWriteItem", 1, "InternalServerError")
	assert.Len(t, b.Day(), 2, "one is told, and one is closed")
	assert.Contains(t, b.Log.String(), `"memory failed"`)
	assert.Empty(t, b.Findings())
}

func TestWhatDynamoDBLeavesUndoneIsSentAgain(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	many(t, b, 60)
	b.DB.LeaveUndone(70)
	require.Len(t, b.Day(), 1)
	assert.Len(t, b.Findings(), 60)
	assert.NotContains(t, b.Log.String(), `"memory failed"`)
	assert.Positive(t, b.Waited, "with a pause in between")

	b.DB.LeaveUndone(1_000_000)
	many(t, b, 1)
	require.Len(t, b.Day(), 1)
	assert.Contains(t, b.Log.String(), `"memory failed"`, "it does not try for ever")
}

func TestWhatNoRunHasConfirmedFor90DaysIsForgotten(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	many(t, b, 1)
	require.Len(t, b.Day(), 1)
	for range 100 {
		require.Empty(t, b.Day(), "a run a day renews it")
	}
	lastRun := b.Time().Add(-24 * time.Hour)
	assert.Equal(t, fmt.Sprint(lastRun.AddDate(0, 0, 90).Unix()), *b.Findings()[0]["expiresAt"].N)
	b.Pass(91 * 24 * time.Hour) // the runs stop
	require.Len(t, b.Findings(), 1, "DynamoDB may take days to delete it")
	assert.Len(t, b.Day(), 1)
}

func TestTheMemoryHoldsNoUntrustedText(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	b.Open(b.Group("a name of somebody"), 5432, "0.0.0.0/0")
	b.Day()
	items := b.Findings()
	require.Len(t, items, 1)
	var names []string
	for name, v := range items[0] {
		names = append(names, name)
		if v.S != nil {
			assert.NotContains(t, *v.S, "somebody")
		}
	}
	assert.ElementsMatch(t, []string{"id", "groupId", "said", "firstSeen", "lastSeen", "triedAt", "saidAt", "reports", "rule", "expiresAt"}, names)
	expires := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC).AddDate(0, 0, 90).Unix()
	assert.Equal(t, fmt.Sprint(expires), *items[0]["expiresAt"].N, "in seconds, as DynamoDB asks for")
}

func TestAnItemThatIsNotAsItWasWrittenIsReportedOnceMoreAndMended(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	many(t, b, 1)
	require.Len(t, b.Day(), 1)
	item := b.Findings()[0]
	mended := func() dynamodbapi.Item { return b.Findings()[0] }
	for name, v := range map[string]dynamodbapi.Value{
		"firstSeen": {S: new("yesterday")},
		"lastSeen":  {N: new("1")},
		"said":      {S: new("something else")},
	} {
		broken := maps.Clone(item)
		broken[name] = v
		b.DB.Put(sweeptest.MemoryTable, broken)
		b.DB.Put(sweeptest.MemoryTable, dynamodbapi.Item{"id": {S: new("of somebody else")}})
		alerts := b.Day()
		require.Len(t, alerts, 1, name)
		assert.Zero(t, alerts[0].Sweep.Gone, "nobody was told of the foreign item")
		assert.Equal(t, "alert high database", *mended()["said"].S)
		assert.Len(t, b.Findings(), 1)
		assert.Empty(t, b.Day(), name)
	}
}

func TestTenThousandFindingsAreOneDigestAndThenSilence(t *testing.T) {
	if testing.Short() {
		t.Skip("ten thousand rules")
	}
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	b.Server.SetRuleQuota(1000)
	for g := range 10 {
		group := b.Group(fmt.Sprint("g", g))
		permissions := manyRanges(1000)
		_, err := b.User.AuthorizeSecurityGroupIngress(t.Context(), authorize(group, permissions))
		require.NoError(t, err)
	}
	alerts := b.Day()
	require.Len(t, alerts, 1)
	assert.Len(t, alerts[0].Findings, 10_000)
	assert.Len(t, b.Findings(), 10_000)
	assert.Empty(t, b.Day())
	assert.NotContains(t, strings.ToLower(b.Log.String()), "failed")
	assert.Equal(t, aws.Int(802), aws.Int(b.DB.Calls()["BatchWriteItem"]), "25 a call, on both days, and the last sweep")
}

func TestAKnownFindingIsWrittenOnceADayHoweverOftenSweepsRun(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	many(t, b, 1)
	seen := map[string]bool{}
	for range 48 {
		_, err := b.Sweep()
		require.NoError(t, err)
		seen[*b.Findings()[0]["lastSeen"].S] = true
		b.Pass(time.Hour)
	}
	assert.Len(t, seen, 3, "at the start, and after 20 and 40 hours")
	assert.Len(t, b.Alerts, 1)
}
