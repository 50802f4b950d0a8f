package sweep_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup/secgrouptest"
	"sgward/internal/sweep"
)

// ordered is a list opened to the world with an order to close two uses of it.
func ordered(t *testing.T) (b *bench, list string, groups []string, change cloudtrail.Call, order finding.Detection) {
	t.Helper()
	b, list, groups = threeUsers(t, closing, finding.Enforce)
	change = b.edit(list, "0.0.0.0/0")
	order, err := b.changed(change)
	require.NoError(t, err)
	require.Equal(t, policy.Revoke, order.Verdict)
	require.Len(t, order.Findings, 2)
	require.Zero(t, b.revokes(), "the first step chooses and closes nothing")
	return b, list, groups, change, order
}

// close delivers an order that has just been chosen, for one of five tries.
func (b *bench) close(change cloudtrail.Call, order finding.Detection, try int) error {
	return b.sweeper().Close(b.t.Context(), b.account, change, order, sweep.Delivery{Try: try, Tries: 5, Chosen: b.time()})
}

// redeliver delivers an order as SQS's redrive does: counted from one again, after the
// time that five tries take.
func (b *bench) redeliver(change cloudtrail.Call, order finding.Detection) error {
	chosen := b.time()
	b.pass(3 * time.Hour)
	return b.sweeper().Close(b.t.Context(), b.account, change, order, sweep.Delivery{Try: 1, Tries: 5, Chosen: chosen})
}

func (b *bench) remove(list string, version int64, cidr string) {
	b.t.Helper()
	_, err := b.user.ModifyManagedPrefixList(b.t.Context(), &ec2.ModifyManagedPrefixListInput{
		PrefixListId: &list, CurrentVersion: aws.Int64(version), RemoveEntries: []types.RemovePrefixListEntry{{Cidr: aws.String(cidr)}},
	})
	require.NoError(b.t, err)
}

func TestWhatAnEarlierTryClosedIsToldByTheNextOne(t *testing.T) {
	b, _, groups, change, order := ordered(t)
	b.refused = 1
	require.ErrorContains(t, b.close(change, order, 1), "publishing the alert")
	require.Empty(t, b.ports(groups[1]), "it is closed")
	require.Empty(t, b.alerts)

	require.NoError(t, b.close(change, order, 2))
	a := b.alert()
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlreadyClosed, "b 5432": finding.OutcomeAlreadyClosed}, told(a))
	for _, f := range a.Findings {
		assert.True(t, f.MaybeEarlier, "the text must not say that somebody else did it")
		assert.Contains(t, f.Undo, "by list", "undo is what the lost alert would have had")
		assert.Equal(t, "database", f.StatementID)
	}
	assert.Equal(t, 2, a.Try)
	assert.Equal(t, 5, a.Tries)
}

func TestWhatAnEarlierTryClosedIsToldEvenIfNobodyWouldMindItNow(t *testing.T) {
	b, list, _, change, order := ordered(t)
	b.refused = 1
	require.Error(t, b.close(change, order, 1))
	b.remove(list, 2, "0.0.0.0/0")
	require.NoError(t, b.close(change, order, 2))
	a := b.alert()
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlreadyClosed, "b 5432": finding.OutcomeAlreadyClosed}, told(a))
	for _, f := range a.Findings {
		assert.Equal(t, policy.Revoke, f.Verdict, "as it was judged when it was closed")
		assert.Equal(t, policy.High, f.Severity)
		assert.NotEmpty(t, f.Reasons)
		assert.True(t, f.MaybeEarlier)
	}
}

func TestWhatAnEarlierTryClosedIsToldAfterARedriveToo(t *testing.T) {
	b, list, _, change, order := ordered(t)
	b.refused = 1
	require.Error(t, b.close(change, order, 5))
	require.NoError(t, b.redeliver(change, order))
	for _, f := range b.alert().Findings {
		assert.Equal(t, finding.OutcomeAlreadyClosed, f.Outcome)
		assert.True(t, f.MaybeEarlier, "nobody else did it")
	}

	b.alerts = nil
	b.remove(list, 2, "0.0.0.0/0")
	require.NoError(t, b.redeliver(change, order))
	assert.Len(t, b.alert().Findings, 2, "nor is it hushed up once the list is mended")
}

func TestADeliveryThatIsNotKnownToBeTheFirstMayHaveHadAnother(t *testing.T) {
	for name, d := range map[string]sweep.Delivery{
		"no count": {Tries: 5, Chosen: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)},
		"no time":  {Try: 1, Tries: 5},
	} {
		t.Run(name, func(t *testing.T) {
			b, _, _, change, order := ordered(t)
			b.refused = 1
			require.Error(t, b.close(change, order, 1))
			require.NoError(t, b.sweeper().Close(t.Context(), b.account, change, order, d))
			assert.True(t, b.alert().Findings[0].MaybeEarlier)
		})
	}
}

func TestARuleThatAPersonRemovedFirstIsAlreadyClosed(t *testing.T) {
	b, list, groups, change, order := ordered(t)
	_, err := b.user.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &groups[0], IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(5432), ToPort: aws.Int32(5432), PrefixListIds: []types.PrefixListId{{PrefixListId: &list}},
	}}})
	require.NoError(t, err)
	require.NoError(t, b.close(change, order, 1))
	a := b.alert()
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlreadyClosed, "b 5432": finding.OutcomeRevoked}, told(a))
	for _, f := range a.Findings {
		assert.False(t, f.MaybeEarlier)
	}
}

