package policy

import (
	"math/big"
	"net/netip"
	"slices"

	"sgward/internal/secgroup"
)

// The model judges the slow and obvious way: traffic as one boolean a point,
// address sets by halving prefixes until they are all in or all out, every
// statement and every point asked in turn. It shares no arithmetic with the judge
// and takes the statement as it was drawn, not as it was compiled.

// notPublic and publicInside are IANA's special-purpose registries once more, in
// the form that the model reads: what is taken off, and what is put back.
var (
	notPublic = prefixes(
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
		"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
		"224.0.0.0/3",
		"::/3", "4000::/2", "8000::/1", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
	publicInside = prefixes("192.0.0.9/32", "192.0.0.10/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128",
		"2001:3::/32", "2001:4:112::/48", "2001:20::/28", "2001:30::/28")
)

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range texts {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func covered(p netip.Prefix, by []netip.Prefix) bool {
	return slices.ContainsFunc(by, func(o netip.Prefix) bool { return o.Bits() <= p.Bits() && o.Contains(p.Addr()) })
}

func touched(p netip.Prefix, by []netip.Prefix) bool {
	return slices.ContainsFunc(by, func(o netip.Prefix) bool { return o.Overlaps(p) })
}

// modelPublic says whether every address of p is public, or none, or some.
func modelPublic(p netip.Prefix) (all, none bool) {
	switch {
	case covered(p, publicInside):
		return true, false
	case covered(p, notPublic) && !touched(p, publicInside):
		return false, true
	case !touched(p, notPublic):
		return true, false
	default:
		return false, false
	}
}

// modelCount counts the public addresses of p that lie in set.
func modelCount(p netip.Prefix, set []netip.Prefix) *big.Int {
	all, none := modelPublic(p)
	switch {
	case none || !touched(p, set):
		return new(big.Int)
	case all && covered(p, set):
		return new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
	}
	low, high := halves(p)
	return new(big.Int).Add(modelCount(low, set), modelCount(high, set))
}

// halves splits a prefix into its two.
func halves(p netip.Prefix) (low, high netip.Prefix) {
	bits := p.Bits() + 1
	b := p.Addr().AsSlice()
	b[(bits-1)/8] |= 0x80 >> ((bits - 1) % 8)
	second, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(p.Addr(), bits), netip.PrefixFrom(second, bits)
}

// modelReach counts by family what prefixes reach together, IPv4 in IPv6 as IPv4.
func modelReach(set []netip.Prefix) [2]*big.Int {
	var v4, v6 []netip.Prefix
	for _, p := range set {
		if p.Addr().Is4() {
			v4 = append(v4, p)
			continue
		}
		v6 = append(v6, p)
		for _, e := range []struct {
			in string
			at int
		}{{"::ffff:0:0/96", 12}, {"64:ff9b::/96", 12}, {"2002::/16", 2}} {
			in := netip.MustParsePrefix(e.in)
			if !in.Overlaps(p) {
				continue
			}
			if p.Bits() <= in.Bits() {
				v4 = append(v4, netip.MustParsePrefix("0.0.0.0/0"))
				continue
			}
			b := p.Addr().As16()
			a, _ := netip.AddrFromSlice(b[e.at : e.at+4])
			v4 = append(v4, netip.PrefixFrom(a, min(32, p.Bits()-in.Bits())))
		}
	}
	return [2]*big.Int{
		modelCount(netip.MustParsePrefix("0.0.0.0/0"), v4),
		modelCount(netip.MustParsePrefix("::/0"), v6),
	}
}

// points is traffic as booleans: TCP ports, UDP ports, then protocols by number.
type points [2*65536 + 256]bool

func (pts *points) set(from, to int) {
	for i := from; i <= to; i++ {
		pts[i] = true
	}
}

func modelPoints(p secgroup.Permission) *points {
	var pts points
	switch p.Protocol {
	case "tcp":
		pts.set(int(p.Ports.From), int(p.Ports.To))
	case "udp":
		pts.set(65536+int(p.Ports.From), 65536+int(p.Ports.To))
	case "-1":
		pts.set(0, len(pts)-1)
	default:
		pts[2*65536+map[secgroup.Protocol]int{"icmp": 1, "icmpv6": 58, "47": 47}[p.Protocol]] = true
	}
	return &pts
}

// modelRule is a rule with its points and addresses.
type modelRule struct {
	rule  secgroup.Rule
	pts   *points
	set   []netip.Prefix
	reach [2]*big.Int
}

func newModelRule(r secgroup.Rule, lists map[string]secgroup.PrefixList) modelRule {
	m := modelRule{rule: r, pts: modelPoints(r.Permission)}
	switch r.Permission.Peer.Kind() {
	case secgroup.CIDRPeerKind:
		m.set = []netip.Prefix{r.Permission.Peer.CIDR()}
	case secgroup.PrefixListPeerKind:
		m.set = lists[r.Permission.Peer.PrefixList()].Entries
	}
	m.reach = modelReach(m.set)
	return m
}

// modelJudge gives the verdict on each rule of a request that leaves nothing
// unknown.
func modelJudge(d draft, req Request) []Verdict {
	var call, standing []modelRule
	for _, r := range req.Rules {
		call = append(call, newModelRule(r, req.PrefixLists))
	}
	for _, r := range req.Standing {
		standing = append(standing, newModelRule(r, req.PrefixLists))
	}
	// The group as it is, and as it will be without what is revoked on its own.
	var staying []modelRule
	for _, r := range standing {
		if !modelRevokesAlone(d, r) {
			staying = append(staying, r)
		}
	}
	groups := [][]modelRule{standing}
	if len(staying) < len(standing) {
		groups = append(groups, staying)
	}
	out := make([]Verdict, len(call))
	for i := range out {
		out[i] = Compliant
	}
	for _, s := range d.statements {
		for _, with := range groups {
			for i, says := range modelStatement(d, s, call, with) {
				out[i] = max(out[i], says) // Compliant < Exempt < Alert < Revoke
			}
		}
	}
	return out
}

func modelRevokesAlone(d draft, r modelRule) bool {
	return slices.ContainsFunc(d.statements, func(s draftStatement) bool {
		return s.effect == "revoke" && modelStatement(d, s, []modelRule{r}, nil)[0] == Revoke
	})
}

func modelStatement(d draft, s draftStatement, call, standing []modelRule) []Verdict {
	pts := s.points()
	speaks := func(r modelRule) bool {
		if r.rule.Permission.Direction != s.direction {
			return false
		}
		shared, all := false, true
		for i := range pts {
			shared = shared || pts[i] && r.pts[i]
			all = all && (!pts[i] || r.pts[i])
		}
		if s.covering {
			return all
		}
		return shared
	}
	line := s.line()
	reached := func(rules []modelRule, f int) bool {
		var set []netip.Prefix
		for _, r := range rules {
			set = append(set, r.set...)
		}
		return modelReach(set)[f].Cmp(line[f]) >= 0
	}
	out := make([]Verdict, len(call))
	effect := map[string]Verdict{"revoke": Revoke, "alert": Alert, "ignore": Compliant}[s.effect]
	var fresh, old []modelRule
	var index []int
	for i, r := range call {
		if !speaks(r) {
			continue
		}
		exempt := d.exempts(r, s.id)
		applies, narrow := s.appliesTo(r)
		switch {
		case !applies && !narrow:
		case exempt && effect != Compliant:
			out[i] = Exempt
		case applies:
			out[i] = effect
		case !exempt:
			fresh, index = append(fresh, r), append(index, i)
		}
	}
	for _, r := range standing {
		if speaks(r) && !d.exempts(r, s.id) {
			old = append(old, r)
		}
	}
	if len(fresh) == 0 {
		return out
	}
	// Every point, but each combination of rules once.
	type combination struct{ fresh, old uint64 }
	seen := map[combination]bool{}
	for at := range pts {
		if !pts[at] {
			continue
		}
		var c combination
		for i, r := range fresh {
			if r.pts[at] {
				c.fresh |= 1 << i
			}
		}
		for i, r := range old {
			if r.pts[at] {
				c.old |= 1 << i
			}
		}
		if c.fresh == 0 || seen[c] {
			continue
		}
		seen[c] = true
		freshHere, oldHere := picked(fresh, c.fresh), picked(old, c.old)
		for f := range line {
			crosses := reached(freshHere, f) || !reached(oldHere, f) && reached(slices.Concat(freshHere, oldHere), f)
			for i, r := range fresh {
				if crosses && c.fresh&(1<<i) != 0 && r.reach[f].Sign() > 0 {
					out[index[i]] = effect
				}
			}
		}
	}
	return out
}

func picked(rules []modelRule, mask uint64) []modelRule {
	var out []modelRule
	for i, r := range rules {
		if mask&(1<<i) != 0 {
			out = append(out, r)
		}
	}
	return out
}
