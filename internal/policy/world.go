package policy

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"strconv"

	"go4.org/netipx"

	"sgward/internal/text"
)

// The public address space, as of the IANA special-purpose address registries of
// 2026-11-01 (https://www.iana.org/assignments/iana-ipv4-special-registry,
// https://www.iana.org/assignments/iana-ipv6-special-registry). An address is public if no
// entry covers it or if the most specific one says "Globally Reachable: True". "False" and
// "N/A" (6to4, Teredo, the 6to4 relay) are not public, nor are multicast (RFC 5771, RFC
// 4291) and IPv6 outside 2000::/3, which is not assigned to hosts (RFC 4291).
var (
	specialIPv4 = []special{
		{"0.0.0.0/8", false},       // "this network", RFC 791
		{"10.0.0.0/8", false},      // private use, RFC 1918
		{"100.64.0.0/10", false},   // shared address space, RFC 6598
		{"127.0.0.0/8", false},     // loopback, RFC 1122
		{"169.254.0.0/16", false},  // link local, RFC 3927
		{"172.16.0.0/12", false},   // private use, RFC 1918
		{"192.0.0.0/24", false},    // IETF protocol assignments, RFC 6890
		{"192.0.0.9/32", true},     // Port Control Protocol anycast, RFC 7723
		{"192.0.0.10/32", true},    // TURN anycast, RFC 8155
		{"192.0.2.0/24", false},    // documentation, RFC 5737
		{"192.88.99.0/24", false},  // deprecated 6to4 relay anycast, RFC 7526
		{"192.168.0.0/16", false},  // private use, RFC 1918
		{"198.18.0.0/15", false},   // benchmarking, RFC 2544
		{"198.51.100.0/24", false}, // documentation, RFC 5737
		{"203.0.113.0/24", false},  // documentation, RFC 5737
		{"224.0.0.0/4", false},     // multicast, RFC 5771
		{"240.0.0.0/4", false},     // reserved, RFC 1112; with 255.255.255.255
		{"192.31.196.0/24", true},  // AS112, RFC 7535
		{"192.52.193.0/24", true},  // AMT, RFC 7450
		{"192.175.48.0/24", true},  // AS112, RFC 7534
	}
	specialIPv6 = []special{
		{"2001::/23", false},        // IETF protocol assignments, RFC 2928; Teredo lies in it
		{"2001:1::1/128", true},     // Port Control Protocol anycast, RFC 7723
		{"2001:1::2/128", true},     // TURN anycast, RFC 8155
		{"2001:1::3/128", true},     // DNS-SD service registration anycast, RFC 9665
		{"2001:3::/32", true},       // AMT, RFC 7450
		{"2001:4:112::/48", true},   // AS112, RFC 7535
		{"2001:20::/28", true},      // ORCHIDv2, RFC 7343
		{"2001:30::/28", true},      // drone remote id, RFC 9374
		{"2001:db8::/32", false},    // documentation, RFC 3849
		{"2002::/16", false},        // 6to4, RFC 3056: counted as the IPv4 it carries
		{"2620:4f:8000::/48", true}, // AS112, RFC 7534
		{"3fff::/20", false},        // documentation, RFC 9637
	}
)

type special struct {
	prefix    string
	reachable bool
}

// The IPv6 ranges that embed an IPv4 address, with its bit offset. Opening such a range
// opens the IPv4 addresses.
var embeddings = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("::ffff:0:0/96"), 96}, // IPv4-mapped, RFC 4291
	{netip.MustParsePrefix("64:ff9b::/96"), 96},  // NAT64 well-known prefix, RFC 6052
	{netip.MustParsePrefix("2002::/16"), 16},     // 6to4, RFC 3056
}

var (
	publicIPv4 = newSpace("0.0.0.0/0", specialIPv4)
	publicIPv6 = newSpace("2000::/3", specialIPv6)
)

// count is a number of addresses, up to 2^128-1.
type count struct{ hi, lo uint64 }

func (c count) less(o count) bool {
	return c.hi < o.hi || c.hi == o.hi && c.lo < o.lo
}

// small returns the number if it has 64 bits, else the largest of 64 bits.
func (c count) small() uint64 {
	if c.hi > 0 {
		return math.MaxUint64
	}
	return c.lo
}

func (c count) isZero() bool { return c == count{} }

func (c count) plus(o count) count {
	lo, carry := bits.Add64(c.lo, o.lo, 0)
	hi, over := bits.Add64(c.hi, o.hi, carry)
	if over != 0 {
		return count{^uint64(0), ^uint64(0)}
	}
	return count{hi, lo}
}

func (c count) minus(o count) count {
	lo, borrow := bits.Sub64(c.lo, o.lo, 0)
	hi, _ := bits.Sub64(c.hi, o.hi, borrow)
	return count{hi, lo}
}

