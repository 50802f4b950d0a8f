package remediation_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
	"sgward/internal/sweep/sweeptest"
	"sgward/localaws/ec2api"
)

// sweptOrder is an order of a sweep to close PostgreSQL in two groups.
func sweptOrder(t *testing.T) (b *sweeptest.Bench, groups [2]string, order finding.Detection) {
	t.Helper()
	b = sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
	for i, name := range []string{"a", "b"} {
		groups[i] = b.Group(name)
		b.Open(groups[i], 5432, "0.0.0.0/0")
		b.Open(groups[i], 443, "0.0.0.0/0")
	}
	order, err := b.Sweep()
	require.NoError(t, err)
	require.Equal(t, policy.Revoke, order.Verdict)
	require.Len(t, order.Findings, 2)
	return b, groups, order
}

func TestWhatAnEarlierTrySweptAwayIsReportedWithItsUndo(t *testing.T) {
	for name, nobodyMinds := range map[string]bool{"still forbidden": false, "allowed since": true} {
		t.Run(name, func(t *testing.T) {
			b, groups, order := sweptOrder(t)
			b.Refused = 1
			require.ErrorContains(t, b.Close(order, 1), "publishing the alert")
			require.Equal(t, []int{443}, b.Ports(groups[0]), "it is closed")
			if nobodyMinds {
				b.Policy = strings.ReplaceAll(sweeptest.Closing, "5432/tcp, ", "")
			}
			require.NoError(t, b.Close(order, 2))
			a := b.Alert()
			assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlreadyClosed, "b 5432": finding.OutcomeAlreadyClosed}, sweeptest.Told(a))
			for _, f := range a.Findings {
				assert.True(t, f.MaybeEarlier, "the text must not say that somebody else did it")
				assert.Contains(t, f.Undo, "authorize-security-group-ingress")
				assert.Equal(t, "database", f.StatementID)
				assert.NotNil(t, f.ClosedAt)
			}
			assert.Equal(t, [2]int{2, 5}, [2]int{a.Try, a.Tries})
		})
	}
}

func TestWhatASweepOfAnotherPlaceHasChosenIsReportedAndLeft(t *testing.T) {
	b, groups, order := sweptOrder(t)
	for i := range order.Findings {
		order.Findings[i].Region = "eu-west-1"
	}
	require.NoError(t, b.Close(order, 1))
	for _, f := range b.Alert().Findings {
		assert.Equal(t, finding.OutcomeAlerted, f.Outcome)
		assert.Contains(t, f.Left, "another account or region")
	}
	b.Account, b.Alerts, order.Findings[0].Region = "111122223333", nil, sweeptest.Region
	require.NoError(t, b.Close(order, 1))
	assert.Contains(t, b.Alert().Findings[0].Left, "another account or region")
	assert.Zero(t, b.Revokes())
	assert.Equal(t, []int{5432, 443}, b.Ports(groups[0]))
}

func TestAGroupThatIsGoneTakesItsRulesAlong(t *testing.T) {
	b, groups, order := sweptOrder(t)
	_, err := b.User.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &groups[0]})
	require.NoError(t, err)
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, map[string]finding.Outcome{"b 5432": finding.OutcomeRevoked}, sweeptest.Told(b.Alert()))
}

func TestARedrivenOrderMayHaveBeenCarriedOutBefore(t *testing.T) {
	b, _, order := sweptOrder(t)
	b.Refused = 1
	require.Error(t, b.Close(order, 1))
	chosen := b.Time()
	b.Pass(3 * 24 * time.Hour)
	require.NoError(t, b.Deliver(remediation.Message{Detection: order, Try: 1, Tries: 5, Sent: chosen}))
	for _, f := range b.Alert().Findings {
		assert.True(t, f.MaybeEarlier)
	}
}

