package policy

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"sgward/internal/secgroup"
)

// draft is a random policy, both as the file that Parse reads and as the model
// takes it.
type draft struct {
	statements []draftStatement
	exceptions []draftException
}

type draftStatement struct {
	id, effect string
	direction  secgroup.Direction
	covering   bool
	except     bool
	ports      []draftPorts
	peer       string // world, public, any, wide, in, not-in
	wide       [2]int
	list       []netip.Prefix
}

type draftPorts struct {
	udp      bool
	from, to int
}

func (p draftPorts) String() string {
	name := "tcp"
	if p.udp {
		name = "udp"
	}
	return fmt.Sprintf("%d-%d/%s", p.from, p.to, name)
}

type draftException struct {
	id         string
	statements []string
	ports      []draftPorts
	peers      []netip.Prefix
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// Ports that lie close together, at borders and beside them, so that ranges meet.
func drawPorts(r *rand.Rand) draftPorts {
	at := []int{0, 1, 21, 22, 23, 80, 442, 443, 444, 3305, 3306, 3307, 65534, 65535}
	p := draftPorts{udp: r.IntN(4) == 0, from: pick(r, at...)}
	p.to = p.from
	if r.IntN(3) == 0 {
		p.to = pick(r, at[slices.Index(at, p.from):]...)
	}
	return p
}

func drawDraft(r *rand.Rand) draft {
	var d draft
	for i := range 1 + r.IntN(4) {
		s := draftStatement{
			id: fmt.Sprintf("statement-%d", i), effect: pick(r, "revoke", "revoke", "alert", "ignore"),
			direction: pick(r, secgroup.Ingress, secgroup.Ingress, secgroup.Egress),
			peer:      pick(r, "world", "world", "world", "wide", "public", "any", "in", "not-in"),
		}
		for range 1 + r.IntN(3) {
			s.ports = append(s.ports, drawPorts(r))
		}
		switch r.IntN(6) {
		case 0:
			s.except = true
		case 1:
			s.covering = true
		}
		switch s.peer {
		case "wide":
			s.wide = [2]int{pick(r, 10, 12, 24), pick(r, 33, 40, 56)}
		case "in", "not-in":
			s.list = []netip.Prefix{drawPrefix(r), drawPrefix(r)}
		}
		d.statements = append(d.statements, s)
	}
	for i := range r.IntN(3) {
		x := draftException{id: fmt.Sprintf("exception-%d", i)}
		if r.IntN(2) == 0 {
			x.statements = []string{pick(r, d.statements...).id}
		}
		if r.IntN(2) == 0 {
			x.ports = []draftPorts{drawPorts(r), drawPorts(r)}
		}
		if r.IntN(2) == 0 || x.statements == nil && x.ports == nil {
			x.peers = []netip.Prefix{drawPrefix(r), drawPrefix(r)}
		}
		d.exceptions = append(d.exceptions, x)
	}
	return d
}

// String writes the policy file.
func (d draft) String() string {
	var b strings.Builder
	b.WriteString("version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n")
	for _, s := range d.statements {
		way, word := "ingress", "from"
		if s.direction == secgroup.Egress {
			way, word = "egress", "to"
		}
		peer := s.peer
		switch s.peer {
		case "wide":
			peer = fmt.Sprintf("{public: {ipv4: %d, ipv6: %d}}", s.wide[0], s.wide[1])
		case "in", "not-in":
			peer = fmt.Sprintf("{%s: [%q, %q]}", s.peer, s.list[0], s.list[1])
		}
		field := "ports"
		if s.except {
			field = "except-ports"
		} else if s.covering {
			field = "covering-ports"
		}
		fmt.Fprintf(&b, "  - {id: %s, effect: %s, severity: low, %s: {%s: %s, %s: [%s]}}\n", s.id, s.effect, way, word, peer, field, joined(s.ports))
	}
	if len(d.exceptions) > 0 {
		b.WriteString("exceptions:\n")
	}
	for _, x := range d.exceptions {
		var match []string
		if x.statements != nil {
			match = append(match, "statements: ["+strings.Join(x.statements, ", ")+"]")
		}
		if x.ports != nil {
			match = append(match, "ports: ["+joined(x.ports)+"]")
		}
		if x.peers != nil {
			match = append(match, fmt.Sprintf("peers: [%q, %q]", x.peers[0], x.peers[1]))
		}
		fmt.Fprintf(&b, "  - {id: %s, reason: a test, owner: nobody, expires: 2030-01-01, match: {%s}}\n", x.id, strings.Join(match, ", "))
	}
	return b.String()
}

func joined(ports []draftPorts) string {
	var out []string
	for _, p := range ports {
		out = append(out, p.String())
	}
	return strings.Join(out, ", ")
}

func (s draftStatement) points() *points {
	var pts points
	for _, p := range s.ports {
		pts.add(p)
	}
	if s.except {
		for i := range 2 * 65536 {
			pts[i] = !pts[i]
		}
	}
	return &pts
}

func (pts *points) add(p draftPorts) {
	base := 0
	if p.udp {
		base = 65536
	}
	pts.set(base+p.from, base+p.to)
}

func (s draftStatement) line() [2]*big.Int {
	lengths := map[string][2]int{"world": {9, 32}, "public": {32, 128}, "wide": s.wide}[s.peer]
	return [2]*big.Int{
		new(big.Int).Lsh(big.NewInt(1), uint(32-lengths[0])),
		new(big.Int).Lsh(big.NewInt(1), uint(128-lengths[1])),
	}
}

// appliesTo says whether the statement means the rule's peer on its own, or may
// mean it together with others.
func (s draftStatement) appliesTo(r modelRule) (applies, narrow bool) {
	switch s.peer {
	case "any":
		return true, false
	case "in", "not-in":
		if len(r.set) == 0 {
			return false, false
		}
		return allInside(r.set, s.list) == (s.peer == "in"), false
	}
	line := s.line()
	if r.reach[0].Cmp(line[0]) >= 0 || r.reach[1].Cmp(line[1]) >= 0 {
		return true, false
	}
	return false, r.reach[0].Sign() > 0 || r.reach[1].Sign() > 0
}

// allInside says whether a list holds every prefix of set, halving what it holds in
// parts. The lists of drafts hold no IPv4 in IPv6.
func allInside(set, list []netip.Prefix) bool {
	for _, p := range set {
		if p.Addr().Is6() {
			if v4, ok := embeddedIn(p); ok && allInside([]netip.Prefix{v4}, list) {
				continue
			}
		}
		if !covered(p, list) {
			if !touched(p, list) || p.Bits() == p.Addr().BitLen() {
				return false
			}
			low, high := halves(p)
			if !allInside([]netip.Prefix{low, high}, list) {
				return false
			}
		}
	}
	return true
}

// embeddedIn gives the IPv4 range of a prefix that is one written as IPv6.
func embeddedIn(p netip.Prefix) (netip.Prefix, bool) {
	text := p.Addr().String()
	for _, start := range []string{"::ffff:", "64:ff9b::"} {
		if strings.HasPrefix(text, start) && p.Bits() >= 96 {
			b := p.Addr().As16()
			return netip.PrefixFrom(netip.AddrFrom4([4]byte(b[12:])), p.Bits()-96), true
		}
	}
	if strings.HasPrefix(text, "2002:") && p.Bits() >= 16 {
		b := p.Addr().As16()
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(b[2:6])), min(32, p.Bits()-16)), true
	}
	return netip.Prefix{}, false
}

