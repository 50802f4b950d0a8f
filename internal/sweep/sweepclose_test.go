package sweep_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
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
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
	"sgward/internal/sweep"
	"sgward/localaws/ec2api"
)

// sweptOrder is an order of a sweep to close PostgreSQL in two groups.
func sweptOrder(t *testing.T) (b *sweepBench, groups [2]string, order finding.Detection) {
	t.Helper()
	b = newSweep(t, closing, finding.Enforce)
	for i, name := range []string{"a", "b"} {
		groups[i] = b.group(name)
		b.open(groups[i], 5432, "0.0.0.0/0")
		b.open(groups[i], 443, "0.0.0.0/0")
	}
	order, err := b.sweep()
	require.NoError(t, err)
	require.Equal(t, policy.Revoke, order.Verdict)
	require.Len(t, order.Findings, 2)
	return b, groups, order
}

func TestWhatAnEarlierTrySweptAwayIsToldWithItsUndo(t *testing.T) {
	for name, nobodyMinds := range map[string]bool{"still forbidden": false, "allowed since": true} {
		t.Run(name, func(t *testing.T) {
			b, groups, order := sweptOrder(t)
			b.refused = 1
			require.ErrorContains(t, b.closeSwept(order, 1), "publishing the alert")
			require.Equal(t, []int{443}, b.ports(groups[0]), "it is closed")
			if nobodyMinds {
				b.policy = strings.ReplaceAll(closing, "5432/tcp, ", "")
			}
			require.NoError(t, b.closeSwept(order, 2))
			a := b.alert()
			assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlreadyClosed, "b 5432": finding.OutcomeAlreadyClosed}, told(a))
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

func TestAGroupThatIsGoneTakesItsRulesAlong(t *testing.T) {
	b, groups, order := sweptOrder(t)
	_, err := b.user.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &groups[0]})
	require.NoError(t, err)
	require.NoError(t, b.closeSwept(order, 1))
	assert.Equal(t, map[string]finding.Outcome{"b 5432": finding.OutcomeRevoked}, told(b.alert()))
}

func TestARedrivenOrderMayHaveBeenCarriedOutBefore(t *testing.T) {
	b, _, order := sweptOrder(t)
	b.refused = 1
	require.Error(t, b.closeSwept(order, 1))
	chosen := b.time()
	b.pass(3 * 24 * time.Hour)
	require.NoError(t, b.sweeper().CloseSwept(t.Context(), order, sweep.Delivery{Try: 1, Tries: 5, Chosen: chosen}))
	for _, f := range b.alert().Findings {
		assert.True(t, f.MaybeEarlier)
	}
}

func TestWhatAPersonClosedBetweenTheStepsIsFoundClosed(t *testing.T) {
	b, groups, order := sweptOrder(t)
	b.shut(groups[0], 5432, "0.0.0.0/0")
	require.NoError(t, b.closeSwept(order, 1))
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlreadyClosed, "b 5432": finding.OutcomeRevoked}, told(b.alert()))
	for _, f := range b.alert().Findings {
		assert.Equal(t, f.Outcome == finding.OutcomeAlreadyClosed, f.MaybeEarlier, "or was it the same run, delivered twice?")
	}
}

func TestARuleThatALaggingReadHidesIsClosedAllTheSame(t *testing.T) {
	b, groups, order := sweptOrder(t)
	b.client = altered{EC2: b.client, rule: func(r *types.SecurityGroupRule) {
		if *r.GroupId == groups[0] && !*r.IsEgress {
			r.FromPort, r.ToPort = aws.Int32(444), aws.Int32(444)
		}
	}}
	require.NoError(t, b.closeSwept(order, 1))
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeRevoked, "b 5432": finding.OutcomeRevoked}, told(b.alert()))
	assert.Equal(t, []int{443}, b.ports(groups[0]))
}

