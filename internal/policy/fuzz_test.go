package policy

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policy/document"
	"sgward/internal/policyyaml"
)

// Whatever the file holds, Compile gives a policy or problems with lines in it, and a policy
// that it gives can judge, and is the same when it is read from the JSON form.
func FuzzParsePolicy(f *testing.F) {
	shipped, err := os.ReadFile("../../policy.yaml")
	require.NoError(f, err)
	f.Add(shipped)
	page, err := os.ReadFile("../../docs/POLICY.md")
	require.NoError(f, err)
	for _, part := range strings.Split(string(page), "```yaml\n")[1:] {
		example, _, _ := strings.Cut(part, "```")
		f.Add([]byte(example))
	}
	cases, err := os.ReadFile("testdata/problems.txt")
	require.NoError(f, err)
	for _, part := range strings.Split(string(cases), "\n== ")[1:] {
		_, file, _ := strings.Cut(part, "\n")
		file, _, _ = strings.Cut(file, "\n---\n")
		f.Add([]byte(file))
	}
	for _, null := range []string{"version: 1", "ipv4: 9", "severity: critical", "from: world"} {
		name, value, _ := strings.Cut(null, ": ")
		f.Add([]byte(strings.Replace(string(shipped), null, name+": !!null "+value, 1)))
	}
	rules := []string{"tcp 3306 from 0.0.0.0/0", "all to ::/0", "icmp edited 52.0.0.0/10", "tcp 22 from pl-0123456789abcdef0", "tcp 22 from 52.64.0.0/10"}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := policyyaml.Document("policy.yaml", data)
		p, err := Compile(d)
		if err != nil {
			require.Nil(t, p)
			var problems Problems
			require.ErrorAs(t, err, &problems)
			require.NotEmpty(t, problems)
			last := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + strings.Count(string(data), "\u0085") +
				strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029") + 2
			for i, one := range problems {
				assert.Positive(t, one.Line)
				assert.LessOrEqual(t, one.Line, last, "%s", one)
				assert.NotEmpty(t, one.Text)
				assert.True(t, i == 0 || problems[i-1].Line <= one.Line, "problems are not in the order of lines")
			}
			return
		}
		require.NotEmpty(t, p.statements)
		form, err := d.JSON()
		require.NoError(t, err)
		read, err := document.FromJSON("policy.yaml", form)
		require.NoError(t, err)
		same, err := Compile(read)
		require.NoError(t, err)
		require.Equal(t, p, same)
		_ = p.Warnings(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))
		req := newRequest()
		for _, text := range rules {
			r, err := parseRule(text)
			require.NoError(t, err)
			req.Rules = append(req.Rules, r)
		}
		require.Len(t, p.Evaluate(req), len(rules))
		_, steps := p.Explain(req)
		for _, s := range steps {
			require.Len(t, s, len(p.statements))
		}
	})
}

// bytesOf writes prefixes as the fuzzer mutates them: a byte for the family, one for
// the length, 16 for the address.
func bytesOf(set []netip.Prefix) []byte {
	var out []byte
	for _, p := range set {
		one := make([]byte, 18)
		if p.Addr().Is6() {
			one[0] = 1
		}
		one[1] = byte(p.Bits())
		copy(one[2:], p.Addr().AsSlice())
		out = append(out, one...)
	}
	return out
}

func prefixesOf(data []byte) []netip.Prefix {
	var out []netip.Prefix
	for ; len(data) >= 18 && len(out) < 8; data = data[18:] {
		a := netip.AddrFrom4([4]byte(data[2:6]))
		if data[0]%2 == 1 {
			a = netip.AddrFrom16([16]byte(data[2:18]))
		}
		out = append(out, netip.PrefixFrom(a, int(data[1])%(a.BitLen()+1)))
	}
	return out
}

// FuzzCIDRReach holds the count of public addresses of any few prefixes against
// halving them one by one, and against the same set spelt otherwise.
func FuzzCIDRReach(f *testing.F) {
	for _, texts := range [][]string{
		{"0.0.0.0/0"}, {"0.0.0.0/1", "128.0.0.0/1"}, {"::/0", "52.0.0.0/9"}, {"2000::/3"}, {"1.2.3.4/0"},
		{"::ffff:0:0/96", "64:ff9b::/97", "2002::/17"}, {"2002:a00::/24", "10.0.0.0/7"}, {"2002:3401:203:4::/64"},
		{"192.0.0.0/24", "192.0.0.9/32", "2001::/23", "2001:20::/27"}, {"100.64.0.0/9", "172.16.0.0/11", "198.18.0.0/14"},
		{"10.1.2.3/7", "fc00::1/6", "2001:db8::/31", "3fff::/19"}, {"52.0.0.0/10", "52.64.0.0/10", "52.32.0.0/11"},
	} {
		f.Add(bytesOf(prefixes(texts...)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set := prefixesOf(data)
		var masked, halved []netip.Prefix
		for _, p := range set {
			p = p.Masked()
			masked = append(masked, p)
			if p.Bits() < p.Addr().BitLen() {
				low, high := halves(p)
				halved = append(halved, high, low)
			} else {
				halved = append(halved, p)
			}
		}
		got := reachOf(set...)
		require.Equal(t, got, reachOf(halved...), "two spellings of %v", set)
		want := modelReach(masked)
		require.Equal(t, want[0].String(), bigOf(got[ipv4]).String(), "%v", set)
		require.Equal(t, want[1].String(), bigOf(got[ipv6]).String(), "%v", set)
		require.False(t, publicIPv4.size().less(got[ipv4]))
		require.False(t, publicIPv6.size().less(got[ipv6]))
	})
}
