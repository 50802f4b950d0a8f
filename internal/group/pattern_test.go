package group_test

import (
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/group"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/secgroup"
)

func cidr(s string) secgroup.Peer { return secgroup.CIDRPeer(netip.MustParsePrefix(s)) }

var (
	office = []secgroup.Peer{cidr("203.0.113.10/32")}
	app    = []secgroup.Peer{secgroup.GroupPeer("sg-0123456789abcdef0", "123456789012")}
	vpc    = []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16"), netip.MustParsePrefix("2001:db8:1::/56")}
)

func TestPatternsHoldWhatTheyShouldAndNothingElse(t *testing.T) {
	web := []string{
		"ingress tcp 80 from 0.0.0.0/0", "ingress tcp 80 from ::/0", "ingress tcp 443 from 0.0.0.0/0", "ingress tcp 443 from ::/0",
	}
	webOut := []string{
		"egress tcp 443 to 0.0.0.0/0", "egress tcp 443 to ::/0", "egress tcp 80 to 0.0.0.0/0", "egress tcp 80 to ::/0",
	}
	out := webOut[:2]
	fromApp := " from 123456789012/sg-0123456789abcdef0"
	vpcSSH := []string{"ingress tcp 22 from 10.20.0.0/16", "ingress tcp 22 from 2001:db8:1::/56"}
	for name, tt := range map[string]struct {
		wish group.Wish
		want [][]string
	}{
		"web server":               {group.Wish{Pattern: group.WebServer}, [][]string{web, webOut}},
		"web server with SSH":      {group.Wish{Pattern: group.WebServer, Admin: office}, [][]string{web, {"ingress tcp 22 from 203.0.113.10/32"}, webOut}},
		"database":                 {group.Wish{Pattern: group.Database, App: app, VPC: vpc}, [][]string{{"ingress tcp 3306" + fromApp}, vpcSSH, out}},
		"PostgreSQL without SSH":   {group.Wish{Pattern: group.Database, App: app, VPC: vpc, NoSSH: true, Port: secgroup.PortRange{From: 5432, To: 5432}}, [][]string{{"ingress tcp 5432" + fromApp}, out}},
		"database from two":        {group.Wish{Pattern: group.Database, App: append(app, cidr("10.20.1.0/24"), app[0]), NoSSH: true}, [][]string{{"ingress tcp 3306" + fromApp, "ingress tcp 3306 from 10.20.1.0/24"}, out}},
		"database, SSH for admins": {group.Wish{Pattern: group.Database, App: app, VPC: vpc, Admin: []secgroup.Peer{cidr("10.9.0.0/24")}}, [][]string{{"ingress tcp 3306" + fromApp, "ingress tcp 22 from 10.9.0.0/24"}, out}},
		"scanner":                  {group.Wish{Pattern: group.Scanner}, [][]string{{"ingress tcp 22 from 10.0.0.0/16"}, out}},
		"scanner elsewhere":        {group.Wish{Pattern: group.Scanner, Management: []secgroup.Peer{cidr("192.168.7.0/24")}, Updates: true}, [][]string{{"ingress tcp 22 from 192.168.7.0/24"}, webOut}},
		"scanner without SSH":      {group.Wish{Pattern: group.Scanner, NoSSH: true}, [][]string{out}},
		"database in an odd VPC":   {group.Wish{Pattern: group.Database, NoSSH: true, App: []secgroup.Peer{cidr("198.51.100.0/25")}, VPC: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}, [][]string{{"ingress tcp 3306 from 198.51.100.0/25"}, out}},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := group.Rules(tt.wish)
			require.NoError(t, err)
			var got, want []string
			for _, r := range rules {
				got = append(got, r.Permission.String())
				assert.NotEmpty(t, r.Description, "each rule says what it is for")
				assert.NoError(t, secgroup.CheckDescription(r.Description))
			}
			for _, part := range tt.want {
				want = append(want, part...)
			}
			assert.Equal(t, want, got)
		})
	}
	for _, n := range group.Patterns() {
		assert.NotEmpty(t, n.Description())
		assert.NoError(t, secgroup.CheckDescription(n.Description()))
		parsed, err := group.ParsePattern(string(n))
		assert.NoError(t, err)
		assert.Equal(t, n, parsed)
	}
	_, err := group.ParsePattern("mail-server")
	assert.ErrorContains(t, err, "web-server, database or scanner")
}

