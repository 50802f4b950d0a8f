package sweep_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep"
	"sgward/internal/sweep/sweeptest"
)

func TestASweepReportsOnceWhatStandsAndThenOnlyWhatIsNew(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	data, web := b.Group("data"), b.Group("web")
	b.Open(data, 5432, "0.0.0.0/0")
	b.Open(data, 443, "0.0.0.0/0")
	b.Open(web, 6379, "0.0.0.0/0") // covered by an exception

	alerts := b.Day()
	require.Len(t, alerts, 1)
	a := alerts[0]
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeAlerted}, sweeptest.Told(a))
	assert.Contains(t, a.Findings[0].Left, "leaves existing ones")
	assert.Equal(t, policy.Alert, a.Findings[0].Verdict)
	require.NotNil(t, a.Sweep)
	assert.Equal(t, len(b.Server.Groups()), a.Sweep.Groups, "the default groups too")
	assert.Zero(t, a.Sweep.Known)
	assert.Empty(t, a.Sweep.Forgetful)
	assert.Zero(t, b.Revokes())

	assert.Empty(t, b.Day(), "nothing is new")

	b.Open(web, 5432, "0.0.0.0/0")
	alerts = b.Day()
	require.Len(t, alerts, 1)
	assert.Equal(t, map[string]finding.Outcome{"web 5432": finding.OutcomeAlerted}, sweeptest.Told(alerts[0]))
	assert.Equal(t, 1, alerts[0].Sweep.Known)
}

func TestWhatGoesAndComesBackIsNew(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	data, web := b.Group("data"), b.Group("web")
	b.Open(data, 5432, "0.0.0.0/0")
	require.Len(t, b.Day(), 1)
	b.Shut(data, 5432, "0.0.0.0/0")
	b.Open(web, 5432, "0.0.0.0/0")
	alerts := b.Day()
	require.Len(t, alerts, 1)
	assert.Equal(t, 1, alerts[0].Sweep.Gone)
	require.Len(t, b.Findings(), 1, "what is gone is forgotten")
	b.Open(data, 5432, "0.0.0.0/0")
	alerts = b.Day()
	require.Len(t, alerts, 1)
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeAlerted}, sweeptest.Told(alerts[0]))
	assert.Equal(t, alerts[0].Event.EventTime, *alerts[0].Findings[0].FirstSeen)
}

func TestWhatThePolicySaysOtherwiseOfIsReportedAgainWithItsAge(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling, finding.Enforce)
	b.Open(b.Group("data"), 5432, "0.0.0.0/0")
	first := b.Time()
	require.Len(t, b.Day(), 1)
	b.Policy = strings.Replace(sweeptest.Telling, "severity: high", "severity: critical", 1)
	alerts := b.Day()
	require.Len(t, alerts, 1)
	assert.Equal(t, first, *alerts[0].Findings[0].FirstSeen)
	assert.Empty(t, b.Day())
}

func TestASweepInObserveModeSaysOnceWhatItWouldClose(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Observe)
	group := b.Group("data")
	b.Open(group, 5432, "0.0.0.0/0")
	alerts := b.Day()
	require.Len(t, alerts, 1)
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeWouldRevoke}, sweeptest.Told(alerts[0]))
	assert.Empty(t, b.Day())
	assert.Zero(t, b.Revokes())
	assert.Equal(t, []int{5432}, b.Ports(group))
}

func TestASweepClosesWhatItsStatementSaysByWayOfAnOrder(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
	group := b.Group("data")
	b.Open(group, 5432, "0.0.0.0/0")
	b.Open(group, 443, "0.0.0.0/0")
	order, err := b.Sweep()
	require.NoError(t, err)
	assert.Equal(t, policy.Revoke, order.Verdict)
	require.Len(t, order.Findings, 1)
	assert.Empty(t, b.Alerts, "it is told when it is done")
	assert.Zero(t, b.Revokes(), "the first step only chooses")

	require.NoError(t, b.Close(order, 1))
	a := b.Alert()
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeRevoked}, sweeptest.Told(a))
	assert.True(t, a.Sweep.Closing)
	assert.Contains(t, a.Findings[0].Undo, "authorize-security-group-ingress")
	assert.Equal(t, []int{443}, b.Ports(group))
	assert.Empty(t, b.Day())
}

