package policy

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policy/document"
	"sgward/internal/policyyaml"
	"sgward/internal/secgroup"
)

func compiled(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := Compile(policyyaml.Document("policy.yaml", []byte(withHeader(text))))
	require.NoError(t, err)
	return p
}

func TestADocumentThatWasNotReadIsNoPolicy(t *testing.T) {
	p, err := Compile(document.Document{File: "policy.yaml"})
	assert.Nil(t, p)
	assert.EqualError(t, err, "policy.yaml:1: no document was read")
}

func TestAPolicySaysWhichPortsItClosesToTheWorldInAnyGroup(t *testing.T) {
	p := compiled(t, `statements:
  - {id: databases, severity: high, effect: revoke, ingress: {from: world, ports: [3306/tcp]}}
  - {id: told, severity: low, effect: alert, ingress: {from: world, ports: [8080/tcp]}}
  - {id: out, severity: low, effect: revoke, egress: {to: world, ports: [9/tcp]}}
  - {id: listed, severity: low, effect: revoke, ingress: {from: {in: [52.0.0.0/10]}, ports: [7/tcp]}}
`)
	assert.Equal(t, 4, p.Statements())
	assert.Equal(t, 0, p.Exceptions())
	for rule, want := range map[string]bool{
		"tcp 3306 from 203.0.113.7/32": true, "tcp 3000-4000 from 10.0.0.0/8": true, "all from 10.0.0.0/8": true,
		"tcp 8080 from 0.0.0.0/0": false, "tcp 9 from 0.0.0.0/0": false, "tcp 7 from 52.0.0.0/10": false, "udp 3306 from 0.0.0.0/0": false,
	} {
		r, err := parseRule(rule)
		require.NoError(t, err)
		assert.Equal(t, want, p.RevokesFromWorld(r.Permission), rule)
	}
	assert.True(t, p.IsWorld([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/1"), netip.MustParsePrefix("128.0.0.0/1")}))
	assert.False(t, p.IsWorld([]netip.Prefix{netip.MustParsePrefix("52.0.0.0/10")}))
}

func TestTheOwnerOfAGroupIsInTheTagThatThePolicyNames(t *testing.T) {
	const statement = "statements:\n  - {id: a, severity: low, effect: alert, ingress: {from: world}}\n"
	group := &secgroup.Group{TagsKnown: true, Tags: []secgroup.Tag{{Key: "team", Value: "data"}, {Key: "owner", Value: "web"}}}
	assert.Empty(t, compiled(t, statement).Owner(group))
	assert.Equal(t, "data", compiled(t, "owner-tag: team\n"+statement).Owner(group))
	assert.Empty(t, compiled(t, "owner-tag: team\n"+statement).Owner(&secgroup.Group{}))
}
