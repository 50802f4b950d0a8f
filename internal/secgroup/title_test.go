package secgroup

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTitlesAreInPeoplesWords(t *testing.T) {
	port := func(n int) *int { return &n }
	for want, of := range map[string]struct {
		direction Direction
		protocol  Protocol
		from, to  *int
		peer      string
	}{
		"MySQL (3306) from the whole internet":                   {Ingress, TCP, port(3306), port(3306), "0.0.0.0/0"},
		"MongoDB (27017-27019) from the whole IPv6 internet":     {Ingress, TCP, port(27017), port(27019), "::/0"},
		"HTTPS (443) from the whole IPv6 internet":               {Ingress, TCP, port(443), port(443), "2000::/3"},
		"DNS (udp 53) to 10.0.0.0/8":                             {Egress, UDP, port(53), port(53), "10.0.0.0/8"},
		"tcp 3300-3310 (MySQL 3306) from 10.0.0.0/8":             {Ingress, TCP, port(3300), port(3310), "10.0.0.0/8"},
		"tcp 1-1024 (SSH and 16 more services) from 128.0.0.0/1": {Ingress, TCP, port(1), port(1024), "128.0.0.0/1"},
		"every TCP port from the whole internet":                 {Ingress, TCP, port(0), port(65535), "0.0.0.0/0"},
		"tcp 12345 from the whole internet":                      {Ingress, TCP, port(12345), port(12345), "0.0.0.0/0"},
		"ESP (protocol 50) from the whole internet":              {Ingress, "50", nil, nil, "0.0.0.0/0"},
		"all traffic from or to the whole internet":              {0, AllProtocols, nil, nil, "0.0.0.0/0"},
		"icmp type 8 from 3000::/4":                              {Ingress, ICMPv4, port(8), port(-1), "3000::/4"},
		"SSH (22) from prefix list pl-0123456789abcdef0":         {Ingress, TCP, port(22), port(22), "pl-0123456789abcdef0"},
		"SSH (22) from group 111122223333/sg-0123456789abcdef0":  {Ingress, TCP, port(22), port(22), "sg"},
	} {
		t.Run(want, func(t *testing.T) {
			peer := PrefixListPeer(of.peer)
			switch of.peer {
			case "pl-0123456789abcdef0":
			case "sg":
				peer = GroupPeer("sg-0123456789abcdef0", "111122223333")
			default:
				var err error
				peer, err = ParseCIDRPeer(of.peer)
				require.NoError(t, err)
			}
			p := Permission{Direction: of.direction, Protocol: of.protocol, Peer: peer}
			if of.direction != 0 {
				var err error
				p, err = NewPermission(of.direction, of.protocol, of.from, of.to, peer)
				require.NoError(t, err)
			}
			assert.Equal(t, want, p.Title())
		})
	}
}
