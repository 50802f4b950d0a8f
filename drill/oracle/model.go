package oracle

import (
	"fmt"
	"net/netip"
	"slices"
)

// Meaning is what the drill's policy says of a rule.
type Meaning uint8

// The meanings.
const (
	Compliant Meaning = iota + 1
	Exempt            // an entry of the policy covers it
	Tolerated         // it alerts, and nothing closes it
	Uncertain         // others may change it at any time: it alerts
	Forbidden
)

// deployer is the role that two entries of the policy trust.
const deployer = "deployer"

// The ports of the statements of drill/policy.yaml. Ingress is TCP.
var (
	revoked = []int{3306, 5432, 9200, 22, 6379}
	mailOut = 25
	web     = 443
	// existing is the one port whose statement closes existing rules too.
	existing = 6379
	// ofActors are the ports of which a clause on actors decides.
	ofActors = []int{22, 5432}
)

// value is what a rule lets through.
type value struct {
	group    string
	egress   bool
	protocol string // tcp, udp, -1
	from, to int    // -1 for all
	peer     string // a CIDR, a prefix list, or a group
}

func (v value) covers(port int) bool {
	return v.protocol == "-1" || v.protocol == "tcp" && v.from <= port && port <= v.to
}

func (v value) String() string {
	direction := "from"
	if v.egress {
		direction = "to"
	}
	return fmt.Sprintf("%s %d-%d %s %s", v.protocol, v.from, v.to, direction, v.peer)
}

// list is a prefix list at one moment.
type list struct {
	owner   string // an account
	entries []string
}

// own says what the policy says of a rule alone, made by an actor, with the prefix list that it may name.
func own(v value, actor string, l *list) Meaning {
	peers := []string{v.peer}
	if l != nil {
		peers = l.entries
	}
	reach := reaches(peers)
	switch {
	case reach.isWorld():
		return ofWorld(v, actor)
	case l != nil && l.owner != account && v.isJudged():
		return Uncertain
	default:
		return Compliant
	}
}

// isJudged reports whether a statement speaks of a rule's ports.
func (v value) isJudged() bool {
	if v.egress {
		return v.covers(mailOut)
	}
	return v.protocol != "tcp" || v.from != web || v.to != web
}

// account is that of the stack.
const account = "123456789012"

func ofWorld(v value, actor string) Meaning {
	if v.egress {
		if v.covers(mailOut) {
			return Forbidden
		}
		return Compliant
	}
	single := v.protocol == "tcp" && v.from == v.to
	switch {
	case single && v.from == 9200:
		return Exempt
	case single && v.from == 5432 && actor == deployer:
		return Exempt
	case single && v.from == 22 && actor == deployer:
		return Compliant
	case slices.ContainsFunc(revoked, v.covers):
		return Forbidden
	case single && v.from == web:
		return Compliant
	default: // another port is among them
		return Tolerated
	}
}

// forbiddenPorts returns the ports of statements that revoke which a rule by an actor opens to its peer, whoever that is.
func forbiddenPorts(v value, actor string) []int {
	if v.egress {
		if v.covers(mailOut) {
			return []int{mailOut}
		}
		return nil
	}
	if m := ofWorld(v, actor); m == Exempt || m == Compliant {
		return nil
	}
	var out []int
	for _, port := range revoked {
		if v.covers(port) {
			out = append(out, port)
		}
	}
	return out
}

// interval is a range of addresses, both ends included.
type interval struct{ low, high uint64 }

// addresses are the public addresses that peers reach: of IPv4 each, of IPv6 each /64.
type addresses struct{ v4, v6 []interval }

// The thresholds of the policy, {ipv4: 9, ipv6: 32}.
const (
	worldV4 = 1 << (32 - 9)
	worldV6 = 1 << (64 - 32)
)

func (a addresses) isWorld() bool { return size(a.v4) >= worldV4 || size(a.v6) >= worldV6 }

func size(of []interval) uint64 {
	var n uint64
	for _, i := range of {
		n += i.high - i.low + 1
	}
	return n
}

// special are IANA's special-purpose blocks that are not globally reachable, and multicast.
var special = []string{
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
}

// routed is the space of which IPv6's public addresses come.
const routed = "2000::/3"

// reaches returns the public addresses of CIDRs together. IPv6 peers longer than a /64 count as a whole one.
func reaches(cidrs []string) addresses {
	var a addresses
	for _, cidr := range cidrs {
		p, err := netip.ParsePrefix(cidr)
		if err != nil {
			continue // a group: it has no addresses of its own
		}
		if p.Addr().Is4() {
			a.v4 = append(a.v4, span(p))
		} else {
			a.v6 = append(a.v6, meet(span(p), span(netip.MustParsePrefix(routed)))...)
		}
	}
	a.v4, a.v6 = merge(a.v4), merge(a.v6)
	for _, s := range special {
		p := netip.MustParsePrefix(s)
		if p.Addr().Is4() {
			a.v4 = without(a.v4, span(p))
		} else {
			a.v6 = without(a.v6, span(p))
		}
	}
	return a
}

func span(p netip.Prefix) interval {
	p = p.Masked()
	bits, bytes, most := p.Bits(), p.Addr().AsSlice(), 32
	if p.Addr().Is6() {
		bytes, bits, most = bytes[:8], min(bits, 64), 64
	}
	var low uint64
	for _, b := range bytes {
		low = low<<8 | uint64(b)
	}
	return interval{low, low + (1<<(most-bits) - 1)}
}

func meet(a, b interval) []interval {
	low, high := max(a.low, b.low), min(a.high, b.high)
	if low > high {
		return nil
	}
	return []interval{{low, high}}
}

func merge(of []interval) []interval {
	slices.SortFunc(of, func(a, b interval) int {
		if a.low < b.low {
			return -1
		}
		return 1
	})
	var out []interval
	for _, i := range of {
		if n := len(out); n > 0 && i.low <= out[n-1].high {
			out[n-1].high = max(out[n-1].high, i.high)
			continue
		}
		out = append(out, i)
	}
	return out
}

func without(of []interval, gone interval) []interval {
	var out []interval
	for _, i := range of {
		if i.high < gone.low || i.low > gone.high {
			out = append(out, i)
			continue
		}
		if i.low < gone.low {
			out = append(out, interval{i.low, gone.low - 1})
		}
		if i.high > gone.high {
			out = append(out, interval{gone.high + 1, i.high})
		}
	}
	return out
}