func TestWhatAPersonClosedBetweenTheStepsIsFoundClosed(t *testing.T) {
	b, groups, order := sweptOrder(t)
	b.Shut(groups[0], 5432, "0.0.0.0/0")
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlreadyClosed, "b 5432": finding.OutcomeRevoked}, sweeptest.Told(b.Alert()))
	for _, f := range b.Alert().Findings {
		assert.Equal(t, f.Outcome == finding.OutcomeAlreadyClosed, f.MaybeEarlier, "or was it the same run, delivered twice?")
	}
}

func TestARuleThatALaggingReadHidesIsClosedAllTheSame(t *testing.T) {
	b, groups, order := sweptOrder(t)
	b.Client = sweeptest.Altered{EC2: b.Client, Rule: func(r *types.SecurityGroupRule) {
		if *r.GroupId == groups[0] && !*r.IsEgress {
			r.FromPort, r.ToPort = aws.Int32(444), aws.Int32(444)
		}
	}}
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeRevoked, "b 5432": finding.OutcomeRevoked}, sweeptest.Told(b.Alert()))
	assert.Equal(t, []int{443}, b.Ports(groups[0]))
}

func TestASweptOrderIsJudgedAgain(t *testing.T) {
	b, groups, order := sweptOrder(t)
	b.Policy = sweeptest.Telling
	require.NoError(t, b.Close(order, 1))
	assert.Zero(t, b.Revokes())
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlerted, "b 5432": finding.OutcomeAlerted}, sweeptest.Told(b.Alert()))

	b.Alerts = nil
	b.Policy = sweeptest.Closing + "exceptions:\n  - {id: x, reason: r, owner: o@example.com, expires: 2099-01-01, match: {ports: [5432/tcp]}}\n"
	require.NoError(t, b.Close(order, 1))
	assert.Empty(t, b.Alerts, "it is allowed now")
	assert.Equal(t, []int{5432, 443}, b.Ports(groups[0]))
}

func TestAForgedSweptOrderClosesNothingThatThePolicyAllows(t *testing.T) {
	b, groups, order := sweptOrder(t)
	forged := order.Findings[slices.IndexFunc(order.Findings, func(f finding.Finding) bool { return f.GroupID == groups[0] })]
	forged.Rule = secgrouptest.TCP(443, "0.0.0.0/0")
	forged.Rule.GroupID = forged.GroupID
	order.Findings = []finding.Finding{forged}
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, []int{5432, 443}, b.Ports(groups[0]), "an id is no rule")
	assert.Zero(t, b.Revokes())
	assert.Empty(t, b.Alerts)

	for name, rule := range map[string]*secgroup.Rule{"no rule": nil, "no peer": {Permission: secgroup.Permission{Direction: secgroup.Ingress, Protocol: secgroup.TCP}}} {
		forged.Rule = rule
		order.Findings = []finding.Finding{forged}
		errs := b.Engine().Run(t.Context(), b.Account, []remediation.Message{{Detection: order, Try: 1, Tries: 5}})
		require.ErrorContains(t, errs[0], "findings[0]", name)
	}
}

// The tag of a message is a claim: the group's rule has none.
func TestATagThatAMessageClaimsEndsNoRule(t *testing.T) {
	b, groups, order := sweptOrder(t)
	b.Policy = sweeptest.Closing + "  - {id: ended, severity: low, effect: revoke, existing: revoke, ingress: {from: any, ended: true}}\n"
	forged := order.Findings[slices.IndexFunc(order.Findings, func(f finding.Finding) bool { return f.GroupID == groups[0] })]
	forged.Rule = secgrouptest.TCP(443, "0.0.0.0/0")
	forged.Rule.GroupID = forged.GroupID
	forged.Rule.Tags = []secgroup.Tag{{Key: policy.UntilTag, Value: "2026-01-01T00:00Z"}}
	order.Findings = []finding.Finding{forged}
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, []int{5432, 443}, b.Ports(groups[0]))
	assert.Zero(t, b.Revokes())

	absent := forged
	absent.Rule = secgrouptest.TCP(22, "203.0.113.10/32")
	absent.Rule.GroupID, absent.Rule.Tags = forged.GroupID, forged.Rule.Tags
	unseen := order
	unseen.Findings = []finding.Finding{absent}
	require.NoError(t, b.Close(unseen, 1))
	assert.Zero(t, b.Revokes(), "nor does the tag of a rule that a read may only not show yet")

	held := b.Server.Rules(groups[0])
	at := slices.IndexFunc(held, func(r ec2api.Rule) bool { return r.FromPort == 443 })
	_, err := b.User.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{held[at].ID}, Tags: []types.Tag{
		{Key: aws.String(policy.UntilTag), Value: aws.String("2026-01-01T00:00Z")},
	}})
	require.NoError(t, err)
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, []int{5432}, b.Ports(groups[0]), "the group's own tag counts")
}

