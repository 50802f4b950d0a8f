package sweep_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep"
)

// altered shows some of what EC2 answers otherwise.
type altered struct {
	sweep.EC2
	group func(*types.SecurityGroup)
	rule  func(*types.SecurityGroupRule)
}

func (e altered) DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsInput, o ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	out, err := e.EC2.DescribeSecurityGroups(ctx, in, o...)
	if err == nil && e.group != nil {
		for i := range out.SecurityGroups {
			e.group(&out.SecurityGroups[i])
		}
	}
	return out, err
}

func (e altered) DescribeSecurityGroupRules(ctx context.Context, in *ec2.DescribeSecurityGroupRulesInput, o ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	out, err := e.EC2.DescribeSecurityGroupRules(ctx, in, o...)
	if err == nil && e.rule != nil {
		for i := range out.SecurityGroupRules {
			e.rule(&out.SecurityGroupRules[i])
		}
	}
	return out, err
}

func TestGroupsThatOtherAccountsShareAreTheirsToJudge(t *testing.T) {
	b := newSweep(t, closing, finding.Enforce)
	shared := b.group("shared")
	b.open(shared, 5432, "0.0.0.0/0")
	b.client = altered{EC2: b.client, group: func(g *types.SecurityGroup) {
		if *g.GroupId == shared {
			g.OwnerId = aws.String("111122223333")
		}
	}}
	assert.Empty(t, b.day())
	assert.Equal(t, []int{5432}, b.ports(shared))
}

func TestARuleThatCannotBeUnderstoodIsToldOnceAndNotTakenForSafe(t *testing.T) {
	b := newSweep(t, closing, finding.Enforce)
	group := b.group("data")
	b.open(group, 5432, "0.0.0.0/0")
	b.client = altered{EC2: b.client, rule: func(r *types.SecurityGroupRule) {
		if !*r.IsEgress {
			r.IpProtocol = aws.String("tpc")
		}
	}}
	alerts := b.day()
	require.Len(t, alerts, 1)
	f := alerts[0].Findings[0]
	assert.Nil(t, f.Rule)
	assert.Equal(t, policy.High, f.Severity)
	assert.Contains(t, f.Reasons[0].String(), "tpc")
	assert.Empty(t, b.day())

	b.open(group, 6379, "0.0.0.0/0")
	alerts = b.day()
	require.Len(t, alerts, 1, "another one of the same group is news")
	assert.Len(t, alerts[0].Findings[0].Reasons, 2)
	assert.Empty(t, b.day())
}

func TestAPrefixListThatCannotBeReadIsToldAndNotTakenForSafe(t *testing.T) {
	b := newSweep(t, closing, finding.Enforce)
	group := b.group("data")
	b.open(group, 5432, b.list("0.0.0.0/0"))
	b.server.SetAuthorizer(func(action, key string) string {
		if action == "GetManagedPrefixListEntries" && key == sgwardKey {
			return "UnauthorizedOperation"
		}
		return ""
	})
	alerts := b.day()
	require.Len(t, alerts, 1)
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeAlerted}, told(alerts[0]))
	assert.Contains(t, strings.Join(policy.Texts(alerts[0].Findings[0].Reasons), "\n"), "UnauthorizedOperation")
	assert.Empty(t, b.day())

	b.server.SetAuthorizer(nil)
	alerts = b.day()
	require.Len(t, alerts, 1, "now that it can be read it is forbidden, and closed")
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeRevoked}, told(alerts[0]))
}

func TestARegionThatCannotBeReadIsNoCleanRegion(t *testing.T) {
	for _, action := range []string{"DescribeSecurityGroups", "DescribeSecurityGroupRules", "GetManagedPrefixListEntries"} {
		for _, code := range []string{"RequestLimitExceeded", "UnauthorizedOperation"} {
			b := newSweep(t, telling, finding.Enforce)
			group := b.group("data")
			b.open(group, 5432, "0.0.0.0/0")
			b.open(group, 22, b.list("10.0.0.0/8"))
			require.Len(t, b.day(), 1)
			before := b.db.Items(memoryTable)
			b.alerts = nil
			b.server.FailNext(action, 20, code)
			_, err := b.sweep()
			if action == "GetManagedPrefixListEntries" && code == "UnauthorizedOperation" {
				require.NoError(t, err, "that list alone stays unknown")
				continue
			}
			require.ErrorContains(t, err, code, action)
			assert.Empty(t, b.alerts)
			assert.Equal(t, before, b.db.Items(memoryTable), "nothing is taken for gone")
		}
	}
}

func TestARunOfAnotherRegionIsRefused(t *testing.T) {
	b := newSweep(t, telling, finding.Enforce)
	_, err := b.sweeper().Sweep(t.Context(), cloudtrail.Event{EventID: "1", Region: "eu-west-1"})
	require.ErrorContains(t, err, "another region")
	require.ErrorContains(t, b.sweeper().CloseSwept(t.Context(), finding.Detection{Event: cloudtrail.Event{Region: "eu-west-1"}}, sweep.Delivery{}), "another region")
}

func TestARunOnDemandIsOfHereAndNow(t *testing.T) {
	b := newSweep(t, closing, finding.Enforce)
	b.open(b.group("data"), 5432, "0.0.0.0/0")
	order, err := b.sweeper().Sweep(t.Context(), cloudtrail.Event{EventID: "by hand"})
	require.NoError(t, err)
	assert.Equal(t, cloudtrail.Event{EventID: "by hand", Region: region, EventTime: b.time()}, order.Event)
	require.NoError(t, b.closeSwept(order, 1))
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeRevoked}, told(b.alert()))
}