func TestASweptOrderIsJudgedAgain(t *testing.T) {
	b, groups, order := sweptOrder(t)
	b.policy = telling
	require.NoError(t, b.closeSwept(order, 1))
	assert.Zero(t, b.revokes())
	assert.Equal(t, map[string]finding.Outcome{"a 5432": finding.OutcomeAlerted, "b 5432": finding.OutcomeAlerted}, told(b.alert()))

	b.alerts = nil
	b.policy = closing + "exceptions:\n  - {id: x, reason: r, owner: o@example.com, expires: 2099-01-01, match: {ports: [5432/tcp]}}\n"
	require.NoError(t, b.closeSwept(order, 1))
	assert.Empty(t, b.alerts, "it is allowed now")
	assert.Equal(t, []int{5432, 443}, b.ports(groups[0]))
}

func TestAForgedSweptOrderClosesNothingThatThePolicyAllows(t *testing.T) {
	b, groups, order := sweptOrder(t)
	forged := order.Findings[0]
	forged.Rule = secgrouptest.TCP(443, "0.0.0.0/0")
	forged.Rule.GroupID = forged.GroupID
	order.Findings = []finding.Finding{forged}
	require.NoError(t, b.closeSwept(order, 1))
	assert.Equal(t, []int{5432, 443}, b.ports(groups[0]), "an id is no rule")
	assert.Zero(t, b.revokes())
	assert.Empty(t, b.alerts)

	for name, rule := range map[string]*secgroup.Rule{"no rule": nil, "no peer": {Permission: secgroup.Permission{Direction: secgroup.Ingress, Protocol: secgroup.TCP}}} {
		forged.Rule = rule
		order.Findings = []finding.Finding{forged}
		require.ErrorContains(t, b.closeSwept(order, 1), "findings[0]", name)
	}
}

func TestMadeUpRulesInAnOrderForbidNoRuleThatTheyAddUpWith(t *testing.T) {
	b := newSweep(t, closing, finding.Enforce)
	group := b.group("data")
	b.open(group, 5432, "52.0.0.0/10")
	order := finding.Detection{Event: cloudtrail.Event{EventID: "forged", AccountID: account, Region: region}}
	for _, cidr := range []string{"52.0.0.0/10", "54.0.0.0/10", "56.0.0.0/10", "0.0.0.0/0"} {
		rule := secgrouptest.TCP(5432, cidr)
		rule.GroupID = group
		order.Findings = append(order.Findings, finding.Finding{GroupID: group, AccountID: account, Region: region, Verdict: policy.Revoke, Rule: rule})
	}
	require.NoError(t, b.closeSwept(order, 1))
	assert.Equal(t, []int{5432}, b.ports(group))
	for _, f := range b.alert().Findings {
		assert.NotEqual(t, "revoked", string(f.Outcome))
	}
}

func TestADeniedSweepIsToldOnEveryTryAndAThrottledOneOnTheSecond(t *testing.T) {
	b, _, order := sweptOrder(t)
	b.server.SetAuthorizer(func(action, _ string) string {
		if action == "RevokeSecurityGroupIngress" {
			return "UnauthorizedOperation"
		}
		return ""
	})
	for try := 1; try <= 2; try++ {
		require.ErrorContains(t, b.closeSwept(order, try), "UnauthorizedOperation")
		require.Len(t, b.alerts, try)
		assert.Equal(t, finding.OutcomeFailed, b.alerts[try-1].Findings[0].Outcome)
		assert.Equal(t, policy.Critical, b.alerts[try-1].Findings[0].Severity)
	}
	b.alerts = nil
	b.server.SetAuthorizer(nil)
	b.server.FailNext("RevokeSecurityGroupIngress", 4, "RequestLimitExceeded")
	require.ErrorContains(t, b.closeSwept(order, 1), "RequestLimitExceeded")
	assert.Empty(t, b.alerts)
	require.Error(t, b.closeSwept(order, 2))
	assert.Len(t, b.alerts, 1)
}

