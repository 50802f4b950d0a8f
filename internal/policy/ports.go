package policy

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// parsePort reads an entry of a port list that is not a name: "22/tcp", "27017-27019/tcp"
// or "161/udp".
func parsePort(s string) (span, error) {
	ports, proto, ok := strings.Cut(s, "/")
	if !ok {
		if _, err := strconv.Atoi(strings.TrimSpace(s)); err == nil {
			return span{}, fmt.Errorf("port %q lacks its protocol: write %s/tcp or %s/udp", s, s, s)
		}
		return span{}, fmt.Errorf("unknown port name %q: want a service (%s), a name defined under ports, or ports such as 3306/tcp, 27017-27019/tcp, 161/udp", s,
			cmp.Or(text.Nearest(s, secgroup.ServiceNames()), "mysql, postgresql, ssh, ... as docs/POLICY.md lists"))
	}
	r, err := secgroup.ParsePorts(ports)
	if err != nil {
		return span{}, fmt.Errorf("port %q: want FIRST-LAST or one port, from 0 to 65535, such as 27017-27019/tcp", s)
	}
	p := secgroup.Protocol(proto)
	if !p.HasPorts() {
		return span{}, fmt.Errorf("port %q: want /tcp or /udp behind the ports (protocols without ports are named under protocols)", s)
	}
	return portSpan(p, r), nil
}

// parseProtocol reads an entry of a protocols list.
func parseProtocol(s string) ([]span, error) {
	if s == "portless" {
		// Everything but TCP, UDP and the two ICMPs.
		return trafficOf([]span{protocolSpan(secgroup.ICMPv4), protocolSpan(secgroup.TCP), protocolSpan(secgroup.UDP),
			protocolSpan(secgroup.ICMPv6), {protocolBase + 6, protocolBase + 6}, {protocolBase + 17, protocolBase + 17}}).
			without(span{protocolBase, lineEnd}), nil
	}
	if p, ok := secgroup.ProtocolNamed(s); ok {
		return []span{protocolSpan(p)}, nil
	}
	p, err := secgroup.ParseProtocol(s)
	if err != nil {
		return nil, fmt.Errorf("unknown protocol %q: want tcp, udp, icmp, icmpv6, gre, esp, ah, sctp, ipip, ipv6, a number from 0 to 255, portless or all", s)
	}
	return []span{protocolSpan(p)}, nil
}
