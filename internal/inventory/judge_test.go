package inventory

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/ec2rules"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/secgroup"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// rule reads "ingress tcp 22 0.0.0.0/0"; what is no port is every port.
func rule(t testing.TB, text string) secgroup.Rule {
	t.Helper()
	words := strings.Fields(text)
	require.Len(t, words, 4, text)
	direction, err := secgroup.ParseDirection(words[0])
	require.NoError(t, err)
	protocol, err := secgroup.ParseProtocol(words[1])
	require.NoError(t, err)
	var from, to *int
	var port int
	if n, _ := fmt.Sscan(words[2], &port); n == 1 {
		from, to = &port, &port
	}
	peer := secgroup.PrefixListPeer(words[3])
	if strings.HasPrefix(words[3], "sg-") {
		peer = secgroup.GroupPeer(words[3], "")
	} else if strings.Contains(words[3], "/") {
		peer, err = secgroup.ParseCIDRPeer(words[3])
		require.NoError(t, err)
	}
	p, err := secgroup.NewPermission(direction, protocol, from, to, peer)
	require.NoError(t, err)
	return secgroup.Rule{GroupID: webID, OwnerID: "123456789012", Permission: p}
}

func group(t testing.TB, rules ...string) secgroup.Group {
	t.Helper()
	g := secgroup.Group{ID: webID, Name: "web", VPCID: "vpc-0123456789abcdef0", TagsKnown: true, OwnerID: "123456789012", Region: "us-east-1"}
	for _, r := range rules {
		g.Rules = append(g.Rules, rule(t, r))
	}
	return g
}

func parsed(t testing.TB, text string) *policy.Policy {
	t.Helper()
	p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte("version: 1\nworld: {ipv4: 9, ipv6: 32}\n"+text)))
	require.NoError(t, err)
	return p
}

func TestOneOpeningIsOneFindingWhateverStatementsItMeets(t *testing.T) {
	p := parsed(t, `
statements:
  - {id: admin, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [22/tcp]}}
  - {id: any, severity: low, effect: alert, ingress: {from: world, ports: [0-65535/tcp]}}
`)
	g := group(t, "ingress tcp 443 10.0.0.0/8", "ingress tcp 22 0.0.0.0/0", "ingress tcp 80 0.0.0.0/0", "egress tcp 22 0.0.0.0/0")
	found := Judge(p, g, ec2rules.PrefixLists{}, now)
	require.Len(t, found, 2)
	assert.Equal(t, []any{policy.Revoke, policy.High, "admin", 2, policy.ExistingRevoke},
		[]any{found[0].Verdict, found[0].Severity, found[0].StatementID, len(found[0].Reasons), found[0].Existing})
	assert.Equal(t, []any{policy.Alert, "any", policy.ExistingAlert}, []any{found[1].Verdict, found[1].StatementID, found[1].Existing})
	assert.Equal(t, g.Rules[1], found[0].Held)
	assert.Equal(t, g.Rules[1], *found[0].Rule)
	assert.Equal(t, []string{"123456789012", "us-east-1", webID, "web", "vpc-0123456789abcdef0"},
		[]string{found[0].AccountID, found[0].Region, found[0].GroupID, found[0].GroupName, found[0].VPCID})
}

func TestAGroupIsJudgedAsAWhole(t *testing.T) {
	p := parsed(t, "statements: [{id: db, severity: high, effect: revoke, ingress: {from: world, ports: [5432/tcp]}}]")
	half := group(t, "ingress tcp 5432 0.0.0.0/1")
	found := Judge(p, half, ec2rules.PrefixLists{}, now)
	require.Len(t, found, 1, "a half is more than the line of /9")
	var many []string
	for i := range 256 { // /16 each: none reaches the threshold, together they do
		many = append(many, fmt.Sprintf("ingress tcp 5432 3.%d.0.0/16", i))
	}
	found = Judge(p, group(t, many...), ec2rules.PrefixLists{}, now)
	require.Len(t, found, 256)
	for _, f := range found {
		assert.True(t, f.Union)
		assert.Equal(t, policy.Revoke, f.Verdict)
	}
	assert.Empty(t, Judge(p, group(t, many[:10]...), ec2rules.PrefixLists{}, now))
}

func TestIDsOutliveTheSourceAndTheRule(t *testing.T) {
	p := parsed(t, "statements: [{id: db, severity: high, effect: revoke, ingress: {from: {referenced-groups: [sg-0fedcba9876543210]}, ports: [5432/tcp]}}, {id: ssh, severity: high, effect: revoke, ingress: {from: world, ports: [22/tcp]}}]")
	ids := func(g secgroup.Group) []string {
		var out []string
		for _, f := range Judge(p, g, ec2rules.PrefixLists{}, now) {
			out = append(out, f.ID)
		}
		return out
	}
	g := group(t, "ingress tcp 22 0.0.0.0/0", "ingress tcp 5432 sg-0fedcba9876543210")
	first := ids(g)
	require.Len(t, first, 2)
	g.Rules[0], g.Rules[1] = g.Rules[1], g.Rules[0]
	g.Rules[0].ID, g.Rules[0].Description = "sgr-0123456789abcdef0", "made again"
	g.Rules[0].Permission.Peer = secgroup.GroupPeer("sg-0fedcba9876543210", "111122223333")
	g.Name, g.VPCID, g.TagsKnown = "", "", false
	assert.Equal(t, []string{first[1], first[0]}, ids(g))
	for _, change := range []func(*secgroup.Group){
		func(g *secgroup.Group) { g.ID = dbID }, func(g *secgroup.Group) { g.Region = "eu-central-1" }, func(g *secgroup.Group) { g.OwnerID = "111122223333" },
	} {
		other := g
		change(&other)
		assert.NotEqual(t, first[0], ids(other)[1])
	}
}

