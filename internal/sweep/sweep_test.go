package sweep_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep"
	"sgward/localaws/dynamodbapi"
)

const memoryTable = "memory"

// sweepBench is a bench with a memory, and runs that follow each other.
type sweepBench struct {
	*bench
	db   *dynamodbapi.Server
	runs int
}

func newSweep(t *testing.T, document string, mode finding.Mode) *sweepBench {
	t.Helper()
	b := &sweepBench{bench: newBench(t, document, mode)}
	// A page holds some twenty items, so that scans have several.
	b.db = dynamodbapi.New(dynamodbapi.Config{Tables: []dynamodbapi.Table{{Name: memoryTable, Key: "id"}}, Page: 4096})
	web := httptest.NewServer(b.db)
	t.Cleanup(web.Close)
	b.memory = &sweep.Memory{Table: memoryTable, Client: dynamodb.New(dynamodb.Options{
		Region: region, BaseEndpoint: &web.URL, RetryMaxAttempts: 1, HTTPClient: wholeBody{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: sgwardKey, SecretAccessKey: "secret"}, nil
		}),
	})}
	return b
}

// sweep is the first step of a run.
func (b *sweepBench) sweep() (finding.Detection, error) {
	b.runs++
	return b.sweeper().Sweep(b.t.Context(), cloudtrail.Event{
		EventID: fmt.Sprint("run ", b.runs), EventName: "Scheduled Event", EventTime: b.time(), AccountID: b.account, Region: region,
	})
}

func (b *sweepBench) closeSwept(order finding.Detection, try int) error {
	return b.sweeper().CloseSwept(b.t.Context(), order, sweep.Delivery{Try: try, Tries: 5, Chosen: b.time()})
}

// day is a run with both steps, as the queue brings them, and the alerts of it. The
// next one comes a day later.
func (b *sweepBench) day() []finding.Alert {
	b.t.Helper()
	b.alerts = nil
	order, err := b.sweep()
	require.NoError(b.t, err)
	if order.Verdict == policy.Revoke {
		require.NoError(b.t, b.closeSwept(order, 1))
	} else {
		require.Equal(b.t, policy.Compliant, order.Verdict)
	}
	b.pass(24 * time.Hour)
	return b.alerts
}

// shut revokes what open made.
func (b *sweepBench) shut(group string, port int32, cidr string) {
	b.t.Helper()
	_, err := b.user.RevokeSecurityGroupIngress(b.t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group,
		IpPermissions: []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, IpRanges: []types.IpRange{{CidrIp: &cidr}}}}})
	require.NoError(b.t, err)
}

func TestASweepTellsOnceWhatStandsAndThenOnlyWhatIsNew(t *testing.T) {
	b := newSweep(t, telling, finding.Enforce)
	data, web := b.group("data"), b.group("web")
	b.open(data, 5432, "0.0.0.0/0")
	b.open(data, 443, "0.0.0.0/0")
	b.open(web, 6379, "0.0.0.0/0") // covered by an exception

	alerts := b.day()
	require.Len(t, alerts, 1)
	a := alerts[0]
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeAlerted}, told(a))
	assert.Contains(t, a.Findings[0].Left, "existing: revoke")
	assert.Equal(t, policy.Alert, a.Findings[0].Verdict)
	require.NotNil(t, a.Sweep)
	assert.Equal(t, len(b.server.Groups()), a.Sweep.Groups, "the default groups too")
	assert.Zero(t, a.Sweep.Known)
	assert.Empty(t, a.Sweep.Forgetful)
	assert.Zero(t, b.revokes())

	assert.Empty(t, b.day(), "nothing is new")

	b.open(web, 5432, "0.0.0.0/0")
	alerts = b.day()
	require.Len(t, alerts, 1)
	assert.Equal(t, map[string]finding.Outcome{"web 5432": finding.OutcomeAlerted}, told(alerts[0]))
	assert.Equal(t, 1, alerts[0].Sweep.Known)
}

func TestWhatGoesAndComesBackIsNew(t *testing.T) {
	b := newSweep(t, telling, finding.Enforce)
	data, web := b.group("data"), b.group("web")
	b.open(data, 5432, "0.0.0.0/0")
	require.Len(t, b.day(), 1)
	b.shut(data, 5432, "0.0.0.0/0")
	b.open(web, 5432, "0.0.0.0/0")
	alerts := b.day()
	require.Len(t, alerts, 1)
	assert.Equal(t, 1, alerts[0].Sweep.Gone)
	require.Len(t, b.db.Items(memoryTable), 1, "what is gone is forgotten")
	b.open(data, 5432, "0.0.0.0/0")
	alerts = b.day()
	require.Len(t, alerts, 1)
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeAlerted}, told(alerts[0]))
	assert.Equal(t, alerts[0].Event.EventTime, *alerts[0].Findings[0].FirstSeen)
}

