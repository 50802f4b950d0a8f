package secgroup

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func number(n int) *int { return &n }

func TestZeroValuesNameNothing(t *testing.T) {
	assert.Equal(t, "unknown", Direction(0).String())
	assert.Equal(t, NoPeer, Peer{}.Kind())
	assert.Equal(t, "no peer", Peer{}.String())
	assert.Equal(t, PortRange{0, 0}, PortRange{}, "port 0 alone, not every port")
	assert.False(t, PortRange{}.Contains(1))
	_, ok := Permission{}.PortRange()
	assert.False(t, ok)
	assert.Equal(t, "unknown unknown traffic from no peer", Permission{}.String())
	_, err := NewPermission(Ingress, "", nil, nil, PrefixListPeer("pl-0123456789abcdef0"))
	assert.EqualError(t, err, "building permission: protocol is missing")
	_, err = NewPermission(Ingress, TCP, number(22), number(22), Peer{})
	assert.EqualError(t, err, "building permission: peer is missing")
}

func TestDirectionsAreReadAsEC2SaysThem(t *testing.T) {
	for _, d := range []Direction{Ingress, Egress} {
		back, err := ParseDirection(d.String())
		require.NoError(t, err)
		assert.Equal(t, d, back)
	}
	for _, s := range []string{"", "inbound", "unknown", "Ingress"} {
		d, err := ParseDirection(s)
		assert.Error(t, err, s)
		assert.Zero(t, d)
	}
}

func TestEverySpellingOfAProtocolIsOneProtocol(t *testing.T) {
	for want, spellings := range map[Protocol][]string{
		TCP:          {"tcp", "TCP", "Tcp", "6", "06", "006"},
		UDP:          {"udp", "UDP", "17", "017"},
		ICMPv4:       {"icmp", "ICMP", "1", "01"},
		ICMPv6:       {"icmpv6", "ICMPv6", "58", "058"},
		AllProtocols: {"-1", "all", "ALL"},
		"47":         {"47", "047"},
		"0":          {"0", "00"},
		"255":        {"255"},
	} {
		for _, s := range spellings {
			got, err := ParseProtocol(s)
			require.NoError(t, err, s)
			assert.Equal(t, want, got, s)
		}
	}
	for _, s := range []string{"", "256", "-2", "+6", "6.0", "sctp", " tcp", "any", "*"} {
		got, err := ParseProtocol(s)
		assert.Error(t, err, s)
		assert.Empty(t, got)
	}
}

func TestEveryNumberIsAProtocolOfItsOwn(t *testing.T) {
	seen := map[Protocol]int{}
	for n := range 256 {
		p, err := ParseProtocol(PortRange{uint16(n), uint16(n)}.String())
		require.NoError(t, err)
		before, taken := seen[p]
		assert.False(t, taken, "%d and %d", before, n)
		seen[p] = n
	}
}

func TestPortsAsEC2WritesThem(t *testing.T) {
	peer := PrefixListPeer("pl-0123456789abcdef0")
	for _, c := range []struct {
		name     string
		protocol Protocol
		from, to *int
		want     PortRange
		ok       bool
	}{
		{"one port", TCP, number(22), number(22), PortRange{22, 22}, true},
		{"port 0 is port 0", TCP, number(0), number(0), PortRange{0, 0}, true},
		{"every port", UDP, number(0), number(65535), AllPorts, true},
		{"left out", TCP, nil, nil, AllPorts, true},
		{"-1 and -1", TCP, number(-1), number(-1), AllPorts, true},
		{"all protocols, ports left out", AllProtocols, nil, nil, AllPorts, true},
		{"all protocols, 0 and 0", AllProtocols, number(0), number(0), AllPorts, true},
		{"all protocols, one port", AllProtocols, number(22), number(22), AllPorts, true},
		{"GRE", "47", number(22), number(22), PortRange{}, false},
		{"ICMP", ICMPv4, number(3), number(22), PortRange{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := NewPermission(Ingress, c.protocol, c.from, c.to, peer)
			require.NoError(t, err)
			got, ok := p.PortRange()
			assert.Equal(t, c.ok, ok)
			assert.Equal(t, c.want, got)
		})
	}
	for name, bad := range map[string][2]*int{
		"one is missing": {number(22), nil}, "the other is missing": {nil, number(22)}, "turned round": {number(23), number(22)},
		"too high": {number(1), number(65536)}, "below zero": {number(-1), number(22)}, "far below": {number(-2), number(-2)},
	} {
		_, err := NewPermission(Ingress, TCP, bad[0], bad[1], peer)
		assert.Error(t, err, name)
	}
}

