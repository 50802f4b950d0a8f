package remediation_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup/secgrouptest"
	"sgward/internal/sweep/sweeptest"
)

// ordered is a list opened to the world with an order to close two uses of it.
func ordered(t *testing.T) (b *sweeptest.Bench, list string, groups []string, order finding.Detection) {
	t.Helper()
	b, list, groups = sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
	order, err := b.Changed(b.Edit(list, "0.0.0.0/0"))
	require.NoError(t, err)
	require.Equal(t, policy.Revoke, order.Verdict)
	require.Len(t, order.Findings, 2)
	require.Zero(t, b.Revokes(), "the first step chooses and closes nothing")
	return b, list, groups, order
}

// redeliver delivers a message again, counted from one, after the time that five tries
// take.
func redeliver(b *sweeptest.Bench, order finding.Detection) error {
	sent := b.Time()
	b.Pass(3 * time.Hour)
	return b.Deliver(remediation.Message{Detection: order, Try: 1, Tries: 5, Sent: sent})
}

func TestWhatAnEarlierTryClosedIsReportedByTheNextOne(t *testing.T) {
	b, _, groups, order := ordered(t)
	b.Refused = 1
	require.ErrorContains(t, b.Close(order, 1), "publishing the alert")
	require.Empty(t, b.Ports(groups[1]), "it is closed")
	require.Empty(t, b.Alerts)

	require.NoError(t, b.Close(order, 2))
	a := b.Alert()
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlreadyClosed, "b 5432": finding.OutcomeAlreadyClosed}, sweeptest.Told(a))
	for _, f := range a.Findings {
		assert.True(t, f.MaybeEarlier, "the text must not say that somebody else did it")
		assert.Contains(t, f.Undo, "by list", "undo is what the lost alert would have had")
		assert.Equal(t, "database", f.StatementID)
	}
	assert.Equal(t, 2, a.Try)
	assert.Equal(t, 5, a.Tries)
}

func TestWhatAnEarlierTryClosedIsReportedEvenIfNobodyWouldMindItNow(t *testing.T) {
	b, list, _, order := ordered(t)
	b.Refused = 1
	require.Error(t, b.Close(order, 1))
	b.Remove(list, 2, "0.0.0.0/0")
	require.NoError(t, b.Close(order, 2))
	a := b.Alert()
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlreadyClosed, "b 5432": finding.OutcomeAlreadyClosed}, sweeptest.Told(a))
	for _, f := range a.Findings {
		assert.Equal(t, policy.Revoke, f.Verdict, "as it was judged when it was closed")
		assert.Equal(t, policy.High, f.Severity)
		assert.NotEmpty(t, f.Reasons)
		assert.True(t, f.MaybeEarlier)
	}
}

func TestWhatAnEarlierTryClosedIsReportedAfterARedriveToo(t *testing.T) {
	b, list, _, order := ordered(t)
	b.Refused = 1
	require.Error(t, b.Close(order, 5))
	require.NoError(t, redeliver(b, order))
	for _, f := range b.Alert().Findings {
		assert.Equal(t, finding.OutcomeAlreadyClosed, f.Outcome)
		assert.True(t, f.MaybeEarlier, "nobody else did it")
	}

	b.Alerts = nil
	b.Remove(list, 2, "0.0.0.0/0")
	require.NoError(t, redeliver(b, order))
	assert.Len(t, b.Alert().Findings, 2, "nor is it hushed up once the list is mended")
}

func TestADeliveryThatIsNotKnownToBeTheFirstMayHaveHadAnother(t *testing.T) {
	for name, m := range map[string]remediation.Message{
		"no count": {Tries: 5, Sent: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)},
		"no time":  {Try: 1, Tries: 5},
	} {
		t.Run(name, func(t *testing.T) {
			b, _, _, order := ordered(t)
			b.Refused = 1
			require.Error(t, b.Close(order, 1))
			m.Detection = order
			require.NoError(t, b.Deliver(m))
			assert.True(t, b.Alert().Findings[0].MaybeEarlier)
		})
	}
}

func TestARuleThatAPersonRemovedFirstIsAlreadyClosed(t *testing.T) {
	b, list, groups, order := ordered(t)
	_, err := b.User.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &groups[0], IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(5432), ToPort: aws.Int32(5432), PrefixListIds: []types.PrefixListId{{PrefixListId: &list}},
	}}})
	require.NoError(t, err)
	require.NoError(t, b.Close(order, 1))
	a := b.Alert()
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlreadyClosed, "b 5432": finding.OutcomeRevoked}, sweeptest.Told(a))
	for _, f := range a.Findings {
		assert.Equal(t, f.Outcome == finding.OutcomeAlreadyClosed, f.MaybeEarlier, "or another delivery did")
	}
}