func TestASweptOrderThatMeetsObserveModeClosesNothing(t *testing.T) {
	b, groups, order := sweptOrder(t)
	b.shut(groups[0], 5432, "0.0.0.0/0")
	b.mode = finding.Observe
	require.NoError(t, b.closeSwept(order, 1))
	assert.Equal(t, map[string]finding.Outcome{"b 5432": finding.OutcomeWouldRevoke}, told(b.alert()), "and not of what is gone")
	assert.Equal(t, []int{5432, 443}, b.ports(groups[1]))
}

func TestASweptOrderReadsOnlyItsGroups(t *testing.T) {
	b, _, order := sweptOrder(t)
	other := b.group("other")
	b.open(other, 5432, "0.0.0.0/0")
	require.NoError(t, b.closeSwept(order, 1))
	assert.Len(t, b.alert().Findings, 2)
	assert.Equal(t, []int{5432}, b.ports(other), "it was not named")
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
	b := newSweep(t, `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp]}}
  - {id: cache, severity: medium, effect: alert, ingress: {from: world, ports: [6379/tcp]}}
`, finding.Enforce)
	b.most = 2
	kept := map[string][]int{}
	for i := range 7 {
		name := fmt.Sprint("g", i)
		group := b.group(name)
		b.open(group, 443, "0.0.0.0/0")
		b.open(group, 5432, "52.1.2.3/32")
		kept[group] = []int{443, 5432}
		if i%2 == 0 {
			b.open(group, 6379, "0.0.0.0/0")
			kept[group] = []int{443, 5432, 6379}
		}
		b.open(group, 5432, "0.0.0.0/0")
	}
	heard := map[string]bool{}
	hear := func() {
		for _, a := range b.alerts {
			for what, outcome := range told(a) {
				if outcome != finding.OutcomeFailed {
					heard[what] = true
				}
			}
		}
		b.alerts = nil
	}
	disturb := func() {
		for _, action := range []string{"DescribeSecurityGroups", "DescribeSecurityGroupRules", "RevokeSecurityGroupIngress"} {
			switch {
			case often(action):
				b.server.FailNext(action, 1, []string{"RequestLimitExceeded", "InternalError"}[random.IntN(2)])
			case often("answer of " + action):
				b.server.Inject(ec2api.Fault{Action: action, Times: 1, HangUp: true})
			}
		}
		if often("publish") {
			b.refused = 1
		}
		if often("Scan") {
			b.db.FailNext("Scan", 1, "InternalServerError")
		}
		if often("BatchWriteItem") {
			b.db.FailNext("BatchWriteItem", 1, "ThrottlingException")
		}
		if often("undone") {
			b.db.LeaveUndone(random.IntN(5))
		}
	}
	open := func() (n int) {
		for group := range kept {
			n += len(b.ports(group)) - len(kept[group])
		}
		return n
	}
	for day := 0; open() > 0 || len(heard) < 11; day++ {
		require.Less(t, day, 200, "%d open, heard of %v", open(), heard)
		disturb()
		order, err := b.sweep()
		hear()
		b.pass(time.Minute)
		// The queue delivers an order until it is carried out, at times once more; what
		// its dead letters would hold is sent again, counted from one.
		chosen := b.time()
		for try := 0; err == nil && order.Verdict == policy.Revoke; try++ {
			require.Less(t, try, 100)
			disturb()
			failed := b.sweeper().CloseSwept(t.Context(), order, sweep.Delivery{Try: try%5 + 1, Tries: 5, Chosen: chosen})
			hear()
			b.pass(15 * time.Minute)
			if failed == nil && !often("twice") {
				break
			}
		}
		b.pass(23 * time.Hour)
	}
	for group, ports := range kept {
		assert.ElementsMatch(t, ports, b.ports(group))
	}
	// In quiet there is nothing left to tell.
	for range 30 {
		_, _ = b.sweep() // uses up what is left of the faults
		b.pass(24 * time.Hour)
	}
	b.refused, b.alerts = 0, nil
	assert.Empty(t, b.day())
}
