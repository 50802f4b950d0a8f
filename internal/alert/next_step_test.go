package alert

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
)

func TestCommandsForSimpleRulesAreOneShortLine(t *testing.T) {
	for words, want := range map[string]string{
		"ingress tcp 22 from 0.0.0.0/0":            "--protocol tcp --port 22 --cidr 0.0.0.0/0",
		"ingress udp 161-162 from 203.0.113.0/24":  "--protocol udp --port 161-162 --cidr 203.0.113.0/24",
		"ingress tcp 22 from sg-0fedcba9876543210": "--protocol tcp --port 22 --source-group sg-0fedcba9876543210",
		// The AWS CLI has no simple options for these.
		"ingress tcp 22 from 2001:db8::1/128":                   `--ip-permissions '[{"IpProtocol":"tcp","FromPort":22,"ToPort":22,"Ipv6Ranges":[{"CidrIpv6":"2001:db8::1/128"}]}]'`,
		"ingress tcp 22 from 111122223333/sg-0fedcba9876543210": `--ip-permissions '[{"IpProtocol":"tcp","FromPort":22,"ToPort":22,"UserIdGroupPairs":[{"GroupId":"sg-0fedcba9876543210","UserId":"111122223333"}]}]'`,
		"ingress tcp 22 from pl-0123456789abcdef0":              `--ip-permissions '[{"IpProtocol":"tcp","FromPort":22,"ToPort":22,"PrefixListIds":[{"PrefixListId":"pl-0123456789abcdef0"}]}]'`,
		"ingress all traffic from 0.0.0.0/0":                    `--ip-permissions '[{"IpProtocol":"-1","IpRanges":[{"CidrIp":"0.0.0.0/0"}]}]'`,
		"egress tcp 22 to 0.0.0.0/0":                            `--ip-permissions '[{"IpProtocol":"tcp","FromPort":22,"ToPort":22,"IpRanges":[{"CidrIp":"0.0.0.0/0"}]}]'`,
	} {
		rule := *secgrouptest.Rule(words)
		rule.Description = "x"
		verb := "revoke-security-group-" + rule.Permission.Direction.String()
		assert.Equal(t, "aws ec2 "+verb+" --region us-east-1 --group-id "+testGroup+" "+want,
			oneLine("revoke", testAccount, "us-east-1", testGroup, rule))
	}
	assert.Empty(t, oneLine("revoke", testAccount, "us-east-1", "sg-1; id", *tcp(22, "0.0.0.0/0")))
	assert.Equal(t, []string{"ec2", "revoke-security-group-ingress", "--region", "us-east-1", "--group-id", testGroup,
		"--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0"}, shellWords(t, oneLine("revoke", testAccount, "us-east-1", testGroup, *tcp(22, "0.0.0.0/0"))))
}

// firstCommand is the first block of a text.
func firstCommand(t *testing.T, text string) string {
	t.Helper()
	i := strings.Index(text, "aws ")
	require.GreaterOrEqual(t, i, 0, text)
	line, _, _ := strings.Cut(text[i:], "\n")
	return line
}

func TestTheFirstCommandIsTheRightOne(t *testing.T) {
	fixed := func(peer secgroup.Peer) finding.Alert {
		a := alertOf(result(finding.OutcomeRevoked, tcp(3306, "0.0.0.0/0")))
		fix := *tcp(3306, "0.0.0.0/0")
		fix.Permission.Peer, a.Findings[0].Fix = peer, &fix
		return a
	}
	unknown := alertOf(result(finding.OutcomeRevoked, tcp(3306, "0.0.0.0/0")))
	unknown.Findings[0].Fix = nil
	for want, a := range map[string]finding.Alert{
		"authorize-security-group-ingress * --cidr 198.51.100.7/32":                   fixed(secgroup.CIDRPeer(netip.MustParsePrefix("198.51.100.7/32"))),
		`authorize-security-group-ingress * "CidrIpv6":"2001:db8::7/128"}]}]'`:        fixed(secgroup.CIDRPeer(netip.MustParsePrefix("2001:db8::7/128"))),
		"authorize-security-group-ingress * --source-group sg-0fedcba9876543210":      fixed(secgroup.GroupPeer("sg-0fedcba9876543210", "")),
		"authorize-security-group-ingress * --source-group SG-OF-THE-CLIENTS":         unknown,
		"revoke-security-group-ingress * --cidr 0.0.0.0/0":                            alertOf(result(finding.OutcomeWouldRevoke, tcp(3306, "0.0.0.0/0"))),
		"revoke-security-group-ingress * --port 3306 --cidr 0.0.0.0/0":                alertOf(result(finding.OutcomeFailed, tcp(3306, "0.0.0.0/0"))),
		"revoke-security-group-ingress * --protocol tcp --port 3306 --cidr 0.0.0.0/0": alertOf(result(finding.OutcomeAlerted, tcp(3306, "0.0.0.0/0"))),
	} {
		begin, end, _ := strings.Cut(want, " * ")
		m := messageOf(t, a)
		for _, text := range []string{m.Email, chatOf(t, m).Content.Description} {
			command := firstCommand(t, text)
			assert.True(t, strings.HasPrefix(command, "aws ec2 "+begin+" ") && strings.HasSuffix(command, end), "%s: %s", want, command)
		}
	}
}

func TestAnExceptionForTheWorldComesLastAndInTheMailAlone(t *testing.T) {
	for _, s := range scenarios() {
		m := messageOf(t, s.alert)
		assert.NotContains(t, m.HTTPS, "CHANGE ME", s.name)
		if i := strings.Index(m.Email, "CHANGE ME"); i >= 0 {
			assert.NotContains(t, m.Email[i:], "aws ec2", s.name)
		}
	}
}

func TestWhatIsOpenHasNoPastTense(t *testing.T) {
	m := messageOf(t, alertOf(result(finding.OutcomeWouldRevoke, tcp(3306, "0.0.0.0/0"))))
	n := chatOf(t, m).Content
	assert.Equal(t, "STILL OPEN, not closed in observe mode: MySQL (tcp 3306) to the whole internet in web, production 123456789012", n.Title)
	for _, text := range []string{m.Email, n.Description} {
		for _, past := range []string{" was ", "Closed", "Undo", "UNDO", "authorize-security-group"} {
			assert.NotContains(t, strings.ReplaceAll(text, "md/command#ec2.authorize-security-group-ingress", ""), past)
		}
	}
	assert.Equal(t, 1, strings.Count(n.Description, "aws "), "one command")
}

func TestAToolThatWillOpenItAgainIsNamed(t *testing.T) {
	a := alertOf(result(finding.OutcomeRevoked, tcp(3306, "0.0.0.0/0")))
	a.Event.UserAgent = "APN/1.0 HashiCorp/1.0 Terraform/1.13.1"
	assert.Contains(t, messageOf(t, a).HTTPS, "Terraform made the rule: change the code as well, or its next run opens it again.")
	a.Event.Actor.InvokedBy = "cloudformation.amazonaws.com"
	a.Event.UserAgent = ""
	assert.Contains(t, messageOf(t, a).HTTPS, "CloudFormation made the rule: change the template as well.")
}
