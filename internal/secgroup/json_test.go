package secgroup_test

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
)

// written are rules and the JSON that alerts, reports and messages between functions
// have held since the first version: readers of theirs compare it.
func written() map[string]*secgroup.Rule {
	full := secgrouptest.TCP(0, "0.0.0.0/0")
	full.ID, full.GroupID, full.OwnerID = "sgr-0123456789abcdef0", "sg-0123456789abcdef0", "123456789012"
	full.Permission.Ports.To = 443
	full.Description = "a \"quoted\" <text> & \u2028 \x1b[31m 語 \\"
	full.Tags = []secgroup.Tag{{Key: "team", Value: "data"}, {Key: "", Value: ""}}
	return map[string]*secgroup.Rule{
		`{"securityGroupRuleId":"sgr-0123456789abcdef0","direction":"ingress","ipProtocol":"tcp","fromPort":0,"toPort":443,"cidrIpv4":"0.0.0.0/0",` +
			`"description":"a \"quoted\" <text> & \u2028 \u001b[31m 語 \\","tags":[{"key":"team","value":"data"},{"key":"","value":""}]}`: full,
		`{"direction":"egress","ipProtocol":"udp","fromPort":0,"toPort":65535,"cidrIpv6":"2001:db8::/32"}`:                            secgrouptest.Rule("egress udp 0-65535 to 2001:db8::/32"),
		`{"direction":"ingress","ipProtocol":"-1","cidrIpv6":"::/0"}`:                                                                 secgrouptest.Rule("ingress all traffic from ::/0"),
		`{"direction":"ingress","ipProtocol":"47","cidrIpv4":"10.0.0.0/8"}`:                                                           secgrouptest.Rule("ingress protocol 47 from 10.0.0.0/8"),
		`{"direction":"ingress","ipProtocol":"icmp","fromPort":8,"toPort":-1,"cidrIpv4":"10.0.0.0/8"}`:                                secgrouptest.Rule("ingress icmp type 8 from 10.0.0.0/8"),
		`{"direction":"ingress","ipProtocol":"icmpv6","fromPort":-1,"toPort":-1,"cidrIpv6":"::/0"}`:                                   secgrouptest.Rule("ingress icmpv6 from ::/0"),
		`{"direction":"ingress","ipProtocol":"tcp","fromPort":22,"toPort":22,"prefixListId":"pl-0123456789abcdef0"}`:                  secgrouptest.TCP(22, "pl-0123456789abcdef0"),
		`{"direction":"ingress","ipProtocol":"tcp","fromPort":22,"toPort":22,"referencedGroupId":"sg-0123456789abcdef0"}`:             secgrouptest.TCP(22, "sg-0123456789abcdef0"),
		`{"direction":"unknown","ipProtocol":"-1","referencedGroupId":"sg-0123456789abcdef0","referencedGroupUserId":"111122223333"}`: secgrouptest.Rule("unknown all traffic from 111122223333/sg-0123456789abcdef0"),
		`{"direction":"ingress","ipProtocol":"tcp","fromPort":22,"toPort":22,"cidrIpv6":"::ffff:10.0.0.0/104"}`:                       secgrouptest.TCP(22, "::ffff:10.0.0.0/104"),
	}
}

// encode writes as alerts and reports do, without escapes for HTML.
func encode(t testing.TB, v any) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	require.NoError(t, e.Encode(v))
	return strings.TrimSuffix(b.String(), "\n")
}

func TestARuleIsWrittenInTheWordsOfEC2AndComesBack(t *testing.T) {
	for want, rule := range written() {
		assert.Equal(t, want, encode(t, rule))
		assert.Equal(t, want, encode(t, *rule), "by value too")
		var back secgroup.Rule
		require.NoError(t, json.Unmarshal([]byte(want), &back))
		stored := *rule
		stored.GroupID, stored.OwnerID = "", ""
		assert.Equal(t, stored, back)
	}
	assert.Equal(t, `{"direction":"unknown","ipProtocol":""}`, encode(t, secgroup.Rule{}))
	html, err := json.Marshal(secgroup.Rule{Description: "<&>"})
	require.NoError(t, err)
	assert.Contains(t, string(html), `"\u003c\u0026\u003e"`, "json.Marshal escapes as everywhere")
}

