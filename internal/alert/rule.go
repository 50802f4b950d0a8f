package alert

import (
	"fmt"
	"net/netip"
	"strings"

	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// traffic names protocol and ports by the service that people know: "MySQL" or "HTTP on
// 8080" for subjects, "MySQL (tcp 3306)" for titles, and in full "tcp 3300-3310 (MySQL 3306
// among them)".
func traffic(p secgroup.Permission) (service, short, full string) {
	plain := p.Traffic()
	named := func(title string) (string, string, string) {
		out := title + " (" + plain + ")"
		return title, out, out
	}
	switch {
	case p.Protocol == secgroup.AllProtocols:
		return plain, plain, plain + " (every protocol and port)"
	case p.Protocol.Title() != "":
		return named(p.Protocol.Title())
	case !p.Protocol.HasPorts():
		return plain, plain, plain
	case p.Ports == secgroup.AllPorts:
		return named("every " + strings.ToUpper(string(p.Protocol)) + " port")
	}
	services := secgroup.ServicesOn(p.Protocol, p.Ports)
	var names []string
	for _, known := range services {
		if p.Ports.CoveredBy(known.PortRange) {
			_, short, full = named(known.Title)
			return known.TitleAlone(), short, full
		}
		names = append(names, known.Title+" "+known.PortRange.String())
	}
	switch n := len(names); {
	case n == 0:
		return plain, plain, plain
	case n == 1:
		out := plain + " (" + names[0] + " among them)"
		return plain, out, out
	default:
		full = strings.Join(first(names, maxServices), ", ")
		if more := n - maxServices; more > 0 {
			full += fmt.Sprintf(" and %d more known services", more)
		}
		return plain, fmt.Sprintf("%s (%s and %d more)", plain, services[0].Title, n-1), plain + " (" + full + " among them)"
	}
}

// peer describes the peer: "the whole internet (0.0.0.0/0)". short is for titles, which
// cannot hold quotes.
func peer(p secgroup.Peer, accountID string) (short, full string) {
	switch p.Kind() {
	case secgroup.CIDRPeerKind:
		if short := secgroup.WholeInternet(p.CIDR()); short != "" {
			return short, short + " (" + p.String() + ")"
		}
		return p.String(), p.String() + rangeSize(p.CIDR())
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

// group shows a security group: "web (sg-0123456789abcdef0)".
func group(groupID, groupName string) string {
	switch {
	case groupID == "" && groupName == "":
		return "a group that the record does not name"
	case groupID == "":
		return "the group " + name(groupName)
	case groupName == "":
		return id(groupID)
	default:
		return name(groupName) + " (" + id(groupID) + ")"
	}
}