func (c count) cmp(o count) int {
	if d := cmp.Compare(c.hi, o.hi); d != 0 {
		return d
	}
	return cmp.Compare(c.lo, o.lo)
}

// powerOfTwo returns 2^n for n from 0 to 127.
func powerOfTwo(n int) count {
	if n >= 64 {
		return count{hi: 1 << (n - 64)}
	}
	return count{lo: 1 << n}
}

// String prints small numbers in full ("8,388,608") and large ones as a power of two,
// which is easier to read than 37 digits.
func (c count) String() string {
	if c.hi == 0 && c.lo < 1<<33 {
		digits := strconv.FormatUint(c.lo, 10)
		for at := len(digits) - 3; at > 0; at -= 3 {
			digits = digits[:at] + "," + digits[at:]
		}
		return digits
	}
	n := 127 - bits.LeadingZeros64(c.hi)
	if c.hi == 0 {
		n = 63 - bits.LeadingZeros64(c.lo)
	}
	if c == powerOfTwo(n) {
		return "2^" + strconv.Itoa(n)
	}
	return "over 2^" + strconv.Itoa(n)
}

// block is a run of addresses, both ends included, as numbers.
type block struct{ lo, hi count }

// space is a fixed set of addresses that can count its members in a block.
type space struct {
	blocks []block // sorted, disjoint
	before []count // before[i] addresses lie in blocks[:i]
}

func newSpace(whole string, entries []special) space {
	// More specific entries come later and override.
	type parsed struct {
		prefix    netip.Prefix
		reachable bool
	}
	sorted := make([]parsed, len(entries))
	for i, e := range entries {
		sorted[i] = parsed{netip.MustParsePrefix(e.prefix), e.reachable}
	}
	slices.SortStableFunc(sorted, func(a, b parsed) int { return cmp.Compare(a.prefix.Bits(), b.prefix.Bits()) })
	var set netipx.IPSetBuilder
	set.AddPrefix(netip.MustParsePrefix(whole))
	for _, e := range sorted {
		if e.reachable {
			set.AddPrefix(e.prefix)
		} else {
			set.RemovePrefix(e.prefix)
		}
	}
	built, err := set.IPSet()
	if err != nil {
		panic("policy: the table of special addresses is not sound: " + err.Error())
	}
	var s space
	var total count
	for _, r := range built.Ranges() {
		b := block{numberOf(r.From()), numberOf(r.To())}
		s.blocks = append(s.blocks, b)
		s.before = append(s.before, total)
		total = total.plus(b.hi.minus(b.lo)).plus(count{lo: 1})
	}
	s.before = append(s.before, total)
	return s
}

// upTo counts the addresses of the space that are at most n.
func (s space) upTo(n count) count {
	i, found := slices.BinarySearchFunc(s.blocks, n, func(b block, n count) int { return b.lo.cmp(n) })
	if !found {
		i--
	}
	if i < 0 {
		return count{}
	}
	b := s.blocks[i]
	if b.hi.less(n) {
		n = b.hi
	}
	return s.before[i].plus(n.minus(b.lo)).plus(count{lo: 1})
}

// in counts the addresses of the space that lie in b.
func (s space) in(b block) count {
	n := s.upTo(b.hi)
	if !b.lo.isZero() {
		n = n.minus(s.upTo(b.lo.minus(count{lo: 1})))
	}
	return n
}