func TestARuleThatIsNoneIsAnErrorAndNeverAWiderRule(t *testing.T) {
	const sound = `{"direction":"ingress","ipProtocol":"tcp","fromPort":22,"toPort":23,"cidrIpv4":"0.0.0.0/0"}`
	const list = `"cidrIpv4":"0.0.0.0/0","prefixListId":"pl-0123456789abcdef0"`
	require.NoError(t, json.Unmarshal([]byte(sound), new(secgroup.Rule)))
	for name, c := range map[string]struct{ old, text, want string }{
		"no direction":           {`"direction":"ingress",`, "", "direction"},
		"odd direction":          {"ingress", "both", "direction"},
		"no protocol":            {`"ipProtocol":"tcp",`, "", "protocol"},
		"odd protocol":           {"tcp", "tcpp", "protocol"},
		"no ports":               {`"fromPort":22,"toPort":23,`, "", "ports are missing"},
		"no fromPort":            {`"fromPort":22,`, "", "ports are missing"},
		"no toPort":              {`"toPort":23,`, "", "ports are missing"},
		"every port as -1":       {`"fromPort":22,"toPort":23`, `"fromPort":-1,"toPort":-1`, "fromPort is -1"},
		"ICMP without a type":    {`"tcp","fromPort":22,"toPort":23`, `"icmp"`, "ports are missing"},
		"ICMP type out of range": {`"tcp","fromPort":22`, `"icmp","fromPort":256`, "256"},
		"ports turned round":     {"22", "24", "24-23"},
		"port out of range":      {"23", "65536", "65536"},
		"port as text":           {"23", `"23"`, "toPort"},
		"no peer":                {`,"cidrIpv4":"0.0.0.0/0"`, "", "exactly one of"},
		"two ranges":             {`"cidrIpv4"`, `"cidrIpv6":"::/0","cidrIpv4"`, "exactly one of"},
		"a range and a list":     {`"cidrIpv4":"0.0.0.0/0"`, list, "exactly one of"},
		"a range and a group":    {`"cidrIpv4"`, `"referencedGroupId":"sg-0123456789abcdef0","cidrIpv4"`, "exactly one of"},
		"an owner of no group":   {`"cidrIpv4"`, `"referencedGroupUserId":"123456789012","cidrIpv4"`, "referencedGroupUserId"},
		"no CIDR":                {"0.0.0.0/0", "203.0.113.7", "cidrIpv4"},
		"IPv6 as cidrIpv4":       {"0.0.0.0/0", "::/0", "other address family"},
		"IPv4 as cidrIpv6":       {"cidrIpv4", "cidrIpv6", "other address family"},
		"a list of rules":        {sound, "[]", ""},
		"text":                   {sound, `"ingress tcp 22"`, ""},
	} {
		text := strings.Replace(sound, c.old, c.text, 1)
		require.NotEqual(t, sound, text, name)
		kept := *secgrouptest.TCP(1, "10.0.0.0/8")
		assert.ErrorContains(t, json.Unmarshal([]byte(text), &kept), c.want, name)
		assert.Equal(t, *secgrouptest.TCP(1, "10.0.0.0/8"), kept, "%s: what cannot be read changes nothing", name)
	}
}

func FuzzRuleJSON(f *testing.F) {
	for text := range written() {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var rule secgroup.Rule
		if json.Unmarshal([]byte(text), &rule) != nil {
			assert.Equal(t, secgroup.Rule{}, rule)
			return
		}
		require.True(t, rule.Permission.IsValid(), text)
		again := encode(t, rule)
		var back secgroup.Rule
		require.NoError(t, json.Unmarshal([]byte(again), &back), again)
		if len(rule.Tags) == 0 {
			rule.Tags, back.Tags = nil, nil // [] is left out
		}
		assert.Equal(t, rule, back)
		assert.Equal(t, again, encode(t, back))
	})
}

// FuzzRulesComeBack goes the other way: whatever EC2 could hold is written and read.
func FuzzRulesComeBack(f *testing.F) {
	f.Add(uint8(6), uint16(22), uint16(22), []byte{10, 0, 0, 0}, uint8(8), "text")
	f.Add(uint8(58), uint16(0), uint16(300), make([]byte, 16), uint8(0), "<&>")
	f.Fuzz(func(t *testing.T, number uint8, from, to uint16, address []byte, bits uint8, text string) {
		addr, ok := netip.AddrFromSlice(address)
		if !ok {
			return
		}
		protocol, err := secgroup.ParseProtocol(strconv.Itoa(int(number)))
		require.NoError(t, err)
		a, b := int(from), int(to)
		p, err := secgroup.NewPermission(secgroup.Direction(number%3), protocol, &a, &b, secgroup.CIDRPeer(netip.PrefixFrom(addr, int(bits)%(addr.BitLen()+1))))
		if err != nil {
			return
		}
		rule := secgroup.Rule{Permission: p, Description: strings.ToValidUTF8(text, "")}
		var back secgroup.Rule
		require.NoError(t, json.Unmarshal([]byte(encode(t, rule)), &back))
		assert.Equal(t, rule, back)
	})
}