func TestARunClosesNoMoreThanItMayTheWorstFirstAndReportsTheRest(t *testing.T) {
	b := sweeptest.NewSweep(t, `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp]}}
  - {id: admin, severity: critical, effect: revoke, existing: revoke, ingress: {from: world, ports: [22/tcp]}}
`, finding.Enforce)
	b.Most = 2
	for _, name := range []string{"a", "b", "c"} {
		b.Open(b.Group(name), 5432, "0.0.0.0/0")
	}
	b.Open(b.Group("d"), 22, "0.0.0.0/0")
	order, err := b.Sweep()
	require.NoError(t, err)
	require.Len(t, order.Findings, 2)
	assert.Equal(t, "admin", order.Findings[0].StatementID)
	digest := b.Alert()
	assert.Len(t, digest.Findings, 2)
	assert.Equal(t, 2, digest.Sweep.Ordered)
	for _, f := range digest.Findings {
		assert.Equal(t, "a run closes no more than 2 rules, which leaves 2 open", f.Left)
	}
	require.NoError(t, b.Close(order, 1))
	b.Pass(24 * time.Hour)

	alerts := b.Day()
	require.Len(t, alerts, 1, "the rest goes the next day, and there is nothing new to tell beside")
	assert.True(t, alerts[0].Sweep.Closing)
	assert.Len(t, alerts[0].Findings, 2)
	assert.Empty(t, b.Day())
}

func TestASweepClosesNothingThatAClauseOnTheActorCouldExempt(t *testing.T) {
	b := sweeptest.NewSweep(t, `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp]}, unless: {actors: ["arn:aws:iam::123456789012:role/deployer"]}}
`, finding.Enforce)
	group := b.Group("data")
	b.Open(group, 5432, "0.0.0.0/0")
	alerts := b.Day()
	require.Len(t, alerts, 1)
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeAlerted}, sweeptest.Told(alerts[0]))
	assert.Contains(t, strings.Join(policy.Texts(alerts[0].Findings[0].Reasons), "\n"), "who made the rule")
	assert.Equal(t, []int{5432}, b.Ports(group))
}

func TestASweepLeavesWhatIsForbiddenOnlyInSumToPeople(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
	group := b.Group("data")
	b.Open(group, 5432, "0.0.0.0/1")
	b.Open(group, 5432, "128.0.0.0/1")
	require.Len(t, b.Day(), 1, "two halves are the world, each of them")
	group = b.Group("sums")
	for i := range 8 {
		b.Open(group, 5432, fmt.Sprintf("%d.0.0.0/12", 60+i))
	}
	alerts := b.Day()
	require.Len(t, alerts, 1)
	assert.False(t, alerts[0].Sweep.Closing)
	require.Len(t, alerts[0].Findings, 8)
	assert.True(t, alerts[0].Findings[0].Union)
	assert.Contains(t, alerts[0].Findings[0].Left, "people must choose")
	assert.Len(t, b.Ports(group), 8)
}