func TestPermissionsThatEC2StoresAlikeAreEqual(t *testing.T) {
	peer, err := ParseCIDRPeer("203.0.113.77/24")
	require.NoError(t, err)
	masked, err := ParseCIDRPeer("203.0.113.0/24")
	require.NoError(t, err)
	a, err := NewPermission(Ingress, AllProtocols, number(22), number(22), peer)
	require.NoError(t, err)
	b, err := NewPermission(Ingress, AllProtocols, nil, nil, masked)
	require.NoError(t, err)
	assert.Equal(t, a, b)
	from, to := a.FromTo()
	assert.Equal(t, [2]int{-1, -1}, [2]int{from, to})
}

func TestICMPTypesAndCodes(t *testing.T) {
	peer := PrefixListPeer("pl-0123456789abcdef0")
	for want, fields := range map[string][2]*int{
		"icmp": {nil, nil}, "icmp type 8": {number(8), number(-1)}, "icmp type 3 code 4": {number(3), number(4)}, "icmp type 0 code 0": {number(0), number(0)},
	} {
		p, err := NewPermission(Ingress, ICMPv4, fields[0], fields[1], peer)
		require.NoError(t, err)
		assert.Equal(t, want, p.Traffic())
	}
	p, err := NewPermission(Ingress, ICMPv6, number(128), number(0), peer)
	require.NoError(t, err)
	from, to := p.FromTo()
	assert.Equal(t, [2]int{128, 0}, [2]int{from, to})
	for _, bad := range [][2]int{{256, 0}, {-2, 0}, {3, 256}, {3, -2}} {
		_, err := NewPermission(Ingress, ICMPv4, &bad[0], &bad[1], peer)
		assert.Error(t, err, "%v", bad)
	}
}

func TestCIDRPeersAreMasked(t *testing.T) {
	for text, want := range map[string]string{
		"1.2.3.4/0": "0.0.0.0/0", "203.0.113.77/24": "203.0.113.0/24", "203.0.113.7/32": "203.0.113.7/32",
		"2001:db8::1/32": "2001:db8::/32", "::1/0": "::/0", "::ffff:10.1.2.3/104": "::ffff:10.0.0.0/104",
	} {
		p, err := ParseCIDRPeer(text)
		require.NoError(t, err)
		assert.Equal(t, CIDRPeerKind, p.Kind())
		assert.Equal(t, want, p.String())
		assert.Equal(t, netip.MustParsePrefix(want), p.CIDR())
		assert.Empty(t, p.PrefixList())
		id, owner := p.Group()
		assert.Empty(t, id+owner)
	}
	for _, bad := range []string{"", "203.0.113.7", "203.0.113.0/33", "203.0.113/24", "0.0.0.0/", "fe80::%eth0/64", "203.0.113.0/-1", "sg-1/8"} {
		p, err := ParseCIDRPeer(bad)
		assert.Error(t, err, bad)
		assert.Equal(t, Peer{}, p)
	}
	assert.Equal(t, Peer{}, CIDRPeer(netip.Prefix{}))
}

func TestPeersOfOtherKinds(t *testing.T) {
	list := PrefixListPeer("pl-0123456789abcdef0")
	assert.Equal(t, PrefixListPeerKind, list.Kind())
	assert.Equal(t, "pl-0123456789abcdef0", list.PrefixList())
	assert.Equal(t, "pl-0123456789abcdef0", list.String())
	assert.False(t, list.CIDR().IsValid())

	group := GroupPeer("sg-0123456789abcdef0", "111122223333")
	id, owner := group.Group()
	assert.Equal(t, []string{"sg-0123456789abcdef0", "111122223333"}, []string{id, owner})
	assert.Equal(t, "111122223333/sg-0123456789abcdef0", group.String())
	assert.Equal(t, "sg-0123456789abcdef0", GroupPeer("sg-0123456789abcdef0", "").String())
	assert.Empty(t, group.PrefixList())
	assert.NotEqual(t, group, GroupPeer("sg-0123456789abcdef0", "123456789012"), "a group of another account is another peer")

	assert.Equal(t, Peer{}, PrefixListPeer(""))
	assert.Equal(t, Peer{}, GroupPeer("", "111122223333"))
}

