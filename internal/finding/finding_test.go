package finding

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

func permission(t *testing.T, d secgroup.Direction, protocol string, from, to *int, peer secgroup.Peer) secgroup.Permission {
	t.Helper()
	proto, err := secgroup.ParseProtocol(protocol)
	require.NoError(t, err)
	p, err := secgroup.NewPermission(d, proto, from, to, peer)
	require.NoError(t, err)
	return p
}

func cidr(t *testing.T, s string) secgroup.Peer {
	t.Helper()
	p, err := secgroup.ParseCIDRPeer(s)
	require.NoError(t, err)
	return p
}

func number(n int) *int { return &n }

func TestTheStrongestFindingDecides(t *testing.T) {
	of := func(ds ...Decision) Decision {
		var findings []Finding
		for _, d := range ds {
			findings = append(findings, Finding{Decision: d})
		}
		return Strongest(findings)
	}
	assert.Equal(t, DecisionNone, of())
	assert.Equal(t, DecisionNone, of(DecisionExempt), "exempt does not raise a Detection")
	assert.Equal(t, DecisionAlert, of(DecisionExempt, DecisionAlert))
	assert.Equal(t, DecisionInspect, of(DecisionAlert, DecisionInspect, DecisionExempt))
	assert.Equal(t, DecisionRevoke, of(DecisionInspect, DecisionRevoke, DecisionAlert))
	assert.Equal(t, DecisionNone, of("", "unheard of"), "a decision that is none counts as none")
}

func TestIDsAreEqualForEqualPartsOnly(t *testing.T) {
	parts := []string{"123456789012", "eu-central-1", "sg-0123456789abcdef0", "sgr-0123456789abcdef0", "event"}
	id := func(p []string) string { return NewID(p[0], p[1], p[2], p[3], p[4]) }
	assert.Regexp(t, `^f-[0-9a-f]{16}$`, id(parts))
	assert.Equal(t, id(parts), id(append([]string{}, parts...)))
	seen := map[string]bool{id(parts): true}
	for i := range parts {
		other := append([]string{}, parts...)
		other[i] += "x"
		assert.False(t, seen[id(other)], "part %d takes no part", i)
		seen[id(other)] = true
	}
	assert.NotEqual(t, NewID("a", "b", "", "", ""), NewID("ab", "", "", "", ""), "where one part ends matters")
	assert.NotEqual(t, NewID("a", "", "b", "", ""), NewID("a", "b", "", "", ""))
	assert.NotEqual(t, NewID("a\x00b", "", "", "", ""), NewID("a", "b", "", "", ""))
}

