package secgroup_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/secgroup"
)

func TestAGroupHoldsEachRuleOnceAndInOrder(t *testing.T) {
	tcp := func(d secgroup.Direction, port uint16, peer secgroup.Peer) secgroup.Permission {
		return secgroup.Permission{Direction: d, Protocol: secgroup.TCP, Ports: secgroup.PortRange{From: port, To: port}, Peer: peer}
	}
	world := secgroup.CIDRPeer(netip.MustParsePrefix("0.0.0.0/0"))
	other := secgroup.GroupPeer("sg-0fedcba9876543210", "")
	owned := secgroup.GroupPeer("sg-0fedcba9876543210", "111122223333")
	list := secgroup.PrefixListPeer("pl-0123456789abcdef0")
	g := secgroup.Group{
		Rules: []secgroup.Rule{
			{Permission: tcp(secgroup.Egress, 22, world)}, {Permission: tcp(secgroup.Ingress, 443, list), ID: "sgr-1"},
			{Permission: tcp(secgroup.Ingress, 22, other), ID: "sgr-2"},
			{Permission: tcp(secgroup.Ingress, 22, owned), Description: "office", Tags: []secgroup.Tag{{Key: "team"}}},
		},
		Unread: []string{"b", "a", "b"},
	}
	rules := append([]secgroup.Rule(nil), g.Rules...)
	g.Arrange()
	assert.Equal(t, []secgroup.Rule{
		{Permission: tcp(secgroup.Ingress, 22, owned), ID: "sgr-2", Description: "office", Tags: []secgroup.Tag{{Key: "team"}}},
		{Permission: tcp(secgroup.Ingress, 443, list), ID: "sgr-1"}, {Permission: tcp(secgroup.Egress, 22, world)},
	}, g.Rules)
	assert.Equal(t, []string{"a", "b"}, g.Unread)

	found, ok := secgroup.FindRule(g.Rules, tcp(secgroup.Ingress, 22, other))
	assert.True(t, ok, "whoever owns the peer")
	assert.Equal(t, "sgr-2", found.ID)
	_, ok = secgroup.FindRule(g.Rules, tcp(secgroup.Egress, 443, list))
	assert.False(t, ok)
	assert.Equal(t, []string{"pl-0123456789abcdef0"}, secgroup.PrefixLists(rules, nil, rules))
}
