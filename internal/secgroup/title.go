package secgroup

import (
	"fmt"
	"net/netip"
	"strings"
)

// Title describes a permission in people's words: "MySQL (3306) from the whole internet",
// "all traffic to 52.64.0.0/10". String is exact.
func (p Permission) Title() string {
	way := " from or to "
	switch p.Direction {
	case Ingress:
		way = " from "
	case Egress:
		way = " to "
	}
	return p.TrafficTitle() + way + p.Peer.Title()
}

// TrafficTitle names protocol and ports by the service that is known to use them: "MySQL
// (3306)", "DNS (udp 53)", "tcp 3300-3310 (MySQL 3306)", "ESP (protocol 50)"; TCP goes
// without saying.
func (p Permission) TrafficTitle() string {
	plain := p.Traffic()
	switch {
	case p.Protocol.Title() != "":
		return p.Protocol.Title() + " (" + plain + ")"
	case !p.Protocol.HasPorts():
		return plain
	case p.Ports == AllPorts:
		return "every " + strings.ToUpper(string(p.Protocol)) + " port"
	}
	services := ServicesOn(p.Protocol, p.Ports)
	switch n := len(services); {
	case n == 0:
		return plain
	case p.Ports.CoveredBy(services[0].PortRange):
		return services[0].Title + " (" + strings.TrimPrefix(plain, "tcp ") + ")"
	case n == 1:
		return plain + " (" + services[0].Title + " " + services[0].PortRange.String() + ")"
	default:
		return fmt.Sprintf("%s (%s and %d more services)", plain, services[0].Title, n-1)
	}
}

// Title names the peer: "the whole internet", or as String does.
func (p Peer) Title() string {
	switch p.Kind() {
	case CIDRPeerKind:
		if whole := WholeInternet(p.CIDR()); whole != "" {
			return whole
		}
	case PrefixListPeerKind:
		return "prefix list " + p.String()
	case GroupPeerKind:
		return "group " + p.String()
	}
	return p.String()
}

// WholeInternet names a range that holds every public address of its family; "" for any
// other. Every public IPv6 address is in 2000::/3
// (https://www.iana.org/assignments/ipv6-address-space).
func WholeInternet(cidr netip.Prefix) string {
	switch public := netip.MustParsePrefix("2000::/3"); {
	case cidr.Addr().Is4() && cidr.Bits() == 0:
		return "the whole internet"
	case cidr.Addr().Is6() && cidr.Bits() <= public.Bits() && cidr.Contains(public.Addr()):
		return "the whole IPv6 internet"
	default:
		return ""
	}
}
