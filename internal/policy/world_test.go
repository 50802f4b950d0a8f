package policy

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func bigOf(c count) *big.Int {
	out := new(big.Int).Lsh(new(big.Int).SetUint64(c.hi), 64)
	return out.Or(out, new(big.Int).SetUint64(c.lo))
}

// isPublicAddress asks the tables of the model for one address.
func isPublicAddress(a netip.Addr) bool {
	all, _ := modelPublic(netip.PrefixFrom(a, a.BitLen()))
	return all
}

// The first and last address of every entry of the registries, and the neighbours
// outside, one by one.
func TestPublicSpaceAddressByAddressAtEveryBorder(t *testing.T) {
	asked := 0
	for _, list := range [][]special{specialIPv4, specialIPv6} {
		for _, e := range list {
			p := netip.MustParsePrefix(e.prefix)
			first, last := p.Addr(), lastOf(p)
			for _, a := range []netip.Addr{first, first.Prev(), last, last.Next()} {
				if !a.IsValid() {
					continue
				}
				f := ipv6
				if a.Is4() {
					f = ipv4
				}
				n := numberOf(a)
				got := f.public().in(block{n, n}) == count{lo: 1}
				assert.Equal(t, isPublicAddress(a), got, "%s, at a border of %s", a, p)
				asked++
			}
		}
	}
	assert.Greater(t, asked, 100)
}

func lastOf(p netip.Prefix) netip.Addr {
	for p.Bits() < p.Addr().BitLen() {
		_, p = halves(p)
	}
	return p.Addr()
}

func TestPublicSpaceAtRandomAddresses(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		p := drawPrefix(r)
		for p.Bits() < p.Addr().BitLen() {
			low, high := halves(p)
			p = pick(r, low, high)
		}
		a, f := p.Addr(), ipv6
		if a.Is4() {
			f = ipv4
		}
		n := numberOf(a)
		require.Equal(t, isPublicAddress(a), f.public().in(block{n, n}) == count{lo: 1}, "%s", a)
	}
}

// The totals, worked out by hand from the registries.
func TestTheSizeOfPublicSpace(t *testing.T) {
	// 2^32 less 0/8, 10/8, 100.64/10, 127/8, 169.254/16, 172.16/12, 192.0.0/24 but for
	// two addresses, 192.0.2/24, 192.88.99/24, 192.168/16, 198.18/15, 198.51.100/24,
	// 203.0.113/24 and 224/3.
	v4 := int64(1)<<32 - 3<<24 - 1<<22 - 1<<16 - 1<<20 - 5<<8 + 2 - 1<<16 - 1<<17 - 1<<29
	assert.Equal(t, big.NewInt(v4), bigOf(publicIPv4.size()))
	assert.Equal(t, bigOf(publicIPv4.size()), modelCount(netip.MustParsePrefix("0.0.0.0/0"), prefixes("0.0.0.0/0")))
	assert.Equal(t, bigOf(publicIPv6.size()), modelCount(netip.MustParsePrefix("::/0"), prefixes("::/0")))
}

func TestReachAgreesWithCountingByHalves(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	times := 3000
	if testing.Short() {
		times = 300
	}
	for range times {
		var set []netip.Prefix
		for range 1 + r.IntN(6) {
			set = append(set, drawPrefix(r))
		}
		want := modelReach(set)
		got := reachOf(set...)
		require.Equal(t, want[0].String(), bigOf(got[ipv4]).String(), "IPv4 of %v", set)
		require.Equal(t, want[1].String(), bigOf(got[ipv6]).String(), "IPv6 of %v", set)
		require.Equal(t, reachOf(set[0]), reachOfOne(set[0]), "%v", set[0])
		require.Equal(t, got, reachOf(append(split(r, set[0]), set...)...), "the same set in more pieces: %v", set)
	}
}

func TestReachOfAnInvalidPrefixIsNothing(t *testing.T) {
	assert.Equal(t, reach{}, reachOfOne(netip.Prefix{}))
	assert.Equal(t, reach{}, reachOf(netip.Prefix{}))
	assert.Equal(t, reach{}, reachOf())
	assert.False(t, reach{}.isPublic())
}

