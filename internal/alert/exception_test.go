package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
)

type pasted struct {
	ID      string
	Reason  string
	Owner   string
	Expires string
	Match   struct {
		Accounts, Regions, Groups []string
		Direction                 string
		Ports, Protocols, Peers   []string
		PrefixLists               []string `yaml:"prefix-lists"`
		ReferencedGroups          []string `yaml:"referenced-groups"`
	}
}

func read(t *testing.T, text string) pasted {
	t.Helper()
	var list []pasted
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	require.NoError(t, d.Decode(&list), text)
	require.Len(t, list, 1)
	return list[0]
}

// coverable are rules of every kind, each forbidden by the policy strict.
func coverable() map[string]*secgroup.Rule {
	return map[string]*secgroup.Rule{
		"tcp":         tcp(3306, "0.0.0.0/0"),
		"ports":       secgrouptest.Rule("ingress udp 27017-27019 from ::/0"),
		"all":         secgrouptest.Rule("egress all traffic to 0.0.0.0/0"),
		"esp":         secgrouptest.Rule("ingress protocol 50 from 203.0.113.0/24"),
		"icmp":        secgrouptest.Rule("ingress icmp type 8 from 0.0.0.0/0"),
		"prefix list": secgrouptest.TCP(22, "pl-0123456789abcdef0"),
		"group":       secgrouptest.TCP(22, "111122223333/sg-0fedcba9876543210"),
	}
}

func TestTheExceptionNamesThisRuleAndNoMore(t *testing.T) {
	e := alertOf().Event
	want := map[string]func(*pasted){
		"tcp":   func(p *pasted) { p.Match.Ports, p.Match.Peers = []string{"3306/tcp"}, []string{"0.0.0.0/0"} },
		"ports": func(p *pasted) { p.Match.Ports, p.Match.Peers = []string{"27017-27019/udp"}, []string{"::/0"} },
		"all": func(p *pasted) {
			p.Match.Direction, p.Match.Protocols, p.Match.Peers = "egress", []string{"all"}, []string{"0.0.0.0/0"}
		},
		"esp":  func(p *pasted) { p.Match.Protocols, p.Match.Peers = []string{"50"}, []string{"203.0.113.0/24"} },
		"icmp": func(p *pasted) { p.Match.Protocols, p.Match.Peers = []string{"icmp"}, []string{"0.0.0.0/0"} },
		"prefix list": func(p *pasted) {
			p.Match.Ports, p.Match.PrefixLists = []string{"22/tcp"}, []string{"pl-0123456789abcdef0"}
		},
		"group": func(p *pasted) {
			p.Match.Ports, p.Match.ReferencedGroups = []string{"22/tcp"}, []string{"sg-0fedcba9876543210"}
		},
	}
	ids := map[string]bool{}
	for name, rule := range coverable() {
		got := read(t, Exception(e, result(finding.OutcomeRevoked, rule).Finding))
		var expected pasted
		expected.ID, expected.Reason, expected.Owner = got.ID, policy.PlaceholderReason, policy.PlaceholderOwner
		expected.Expires = "2026-12-03"
		expected.Match.Accounts, expected.Match.Regions = []string{testAccount}, []string{"us-east-1"}
		expected.Match.Groups, expected.Match.Direction = []string{testGroup}, "ingress"
		want[name](&expected)
		assert.Equal(t, expected, got, name)
		ids[got.ID] = true
	}
	assert.Len(t, ids, len(want), "exceptions of one alert can be pasted side by side")
}

func TestTheExceptionIsYAMLWhateverTheTextIs(t *testing.T) {
	for _, s := range hostileTexts() {
		rule := *tcp(22, "0.0.0.0/0")
		rule.Description = s
		f := result(finding.OutcomeRevoked, &rule).Finding
		f.GroupName, f.AccountID, f.Region, f.StatementID = s, s, s, s
		got := read(t, Exception(alertOf().Event, f))
		assert.Equal(t, []string{s}, got.Match.Accounts)
		assert.Equal(t, []string{s}, got.Match.Regions)
	}
	rule := *secgrouptest.Rule("ingress all traffic from 0.0.0.0/0")
	rule.Permission.Peer = secgroup.PrefixListPeer(hostile)
	text := Exception(alertOf().Event, result(finding.OutcomeRevoked, &rule).Finding)
	assert.Equal(t, []string{hostile}, read(t, text).Match.PrefixLists)
	for _, markup := range []string{"`", "<", ">", "&"} {
		assert.NotContains(t, text, markup, "chat shows it as it is")
	}
}

func TestScalarsKeepTheirTextAndTheirType(t *testing.T) {
	for _, s := range append(hostileTexts(), "123456789012", "000000000001", "true", "no", "null", "~", "1e3", "0x1F", "2026-12-03", "::/0",
		"0.0.0.0/0", "3306/tcp", "27017-27019/tcp", "sg-0123456789abcdef0", "us-east-1", "all", "50", ".inf", "-1", "ab-1", "1.5") {
		var list []any
		require.NoError(t, yaml.Unmarshal([]byte("["+yamlString(s)+"]"), &list), s)
		assert.Equal(t, []any{s}, list)
	}
}

func TestNoExceptionIsOfferedForWhatIsNotKnown(t *testing.T) {
	e := alertOf().Event
	f := result(finding.OutcomeRevoked, tcp(22, "0.0.0.0/0")).Finding
	f.GroupID = ""
	assert.Empty(t, Exception(e, f))
	f.GroupID, f.Rule = testGroup, nil
	assert.Empty(t, Exception(e, f))
	f.Rule = &secgroup.Rule{Permission: secgroup.Permission{Direction: secgroup.Ingress, Protocol: secgroup.TCP}}
	assert.Empty(t, Exception(e, f))
	f.Rule = tcp(22, "0.0.0.0/0")
	f.Rule.Permission.Direction = 0
	assert.Empty(t, read(t, Exception(e, f)).Match.Direction)
}

func TestTheExceptionEndsThirtyDaysAfterTheDayOfTheEventInUTC(t *testing.T) {
	e := alertOf().Event
	e.EventTime = time.Date(2026, 12, 31, 23, 30, 0, 0, time.FixedZone("west", -3600))
	assert.Equal(t, "2027-01-31", read(t, Exception(e, result(finding.OutcomeRevoked, tcp(22, "0.0.0.0/0")).Finding)).Expires)
}