func TestWhatThePolicySaysOtherwiseOfIsToldAgainWithItsAge(t *testing.T) {
	b := newSweep(t, telling, finding.Enforce)
	b.open(b.group("data"), 5432, "0.0.0.0/0")
	first := b.time()
	require.Len(t, b.day(), 1)
	b.policy = strings.Replace(telling, "severity: high", "severity: critical", 1)
	alerts := b.day()
	require.Len(t, alerts, 1)
	assert.Equal(t, first, *alerts[0].Findings[0].FirstSeen)
	assert.Empty(t, b.day())
}

func TestASweepInObserveModeSaysOnceWhatItWouldClose(t *testing.T) {
	b := newSweep(t, closing, finding.Observe)
	group := b.group("data")
	b.open(group, 5432, "0.0.0.0/0")
	alerts := b.day()
	require.Len(t, alerts, 1)
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeWouldRevoke}, told(alerts[0]))
	assert.Empty(t, b.day())
	assert.Zero(t, b.revokes())
	assert.Equal(t, []int{5432}, b.ports(group))
}

func TestASweepClosesWhatItsStatementSaysByWayOfAnOrder(t *testing.T) {
	b := newSweep(t, closing, finding.Enforce)
	group := b.group("data")
	b.open(group, 5432, "0.0.0.0/0")
	b.open(group, 443, "0.0.0.0/0")
	order, err := b.sweep()
	require.NoError(t, err)
	assert.Equal(t, policy.Revoke, order.Verdict)
	require.Len(t, order.Findings, 1)
	assert.Empty(t, b.alerts, "it is told when it is done")
	assert.Zero(t, b.revokes(), "the first step only chooses")

	require.NoError(t, b.closeSwept(order, 1))
	a := b.alert()
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeRevoked}, told(a))
	assert.True(t, a.Sweep.Closing)
	assert.Contains(t, a.Findings[0].Undo, "authorize-security-group-ingress")
	assert.Equal(t, []int{443}, b.ports(group))
	assert.Empty(t, b.day())
}

func TestARunClosesNoMoreThanItMayTheWorstFirstAndTellsTheRest(t *testing.T) {
	b := newSweep(t, `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp]}}
  - {id: admin, severity: critical, effect: revoke, existing: revoke, ingress: {from: world, ports: [22/tcp]}}
`, finding.Enforce)
	b.most = 2
	for _, name := range []string{"a", "b", "c"} {
		b.open(b.group(name), 5432, "0.0.0.0/0")
	}
	b.open(b.group("d"), 22, "0.0.0.0/0")
	order, err := b.sweep()
	require.NoError(t, err)
	require.Len(t, order.Findings, 2)
	assert.Equal(t, "admin", order.Findings[0].StatementID)
	digest := b.alert()
	assert.Len(t, digest.Findings, 2)
	assert.Equal(t, 2, digest.Sweep.Ordered)
	for _, f := range digest.Findings {
		assert.Equal(t, "a run closes no more than MAX_REVOKES=2, which leaves 2 open", f.Left)
	}
	require.NoError(t, b.closeSwept(order, 1))
	b.pass(24 * time.Hour)

	alerts := b.day()
	require.Len(t, alerts, 1, "the rest goes the next day, and there is nothing new to tell beside")
	assert.True(t, alerts[0].Sweep.Closing)
	assert.Len(t, alerts[0].Findings, 2)
	assert.Empty(t, b.day())
}

func TestASweepClosesNothingThatAClauseOnTheActorCouldExempt(t *testing.T) {
	b := newSweep(t, `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp]}, unless: {actors: ["arn:aws:iam::123456789012:role/deployer"]}}
`, finding.Enforce)
	group := b.group("data")
	b.open(group, 5432, "0.0.0.0/0")
	alerts := b.day()
	require.Len(t, alerts, 1)
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeAlerted}, told(alerts[0]))
	assert.Contains(t, strings.Join(policy.Texts(alerts[0].Findings[0].Reasons), "\n"), "who made the rule")
	assert.Equal(t, []int{5432}, b.ports(group))
}

func TestASweepLeavesWhatIsForbiddenOnlyInSumToPeople(t *testing.T) {
	b := newSweep(t, closing, finding.Enforce)
	group := b.group("data")
	b.open(group, 5432, "0.0.0.0/1")
	b.open(group, 5432, "128.0.0.0/1")
	require.Len(t, b.day(), 1, "two halves are the world, each of them")
	group = b.group("sums")
	for i := range 8 {
		b.open(group, 5432, fmt.Sprintf("%d.0.0.0/12", 60+i))
	}
	alerts := b.day()
	require.Len(t, alerts, 1)
	assert.False(t, alerts[0].Sweep.Closing)
	require.Len(t, alerts[0].Findings, 8)
	assert.True(t, alerts[0].Findings[0].Union)
	assert.Contains(t, alerts[0].Findings[0].Left, "only people can tell")
	assert.Len(t, b.ports(group), 8)
}