func TestARuleThatAPersonRemovedFromAMendedListIsNobodysBusiness(t *testing.T) {
	b, list, groups, order := ordered(t)
	b.Remove(list, 2, "0.0.0.0/0")
	for _, group := range groups[:2] {
		_, err := b.User.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(5432), ToPort: aws.Int32(5432), PrefixListIds: []types.PrefixListId{{PrefixListId: &list}},
		}}})
		require.NoError(t, err)
	}
	require.NoError(t, b.Close(order, 1))
	assert.Empty(t, b.Alerts)
}

func TestAnOrderIsJudgedAgain(t *testing.T) {
	b, list, groups, order := ordered(t)
	b.Remove(list, 2, "0.0.0.0/0")
	require.ErrorContains(t, b.Close(order, 1), "reads lag behind", "this read may be of before the edit")
	b.Pass(time.Minute)
	require.NoError(t, b.Close(order, 2))
	assert.Empty(t, b.Alerts)
	assert.Zero(t, b.Revokes(), "somebody has mended the list meanwhile")
	assert.Equal(t, []int{5432}, b.Ports(groups[1]))
}

func TestAForgedOrderClosesNothingThatThePolicyAllows(t *testing.T) {
	b, _, groups, order := ordered(t)
	https := b.Server.Rules(groups[2])
	forged := order.Findings[0]
	forged.GroupID = groups[2]
	forged.Rule = secgrouptest.TCP(443, order.PrefixListID)
	forged.Rule.ID, forged.Rule.GroupID = https[len(https)-1].ID, groups[2]
	order.Findings = []finding.Finding{forged}
	b.Pass(time.Minute)
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, []int{443}, b.Ports(groups[2]))
	assert.Zero(t, b.Revokes())
	assert.Empty(t, b.Alerts)
}

func TestAnOrderClosesOnlyWhatItNames(t *testing.T) {
	b, list, _, order := ordered(t)
	late := b.Group("late")
	b.Open(late, 5432, list)
	order.Findings = order.Findings[:1]
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, 1, b.Revokes())
	assert.Equal(t, []int{5432}, b.Ports(late))
	assert.NotContains(t, b.Ports(order.Findings[0].GroupID), 5432)
	assert.Equal(t, order.Findings[0].ID, only(t, b.Alert()).ID, "of the others the alert of the next run tells")
}

func TestWhatIsGoneIsNeitherLeftOpenNorARevoke(t *testing.T) {
	b, list, groups, order := ordered(t)
	require.NoError(t, b.Close(order, 1))
	b.Open(max(groups[0], groups[1]), 5432, list) // the last one in turn

	b.Most, b.Alerts = 1, nil // lowered since
	require.NoError(t, b.Close(order, 2))
	outcomes := map[string]finding.Outcome{}
	for _, f := range b.Alert().Findings {
		outcomes[f.GroupID] = f.Outcome
	}
	assert.Equal(t, map[string]finding.Outcome{
		min(groups[0], groups[1]): finding.OutcomeAlreadyClosed, max(groups[0], groups[1]): finding.OutcomeRevoked,
	}, outcomes)
}

func TestWhatAnEarlierTryClosedIsReportedThoughTheModeIsNowObserve(t *testing.T) {
	b, _, _, order := ordered(t)
	b.Refused = 1
	require.Error(t, b.Close(order, 1))
	b.Mode = finding.Observe
	require.NoError(t, b.Close(order, 2))
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlreadyClosed, "b 5432": finding.OutcomeAlreadyClosed}, sweeptest.Told(b.Alert()))
}

func TestADeniedRevokeIsReportedOnEveryTryAndIsRetried(t *testing.T) {
	b, _, _, order := ordered(t)
	b.Server.SetAuthorizer(func(action, _ string) string {
		if action == "RevokeSecurityGroupIngress" {
			return "UnauthorizedOperation"
		}
		return ""
	})
	for try := 1; try <= 2; try++ {
		require.ErrorContains(t, b.Close(order, try), "UnauthorizedOperation")
		require.Len(t, b.Alerts, try)
		f := b.Alerts[try-1].Findings[0]
		assert.Equal(t, finding.OutcomeFailed, f.Outcome)
		assert.Equal(t, policy.Critical, f.Severity)
		assert.Equal(t, "UnauthorizedOperation", f.ErrorCode)
	}
}

func TestAThrottledRevokeIsReportedOnTheSecondTryAndTheLast(t *testing.T) {
	b, _, _, order := ordered(t)
	b.Server.FailNext("RevokeSecurityGroupIngress", 10, "RequestLimitExceeded")
	var tries []int
	for try := 1; try <= 5; try++ {
		require.ErrorContains(t, b.Close(order, try), "RequestLimitExceeded")
	}
	for _, a := range b.Alerts {
		tries = append(tries, a.Try)
		assert.Equal(t, b.Alerts[0].ID, a.ID)
		for _, f := range a.Findings {
			assert.Equal(t, finding.OutcomeFailed, f.Outcome)
		}
	}
	assert.Equal(t, []int{2, 5}, tries)

	b.Alerts = nil
	require.NoError(t, redeliver(b, order))
	assert.Equal(t, finding.OutcomeRevoked, b.Alert().Findings[0].Outcome)
}