func TestAccessEndsByItselfOnTheDayAfterItsException(t *testing.T) {
	document := sweeptest.Closing + `
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
			b := sweeptest.NewSweep(t, c.document, finding.Enforce)
			group := b.Group("data")
			b.Open(group, 5432, "0.0.0.0/0")
			b.Pass(time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC).Sub(b.Time()))
			order, err := b.Sweep()
			require.NoError(t, err)
			require.Equal(t, policy.Compliant, order.Verdict)
			require.Empty(t, b.Alerts)
			require.Equal(t, []int{5432}, b.Ports(group))

			b.Pass(time.Second)
			alerts := b.Day()
			require.Len(t, alerts, 1)
			assert.Equal(t, map[string]finding.Outcome{"data 5432": c.want}, sweeptest.Told(alerts[0]))
			assert.Equal(t, c.left, b.Ports(group))
			assert.Equal(t, &finding.Exception{ID: "partner", Owner: "data@example.com", Expires: "2026-11-30"}, alerts[0].Findings[0].Ended)
		})
	}
}

func TestAccessEndsWithinAnHourOfItsExceptionsMoment(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing+`
exceptions:
  - {id: tonight, reason: a migration, owner: data@example.com, until: 2026-11-22T19:30+01:00, match: {ports: [5432/tcp]}}
`, finding.Enforce)
	group := b.Group("data")
	b.Open(group, 5432, "0.0.0.0/0")
	for b.Pass(15 * time.Minute); b.Time().Before(time.Date(2026, 11, 22, 18, 30, 0, 0, time.UTC)); b.Pass(time.Hour) {
		order, err := b.Sweep()
		require.NoError(t, err)
		require.Equal(t, policy.Compliant, order.Verdict, b.Time())
		require.Empty(t, b.Alerts)
	}
	alerts := b.Day()
	require.Len(t, alerts, 1)
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeRevoked}, sweeptest.Told(alerts[0]))
	assert.Empty(t, b.Ports(group))
	assert.Equal(t, &finding.Exception{ID: "tonight", Owner: "data@example.com", Expires: "2026-11-22T18:30:00Z"}, alerts[0].Findings[0].Ended)
}

// endings are a policy about temporary rules; %s is its effect on them.
const endings = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, ingress: {from: world, ports: [5432/tcp]}}
  - {id: ended, severity: low, effect: %s, ingress: {from: any, ended: true, protocols: [all]}}
`

// openUntil makes a rule with the tag for its end.
func openUntil(t *testing.T, b *sweeptest.Bench, group string, port int32, end string) {
	t.Helper()
	_, err := b.User.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group,
		IpPermissions:     []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, IpRanges: []types.IpRange{{CidrIp: aws.String("203.0.113.10/32")}}}},
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroupRule, Tags: []types.Tag{{Key: aws.String(policy.UntilTag), Value: &end}}}}})
	require.NoError(t, err)
}

func TestATemporaryRuleEndsWithinItsHour(t *testing.T) {
	for effect, c := range map[string]struct {
		outcome finding.Outcome
		left    []int
	}{
		"revoke, existing: revoke": {finding.OutcomeRevoked, []int{8080}},
		"revoke":                   {finding.OutcomeAlerted, []int{22, 8080}},
		"alert":                    {finding.OutcomeAlerted, []int{22, 8080}},
	} {
		t.Run(effect, func(t *testing.T) {
			b := sweeptest.NewSweep(t, fmt.Sprintf(endings, effect), finding.Enforce)
			group := b.Group("data")
			openUntil(t, b, group, 22, "2026-11-22T12:30Z")
			openUntil(t, b, group, 8080, "2026-11-23T12:30Z")
			for range 3 { // 10:00, 11:00, 12:00
				order, err := b.Sweep()
				require.NoError(t, err)
				require.Equal(t, policy.Compliant, order.Verdict)
				require.Empty(t, b.Alerts)
				b.Pass(time.Hour)
			}
			alerts := b.Day()
			require.Len(t, alerts, 1)
			assert.Equal(t, map[string]finding.Outcome{"data 22": c.outcome}, sweeptest.Told(alerts[0]))
			assert.Contains(t, alerts[0].Findings[0].Reasons[0].Text, "to a peer after the end in the tag sgward:until, which is 2026-11-22T12:30Z")
			assert.ElementsMatch(t, c.left, b.Ports(group))
		})
	}
}