func TestWishesThatOpenTooMuchOrContradictThemselvesAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		wish group.Wish
		want string
	}{
		"database for nobody":             {group.Wish{Pattern: group.Database}, "name their group"},
		"database for the internet":       {group.Wish{Pattern: group.Database, App: []secgroup.Peer{cidr("0.0.0.0/0")}}, "0.0.0.0/0 is neither in private space nor in the VPC"},
		"database for an address":         {group.Wish{Pattern: group.Database, App: []secgroup.Peer{cidr("203.0.113.7/32")}, VPC: vpc}, "203.0.113.7/32"},
		"database for more than private":  {group.Wish{Pattern: group.Database, App: []secgroup.Peer{cidr("10.0.0.0/7")}}, "10.0.0.0/7"},
		"database's SSH for the internet": {group.Wish{Pattern: group.Database, App: app, Admin: office}, "203.0.113.10/32"},
		"IPv4 within IPv6":                {group.Wish{Pattern: group.Database, App: []secgroup.Peer{cidr("::ffff:0:0/96")}}, "::ffff:0.0.0.0/96"},
		"scanner for the internet":        {group.Wish{Pattern: group.Scanner, Management: office}, "203.0.113.10/32"},
		"scanner with an application":     {group.Wish{Pattern: group.Scanner, App: app}, "scanner has no application"},
		"scanner with administrators":     {group.Wish{Pattern: group.Scanner, Admin: office}, "no administrators"},
		"web server with a port":          {group.Wish{Pattern: group.WebServer, Port: secgroup.PortRange{From: 8080, To: 8080}}, "no port of its own"},
		"web server with updates":         {group.Wish{Pattern: group.WebServer, Updates: true, Management: app}, "no management network"},
		"no SSH for somebody":             {group.Wish{Pattern: group.WebServer, Admin: office, NoSSH: true}, "SSH is left out"},
		"no pattern":                      {group.Wish{}, "not a pattern"},
	} {
		t.Run(name, func(t *testing.T) {
			rules, err := group.Rules(tt.wish)
			assert.ErrorContains(t, err, tt.want)
			assert.Empty(t, rules)
		})
	}
}

func defaultPolicy(t *testing.T) *policy.Policy {
	t.Helper()
	data, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	p, err := policy.Compile(policyyaml.Document("policy.yaml", data))
	require.NoError(t, err)
	return p
}

// The policy that comes with sgward has nothing against a pattern as a whole.
func TestTheDefaultPolicyAllowsThePatterns(t *testing.T) {
	for _, w := range []group.Wish{
		{Pattern: group.WebServer, Admin: office}, {Pattern: group.Database, App: app, VPC: vpc}, {Pattern: group.Scanner, Updates: true},
	} {
		rules, err := group.Rules(w)
		require.NoError(t, err)
		judged := defaultPolicy(t).Evaluate(policy.Request{Time: time.Now(), AccountID: "123456789012", Region: "us-east-1", Rules: rules, StandingKnown: true})
		for i, j := range judged {
			assert.Equal(t, policy.Compliant, j.Verdict, "%s: %s: %v", w.Pattern, rules[i].Permission, j.Reasons)
		}
	}
}

// A name means the same port here and in policies.
func TestEnginesAreServicesOfPolicies(t *testing.T) {
	for _, name := range group.Engines() {
		ports, err := group.ParsePort(name)
		require.NoError(t, err)
		assert.Equal(t, ports.From, ports.To, name)
		assert.NotEqual(t, "Database", group.EngineOf(ports), name)
		assert.Contains(t, secgroup.ServiceNames(), name)
		p, err := policy.Compile(policyyaml.Document("policy.yaml", fmt.Appendf(nil,
			"version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements: [{id: x, severity: high, effect: revoke, ingress: {from: any, ports: [%s]}}]", name)))
		require.NoError(t, err)
		rule := secgroup.Rule{Permission: secgroup.Permission{Direction: secgroup.Ingress, Protocol: secgroup.TCP, Ports: ports, Peer: cidr("10.0.0.0/8")}}
		got := p.Evaluate(policy.Request{Time: time.Now(), Rules: []secgroup.Rule{rule}})
		assert.Equal(t, policy.Revoke, got[0].Verdict, "a policy's %s has no port %s", name, ports)
	}
	assert.Equal(t, "mysql", group.Engines()[0])
}

func TestPortsAreNamesNumbersOrRanges(t *testing.T) {
	for text, want := range map[string]secgroup.PortRange{
		"postgresql": {From: 5432, To: 5432}, "6033": {From: 6033, To: 6033}, "27017-27019": {From: 27017, To: 27019}, "65535": {From: 65535, To: 65535},
	} {
		got, err := group.ParsePort(text)
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{"", "0", "MySQL", "65536", "3307-3306", "1-2-3", "-1", "3306/tcp", "mariadb"} {
		_, err := group.ParsePort(text)
		assert.ErrorContains(t, err, "mysql, postgresql", text)
	}
}