func TestWhatCannotBeKnownIsAnAlertAndSaysWhy(t *testing.T) {
	p := parsed(t, `
statements:
  - {id: ssh, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [22/tcp]}, unless: {actors: ["arn:aws:iam::123456789012:role/net"]}}
  - {id: db, severity: critical, effect: revoke, ingress: {from: world, ports: [5432/tcp]}}
`)
	list := group(t, "ingress tcp 5432 pl-0123456789abcdef0")
	found := Judge(p, group(t, "ingress tcp 22 0.0.0.0/0"), ec2rules.PrefixLists{}, now)
	require.Len(t, found, 1)
	assert.Equal(t, policy.Alert, found[0].Verdict)
	require.Len(t, found[0].Reasons, 1)
	assert.Contains(t, found[0].Reasons[0].String(), "not known: who made the rule")

	found = Judge(p, list, ec2rules.PrefixLists{Unreadable: map[string]string{listID: "it is not shared with this account", "pl-0fedcba9876543210": "another"}}, now)
	require.Len(t, found, 1)
	assert.Equal(t, []any{policy.Alert, policy.Critical}, []any{found[0].Verdict, found[0].Severity})
	require.Len(t, found[0].Reasons, 2)
	assert.Contains(t, found[0].Reasons[0].String(), "not known: the prefix list's entries")
	assert.Equal(t, "it is not shared with this account", found[0].Reasons[1].String())

	entries := func(cidr string) ec2rules.PrefixLists {
		return ec2rules.PrefixLists{Known: map[string]secgroup.PrefixList{listID: {OwnerID: "123456789012", Entries: []netip.Prefix{netip.MustParsePrefix(cidr)}}}}
	}
	assert.Empty(t, Judge(p, list, entries("10.0.0.0/8"), now))
	assert.Equal(t, policy.Revoke, Judge(p, list, entries("0.0.0.0/1"), now)[0].Verdict)
}

func TestAnExemptRuleIsAFindingThatSaysWhoAnswersForIt(t *testing.T) {
	p := parsed(t, `
statements: [{id: ssh, severity: high, effect: revoke, ingress: {from: world, ports: [22/tcp]}}]
exceptions: [{id: demo, reason: a demo, owner: demo@example.com, expires: 2099-12-31, match: {ports: [22/tcp]}}]
`)
	found := Judge(p, group(t, "ingress tcp 22 0.0.0.0/0"), ec2rules.PrefixLists{}, now)
	require.Len(t, found, 1)
	assert.Equal(t, policy.Exempt, found[0].Verdict)
	assert.Equal(t, "demo", found[0].Exception.ID)
}

// Judge against the policy, asked in the most obvious way.
func TestJudgeSaysWhatThePolicySays(t *testing.T) {
	p := shippedPolicy(t)
	random := rand.New(rand.NewPCG(1, 2))
	cidrs := []string{"0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0", "10.0.0.0/8", "203.0.113.0/24", "3.0.0.0/8", "4.0.0.0/9", "2001:db8::/32", "pl-0123456789abcdef0", "sg-0fedcba9876543210"}
	protocols := []string{"tcp", "tcp", "tcp", "udp", "-1", "icmp", "47"}
	lists := ec2rules.PrefixLists{Known: map[string]secgroup.PrefixList{}}
	judged := 0
	for round := range 300 {
		g := group(t)
		for range random.IntN(12) {
			direction := []string{"ingress", "egress"}[random.IntN(2)]
			port := []string{"22", "443", "3306", "5432", "8080", "all"}[random.IntN(6)]
			protocol := protocols[random.IntN(len(protocols))]
			if protocol == "icmp" {
				port = "all"
			}
			g.Rules = append(g.Rules, rule(t, strings.Join([]string{direction, protocol, port, cidrs[random.IntN(len(cidrs))]}, " ")))
		}
		if round%2 == 0 {
			lists.Known[listID] = secgroup.PrefixList{OwnerID: "123456789012", Entries: []netip.Prefix{netip.MustParsePrefix("64.0.0.0/2")}}
		} else {
			delete(lists.Known, listID)
		}
		judgements := p.Evaluate(policy.Request{
			Time: now, AccountID: g.OwnerID, Region: g.Region, Group: g, Rules: g.Rules, StandingKnown: true, PrefixLists: lists.Known,
		})
		found := Judge(p, g, lists, now)
		for i, j := range judgements {
			if j.Verdict == policy.Compliant {
				continue
			}
			require.NotEmpty(t, found)
			f := found[0]
			found = found[1:]
			judged++
			assert.Equal(t, g.Rules[i], f.Held)
			assert.Equal(t, []any{j.StatementID, j.Severity, j.Union}, []any{f.StatementID, f.Severity, f.Union})
			want := map[policy.Verdict]policy.Verdict{
				policy.Revoke: policy.Revoke, policy.Alert: policy.Alert, policy.Exempt: policy.Exempt, policy.Undetermined: policy.Alert,
			}[j.Verdict]
			assert.Equal(t, want, f.Verdict)
		}
		require.Empty(t, found)
	}
	assert.Greater(t, judged, 300)
}