func TestMadeUpRulesInAnOrderForbidNoRuleThatTheyAddUpWith(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
	group := b.Group("data")
	b.Open(group, 5432, "52.0.0.0/10")
	order := finding.Detection{Event: cloudtrail.Event{EventID: "forged", AccountID: sweeptest.Account, Region: sweeptest.Region}}
	for _, cidr := range []string{"52.0.0.0/10", "54.0.0.0/10", "56.0.0.0/10", "0.0.0.0/0"} {
		rule := secgrouptest.TCP(5432, cidr)
		rule.GroupID = group
		order.Findings = append(order.Findings, finding.Finding{GroupID: group, AccountID: sweeptest.Account, Region: sweeptest.Region, Verdict: policy.Revoke, Rule: rule})
	}
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, []int{5432}, b.Ports(group))
	for _, f := range b.Alert().Findings {
		assert.NotEqual(t, "revoked", string(f.Outcome))
	}
}

func TestADeniedSweepIsReportedOnEveryTryAndAThrottledOneOnTheSecond(t *testing.T) {
	b, _, order := sweptOrder(t)
	b.Server.SetAuthorizer(func(action, _ string) string {
		if action == "RevokeSecurityGroupIngress" {
			return "UnauthorizedOperation"
		}
		return ""
	})
	for try := 1; try <= 2; try++ {
		require.ErrorContains(t, b.Close(order, try), "UnauthorizedOperation")
		require.Len(t, b.Alerts, try)
		assert.Equal(t, finding.OutcomeFailed, b.Alerts[try-1].Findings[0].Outcome)
		assert.Equal(t, policy.Critical, b.Alerts[try-1].Findings[0].Severity)
	}
	b.Alerts = nil
	b.Server.SetAuthorizer(nil)
	b.Server.FailNext("RevokeSecurityGroupIngress", 4, "RequestLimitExceeded")
	require.ErrorContains(t, b.Close(order, 1), "RequestLimitExceeded")
	assert.Empty(t, b.Alerts)
	require.Error(t, b.Close(order, 2))
	assert.Len(t, b.Alerts, 1)
}

func TestASweptOrderThatMeetsObserveModeClosesNothing(t *testing.T) {
	b, groups, order := sweptOrder(t)
	b.Shut(groups[0], 5432, "0.0.0.0/0")
	b.Mode = finding.Observe
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, map[string]finding.Outcome{"b 5432": finding.OutcomeWouldRevoke}, sweeptest.Told(b.Alert()), "and not of what is gone")
	assert.Equal(t, []int{5432, 443}, b.Ports(groups[1]))
}

func TestASweptOrderReadsOnlyItsGroups(t *testing.T) {
	b, _, order := sweptOrder(t)
	other := b.Group("other")
	b.Open(other, 5432, "0.0.0.0/0")
	require.NoError(t, b.Close(order, 1))
	assert.Len(t, b.Alert().Findings, 2)
	assert.Equal(t, []int{5432}, b.Ports(other), "it was not named")
}

// Calls fail before or after they took effect, alerts are not taken, the memory
// forgets and lags, runs come twice: in the end nothing is left that the policy has
// closed, nothing else is touched, and people have heard of everything.
func TestASweepOutlivesFaults(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { sweepThroughFaults(t, seed) })
	}
}

