package policy

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/secgroup"
)

// small is a model of traffic on a line of 64 points.
type small [64]bool

func drawTraffic(r *rand.Rand) (traffic, small) {
	var spans []span
	var model small
	for range r.IntN(6) {
		lo := r.IntN(len(model))
		hi := lo + r.IntN(min(12, len(model)-lo))
		spans = append(spans, span{uint32(lo), uint32(hi)})
		for i := lo; i <= hi; i++ {
			model[i] = true
		}
	}
	return trafficOf(spans), model
}

func TestTrafficAgreesWithABitmap(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20000 {
		tr, model := drawTraffic(r)
		for i := range tr {
			require.LessOrEqual(t, tr[i].lo, tr[i].hi)
			require.True(t, i == 0 || tr[i-1].hi+1 < tr[i].lo, "%v: spans touch", []span(tr))
		}
		lo := r.IntN(len(model))
		s := span{uint32(lo), uint32(lo + r.IntN(len(model)-lo))}
		overlaps, covers, coveredBy, some := false, true, true, false
		for i, in := range model {
			inside := s.lo <= uint32(i) && uint32(i) <= s.hi
			overlaps = overlaps || in && inside
			covers = covers && (in || !inside)
			coveredBy = coveredBy && (!in || inside)
			some = some || in
		}
		require.Equal(t, overlaps, tr.overlaps(s), "%v overlaps %v", []span(tr), s)
		require.Equal(t, covers, tr.covers(s), "%v covers %v", []span(tr), s)
		require.Equal(t, coveredBy && some, tr.coveredBy(s), "%v covered by %v", []span(tr), s)
		without := tr.without(s)
		for i, in := range model {
			at := span{uint32(i), uint32(i)}
			inside := s.overlaps(at)
			require.Equal(t, !in && inside, without.overlaps(at), "%v taken off %v at %d", []span(tr), s, i)
		}
	}
}

func TestEachProtocolHasItsOwnPoints(t *testing.T) {
	protocols := []secgroup.Protocol{"tcp", "udp", "icmp", "icmpv6", "0", "2", "41", "47", "50", "132", "255"}
	for i, a := range protocols {
		for k, b := range protocols {
			pa, pb := secgroup.Permission{Protocol: a, Ports: secgroup.AllPorts}, secgroup.Permission{Protocol: b, Ports: secgroup.AllPorts}
			assert.Equal(t, i == k, spanOf(pa).overlaps(spanOf(pb)), "%s and %s", a, b)
		}
		one := secgroup.Permission{Protocol: a, Ports: secgroup.PortRange{From: 7, To: 7}}
		assert.True(t, traffic{spanOf(secgroup.Permission{Protocol: secgroup.AllProtocols})}.covers(spanOf(one)), "all protocols cover %s", a)
		assert.True(t, traffic{protocolSpan(a)}.covers(spanOf(one)), "protocol %s covers its own", a)
	}
}

func TestTrafficIsPrintedInThePolicysWords(t *testing.T) {
	for want, tr := range map[string]traffic{
		"22/tcp":                             {{22, 22}},
		"0-65535/tcp":                        {{0, 65535}},
		"0/udp":                              {{udpBase, udpBase}},
		"65535/tcp, 0/udp":                   {{65535, udpBase}},
		"icmp":                               {{protocolBase + 1, protocolBase + 1}},
		"icmpv6":                             {{protocolBase + 58, protocolBase + 58}},
		"protocol 47":                        {{protocolBase + 47, protocolBase + 47}},
		"protocols 59-255":                   {{protocolBase + 59, lineEnd}},
		"all traffic":                        {wholeAxis},
		"":                                   {},
		"22/tcp, 80/tcp, 443/tcp and 2 more": {{22, 22}, {80, 80}, {443, 443}, {8080, 8080}, {9000, 9001}},
		"0-65535/udp, protocols 0-255":       {{udpBase, lineEnd}},
	} {
		assert.Equal(t, want, tr.String())
	}
	some := traffic{{22, 25}, {80, 80}, {udpBase + 53, lineEnd}}
	for want, within := range map[string]span{
		"25/tcp, 80/tcp, 53-65535/udp and 1 more": {25, lineEnd},
		"80/tcp, 53/udp": {26, udpBase + 53},
		"protocol 50":    {protocolBase + 50, protocolBase + 50},
		"":               {26, 79},
	} {
		assert.Equal(t, want, string(some.appendWithin(nil, within)))
	}
}

func TestEveryServiceNameIsSound(t *testing.T) {
	for _, name := range secgroup.ServiceNames() {
		assert.True(t, isName(name), name)
	}
}

func TestPortlessIsEveryProtocolButTCPUDPAndICMP(t *testing.T) {
	spans, err := parseProtocol("portless")
	require.NoError(t, err)
	tr := trafficOf(spans)
	for n := range 256 {
		at := span{protocolBase + uint32(n), protocolBase + uint32(n)}
		assert.Equal(t, n != 1 && n != 6 && n != 17 && n != 58, tr.overlaps(at), "protocol %d", n)
	}
	assert.False(t, tr.overlaps(withPorts))
}
