package policy_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/secgroup"
)

const expiring = `
version: 1
world: {ipv4: 9, ipv6: 32}
allow-tag-exemptions: true
statements:
  - {id: database, severity: high, effect: revoke, ingress: {from: world, ports: [5432/tcp]}}
exceptions:
  - id: everything-there-is
    reason: a migration
    owner: data@example.com
    expires: 2026-11-30
    match:
      statements: [database]
      direction: ingress
      ports: [5432/tcp, 53/udp]
      peers: [203.0.113.0/24, "2001:db8::/32"]
      prefix-lists: [pl-0123456789abcdef0]
      referenced-groups: [sg-0fedcba9876543210]
      groups: [sg-00000001, sg-00000002, sg-00000003, sg-00000004, sg-00000005, sg-00000006, sg-00000007]
      vpcs: [vpc-0123456789abcdef0]
      accounts: ["123456789012"]
      regions: [us-east-1]
      group-tags: {exposure: public}
      actors: ["arn:aws:iam::123456789012:role/deploy"]
  - {id: sooner, reason: r, owner: s@example.com, expires: 2026-11-20, match: {vpcs: [vpc-0123456789abcdef0]}}
`

func TestExpiringSaysWhatIsCoveredUntilWhenTheFirstFirst(t *testing.T) {
	p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(expiring)))
	require.NoError(t, err)
	found := p.Expiring(time.Date(2026, 11, 20, 23, 59, 59, 0, time.UTC), "123456789012", "us-east-1")
	require.Len(t, found, 2)
	assert.Equal(t, policy.Expiry{
		ExceptionRef: policy.ExceptionRef{ID: "sooner", Owner: "s@example.com", Reason: "r", Expires: "2026-11-20", Line: 25},
		File:         "policy.yaml", Covers: "VPCs vpc-0123456789abcdef0", Ends: time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC),
	}, found[0])
	assert.Equal(t, "5432/tcp, 53/udp, ingress, peers 203.0.113.0/24 2001:db8::/32, prefix lists pl-0123456789abcdef0, "+
		"referenced groups sg-0fedcba9876543210, groups sg-00000001 sg-00000002 sg-00000003 sg-00000004 sg-00000005 and 2 more, "+
		"VPCs vpc-0123456789abcdef0, accounts 123456789012, regions us-east-1, group tags exposure=public, 1 actor, from the statements database", found[1].Covers)
}

func TestExpiringEndsADayAfterTheEnd(t *testing.T) {
	p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(expiring)))
	require.NoError(t, err)
	at := func(when string) (ids []string, ended bool) {
		now, err := time.Parse(time.RFC3339, when)
		require.NoError(t, err)
		for _, x := range p.Expiring(now, "", "") {
			if x.ID == "sooner" {
				ids, ended = append(ids, x.ID), x.Ended
			}
		}
		return ids, ended
	}
	for when, want := range map[string]struct{ told, ended bool }{
		"2026-11-06T23:59:59Z": {false, false},
		"2026-11-07T00:00:00Z": {true, false}, // 14 days before 24:00 of the last day
		"2026-11-20T23:59:59Z": {true, false},
		"2026-11-21T00:00:00Z": {true, true},
		"2026-11-21T23:59:59Z": {true, true},
		"2026-11-22T00:00:00Z": {false, false},
	} {
		ids, ended := at(when)
		assert.Equal(t, want.told, len(ids) == 1, when)
		assert.Equal(t, want.ended, ended, when)
	}
}

const hourly = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp]}}
exceptions:
  - {id: tonight, reason: a move, owner: s@example.com, until: 2026-11-20T19:30+01:00, match: {ports: [5432/tcp]}}
  - {id: seconds, reason: a move, owner: s@example.com, until: "2026-11-20T18:30:15Z", match: {ports: [22/tcp]}}
`

func TestAnExceptionAppliesUntilItsMoment(t *testing.T) {
	p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(hourly)))
	require.NoError(t, err)
	end := time.Date(2026, 11, 20, 18, 30, 0, 0, time.UTC)
	judge := func(at time.Time) policy.Judgement {
		return p.Evaluate(policy.Request{Time: at, Rules: []secgroup.Rule{{Permission: secgroup.Permission{
			Direction: secgroup.Ingress, Protocol: secgroup.TCP, Ports: secgroup.PortRange{From: 5432, To: 5432},
			Peer: secgroup.CIDRPeer(netip.MustParsePrefix("0.0.0.0/0")),
		}}}})[0]
	}
	before := judge(end.Add(-time.Nanosecond))
	require.Equal(t, policy.Exempt, before.Verdict)
	assert.Equal(t, "2026-11-20T18:30:00Z", before.Exception.Expires, "in UTC, with seconds, as RFC 3339 asks for")
	assert.Contains(t, before.Reasons[1].Text, "exempts from database until 2026-11-20T18:30Z: a move")
	assert.Equal(t, policy.Revoke, judge(end).Verdict)
	assert.Equal(t, policy.Undetermined, judge(time.Time{}).Verdict, "no time is known")

	found := p.Expiring(end.Add(time.Second), "", "")
	require.Len(t, found, 2)
	assert.Equal(t, [2]bool{true, false}, [2]bool{found[0].Ended, found[1].Ended}, "the second one ends 15 seconds later")
	assert.Equal(t, end, found[0].Ends)
	assert.Empty(t, p.Expiring(end.Add(24*time.Hour+15*time.Second), "", ""))

	assert.Contains(t, p.Warnings(end.Add(-time.Hour)).Error(),
		"policy.yaml:7: exception tonight expires at 2026-11-20T18:30Z: s@example.com should close the rule it covers or agree on a new date")
	assert.Contains(t, p.Warnings(end.Add(time.Minute)).Error(),
		"policy.yaml:8: exception seconds expired at 2026-11-20T18:30:15Z and no longer applies")
}

func TestExpiringLeavesOutOtherAccountsAndRegions(t *testing.T) {
	p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(expiring)))
	require.NoError(t, err)
	now := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	assert.Len(t, p.Expiring(now, "123456789012", "us-east-1"), 1)
	assert.Empty(t, p.Expiring(now, "111122223333", "us-east-1"))
	assert.Empty(t, p.Expiring(now, "123456789012", "eu-west-1"))
	assert.Len(t, p.Expiring(now, "", ""), 1)
}