// numberOf returns an address as a number; an IPv4 address has 32 bits.
func numberOf(a netip.Addr) count {
	if a.Is4() {
		b := a.As4()
		return count{lo: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return count{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// family is an IP version. Each has its own threshold; a set that reaches either is at the
// threshold.
type family uint8

const (
	ipv4 family = iota
	ipv6
)

// public returns the family's public addresses.
func (f family) public() space {
	if f == ipv4 {
		return publicIPv4
	}
	return publicIPv6
}

// reach counts the public addresses in a set of prefixes, by family. IPv4 includes the
// addresses embedded in IPv6. The zero value reaches nothing.
type reach [2]count

// reachOf returns the reach of a list of prefixes together.
func reachOf(prefixes ...netip.Prefix) reach {
	var r reach
	for f := range r {
		var blocks []block
		for _, p := range prefixes {
			if b, ok := blockIn(p, family(f)); ok {
				blocks = append(blocks, b)
			}
		}
		r[f] = publicIn(blocks, family(f))
	}
	return r
}

// reachOfOne is reachOf for one prefix, without allocating.
func reachOfOne(p netip.Prefix) reach {
	var r reach
	for f := range r {
		if b, ok := blockIn(p, family(f)); ok {
			r[f] = family(f).public().in(b)
		}
	}
	return r
}

// blockIn returns the addresses of one family that a prefix names. An IPv6 prefix names
// the IPv4 addresses embedded in it: all of IPv4 if it covers an embedding, part of it if
// it lies in one.
func blockIn(p netip.Prefix, f family) (block, bool) {
	if !p.IsValid() {
		return block{}, false
	}
	p = p.Masked()
	switch {
	case p.Addr().Is4() && f == ipv4:
		return blockOf(p, 32), true
	case p.Addr().Is4():
		return block{}, false
	case f == ipv6:
		return blockOf(p, 128), true
	}
	for _, e := range embeddings {
		if p.Bits() <= e.prefix.Bits() && p.Contains(e.prefix.Addr()) {
			return block{count{}, count{lo: 1<<32 - 1}}, true
		}
	}
	if v4, ok := embeddedIPv4(p); ok {
		return blockOf(v4, 32), true
	}
	return block{}, false
}

// embeddedIPv4 returns the IPv4 range that an IPv6 prefix inside an embedding stands for:
// 64:ff9b::a00:0/104 is 10.0.0.0/8.
func embeddedIPv4(p netip.Prefix) (netip.Prefix, bool) {
	if p.Addr().Is4() {
		return netip.Prefix{}, false
	}
	for _, e := range embeddings {
		if p.Bits() < e.prefix.Bits() || !e.prefix.Contains(p.Addr()) {
			continue
		}
		b := p.Addr().As16()
		a := netip.AddrFrom4([4]byte(b[e.at/8 : e.at/8+4]))
		// A 6to4 prefix may be longer than its IPv4 address.
		return netip.PrefixFrom(a, min(p.Bits()-e.at, 32)), true
	}
	return netip.Prefix{}, false
}

// blockOf returns the addresses of a masked prefix of a family with width bits.
func blockOf(p netip.Prefix, width int) block {
	lo := numberOf(p.Addr())
	host := width - p.Bits()
	if host == 128 {
		return block{lo, count{^uint64(0), ^uint64(0)}}
	}
	return block{lo, lo.plus(powerOfTwo(host).minus(count{lo: 1}))}
}

// publicIn counts the public addresses of blocks of one family, each once. It sorts
// blocks.
func publicIn(blocks []block, f family) count {
	if len(blocks) == 0 {
		return count{}
	}
	slices.SortFunc(blocks, func(a, b block) int { return a.lo.cmp(b.lo) })
	public := f.public()
	var n count
	run := blocks[0]
	for _, next := range blocks[1:] {
		switch {
		case run.hi.less(next.lo):
			n = n.plus(public.in(run))
			run = next
		case run.hi.less(next.hi):
			run.hi = next.hi
		}
	}
	return n.plus(public.in(run))
}

// isPublic reports whether the set holds a public address.
func (r reach) isPublic() bool { return !r[ipv4].isZero() || !r[ipv6].isZero() }

// width is a statement's threshold: the number of public addresses, by family, that a peer
// has to reach.
type width [2]count

// widthOf returns the number of addresses in a prefix of these lengths.
func widthOf(bits4, bits6 int) width {
	return width{ipv4: powerOfTwo(32 - bits4), ipv6: powerOfTwo(128 - bits6)}
}

// reached reports whether a set is at or above the threshold in one family.
func (w width) reached(r reach) bool {
	return !r[ipv4].less(w[ipv4]) || !r[ipv6].less(w[ipv6])
}

// describe says how much of the public space a peer reaches: in the family that reaches
// the threshold, or else in the one that reaches anything. If an IPv6 peer reaches both
// thresholds, IPv6 is reported; IPv4 alone is reported as embedded.
func (w width) describe(r reach, fromIPv6 bool) string {
	f, note := w.familyOf(r, fromIPv6)
	return f.addresses(r[f]) + note + "; the threshold is " + w[f].String()
}

// familyOf returns the family that describe speaks of, and a note on its addresses.
func (w width) familyOf(r reach, fromIPv6 bool) (f family, note string) {
	switch {
	case !r[ipv6].less(w[ipv6]) && (fromIPv6 || r[ipv4].less(w[ipv4])) || r[ipv4].isZero():
		return ipv6, ""
	case fromIPv6:
		return ipv4, " inside IPv6"
	default:
		return ipv4, ""
	}
}

// addresses counts public addresses of a family.
func (f family) addresses(n count) string {
	return n.String() + " public " + [...]string{"IPv4", "IPv6"}[f] + text.Agree(n.small(), " address", " addresses")
}

// describe counts the public addresses of each family.
func (r reach) describe() string {
	switch {
	case r[ipv6].isZero():
		return ipv4.addresses(r[ipv4])
	case r[ipv4].isZero():
		return ipv6.addresses(r[ipv6])
	default:
		return r[ipv4].String() + " public IPv4 and " + ipv6.addresses(r[ipv6])
	}
}

// are returns the verb for describe.
func (r reach) are() string {
	return text.Agree(r[ipv4].plus(r[ipv6]).small(), "is", "are")
}