func (d draft) exempts(r modelRule, statement string) bool {
	for _, x := range d.exceptions {
		if x.statements != nil && !slices.Contains(x.statements, statement) {
			continue
		}
		if x.ports != nil {
			var pts points
			for _, p := range x.ports {
				pts.add(p)
			}
			inside := true
			for i := range pts {
				inside = inside && (pts[i] || !r.pts[i])
			}
			if !inside {
				continue
			}
		}
		if x.peers != nil && (len(r.set) == 0 || !allInside(r.set, x.peers)) {
			continue
		}
		return true
	}
	return false
}

// drawPrefix draws among neighbours around the lines, the special space and its
// borders, and the embeddings, so that sets meet, touch and nest often.
func drawPrefix(r *rand.Rand) netip.Prefix {
	within := func(base string, least, most int) netip.Prefix {
		p := netip.MustParsePrefix(base)
		for bits := least + r.IntN(most-least+1); p.Bits() < bits; {
			low, high := halves(p)
			p = pick(r, low, high)
		}
		return p
	}
	switch r.IntN(12) {
	case 0:
		return within("0.0.0.0/0", 0, 4)
	case 1:
		return within("::/0", 0, 6)
	case 2:
		return within(pick(r, "10.0.0.0/7", "100.0.0.0/8", "172.0.0.0/8", "192.0.0.0/8", "198.16.0.0/12", "224.0.0.0/3"), 8, 32)
	case 3:
		return within(pick(r, "2001::/16", "3ff0::/12", "2000::/3", "fc00::/7"), 16, 40)
	case 4:
		return within("2600::/31", 32, 34)
	case 5:
		return within(pick(r, "::ffff:52.0.0.0/104", "64:ff9b::52.0.0.0/104"), 105, 107)
	case 6:
		return within("2002:3400::/24", 24, 27)
	default:
		return within("52.0.0.0/8", 8, 11)
	}
}