func TestARuleThatAPersonRemovedFromAMendedListIsNobodysBusiness(t *testing.T) {
	b, list, groups, change, order := ordered(t)
	b.remove(list, 2, "0.0.0.0/0")
	for _, group := range groups[:2] {
		_, err := b.user.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(5432), ToPort: aws.Int32(5432), PrefixListIds: []types.PrefixListId{{PrefixListId: &list}},
		}}})
		require.NoError(t, err)
	}
	require.NoError(t, b.close(change, order, 1))
	assert.Empty(t, b.alerts)
}

func TestAnOrderIsJudgedAgain(t *testing.T) {
	b, list, groups, change, order := ordered(t)
	b.remove(list, 2, "0.0.0.0/0")
	require.NoError(t, b.close(change, order, 1))
	assert.Empty(t, b.alerts)
	assert.Zero(t, b.revokes(), "somebody has mended the list meanwhile")
	assert.Equal(t, []int{5432}, b.ports(groups[1]))
}

func TestAForgedOrderClosesNothingThatThePolicyAllows(t *testing.T) {
	b, _, groups, change, order := ordered(t)
	https := b.server.Rules(groups[2])
	forged := order.Findings[0]
	forged.GroupID = groups[2]
	forged.Rule = secgrouptest.TCP(443, change.List.ID)
	forged.Rule.ID, forged.Rule.GroupID = https[len(https)-1].ID, groups[2]
	order.Findings = []finding.Finding{forged}
	require.NoError(t, b.close(change, order, 1))
	assert.Equal(t, []int{443}, b.ports(groups[2]))
	assert.Zero(t, b.revokes())

	forged.Rule = secgrouptest.TCP(443, "10.0.0.0/8")
	order.Findings = []finding.Finding{forged}
	require.ErrorContains(t, b.close(change, order, 1), "findings[0]", "a rule of another peer is no order of ours")
}

func TestAnOrderClosesOnlyWhatItNames(t *testing.T) {
	b, list, _, change, order := ordered(t)
	late := b.group("late")
	b.open(late, 5432, list)
	order.Findings = order.Findings[:1]
	require.NoError(t, b.close(change, order, 1))
	assert.Equal(t, 1, b.revokes())
	assert.Equal(t, []int{5432}, b.ports(late))
	assert.NotContains(t, b.ports(order.Findings[0].GroupID), 5432)
	require.Len(t, b.alert().Findings, 3, "the others are told")
	for _, f := range b.alert().Findings {
		if f.Outcome != finding.OutcomeRevoked {
			assert.Contains(t, f.Left, "when sgward chose what to close", "and what keeps them open is no limit")
		}
	}
}

func TestWhatIsGoneIsNeitherLeftOpenNorARevoke(t *testing.T) {
	b, list, groups, change, order := ordered(t)
	require.NoError(t, b.close(change, order, 1))
	b.open(max(groups[0], groups[1]), 5432, list) // the last one in turn

	b.most, b.alerts = 1, nil // lowered since
	require.NoError(t, b.close(change, order, 2))
	outcomes := map[string]finding.Outcome{}
	for _, f := range b.alert().Findings {
		outcomes[f.GroupID] = f.Outcome
	}
	assert.Equal(t, map[string]finding.Outcome{
		min(groups[0], groups[1]): finding.OutcomeAlreadyClosed, max(groups[0], groups[1]): finding.OutcomeRevoked,
	}, outcomes)
}

func TestWhatAnEarlierTryClosedIsToldThoughTheModeIsNowObserve(t *testing.T) {
	b, _, _, change, order := ordered(t)
	b.refused = 1
	require.Error(t, b.close(change, order, 1))
	b.mode = finding.Observe
	require.NoError(t, b.close(change, order, 2))
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlreadyClosed, "b 5432": finding.OutcomeAlreadyClosed}, told(b.alert()))
}

func TestADeniedRevokeIsToldOnEveryTryAndComesAgain(t *testing.T) {
	b, _, _, change, order := ordered(t)
	b.server.SetAuthorizer(func(action, _ string) string {
		if action == "RevokeSecurityGroupIngress" {
			return "UnauthorizedOperation"
		}
		return ""
	})
	for try := 1; try <= 2; try++ {
		require.ErrorContains(t, b.close(change, order, try), "UnauthorizedOperation")
		require.Len(t, b.alerts, try)
		f := b.alerts[try-1].Findings[0]
		assert.Equal(t, finding.OutcomeFailed, f.Outcome)
		assert.Equal(t, policy.Critical, f.Severity)
		assert.Equal(t, "UnauthorizedOperation", f.ErrorCode)
	}
}

func TestAThrottledRevokeIsToldOnTheSecondTryAndTheLast(t *testing.T) {
	b, _, _, change, order := ordered(t)
	b.server.FailNext("RevokeSecurityGroupIngress", 10, "RequestLimitExceeded")
	var tries []int
	for try := 1; try <= 5; try++ {
		require.ErrorContains(t, b.close(change, order, try), "RequestLimitExceeded")
	}
	for _, a := range b.alerts {
		tries = append(tries, a.Try)
		assert.Equal(t, b.alerts[0].ID, a.ID)
		for _, f := range a.Findings {
			assert.Equal(t, finding.OutcomeFailed, f.Outcome)
		}
	}
	assert.Equal(t, []int{2, 5}, tries)

	b.alerts = nil
	require.NoError(t, b.redeliver(change, order))
	assert.Equal(t, finding.OutcomeRevoked, b.alert().Findings[0].Outcome)
}

func TestAModeSwitchedToObserveStopsAnOrderUnderWay(t *testing.T) {
	b, _, groups, change, order := ordered(t)
	b.mode = finding.Observe
	require.NoError(t, b.close(change, order, 1))
	assert.Zero(t, b.revokes())
	assert.Equal(t, []int{5432}, b.ports(groups[1]))
	assert.Equal(t, finding.OutcomeWouldRevoke, b.alert().Findings[0].Outcome)
}