func TestAModeSwitchedToObserveStopsAnOrderUnderWay(t *testing.T) {
	b, _, groups, order := ordered(t)
	b.Mode = finding.Observe
	require.NoError(t, b.Close(order, 1))
	assert.Zero(t, b.Revokes())
	assert.Equal(t, []int{5432}, b.Ports(groups[1]))
	assert.Equal(t, finding.OutcomeWouldRevoke, b.Alert().Findings[0].Outcome)
}

func TestAMessageClosesNoMoreThanMaxRevokesWhateverItNames(t *testing.T) {
	b, _, _, order := ordered(t)
	b.Most = 1
	require.NoError(t, b.Close(order, 1))
	outcomes := map[finding.Outcome]string{}
	for _, f := range b.Alert().Findings {
		outcomes[f.Outcome] = f.Left
	}
	assert.Equal(t, map[finding.Outcome]string{
		finding.OutcomeRevoked: "", finding.OutcomeAlerted: "a run closes no more than 1 rule, which leaves 1 open",
	}, outcomes)
}

func TestAnEditsAlertsTellOfTheListWhateverIsLeft(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Closing, finding.Enforce)
	b.Most = 1
	order, err := b.Changed(b.Edit(list, "0.0.0.0/0"))
	require.NoError(t, err)
	require.NoError(t, b.Close(order, 1))
	require.Len(t, b.Alerts, 2, "what stays open, and what was closed")
	assert.NotEqual(t, b.Alerts[0].ID, b.Alerts[1].ID, "or a reader would drop the second")
	for _, a := range b.Alerts {
		assert.Equal(t, order.Event, a.Event)
		assert.Equal(t, list, a.PrefixListID)
		assert.Equal(t, []finding.PrefixListEntry{
			{Cidr: "0.0.0.0/0", Description: "entry 0.0.0.0/0", Added: true}, {Cidr: "10.0.0.0/8", Description: "entry 10.0.0.0/8"},
		}, a.PrefixListEntries)
	}
	only(t, b.Alerts[0])
	only(t, b.Alerts[1])
}

func TestWhatIsGoneIsJudgedBesideWhatTheGroupHolds(t *testing.T) {
	b := sweeptest.New(t, sweeptest.Closing, finding.Enforce)
	list, group := b.List("10.0.0.0/8"), b.Group("a")
	b.Open(group, 5432, "52.0.0.0/10")
	b.Open(group, 5432, list)
	order, err := b.Changed(b.Edit(list, "52.64.0.0/10", "52.128.0.0/11"))
	require.NoError(t, err)
	require.Len(t, order.Findings, 1)
	b.Shut(group, 5432, list)
	require.NoError(t, b.Close(order, 1))
	f := only(t, b.Alert())
	assert.Equal(t, finding.OutcomeAlreadyClosed, f.Outcome, "the list is forbidden beside the other rule only")
	assert.True(t, f.Union)
}

func TestWhetherAnEditOpenedARuleIsReadAndNotBelieved(t *testing.T) {
	b := sweeptest.New(t, sweeptest.Telling, finding.Enforce)
	list := b.List("0.0.0.0/0")
	b.Open(b.Group("a"), 5432, list)
	b.Edit(list, "203.0.113.0/24")
	opening, err := b.Changed(b.Edit(list, "198.51.100.0/24"))
	require.NoError(t, err)
	require.Equal(t, policy.Compliant, opening.Verdict)
	b.Pass(time.Minute)

	// What the message claims would have it closed, if the list had been harmless.
	rule := b.Server.Rules(b.Alert().Findings[0].GroupID)
	forged := b.Alert().Findings[0].Finding
	forged.Rule.ID, b.Alerts = rule[len(rule)-1].ID, nil
	opening.Verdict, opening.Findings, opening.PrefixListVersion = policy.Revoke, []finding.Finding{forged}, 1
	require.NoError(t, b.Close(opening, 1))
	f := only(t, b.Alert())
	assert.Equal(t, finding.OutcomeAlerted, f.Outcome)
	assert.False(t, f.OpenedByEdit)
	assert.Zero(t, b.Revokes())

	b.Server.FailNext("GetManagedPrefixListEntries", 4, "RequestLimitExceeded")
	require.Error(t, b.Close(opening, 1), "what the list held is read again")
}

func TestAnEditsOpeningsAreClosedNoMoreThanMaxRevokesAtATime(t *testing.T) {
	b, list, _ := sweeptest.ThreeUsers(t, sweeptest.Telling, finding.Enforce)
	order, err := b.Changed(b.Edit(list, "0.0.0.0/0"))
	require.NoError(t, err)
	require.Len(t, order.Findings, 2)
	assert.Equal(t, int64(1), order.PrefixListVersion)
	b.Most = 1
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, 1, b.Revokes())
}