func TestSaturationDoesNotWrap(t *testing.T) {
	most := count{^uint64(0), ^uint64(0)}
	assert.Equal(t, most, most.plus(count{lo: 1}))
	assert.Equal(t, most, powerOfTwo(127).plus(powerOfTwo(127)))
	assert.Equal(t, count{hi: 1}, count{lo: ^uint64(0)}.plus(count{lo: 1}))
	assert.Equal(t, count{lo: ^uint64(0)}, count{hi: 1}.minus(count{lo: 1}))
}

func TestCountsArePrintedForPeople(t *testing.T) {
	for want, c := range map[string]count{
		"0": {}, "1": {lo: 1}, "256": {lo: 256}, "8,388,608": {lo: 1 << 23}, "4,294,967,296": {lo: 1 << 32},
		"2^33": powerOfTwo(33), "over 2^33": {lo: 1<<33 + 1}, "2^96": powerOfTwo(96), "over 2^96": powerOfTwo(96).plus(count{lo: 1}),
		"2^64": {hi: 1}, "over 2^64": {hi: 1, lo: 1},
	} {
		assert.Equal(t, want, c.String())
	}
}

func TestAWidthIsReachedInEitherFamily(t *testing.T) {
	w := widthOf(9, 32)
	at4, at6 := powerOfTwo(23), powerOfTwo(96)
	below4, below6 := at4.minus(count{lo: 1}), at6.minus(count{lo: 1})
	assert.True(t, w.reached(reach{at4, count{}}))
	assert.True(t, w.reached(reach{count{}, at6}))
	assert.False(t, w.reached(reach{below4, below6}))
	assert.Equal(t, "8,388,608 public IPv4 addresses; the threshold is 8,388,608", w.describe(reach{at4, below6}, false))
	assert.Equal(t, "2^96 public IPv6 addresses; the threshold is 2^96", w.describe(reach{below4, at6}, false))
	assert.Equal(t, "8,388,607 public IPv4 addresses; the threshold is 8,388,608", w.describe(reach{below4, below6}, false))
	assert.Equal(t, "over 2^95 public IPv6 addresses; the threshold is 2^96", w.describe(reach{count{}, below6}, false))
	assert.Equal(t, "2^96 public IPv6 addresses; the threshold is 2^96", w.describe(reach{at4, at6}, true))
	assert.Equal(t, "8,388,608 public IPv4 addresses inside IPv6; the threshold is 8,388,608", w.describe(reach{at4, below6}, true))
}

func TestIPv4InsideIPv6IsFoundInEveryEmbedding(t *testing.T) {
	for text, want := range map[string]string{
		"::ffff:10.0.0.0/104":        "10.0.0.0/8",
		"::ffff:0:0/96":              "0.0.0.0/0",
		"64:ff9b::203.0.113.7/128":   "203.0.113.7/32",
		"2002::/16":                  "0.0.0.0/0",
		"2002:cb00:7107::/48":        "203.0.113.7/32",
		"2002:cb00:7107:1::1/128":    "203.0.113.7/32",
		"2002:a00::/24":              "10.0.0.0/8",
		"2002::/15":                  "",
		"64:ff9b::/95":               "",
		"::fffe:0:0/95":              "",
		"::/0":                       "",
		"2001:db8::/32":              "",
		"::203.0.113.7/128":          "",
		"64:ff9b:1::203.0.113.7/128": "",
		"203.0.113.0/24":             "",
	} {
		got, ok := embeddedIPv4(netip.MustParsePrefix(text))
		assert.Equal(t, want != "", ok, text)
		if ok {
			assert.Equal(t, want, got.Masked().String(), text)
		}
	}
}

// A peer's verdict at the threshold, one address more or less, for every prefix length.
func TestTheLineIsExact(t *testing.T) {
	for bits := 8; bits <= 32; bits++ {
		p := mustParse(t, fmt.Sprintf(`
statements:
  - {id: wide, effect: revoke, severity: low, ingress: {from: {public: {ipv4: %d, ipv6: 32}}}}
`, bits))
		for length, want := range map[int]Verdict{bits - 1: Revoke, bits: Revoke, bits + 1: Compliant} {
			if length > 32 {
				continue
			}
			r, err := parseRule(fmt.Sprintf("tcp 22 from 52.0.0.0/%d", length))
			require.NoError(t, err)
			req := newRequest()
			req.Rules = append(req.Rules, r)
			assert.Equal(t, want, p.Evaluate(req)[0].Verdict, "/%d against a line of /%d", length, bits)
		}
	}
}

// size is the number of addresses in the space.
func (s space) size() count { return s.before[len(s.blocks)] }