func sweepThroughFaults(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 11))
	times := map[string]int{}
	often := func(what string) bool {
		times[what]++
		h := fnv.New64a()
		fmt.Fprint(h, seed, what, times[what])
		return h.Sum64()%8 == 0
	}
	b := sweeptest.NewSweep(t, `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp]}}
  - {id: cache, severity: medium, effect: alert, ingress: {from: world, ports: [6379/tcp]}}
`, finding.Enforce)
	b.Most = 2
	kept := map[string][]int{}
	for i := range 7 {
		name := fmt.Sprint("g", i)
		group := b.Group(name)
		b.Open(group, 443, "0.0.0.0/0")
		b.Open(group, 5432, "52.1.2.3/32")
		kept[group] = []int{443, 5432}
		if i%2 == 0 {
			b.Open(group, 6379, "0.0.0.0/0")
			kept[group] = []int{443, 5432, 6379}
		}
		b.Open(group, 5432, "0.0.0.0/0")
	}
	heard := map[string]bool{}
	hear := func() {
		for _, a := range b.Alerts {
			for what, outcome := range sweeptest.Told(a) {
				if outcome != finding.OutcomeFailed {
					heard[what] = true
				}
			}
		}
		b.Alerts = nil
	}
	disturb := func() {
		for _, action := range []string{"DescribeSecurityGroups", "DescribeSecurityGroupRules", "RevokeSecurityGroupIngress"} {
			switch {
			case often(action):
				b.Server.FailNext(action, 1, []string{"RequestLimitExceeded", "InternalError"}[random.IntN(2)])
			case often("answer of " + action):
				b.Server.Inject(ec2api.Fault{Action: action, Times: 1, HangUp: true})
			}
		}
		if often("publish") {
			b.Refused = 1
		}
		if often("Scan") {
			b.DB.FailNext("Scan", 1, "InternalServerError")
		}
		if often("BatchWriteItem") {
			b.DB.FailNext("BatchWriteItem", 1, "ThrottlingException")
		}
		if often("undone") {
			b.DB.LeaveUndone(random.IntN(5))
		}
	}
	open := func() (n int) {
		for group := range kept {
			n += len(b.Ports(group)) - len(kept[group])
		}
		return n
	}
	for day := 0; open() > 0 || len(heard) < 11; day++ {
		require.Less(t, day, 200, "%d open, heard of %v", open(), heard)
		disturb()
		order, err := b.Sweep()
		hear()
		b.Pass(time.Minute)
		// The queue delivers an order until it is carried out, at times once more; what
		// its dead letters would hold is sent again, counted from one.
		chosen := b.Time()
		for try := 0; err == nil && order.Verdict == policy.Revoke; try++ {
			require.Less(t, try, 100)
			disturb()
			failed := b.Deliver(remediation.Message{Detection: order, Try: try%5 + 1, Tries: 5, Sent: chosen})
			hear()
			b.Pass(15 * time.Minute)
			if failed == nil && !often("twice") {
				break
			}
		}
		b.Pass(23 * time.Hour)
	}
	for group, ports := range kept {
		assert.ElementsMatch(t, ports, b.Ports(group))
	}
	// In quiet there is nothing left to tell.
	for range 30 {
		_, _ = b.Sweep() // uses up what is left of the faults
		b.Pass(24 * time.Hour)
	}
	b.Refused, b.Alerts = 0, nil
	assert.Empty(t, b.Day())
}

func TestARepeatOfASweptOrderDoesNotAnnounceAgainWhatWasDone(t *testing.T) {
	b, groups, order := sweptOrder(t)
	b.Client = sweeptest.Denying{EC2: b.Client, Groups: groups[:1]}
	outcomes := map[int][]finding.Outcome{}
	for try := 1; try <= 5; try++ {
		b.Alerts = nil
		require.ErrorContains(t, b.Close(order, try), "UnauthorizedOperation")
		for _, a := range b.Alerts {
			for _, f := range a.Findings {
				outcomes[try] = append(outcomes[try], f.Outcome)
			}
		}
	}
	failed := []finding.Outcome{finding.OutcomeFailed}
	assert.Equal(t, map[int][]finding.Outcome{
		1: {finding.OutcomeFailed, finding.OutcomeRevoked}, 2: failed,
		5: {finding.OutcomeFailed, finding.OutcomeAlreadyClosed}, // in case the first alert was lost
	}, outcomes)
}