func TestAccessEndsByItselfOnTheDayAfterItsException(t *testing.T) {
	document := closing + `
exceptions:
  - {id: partner, reason: a migration, owner: data@example.com, expires: 2026-11-30, match: {ports: [5432/tcp]}}
`
	for name, c := range map[string]struct {
		document string
		want     finding.Outcome
		left     []int
	}{
		"closed where the statement says so": {document, finding.OutcomeRevoked, []int{}},
		"told where it does not":             {strings.Replace(document, ", existing: revoke", "", 1), finding.OutcomeAlerted, []int{5432}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newSweep(t, c.document, finding.Enforce)
			group := b.group("data")
			b.open(group, 5432, "0.0.0.0/0")
			b.pass(time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC).Sub(b.time()))
			order, err := b.sweep()
			require.NoError(t, err)
			require.Equal(t, policy.Compliant, order.Verdict)
			require.Empty(t, b.alerts)
			require.Equal(t, []int{5432}, b.ports(group))

			b.pass(time.Second)
			alerts := b.day()
			require.Len(t, alerts, 1)
			assert.Equal(t, map[string]finding.Outcome{"data 5432": c.want}, told(alerts[0]))
			assert.Equal(t, c.left, b.ports(group))
			assert.Equal(t, &finding.Exception{ID: "partner", Owner: "data@example.com", Expires: "2026-11-30"}, alerts[0].Findings[0].Ended)
		})
	}
}

func TestAnExceptionIsNamedOnlyBesideWhatItCoveredAndNotForEver(t *testing.T) {
	b := newSweep(t, telling+"  - {id: partner, reason: r, owner: o@example.com, expires: 2026-11-20, match: {ports: [5432/tcp], peers: [52.0.0.0/8]}}\n", finding.Enforce)
	covered := b.group("covered")
	b.open(covered, 5432, "52.0.0.0/8")
	b.open(b.group("other"), 5432, "0.0.0.0/1")
	b.open(b.group("other two"), 5432, "54.0.0.0/8")
	ended := map[string]bool{}
	for _, f := range b.day()[0].Findings {
		ended[f.GroupName] = f.Ended != nil
	}
	assert.Equal(t, map[string]bool{"covered": true, "other": false, "other two": false}, ended)
	b.shut(covered, 5432, "52.0.0.0/8")
	b.pass(20 * 24 * time.Hour)
	b.day()
	b.open(covered, 5432, "52.0.0.0/8")
	assert.Nil(t, b.day()[0].Findings[0].Ended)
}

func TestAnExceptionThatRestsOnTagsIsToldOnce(t *testing.T) {
	b := newSweep(t, "allow-tag-exemptions: true\n"+telling+"  - {id: tagged, reason: r, owner: o@example.com, expires: 2099-11-20, match: {group-tags: {open: \"yes\"}}}\n", finding.Enforce)
	group := b.group("data")
	_, err := b.user.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{group}, Tags: []types.Tag{{Key: aws.String("open"), Value: aws.String("yes")}}})
	require.NoError(t, err)
	b.open(group, 5432, "0.0.0.0/0")
	alerts := b.day()
	require.Len(t, alerts, 1)
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeExempt}, told(alerts[0]))
	assert.Empty(t, b.day())
}

// manyRanges are ranges of ports with 5432 in each, open to the world and with long
// descriptions.
func manyRanges(n int) []types.IpPermission {
	var out []types.IpPermission
	for i := range int32(n) {
		out = append(out, types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(4000 + i), ToPort: aws.Int32(5432),
			IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0"), Description: aws.String(strings.Repeat("long ", 51))}}})
	}
	return out
}

func authorize(group string, permissions []types.IpPermission) *ec2.AuthorizeSecurityGroupIngressInput {
	return &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: permissions}
}

func TestAnOrderFitsItsMessageAndTheRestIsToldAndGoesTheNextDay(t *testing.T) {
	b := newSweep(t, closing, finding.Enforce)
	b.most = 10_000
	group := b.group("data")
	_, err := b.user.AuthorizeSecurityGroupIngress(t.Context(), authorize(group, manyRanges(900)))
	require.NoError(t, err)

	order, err := b.sweep()
	require.NoError(t, err)
	encoded, err := json.Marshal(order)
	require.NoError(t, err)
	assert.Less(t, len(encoded), 800_000, "the message holds the event beside it, and 1 MiB at most")
	assert.Greater(t, len(order.Findings), 500)
	digest := b.alert()
	assert.Equal(t, 900, len(order.Findings)+len(digest.Findings))
	assert.Contains(t, digest.Findings[0].Left, "no room")
	require.NoError(t, b.closeSwept(order, 1))
	b.pass(24 * time.Hour)
	require.Len(t, b.day(), 1)
	assert.Empty(t, b.ports(group))
}