func drawRule(r *rand.Rand, id int) secgroup.Rule {
	peer := secgroup.CIDRPeer(drawPrefix(r))
	if n := r.IntN(12); n == 0 {
		peer = secgroup.GroupPeer("sg-0aaaaaaaaaaaaaaa1", defaultAccount)
	} else if n < 3 {
		peer = secgroup.PrefixListPeer(fmt.Sprintf("pl-%d", n))
	}
	p := secgroup.Permission{
		Direction: pick(r, secgroup.Ingress, secgroup.Ingress, secgroup.Ingress, secgroup.Egress),
		Protocol:  pick(r, secgroup.TCP, secgroup.TCP, secgroup.TCP, secgroup.UDP, secgroup.AllProtocols, secgroup.ICMPv4, "47"), Peer: peer,
	}
	if p.Protocol.HasPorts() {
		ports := drawPorts(r)
		p.Ports = secgroup.PortRange{From: uint16(ports.from), To: uint16(ports.to)}
	}
	return secgroup.Rule{ID: fmt.Sprintf("sgr-%017x", id), GroupID: defaultGroupID, OwnerID: defaultAccount, Permission: p}
}

// drawRequest draws a call in a group of which everything is known.
func drawRequest(r *rand.Rand) Request {
	req := newRequest()
	for i := range 2 {
		entries := []netip.Prefix{}
		for range r.IntN(4) {
			entries = append(entries, drawPrefix(r))
		}
		req.PrefixLists[fmt.Sprintf("pl-%d", i+1)] = secgroup.PrefixList{OwnerID: req.AccountID, Entries: entries}
	}
	for i := range 1 + r.IntN(5) {
		req.Rules = append(req.Rules, drawRule(r, i))
	}
	for i := range r.IntN(4) {
		req.Standing = append(req.Standing, drawRule(r, 100+i))
	}
	if r.IntN(2) == 0 {
		clusterRules(r, &req)
	}
	return req
}

// clusterRules moves rules onto the same ports and into each other's neighbourhood, so that
// many cross a threshold together only.
func clusterRules(r *rand.Rand, req *Request) {
	base := pick(r, "52.0.0.0/8", "52.0.0.0/8", "2600::/31")
	for _, rules := range [][]secgroup.Rule{req.Rules, req.Standing} {
		for i := range rules {
			p := &rules[i].Permission
			p.Direction, p.Protocol, p.Ports = secgroup.Ingress, secgroup.TCP, secgroup.PortRange{From: 3306, To: 3306}
			if r.IntN(3) == 0 {
				p.Ports = secgroup.PortRange{From: uint16(3306 - r.IntN(2)*3284), To: uint16(3306 + r.IntN(2)*137)}
			}
			if r.IntN(8) == 0 {
				continue
			}
			peer := netip.MustParsePrefix(base)
			for range 2 + r.IntN(2) {
				low, high := halves(peer)
				peer = pick(r, low, high)
			}
			if v4 := peer.Addr(); v4.Is4() && r.IntN(8) == 0 { // the same addresses as IPv6
				peer = netip.PrefixFrom(netip.AddrFrom16(v4.As16()), 96+peer.Bits())
			}
			p.Peer = secgroup.CIDRPeer(peer)
		}
	}
}
