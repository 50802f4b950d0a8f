package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sgward/internal/secgroup"
)

// BenchmarkEvaluateOneRule is the judging of one complete event: target below 20 µs.
func BenchmarkEvaluateOneRule(b *testing.B) {
	p := defaultPolicy(b)
	for _, c := range []struct{ name, rule string }{
		{"compliant", "tcp 443 from 0.0.0.0/0"},
		{"private", "tcp 3306 from 10.0.0.0/8"},
		{"revoked", "tcp 3306 from 0.0.0.0/0"},
		{"revoked IPv6", "tcp 3306 from ::/0"},
		{"all traffic", "all from 0.0.0.0/0"},
		{"narrow", "tcp 3306 from 52.94.76.0/24"},
	} {
		b.Run(c.name, func(b *testing.B) {
			r, err := parseRule(c.rule)
			require.NoError(b, err)
			req := newRequest()
			req.StandingKnown = false
			req.Rules = []secgroup.Rule{r}
			b.ReportAllocs()
			for b.Loop() {
				p.Evaluate(req)
			}
		})
	}
}

// manyStatements is a policy of n statements, each about other ports.
func manyStatements(b *testing.B, n int) *Policy {
	b.Helper()
	var text strings.Builder
	text.WriteString("statements:\n")
	for i := range n {
		fmt.Fprintf(&text, "  - {id: statement-%d, effect: alert, severity: low, ingress: {from: world, ports: [%d-%d/tcp]}}\n", i, i*60, i*60+4)
	}
	return mustParse(b, text.String())
}

// manyRules are n rules on ports all over: most of them private or partners', one in
// ten the world.
func manyRules(n int) []secgroup.Rule {
	rules := make([]secgroup.Rule, n)
	for i := range rules {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24)
		switch i % 10 {
		case 0:
			prefix = netip.MustParsePrefix("0.0.0.0/0")
		case 1, 2, 3:
			prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{52, byte(i >> 8), byte(i), 0}), 24)
		}
		port := uint16(i * 7)
		rules[i] = secgroup.Rule{ID: fmt.Sprintf("sgr-%017x", i), Permission: secgroup.Permission{
			Direction: secgroup.Ingress, Protocol: secgroup.TCP, Ports: secgroup.PortRange{From: port, To: port}, Peer: secgroup.CIDRPeer(prefix),
		}}
	}
	return rules
}

// BenchmarkEvaluateMany shows how the time grows: by ten with ten times the
// statements or the permissions, and no faster. ns/pair is for one statement and
// one permission.
func BenchmarkEvaluateMany(b *testing.B) {
	for _, size := range []struct{ statements, rules int }{{100, 1000}, {1000, 1000}, {100, 10000}, {1000, 10000}} {
		b.Run(fmt.Sprintf("statements=%d/permissions=%d", size.statements, size.rules), func(b *testing.B) {
			p := manyStatements(b, size.statements)
			req := newRequest()
			req.Rules = manyRules(size.rules)
			b.ReportAllocs()
			for b.Loop() {
				p.Evaluate(req)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size.statements*size.rules), "ns/pair")
		})
	}
}

// BenchmarkEvaluateUnion is the worst a group can hold: every rule below the threshold,
// all of them public, on overlapping ranges of ports; and the same behind a world
// that is revoked on its own, which has each point looked at twice.
func BenchmarkEvaluateUnion(b *testing.B) {
	p := defaultPolicy(b)
	for _, size := range []struct {
		rules  int
		world  bool
		nested bool // all ranges of ports lie in each other: at most points all rules are active
	}{{60, false, false}, {60, true, false}, {1000, false, false}, {1000, true, false}, {60, false, true}, {1000, false, true}} {
		b.Run(fmt.Sprintf("rules=%d/world=%t/nested=%t", size.rules, size.world, size.nested), func(b *testing.B) {
			req := newRequest()
			if size.world {
				r, err := parseRule("tcp 0-65535 from 0.0.0.0/0")
				require.NoError(b, err)
				req.Standing = append(req.Standing, r)
			}
			for i := range size.rules {
				peer := netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(11 + i%80), byte(i) & 0xc0, 0, 0}), 12)
				r := secgroup.Rule{ID: fmt.Sprintf("sgr-%017x", i), Permission: secgroup.Permission{
					Direction: secgroup.Ingress, Protocol: secgroup.TCP, Peer: secgroup.CIDRPeer(peer),
					Ports: secgroup.PortRange{From: uint16(i * 60), To: uint16(i*60 + 3000)},
				}}
				if size.nested {
					r.Permission.Ports = secgroup.PortRange{From: uint16(1 + i*7), To: uint16(60000 - i*11)}
				}
				if i%2 == 0 {
					req.Rules = append(req.Rules, r)
				} else {
					req.Standing = append(req.Standing, r)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				p.Evaluate(req)
			}
		})
	}
}