func TestATagAloneClosesNoRule(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
	group := b.Group("data")
	openUntil(t, b, group, 22, "2026-11-01T12:30Z")
	assert.Empty(t, b.Day(), "the policy says nothing about ends")
	assert.Equal(t, []int{22}, b.Ports(group))

	b.Policy = fmt.Sprintf(endings, "revoke")
	assert.Equal(t, map[string]finding.Outcome{"data 22": finding.OutcomeAlerted}, sweeptest.Told(b.Day()[0]))
	b.Policy = fmt.Sprintf(endings, "revoke, existing: revoke")
	openUntil(t, b, group, 8080, "yesterday")
	b.Mode = finding.Observe
	assert.Equal(t, finding.OutcomeWouldRevoke, sweeptest.Told(b.Day()[0])["data 22"])
	assert.ElementsMatch(t, []int{22, 8080}, b.Ports(group))
	b.Mode = finding.Enforce
	b.Day()
	assert.Equal(t, []int{8080}, b.Ports(group), "a tag without a time ends nothing")
	assert.Zero(t, b.Metrics[sweep.MetricUnannounced])
}

func TestAnExceptionIsNamedOnlyBesideWhatItCoveredAndNotForEver(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Telling+"  - {id: partner, reason: r, owner: o@example.com, expires: 2026-11-20, match: {ports: [5432/tcp], peers: [52.0.0.0/8]}}\n", finding.Enforce)
	covered := b.Group("covered")
	b.Open(covered, 5432, "52.0.0.0/8")
	b.Open(b.Group("other"), 5432, "0.0.0.0/1")
	b.Open(b.Group("other two"), 5432, "54.0.0.0/8")
	ended := map[string]bool{}
	for _, f := range b.Day()[0].Findings {
		ended[f.GroupName] = f.Ended != nil
	}
	assert.Equal(t, map[string]bool{"covered": true, "other": false, "other two": false}, ended)
	b.Shut(covered, 5432, "52.0.0.0/8")
	b.Pass(20 * 24 * time.Hour)
	b.Day()
	b.Open(covered, 5432, "52.0.0.0/8")
	assert.Nil(t, b.Day()[0].Findings[0].Ended)
}

func TestAnExceptionThatRestsOnTagsIsReportedOnce(t *testing.T) {
	b := sweeptest.NewSweep(t, "allow-tag-exemptions: true\n"+sweeptest.Telling+"  - {id: tagged, reason: r, owner: o@example.com, expires: 2099-11-20, match: {group-tags: {open: \"yes\"}}}\n", finding.Enforce)
	group := b.Group("data")
	_, err := b.User.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{group}, Tags: []types.Tag{{Key: aws.String("open"), Value: aws.String("yes")}}})
	require.NoError(t, err)
	b.Open(group, 5432, "0.0.0.0/0")
	alerts := b.Day()
	require.Len(t, alerts, 1)
	assert.Equal(t, map[string]finding.Outcome{"data 5432": finding.OutcomeExempt}, sweeptest.Told(alerts[0]))
	assert.Empty(t, b.Day())
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

func TestAnOrderFitsItsMessageAndTheRestIsReportedAndGoesTheNextDay(t *testing.T) {
	b := sweeptest.NewSweep(t, sweeptest.Closing, finding.Enforce)
	b.Most = 10_000
	group := b.Group("data")
	_, err := b.User.AuthorizeSecurityGroupIngress(t.Context(), authorize(group, manyRanges(900)))
	require.NoError(t, err)

	order, err := b.Sweep()
	require.NoError(t, err)
	encoded, err := json.Marshal(order)
	require.NoError(t, err)
	assert.Less(t, len(encoded), 800_000, "the message holds the event beside it, and 1 MiB at most")
	assert.Greater(t, len(order.Findings), 500)
	digest := b.Alert()
	assert.Equal(t, 900, len(order.Findings)+len(digest.Findings))
	assert.Contains(t, digest.Findings[0].Left, "no room")
	require.NoError(t, b.Close(order, 1))
	b.Pass(24 * time.Hour)
	require.Len(t, b.Day(), 1)
	assert.Empty(t, b.Ports(group))
}
