package alert

import (
	"fmt"
	"net/netip"
	"strings"

	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// traffic describes protocol and ports with their common name: "tcp 3306 (MySQL)", "tcp
// 3300-3310 (MySQL 3306 among them)", "all traffic (every protocol and port)", "protocol
// 50 (ESP)".
func traffic(p secgroup.Permission) string {
	note := p.Protocol.Title()
	switch {
	case p.Protocol == secgroup.AllProtocols:
		note = "every protocol and port"
	case p.Protocol.HasPorts():
		note = servicesOn(p)
	}
	if note == "" {
		return p.Traffic()
	}
	return p.Traffic() + " (" + note + ")"
}

func servicesOn(p secgroup.Permission) string {
	if p.Ports == secgroup.AllPorts {
		return "every " + strings.ToUpper(string(p.Protocol)) + " port"
	}
	var names []string
	for _, known := range secgroup.ServicesOn(p.Protocol, p.Ports) {
		if p.Ports.CoveredBy(known.PortRange) {
			return known.Title
		}
		names = append(names, known.Title+" "+known.PortRange.String())
	}
	switch n := len(names); {
	case n == 0:
		return ""
	case n <= maxServices:
		return strings.Join(names, ", ") + " among them"
	default:
		return fmt.Sprintf("%s and %d more known services among them", strings.Join(names[:maxServices], ", "), n-maxServices)
	}
}

// shortTraffic is traffic for titles, with the name of one service at most.
func shortTraffic(p secgroup.Permission) string {
	s := traffic(p)
	if short, _, found := strings.Cut(s, " among them)"); found && !strings.Contains(short, ",") {
		return short + ")"
	}
	if len(s) > 40 {
		return p.Traffic()
	}
	return s
}

// peer describes the peer: "the whole internet (0.0.0.0/0)". short is for titles, which
// cannot hold quotes.
func peer(p secgroup.Peer, accountID string) (short, full string) {
	switch p.Kind() {
	case secgroup.CIDRPeerKind:
		// Every public IPv6 address is in 2000::/3
		// (https://www.iana.org/assignments/ipv6-address-space).
		cidr, public := p.CIDR(), netip.MustParsePrefix("2000::/3")
		switch {
		case cidr.Addr().Is4() && cidr.Bits() == 0:
			short = "the whole internet"
		case cidr.Addr().Is6() && cidr.Bits() <= public.Bits() && cidr.Contains(public.Addr()):
			short = "the whole IPv6 internet"
		default:
			return p.String(), p.String() + rangeSize(cidr)
		}
		return short, short + " (" + p.String() + ")"
	case secgroup.PrefixListPeerKind:
		return "prefix list " + titleID(p.PrefixList()), "the prefix list " + id(p.PrefixList())
	case secgroup.GroupPeerKind:
		groupID, owner := p.Group()
		full = "the security group " + id(groupID)
		if owner != "" && owner != accountID {
			full += " of account " + id(owner)
		}
		return "group " + titleID(groupID), full
	default:
		return "an unknown peer", "an unknown peer"
	}
}

func titleID(s string) string {
	if isIdentifier(s) {
		return s
	}
	return "(not a valid id)"
}

func rangeSize(p netip.Prefix) string {
	switch {
	case p.IsSingleIP():
		return " (one address)"
	case p.Addr().Is4():
		return " (" + text.Thousands(uint64(1)<<(32-p.Bits())) + " addresses)"
	default:
		return ""
	}
}

// group shows a security group: "sg-0123456789abcdef0 (web)".
func group(groupID, groupName string) string {
	switch {
	case groupID == "" && groupName == "":
		return "a group that the record does not name"
	case groupID == "":
		return "the group " + name(groupName)
	case groupName == "":
		return id(groupID)
	default:
		return id(groupID) + " (" + name(groupName) + ")"
	}
}
