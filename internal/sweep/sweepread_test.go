package sweep_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep/sweeptest"
)

func TestGroupsThatOtherAccountsShareAreTheirsToJudge(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
	shared := b.Group("shared")
	b.Open(shared, 5432, "0.0.0.0/0")
	b.Client = sweeptest.Altered{EC2: b.Client, Group: func(g *types.SecurityGroup) {
		if *g.GroupId == shared {
			g.OwnerId = aws.String("111122223333")
		}
	}}
	assert.Empty(t, b.Day())
	assert.Equal(t, []int{5432}, b.Ports(shared))
}

func TestARuleThatCannotBeUnderstoodIsReportedOnceAndNotTakenForSafe(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
	group := b.Group("data")
	b.Open(group, 5432, "0.0.0.0/0")
	b.Client = sweeptest.Altered{EC2: b.Client, Rule: func(r *types.SecurityGroupRule) {
		if !*r.IsEgress {
			r.IpProtocol = aws.String("tpc")
		}
	}}
	alerts := b.Day()
	require.Len(t, alerts, 1)
	f := alerts[0].Findings[0]
	assert.Nil(t, f.Rule)
	assert.Equal(t, policy.High, f.Severity)
	assert.Contains(t, f.Reasons[0].String(), "tpc")
	assert.Empty(t, b.Day())

	b.Open(group, 6379, "0.0.0.0/0")
	alerts = b.Day()
	require.Len(t, alerts, 1, "another one of the same group is news")
	assert.Len(t, alerts[0].Findings[0].Reasons, 2)
	assert.Empty(t, b.Day())
}

func TestAPrefixListThatCannotBeReadIsReportedAndNotTakenForSafe(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
	group := b.Group("data")
	b.Open(group, 5432, b.List("0.0.0.0/0"))
	b.Server.SetAuthorizer(func(action, key string) string {
		if action == "GetManagedPrefixListEntries" && key == sweeptest.SgwardKey {
			return "UnauthorizedOperation"
		}
		return ""
	})
	alerts := b.Day()
	require.Len(t, alerts, 1)
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeAlerted}, sweeptest.Told(alerts[0]))
	assert.Contains(t, strings.Join(policy.Texts(alerts[0].Findings[0].Reasons), "\n"), "UnauthorizedOperation")
	assert.Empty(t, b.Day())

	b.Server.SetAuthorizer(nil)
	alerts = b.Day()
	require.Len(t, alerts, 1, "now that it can be read it is forbidden, and closed")
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeRevoked}, sweeptest.Told(alerts[0]))
}

func TestARegionThatCannotBeReadIsNoCleanRegion(t *testing.T) {
	for _, action := range []string{"DescribeSecurityGroups", "DescribeSecurityGroupRules", "GetManagedPrefixListEntries"} {
		for _, code := range []string{"RequestLimitExceeded", "UnauthorizedOperation"} {
			b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
			group := b.Group("data")
			b.Open(group, 5432, "0.0.0.0/0")
			b.Open(group, 22, b.List("10.0.0.0/8"))
			require.Len(t, b.Day(), 1)
			before := b.DB.Items(sweeptest.MemoryTable)
			b.Alerts = nil
			b.Server.FailNext(action, 20, code)
			_, err := b.Sweep()
			if action == "GetManagedPrefixListEntries" && code == "UnauthorizedOperation" {
				require.NoError(t, err, "that list alone stays unknown")
				continue
			}
			require.ErrorContains(t, err, code, action)
			assert.Empty(t, b.Alerts)
			assert.Equal(t, before, b.DB.Items(sweeptest.MemoryTable), "nothing is taken for gone")
		}
	}
}

func TestARunOfAnotherRegionIsRefused(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	_, err := b.Sweeper().Sweep(t.Context(), cloudtrail.Event{EventID: "1", Region: "eu-west-1"})
	require.ErrorContains(t, err, "the event is of another region")
}

func TestARunOnDemandIsOfHereAndNow(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
	b.Open(b.Group("data"), 5432, "0.0.0.0/0")
	order, err := b.Sweeper().Sweep(t.Context(), cloudtrail.Event{EventID: "by hand"})
	require.NoError(t, err)
	assert.Equal(t, cloudtrail.Event{EventID: "by hand", Region: sweeptest.Region, EventTime: b.Time()}, order.Event)
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeRevoked}, sweeptest.Told(b.Alert()))
}
