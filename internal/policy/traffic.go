package policy

import (
	"cmp"
	"slices"
	"strconv"

	"sgward/internal/secgroup"
)

// All traffic lies on one axis of points, so that one set of interval operations matches,
// covers and sweeps ports and protocols:
//
//	0 ........ 65535   TCP ports
//	65536 ... 131071   UDP ports
//	131072 .. 131327   the IP protocols themselves, by number
//
// The points of TCP (6) and UDP (17) in the last part are unused, and a rule for all
// protocols covers the whole axis. ICMP is one point: its types and codes are never ports.
const (
	udpBase      = 1 << 16
	protocolBase = 2 << 16
	lineEnd      = protocolBase + 255
)

// span is a run of points on the axis, both ends included.
type span struct{ lo, hi uint32 }

func (s span) overlaps(o span) bool { return s.lo <= o.hi && o.lo <= s.hi }

// traffic is a set of points: sorted spans that neither overlap nor touch. The
// zero value is the empty set.
type traffic []span

var (
	wholeAxis = span{0, lineEnd}
	withPorts = span{0, protocolBase - 1}
)

// spanOf returns the points that a permission covers, which are always one run.
func spanOf(p secgroup.Permission) span {
	switch p.Protocol {
	case secgroup.TCP, secgroup.UDP:
		return portSpan(p.Protocol, p.Ports)
	case secgroup.AllProtocols:
		return wholeAxis
	default:
		return protocolSpan(p.Protocol)
	}
}

// portSpan returns the points of ports of TCP or UDP.
func portSpan(p secgroup.Protocol, r secgroup.PortRange) span {
	base := uint32(0)
	if p == secgroup.UDP {
		base = udpBase
	}
	return span{base + uint32(r.From), base + uint32(r.To)}
}

// protocolSpan returns the points of a whole protocol.
func protocolSpan(p secgroup.Protocol) span {
	switch p {
	case secgroup.TCP:
		return portSpan(secgroup.TCP, secgroup.AllPorts)
	case secgroup.UDP:
		return portSpan(secgroup.UDP, secgroup.AllPorts)
	case secgroup.AllProtocols:
		return wholeAxis
	}
	at := protocolBase + protocolNumber(p)
	return span{at, at}
}

func protocolNumber(p secgroup.Protocol) uint32 {
	switch p {
	case secgroup.ICMPv4:
		return 1
	case secgroup.ICMPv6:
		return 58
	}
	n, err := strconv.ParseUint(string(p), 10, 8)
	if err != nil {
		// secgroup.ParseProtocol admits no other protocols. 255 is reserved: a value from
		// elsewhere meets only the statements about all protocols.
		return 255
	}
	return uint32(n)
}

// trafficOf returns the union of spans.
func trafficOf(spans []span) traffic {
	s := slices.Clone(spans)
	slices.SortFunc(s, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	out := s[:0]
	for _, next := range s {
		if n := len(out); n > 0 && next.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, next.hi)
			continue
		}
		out = append(out, next)
	}
	return traffic(out)
}

// without returns the points of from that are not in t.
func (t traffic) without(from span) traffic {
	var out traffic
	at := from.lo
	for _, s := range t {
		if s.hi < at {
			continue
		}
		if s.lo > from.hi {
			break
		}
		if s.lo > at {
			out = append(out, span{at, s.lo - 1})
		}
		at = s.hi + 1
	}
	if at <= from.hi {
		out = append(out, span{at, from.hi})
	}
	return out
}

// overlaps reports whether s and t share a point.
func (t traffic) overlaps(s span) bool {
	i := t.search(s.lo)
	return i < len(t) && t[i].lo <= s.hi
}

// coveredBy reports whether every point of t lies in s.
func (t traffic) coveredBy(s span) bool {
	return len(t) > 0 && s.lo <= t[0].lo && t[len(t)-1].hi <= s.hi
}

// covers reports whether every point of s lies in t. The spans of t do not touch, so one
// of them must contain all of s.
func (t traffic) covers(s span) bool {
	i := t.search(s.lo)
	return i < len(t) && t[i].lo <= s.lo && s.hi <= t[i].hi
}

// search returns the index of the first span that ends at or after point.
func (t traffic) search(point uint32) int {
	if len(t) > 0 && t[0].hi >= point {
		return 0
	}
	i, _ := slices.BinarySearchFunc(t, point, func(s span, p uint32) int { return cmp.Compare(s.hi, p) })
	return i
}

// String lists the traffic in the policy language, three entries at most: "3306/tcp,
// 5432/tcp, 27017-27019/tcp and 4 more".
func (t traffic) String() string { return string(t.appendWithin(nil, wholeAxis)) }

// appendWithin appends the text of the part of t that lies in s.
func (t traffic) appendWithin(to []byte, s span) []byte {
	const most = 3
	n := 0
	for i := t.search(s.lo); i < len(t) && t[i].lo <= s.hi; i++ {
		shared := span{max(t[i].lo, s.lo), min(t[i].hi, s.hi)}
		if shared == wholeAxis {
			return append(to, "all traffic"...)
		}
		// A span that crosses borders between protocols is written as several entries.
		for _, part := range [...]span{portSpan(secgroup.TCP, secgroup.AllPorts), portSpan(secgroup.UDP, secgroup.AllPorts), {protocolBase, lineEnd}} {
			if !part.overlaps(shared) {
				continue
			}
			if n++; n > most {
				continue
			}
			if n > 1 {
				to = append(to, ", "...)
			}
			to = span{max(part.lo, shared.lo), min(part.hi, shared.hi)}.appendWords(to)
		}
	}
	if n > most {
		to = append(to, " and "...)
		to = strconv.AppendInt(to, int64(n-most), 10)
		to = append(to, " more"...)
	}
	return to
}

// appendWords appends a span that lies within TCP, UDP or the protocols.
func (s span) appendWords(to []byte) []byte {
	number := func(prefix string, base uint32, suffix string) []byte {
		to = append(to, prefix...)
		to = strconv.AppendUint(to, uint64(s.lo-base), 10)
		if s.hi > s.lo {
			to = append(to, '-')
			to = strconv.AppendUint(to, uint64(s.hi-base), 10)
		}
		return append(to, suffix...)
	}
	switch {
	case s.hi < udpBase:
		return number("", 0, "/tcp")
	case s.hi < protocolBase:
		return number("", udpBase, "/udp")
	case s == protocolSpan(secgroup.ICMPv4):
		return append(to, "icmp"...)
	case s == protocolSpan(secgroup.ICMPv6):
		return append(to, "icmpv6"...)
	case s.lo == s.hi:
		return number("protocol ", protocolBase, "")
	default:
		return number("protocols ", protocolBase, "")
	}
}