func TestWhichRulesOfASumShouldGoIsLeftToPeople(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
	group := b.Group("data")
	order := finding.Detection{SchemaVersion: "1", Source: finding.SourceSweep, Verdict: policy.Revoke,
		Event: cloudtrail.Event{EventID: "run", EventTime: b.Time(), AccountID: sweeptest.Account, Region: sweeptest.Region}}
	for _, cidr := range []string{"52.0.0.0/10", "52.64.0.0/10"} {
		b.Open(group, 5432, cidr)
		rule := secgrouptest.TCP(5432, cidr)
		rule.GroupID = group
		order.Findings = append(order.Findings, finding.Finding{GroupID: group, Verdict: policy.Revoke, Rule: rule})
	}
	require.NoError(t, b.Close(order, 1))
	assert.Zero(t, b.Revokes())
	require.Len(t, b.Alert().Findings, 2)
	for _, f := range b.Alert().Findings {
		assert.Contains(t, f.Left, "people must choose")
		assert.Nil(t, f.ExposureSeconds)
	}
}

func TestAGroupThatTurnsOutToBeOfAnotherAccountIsLeft(t *testing.T) {
	b, groups, order := sweptOrder(t)
	b.Client = sweeptest.Altered{EC2: b.Client, Group: func(g *types.SecurityGroup) {
		if *g.GroupId == groups[0] {
			g.OwnerId = aws.String("111122223333")
		}
	}}
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlerted, "b 5432": finding.OutcomeRevoked}, sweeptest.Told(b.Alert()))
	assert.Equal(t, []int{5432, 443}, b.Ports(groups[0]))
}

func TestTheMostUrgentRulesAreClosedWhereNotAllMayBe(t *testing.T) {
	b := sweeptest.NewSweep(t, strings.Replace(sweeptest.Closing, "5432/tcp, ", "5432/tcp]}}\n  - {id: admin, severity: critical, effect: revoke, existing: revoke, ingress: {from: world, ports: [22/tcp, ", 1), finding.Enforce)
	for name, port := range map[string]int32{"a": 5432, "b": 22, "c": 5432} {
		b.Open(b.Group(name), port, "0.0.0.0/0")
	}
	order, err := b.Sweep()
	require.NoError(t, err)
	require.Len(t, order.Findings, 3)
	b.Most = 1
	require.NoError(t, b.Close(order, 1))
	assert.Equal(t, map[string]finding.Outcome{
		"a 5432": finding.OutcomeAlerted, "b 22": finding.OutcomeRevoked, "c 5432": finding.OutcomeAlerted,
	}, sweeptest.Told(b.Alert()))
}

// groupless is EC2 once a group has gone that was read a moment ago.
type groupless struct{ sweeptest.EC2 }

func (groupless) RevokeSecurityGroupIngress(context.Context, *ec2.RevokeSecurityGroupIngressInput, ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	return nil, &smithy.GenericAPIError{Code: "InvalidGroup.NotFound", Message: "gone"}
}

func TestAGroupThatGoesBeforeTheRevokeIsNotOneThatWasJustMade(t *testing.T) {
	b, _, order := sweptOrder(t)
	b.Client = groupless{b.Client}
	require.NoError(t, b.Close(order, 1), "another try would find the same")
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlreadyClosed, "b 5432": finding.OutcomeAlreadyClosed}, sweeptest.Told(b.Alert()))
	for _, f := range b.Alert().Findings {
		assert.Nil(t, f.ExposureSeconds, "how long it was open is not known")
	}
}