func TestTheActorOfAPolicyIsTheRoleBehindTheSession(t *testing.T) {
	session := Actor{Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/deploy/chosen-by-the-caller", SessionIssuerARN: "arn:aws:iam::123456789012:role/deploy"}
	assert.Equal(t, policy.Actor{Known: true, ARN: "arn:aws:iam::123456789012:role/deploy"}, session.Subject())
	user := Actor{Type: "IAMUser", ARN: "arn:aws:iam::123456789012:user/me"}
	assert.Equal(t, policy.Actor{Known: true, ARN: user.ARN}, user.Subject())
	assert.Equal(t, policy.Actor{Known: true}, Actor{Type: "AWSService", InvokedBy: "autoscaling.amazonaws.com"}.Subject(), "a service is known and has no ARN")
	assert.Equal(t, policy.Actor{}, Actor{}.Subject(), "nobody is not known")
}

func TestAnActorWhoseRoleOrUserIsNotToldIsNotKnown(t *testing.T) {
	for name, a := range map[string]Actor{
		"a session without its issuer":         {Type: "AssumedRole", ARN: "arn:aws:sts::123456789012:assumed-role/deploy/me"},
		"a federated user without the issuer":  {Type: "FederatedUser", ARN: "arn:aws-cn:sts::123456789012:federated-user/me"},
		"a user without an ARN":                {Type: "IAMUser"},
		"a role without an ARN":                {Type: "AssumedRole"},
		"an account":                           {Type: "AWSAccount"},
		"whom CloudTrail does not know either": {Type: "Unknown"},
	} {
		assert.Equal(t, policy.Actor{}, a.Subject(), name)
	}
	service := Actor{InvokedBy: "autoscaling.amazonaws.com"}
	assert.Equal(t, policy.Actor{Known: true}, service.Subject(), "of which some records tell no type")
	root := Actor{Type: "Root", ARN: "arn:aws:iam::123456789012:root", InvokedBy: "autoscaling.amazonaws.com"}
	assert.Equal(t, policy.Actor{Known: true, ARN: root.ARN}, root.Subject())
}

func TestARuleComesBackAsItWasWrittenDown(t *testing.T) {
	for name, p := range map[string]secgroup.Permission{
		"tcp":            permission(t, secgroup.Ingress, "tcp", number(3306), number(3306), cidr(t, "0.0.0.0/0")),
		"every udp":      permission(t, secgroup.Egress, "udp", number(0), number(65535), cidr(t, "2001:db8::/32")),
		"port 0":         permission(t, secgroup.Ingress, "tcp", number(0), number(0), cidr(t, "203.0.113.0/24")),
		"all traffic":    permission(t, secgroup.Ingress, "-1", nil, nil, cidr(t, "::/0")),
		"GRE":            permission(t, secgroup.Ingress, "47", nil, nil, cidr(t, "10.0.0.0/8")),
		"ping":           permission(t, secgroup.Ingress, "icmp", number(8), number(-1), cidr(t, "10.0.0.0/8")),
		"every ICMPv6":   permission(t, secgroup.Ingress, "icmpv6", nil, nil, cidr(t, "::/0")),
		"prefix list":    permission(t, secgroup.Ingress, "tcp", number(22), number(22), secgroup.PrefixListPeer("pl-0123456789abcdef0")),
		"group":          permission(t, secgroup.Ingress, "tcp", number(22), number(22), secgroup.GroupPeer("sg-0fedcba9876543210", "111122223333")),
		"group, unowned": permission(t, secgroup.Ingress, "tcp", number(22), number(22), secgroup.GroupPeer("sg-0fedcba9876543210", "")),
		"edited":         permission(t, 0, "tcp", number(22), number(22), cidr(t, "0.0.0.0/0")),
		"IPv4 in IPv6":   permission(t, secgroup.Ingress, "tcp", number(22), number(22), cidr(t, "::ffff:10.0.0.0/104")),
	} {
		t.Run(name, func(t *testing.T) {
			rule := secgroup.Rule{
				ID: "sgr-0123456789abcdef0", GroupID: "sg-0123456789abcdef0", OwnerID: "123456789012", Permission: p,
				Description: "a \"quoted\" <text>", Tags: []secgroup.Tag{{Key: "a", Value: "b"}},
			}
			encoded, err := json.Marshal(RuleOf(rule))
			require.NoError(t, err)
			var decoded Rule
			require.NoError(t, json.Unmarshal(encoded, &decoded))
			back, err := decoded.SecurityGroupRule(rule.GroupID, rule.OwnerID)
			require.NoError(t, err, string(encoded))
			assert.Equal(t, rule, back, string(encoded))
		})
	}
}

func TestARuleIsWrittenInTheWordsOfEC2(t *testing.T) {
	encoded, err := json.Marshal(RuleOf(secgroup.Rule{ID: "sgr-0123456789abcdef0",
		Permission: permission(t, secgroup.Ingress, "tcp", number(0), number(443), cidr(t, "0.0.0.0/0"))}))
	require.NoError(t, err)
	assert.JSONEq(t, `{"securityGroupRuleId":"sgr-0123456789abcdef0","direction":"ingress","ipProtocol":"tcp","fromPort":0,"toPort":443,"cidrIpv4":"0.0.0.0/0"}`, string(encoded))
	encoded, err = json.Marshal(RuleOf(secgroup.Rule{Permission: permission(t, 0, "-1", nil, nil, secgroup.GroupPeer("sg-0123456789abcdef0", "111122223333"))}))
	require.NoError(t, err)
	assert.JSONEq(t, `{"direction":"unknown","ipProtocol":"-1","referencedGroupId":"sg-0123456789abcdef0","referencedGroupUserId":"111122223333"}`, string(encoded))
}

func TestARuleThatIsNoneIsAnErrorAndNeverAWiderRule(t *testing.T) {
	sound := Rule{Direction: "ingress", IPProtocol: "tcp", FromPort: number(22), ToPort: number(22), CidrIPv4: "0.0.0.0/0"}
	_, err := sound.SecurityGroupRule("", "")
	require.NoError(t, err)
	for name, spoil := range map[string]func(*Rule){
		"no direction":       func(r *Rule) { r.Direction = "" },
		"odd direction":      func(r *Rule) { r.Direction = "both" },
		"no protocol":        func(r *Rule) { r.IPProtocol = "" },
		"odd protocol":       func(r *Rule) { r.IPProtocol = "tcpp" },
		"one port missing":   func(r *Rule) { r.ToPort = nil },
		"ports turned round": func(r *Rule) { r.FromPort = number(23) },
		"port out of range":  func(r *Rule) { r.ToPort = number(65536) },
		"no peer":            func(r *Rule) { r.CidrIPv4 = "" },
		"two peers":          func(r *Rule) { r.CidrIPv6 = "::/0" },
		"a peer and a list":  func(r *Rule) { r.PrefixListID = "pl-0123456789abcdef0" },
		"a peer and a group": func(r *Rule) { r.ReferencedGroupID = "sg-0123456789abcdef0" },
		"no CIDR":            func(r *Rule) { r.CidrIPv4 = "203.0.113.7" },
		"IPv6 as cidrIpv4":   func(r *Rule) { r.CidrIPv4 = "::/0" },
		"IPv4 as cidrIpv6":   func(r *Rule) { r.CidrIPv4, r.CidrIPv6 = "", "0.0.0.0/0" },
	} {
		r := sound
		spoil(&r)
		got, err := r.SecurityGroupRule("sg-0123456789abcdef0", "123456789012")
		assert.Error(t, err, name)
		assert.Equal(t, secgroup.Rule{}, got, name)
	}
}

func TestRuleOfSharesNoTags(t *testing.T) {
	r := secgroup.Rule{Tags: []secgroup.Tag{{Key: "a", Value: "b"}}}
	out := RuleOf(r)
	out.Tags[0].Value = "changed"
	assert.Equal(t, "b", r.Tags[0].Value)
}

func TestTextIsCutAtRuneBoundaries(t *testing.T) {
	assert.Equal(t, "abc", cut("abc", 3))
	assert.Equal(t, "…", cut("abcd", 3))
	assert.Equal(t, "a…", cut("abcde", 4))
	assert.Equal(t, "ä…", cut("äöüß", 5))
	assert.Equal(t, "ä…", cut("äöüß", 6), "half a rune is none")
	long := strings.Repeat("€", 1000)
	assert.LessOrEqual(t, len(cut(long, 100)), 100)
	assert.True(t, strings.HasSuffix(cut(long, 100), "€…"))
}

func TestDecidingReasonsAreThoseOfTheStatementThatDecided(t *testing.T) {
	f := Finding{StatementID: "db", Reasons: []string{"policy.yaml:3 db: tcp 3306 ...: revoke", "policy.yaml:9 other-db: ...: alert"}}
	assert.Equal(t, f.Reasons[:1], f.Deciding())
	f.StatementID = ""
	assert.Equal(t, f.Reasons, f.Deciding(), "nobody decided")
	f.StatementID = "gone"
	assert.Equal(t, f.Reasons, f.Deciding())
}
