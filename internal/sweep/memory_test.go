package sweep_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/localaws/dynamodbapi"
)

// many opens a port of n groups to the world.
func (b *sweepBench) many(n int) {
	b.t.Helper()
	for i := range n {
		b.open(b.group(fmt.Sprint("many ", i)), 5432, "0.0.0.0/0")
	}
}

func TestWithoutATableEveryRunTellsEverythingAndSaysSo(t *testing.T) {
	b := newSweep(t, telling, finding.Enforce)
	b.memory = nil
	b.many(2)
	for range 2 {
		alerts := b.day()
		require.Len(t, alerts, 1)
		assert.Len(t, alerts[0].Findings, 2)
		assert.Contains(t, alerts[0].Sweep.Forgetful, "MEMORY_TABLE")
	}
}

func TestAnAlertThatWasNotPublishedIsNotRemembered(t *testing.T) {
	b := newSweep(t, telling, finding.Enforce)
	b.many(2)
	b.refused = 1
	_, err := b.sweep()
	require.ErrorContains(t, err, "publishing the alert")
	assert.Empty(t, b.db.Items(memoryTable))
	assert.Len(t, b.day(), 1)
	assert.Len(t, b.db.Items(memoryTable), 2)
}

func TestAMemoryThatCannotBeReadSilencesNothingAndIsNotOverwritten(t *testing.T) {
	b := newSweep(t, closing, finding.Enforce)
	b.most = 1
	b.many(3)
	require.Len(t, b.day(), 2, "two are left for another day, and one is closed")
	before := b.db.Items(memoryTable)
	require.Len(t, before, 3, "also that one was tried")
	b.db.FailNext("Scan", 1, "ProvisionedThroughputExceededException")
	alerts := b.day()
	require.Len(t, alerts, 2)
	assert.Contains(t, alerts[0].Sweep.Forgetful, "could not be read")
	assert.Len(t, alerts[0].Findings, 1, "it is told once more")
	assert.Len(t, alerts[1].Findings, 1, "and what has to be closed is closed")
	assert.Contains(t, b.log.String(), `"memory failed"`, "an alarm counts that")
	assert.Equal(t, before, b.db.Items(memoryTable))
}

func TestAMemoryThatCannotBeWrittenStopsNothing(t *testing.T) {
	b := newSweep(t, closing, finding.Enforce)
	b.most = 1
	b.many(2)
	b.db.FailNext("BatchWriteItem", 1, "InternalServerError")
	assert.Len(t, b.day(), 2, "one is told, and one is closed")
	assert.Contains(t, b.log.String(), `"memory failed"`)
	assert.Empty(t, b.db.Items(memoryTable))
}

func TestWhatDynamoDBLeavesUndoneIsSentAgain(t *testing.T) {
	b := newSweep(t, telling, finding.Enforce)
	b.many(60)
	b.db.LeaveUndone(70)
	require.Len(t, b.day(), 1)
	assert.Len(t, b.db.Items(memoryTable), 60)
	assert.NotContains(t, b.log.String(), `"memory failed"`)
	assert.Positive(t, b.waited, "with a pause in between")

	b.db.LeaveUndone(1_000_000)
	b.many(1)
	require.Len(t, b.day(), 1)
	assert.Contains(t, b.log.String(), `"memory failed"`, "it does not try for ever")
}

func TestWhatNoRunHasConfirmedFor90DaysIsForgotten(t *testing.T) {
	b := newSweep(t, telling, finding.Enforce)
	b.many(1)
	require.Len(t, b.day(), 1)
	for range 100 {
		require.Empty(t, b.day(), "a run a day renews it")
	}
	lastRun := b.time().Add(-24 * time.Hour)
	assert.Equal(t, fmt.Sprint(lastRun.AddDate(0, 0, 90).Unix()), *b.db.Items(memoryTable)[0]["expiresAt"].N)
	b.pass(91 * 24 * time.Hour) // the runs stop
	require.Len(t, b.db.Items(memoryTable), 1, "DynamoDB may take days to delete it")
	assert.Len(t, b.day(), 1)
}

func TestTheMemoryHoldsNoTextOfStrangers(t *testing.T) {
	b := newSweep(t, telling, finding.Enforce)
	b.open(b.group("a name of somebody"), 5432, "0.0.0.0/0")
	b.day()
	items := b.db.Items(memoryTable)
	require.Len(t, items, 1)
	var names []string
	for name, v := range items[0] {
		names = append(names, name)
		if v.S != nil {
			assert.NotContains(t, *v.S, "somebody")
		}
	}
	assert.ElementsMatch(t, []string{"id", "groupId", "said", "firstSeen", "lastSeen", "triedAt", "expiresAt"}, names)
	expires := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC).AddDate(0, 0, 90).Unix()
	assert.Equal(t, fmt.Sprint(expires), *items[0]["expiresAt"].N, "in seconds, as DynamoDB asks for")
}

func TestAnItemThatIsNotAsItWasWrittenIsToldOnceMoreAndMended(t *testing.T) {
	b := newSweep(t, telling, finding.Enforce)
	b.many(1)
	require.Len(t, b.day(), 1)
	item := b.db.Items(memoryTable)[0]
	mended := func() dynamodbapi.Item { return b.db.Items(memoryTable)[0] }
	for name, v := range map[string]types.AttributeValue{
		"firstSeen": &types.AttributeValueMemberS{Value: "yesterday"},
		"lastSeen":  &types.AttributeValueMemberN{Value: "1"},
		"said":      &types.AttributeValueMemberS{Value: "something else"},
	} {
		broken := map[string]types.AttributeValue{}
		for attribute, held := range item {
			switch {
			case attribute == name:
				broken[attribute] = v
			case held.S != nil:
				broken[attribute] = &types.AttributeValueMemberS{Value: *held.S}
			default:
				broken[attribute] = &types.AttributeValueMemberN{Value: *held.N}
			}
		}
		_, err := b.memory.Client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{memoryTable: {
			{PutRequest: &types.PutRequest{Item: broken}},
			{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "of somebody else"}}}},
		}}})
		require.NoError(t, err)
		alerts := b.day()
		require.Len(t, alerts, 1, name)
		assert.Zero(t, alerts[0].Sweep.Gone, "nobody was told of the foreign item")
		assert.Equal(t, "alert high database", *mended()["said"].S)
		assert.Len(t, b.db.Items(memoryTable), 1)
		assert.Empty(t, b.day(), name)
	}
}

func TestTenThousandFindingsAreOneDigestAndThenSilence(t *testing.T) {
	if testing.Short() {
		t.Skip("ten thousand rules")
	}
	b := newSweep(t, telling, finding.Enforce)
	b.server.SetRuleQuota(1000)
	for g := range 10 {
		group := b.group(fmt.Sprint("g", g))
		permissions := manyRanges(1000)
		_, err := b.user.AuthorizeSecurityGroupIngress(t.Context(), authorize(group, permissions))
		require.NoError(t, err)
	}
	alerts := b.day()
	require.Len(t, alerts, 1)
	assert.Len(t, alerts[0].Findings, 10_000)
	assert.Len(t, b.db.Items(memoryTable), 10_000)
	assert.Empty(t, b.day())
	assert.NotContains(t, strings.ToLower(b.log.String()), "failed")
	assert.Equal(t, aws.Int(800), aws.Int(b.db.Calls()["BatchWriteItem"]), "25 a call, on both days")
}