func TestPermissionsAndRulesReadAsPeopleSayThem(t *testing.T) {
	peer, err := ParseCIDRPeer("0.0.0.0/0")
	require.NoError(t, err)
	tcp, err := NewPermission(Ingress, TCP, number(3306), number(3306), peer)
	require.NoError(t, err)
	udp, err := NewPermission(Egress, UDP, number(1), number(1024), peer)
	require.NoError(t, err)
	all, err := NewPermission(Ingress, AllProtocols, nil, nil, peer)
	require.NoError(t, err)
	esp, err := NewPermission(Ingress, "50", nil, nil, peer)
	require.NoError(t, err)
	assert.Equal(t, "ingress tcp 3306 from 0.0.0.0/0", tcp.String())
	assert.Equal(t, "egress udp 1-1024 to 0.0.0.0/0", udp.String())
	assert.Equal(t, "ingress all traffic from 0.0.0.0/0", all.String())
	assert.Equal(t, "ingress protocol 50 from 0.0.0.0/0", esp.String())
	assert.Equal(t, "ingress tcp 3306 from 0.0.0.0/0", Rule{Permission: tcp}.String())
	assert.Equal(t, "sgr-0123456789abcdef0 ingress tcp 3306 from 0.0.0.0/0", Rule{ID: "sgr-0123456789abcdef0", Permission: tcp}.String())
}

// Ranges against the slow way, every pair on a short line.
func TestPortRangesAgreeWithCounting(t *testing.T) {
	const end = 9
	for a := range uint16(end) {
		for b := a; b < end; b++ {
			for c := range uint16(end) {
				for d := c; d < end; d++ {
					r, o := PortRange{a, b}, PortRange{c, d}
					shared, all := false, true
					for port := range uint16(end) {
						shared = shared || r.Contains(port) && o.Contains(port)
						all = all && (!r.Contains(port) || o.Contains(port))
					}
					require.Equal(t, shared, r.Overlaps(o), "%s and %s", r, o)
					require.Equal(t, all, r.CoveredBy(o), "%s in %s", r, o)
				}
			}
		}
	}
	assert.True(t, AllPorts.Contains(0))
	assert.True(t, AllPorts.Contains(65535))
	assert.Equal(t, "0-65535", AllPorts.String())
}

func TestOnlyKeysThatBeginWithAWSAreItsOwn(t *testing.T) {
	for key, own := range map[string]bool{"aws:cloudformation:stack-name": true, "AWS:x": true, "aws": false, "team:aws:x": false, "": false} {
		assert.Equal(t, own, Tag{Key: key, Value: "aws:"}.IsOwnedByAWS(), key)
	}
}

func TestPermissionsShareTrafficByDirectionProtocolAndPorts(t *testing.T) {
	of := func(d Direction, proto Protocol, from, to uint16) Permission {
		return Permission{Direction: d, Protocol: proto, Ports: PortRange{From: from, To: to}}
	}
	web := of(Ingress, TCP, 80, 443)
	pings := Permission{Direction: Ingress, Protocol: ICMPv4, ICMP: ICMP{Type: 8}}
	for _, c := range []struct {
		a, b Permission
		want bool
	}{
		{web, of(Ingress, TCP, 443, 500), true},
		{web, of(Ingress, TCP, 444, 500), false},
		{web, of(Egress, TCP, 80, 443), false},
		{web, of(Ingress, UDP, 80, 443), false},
		{web, of(Ingress, AllProtocols, 0, 0), true},
		{web, of(Egress, AllProtocols, 0, 0), false},
		{web, pings, false},
		{pings, Permission{Direction: Ingress, Protocol: ICMPv4, ICMP: AllICMP}, true},
	} {
		assert.Equal(t, c.want, c.a.SharesTraffic(c.b), "%v %v", c.a, c.b)
		assert.Equal(t, c.want, c.b.SharesTraffic(c.a), "%v %v", c.b, c.a)
	}
}
