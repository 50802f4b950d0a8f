// Package secgrouptest makes security group rules for tests from the words in which
// they are printed.
package secgrouptest

import (
	"fmt"
	"strings"

	"sgward/internal/secgroup"
)

// Rule reads what secgroup.Permission.String prints, for example "ingress tcp 3306
// from 0.0.0.0/0", "unknown udp 1-1024 from pl-0123456789abcdef0" or "egress all
// traffic to ::/0". It panics on anything else.
func Rule(text string) *secgroup.Rule {
	p, err := parse(strings.Fields(text))
	if err != nil {
		panic(fmt.Sprintf("%q: %s", text, err))
	}
	if p.String() != text {
		panic(fmt.Sprintf("%q: it reads as %q", text, p))
	}
	return &secgroup.Rule{Permission: p}
}

// TCP is Rule for one TCP port that is open to a peer.
func TCP(port int, peer string) *secgroup.Rule {
	return Rule(fmt.Sprintf("ingress tcp %d from %s", port, peer))
}

func parse(words []string) (secgroup.Permission, error) {
	if len(words) < 4 {
		return secgroup.Permission{}, fmt.Errorf("want DIRECTION TRAFFIC from PEER")
	}
	var direction secgroup.Direction
	var err error
	if words[0] != secgroup.Direction(0).String() {
		if direction, err = secgroup.ParseDirection(words[0]); err != nil {
			return secgroup.Permission{}, err
		}
	}
	peer, err := parsePeer(words[len(words)-1])
	if err != nil {
		return secgroup.Permission{}, err
	}
	traffic := words[1 : len(words)-2]
	name := traffic[0]
	switch name {
	case "all":
		name = string(secgroup.AllProtocols)
	case "protocol":
		name = traffic[1]
	}
	protocol, err := secgroup.ParseProtocol(name)
	if err != nil {
		return secgroup.Permission{}, err
	}
	from, to := -1, -1
	switch rest := strings.Join(traffic[1:], " "); {
	case protocol.HasPorts():
		if _, err := fmt.Sscanf(rest, "%d-%d", &from, &to); err != nil {
			to = from
		}
	case protocol.IsICMP() && rest != "":
		if _, err := fmt.Sscanf(rest, "type %d code %d", &from, &to); err != nil && from == -1 {
			return secgroup.Permission{}, err
		}
	}
	return secgroup.NewPermission(direction, protocol, &from, &to, peer)
}

func parsePeer(s string) (secgroup.Peer, error) {
	owner, id, owned := strings.Cut(s, "/")
	switch {
	case strings.HasPrefix(s, "pl-"):
		return secgroup.PrefixListPeer(s), nil
	case strings.HasPrefix(s, "sg-"):
		return secgroup.GroupPeer(s, ""), nil
	case owned && strings.HasPrefix(id, "sg-"):
		return secgroup.GroupPeer(id, owner), nil
	default:
		return secgroup.ParseCIDRPeer(s)
	}
}
