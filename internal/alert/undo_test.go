package alert

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
	"sgward/internal/text"
)

// shellWords runs a command in a POSIX shell where "aws" prints its arguments and
// nothing else can be run, and returns them.
func shellWords(t *testing.T, command string) []string {
	t.Helper()
	sh, err := exec.LookPath("sh")
	require.NoError(t, err)
	cmd := exec.Command(sh, "-c", "set -u -C\naws() { printf '%s\\000' \"$@\"; }\n"+command)
	cmd.Env, cmd.Dir = []string{"PATH=/nonexistent"}, t.TempDir()
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	require.NoError(t, err, errors.String())
	require.Empty(t, errors.String())
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// The request as the AWS CLI decodes it.
type cliPermission struct {
	IpProtocol       string
	FromPort, ToPort *int
	IpRanges         []struct{ CidrIp, Description string }
	Ipv6Ranges       []struct{ CidrIpv6, Description string }
	PrefixListIds    []struct{ PrefixListId, Description string }
	UserIdGroupPairs []struct{ GroupId, UserId, Description string }
}

type cliTags struct {
	ResourceType string
	Tags         []struct{ Key, Value string }
}

// request reads a command's words as the CLI would.
func request(t *testing.T, words []string) (operation string, options map[string]string, p cliPermission, tags []cliTags) {
	t.Helper()
	require.GreaterOrEqual(t, len(words), 8)
	require.Equal(t, "ec2", words[0])
	options = map[string]string{}
	require.Zero(t, len(words)%2, "options come with values: %q", words)
	for i := 2; i < len(words); i += 2 {
		options[words[i]] = words[i+1]
	}
	decode := func(text string, into any) {
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(into), text)
	}
	var permissions []cliPermission
	decode(options["--ip-permissions"], &permissions)
	require.Len(t, permissions, 1)
	if text, ok := options["--tag-specifications"]; ok {
		decode(text, &tags)
	}
	return words[1], options, permissions[0], tags
}

func TestUndoRestoresEveryKindOfRule(t *testing.T) {
	for name, tc := range map[string]struct {
		rule      string
		operation string
		check     func(t *testing.T, p cliPermission)
	}{
		"tcp from an IPv4 range": {
			"ingress tcp 3306-3310 from 203.0.113.0/24",
			"authorize-security-group-ingress", func(t *testing.T, p cliPermission) {
				assert.Equal(t, "tcp", p.IpProtocol)
				assert.Equal(t, [2]int{3306, 3310}, [2]int{*p.FromPort, *p.ToPort})
				assert.Equal(t, "203.0.113.0/24", p.IpRanges[0].CidrIp)
				assert.Equal(t, "why", p.IpRanges[0].Description)
			}},
		"udp to an IPv6 range, egress": {
			"egress udp 0 to ::/0",
			"authorize-security-group-egress", func(t *testing.T, p cliPermission) {
				assert.Equal(t, [2]int{0, 0}, [2]int{*p.FromPort, *p.ToPort})
				assert.Equal(t, "::/0", p.Ipv6Ranges[0].CidrIpv6)
				assert.Equal(t, "why", p.Ipv6Ranges[0].Description)
			}},
		"every protocol from a prefix list, without ports": {
			"ingress all traffic from pl-0123456789abcdef0",
			"authorize-security-group-ingress", func(t *testing.T, p cliPermission) {
				assert.Equal(t, "-1", p.IpProtocol)
				assert.Nil(t, p.FromPort)
				assert.Nil(t, p.ToPort)
				assert.Equal(t, "pl-0123456789abcdef0", p.PrefixListIds[0].PrefixListId)
				assert.Equal(t, "why", p.PrefixListIds[0].Description)
			}},
		"a protocol by number from a group of another account": {
			"ingress protocol 50 from 111122223333/sg-0fedcba9876543210",
			"authorize-security-group-ingress", func(t *testing.T, p cliPermission) {
				assert.Equal(t, "50", p.IpProtocol)
				assert.Nil(t, p.FromPort)
				assert.Equal(t, "sg-0fedcba9876543210", p.UserIdGroupPairs[0].GroupId)
				assert.Equal(t, "111122223333", p.UserIdGroupPairs[0].UserId)
				assert.Equal(t, "why", p.UserIdGroupPairs[0].Description)
			}},
		"a group of the same account, which needs no owner": {
			"ingress tcp 22 from " + testAccount + "/" + testGroup,
			"authorize-security-group-ingress", func(t *testing.T, p cliPermission) {
				assert.Equal(t, "tcp", p.IpProtocol)
				assert.Equal(t, testGroup, p.UserIdGroupPairs[0].GroupId)
				assert.Empty(t, p.UserIdGroupPairs[0].UserId)
			}},
		"one ICMP type": {
			"ingress icmp type 8 from 0.0.0.0/0",
			"authorize-security-group-ingress", func(t *testing.T, p cliPermission) {
				assert.Equal(t, [2]int{8, -1}, [2]int{*p.FromPort, *p.ToPort})
			}},
		"all of ICMPv6": {
			"ingress icmpv6 from 2001:db8::/32",
			"authorize-security-group-ingress", func(t *testing.T, p cliPermission) {
				assert.Equal(t, "icmpv6", p.IpProtocol)
				assert.Equal(t, [2]int{-1, -1}, [2]int{*p.FromPort, *p.ToPort})
			}},
	} {
		t.Run(name, func(t *testing.T) {
			rule := *secgrouptest.Rule(tc.rule)
			rule.Description = "why"
			rule.Tags = []secgroup.Tag{{Key: "team", Value: "data"}, {Key: "empty", Value: ""}}
			command := Undo(testAccount, "us-gov-west-1", testGroup, rule)
			require.NotEmpty(t, command)
			assert.NotContains(t, command, "\n")
			operation, options, p, tags := request(t, shellWords(t, command))
			assert.Equal(t, tc.operation, operation)
			assert.Equal(t, "us-gov-west-1", options["--region"])
			assert.Equal(t, testGroup, options["--group-id"])
			assert.Equal(t, 1, len(p.IpRanges)+len(p.Ipv6Ranges)+len(p.PrefixListIds)+len(p.UserIdGroupPairs), "one peer")
			tc.check(t, p)
			require.Len(t, tags, 1)
			assert.Equal(t, "security-group-rule", tags[0].ResourceType)
			assert.Equal(t, []struct{ Key, Value string }{{"team", "data"}, {"empty", ""}}, tags[0].Tags)
		})
	}
}

func hostileTexts() []string {
	return []string{
		hostile, "'; rm -rf /", "'", "''", `\`, `\'`, `\\'`, "$(x)", "`x`", "$HOME", "!!", "\n", "a\nb", "\t", "\x00", "\x1b[2J",
		`"`, `\"`, "*", "~", "<!channel>", "&amp;", "\u202Eabc", "\u2028", "\U0001F600", "\U000E0041", "\uFEFF", " leading and trailing ", "-n", "%s%n", "日本語",
	}
}

func TestUndoRestoresHostileTextExactlyAndRunsNoneOfIt(t *testing.T) {
	for _, out := range hostileTexts() {
		rule := *tcp(3306, "0.0.0.0/0")
		rule.Description = out
		rule.Tags = []secgroup.Tag{{Key: "k" + out, Value: out}}
		args := undoArguments(testAccount, "us-east-1", testGroup, rule, "\n  ")
		for form, command := range map[string]string{"line": Undo(testAccount, "us-east-1", testGroup, rule), "folded": folded(args)} {
			_, _, p, tags := request(t, shellWords(t, command))
			assert.Equal(t, out, p.IpRanges[0].Description, form)
			assert.Equal(t, "k"+out, tags[0].Tags[0].Key, form)
			assert.Equal(t, out, tags[0].Tags[0].Value, form)
			for _, line := range strings.Split(command, "\n") {
				assert.Equal(t, line, text.Visible(line), "nothing in a command is invisible")
			}
			assert.NotContains(t, command, "<!")
			assert.NotContains(t, command, "`")
		}
	}
}

func TestUndoLeavesOutTagsThatOnlyAWSCanSet(t *testing.T) {
	rule := *tcp(22, "0.0.0.0/0")
	rule.Tags = []secgroup.Tag{{Key: "aws:cloudformation:stack-name", Value: "web"}}
	assert.NotContains(t, Undo(testAccount, "us-east-1", testGroup, rule), "tag-specifications")
}

func TestUndoIsEmptyWhereNoCommandCouldRestoreTheRule(t *testing.T) {
	sound := *tcp(22, "0.0.0.0/0")
	unknownWay, noPeer, noProtocol := sound, sound, sound
	unknownWay.Permission.Direction = 0
	noPeer.Permission.Peer = secgroup.Peer{}
	noProtocol.Permission.Protocol = ""
	assert.NotEmpty(t, Undo(testAccount, "us-east-1", testGroup, sound))
	assert.Empty(t, Undo(testAccount, "us-east-1", testGroup, unknownWay))
	assert.Empty(t, Undo(testAccount, "us-east-1", testGroup, noPeer))
	assert.Empty(t, Undo(testAccount, "us-east-1", testGroup, noProtocol))
	assert.Empty(t, Undo(testAccount, "us-east-1", testGroup, secgroup.Rule{}))
	assert.Empty(t, Undo(testAccount, "us-east-1", "", sound))
	assert.Empty(t, Undo(testAccount, "us-east-1", "sg-1; id", sound))
	assert.Empty(t, Undo(testAccount, "--profile", testGroup, sound))
	assert.Empty(t, Undo(testAccount, "$(id)", testGroup, sound))
}

func TestLookUpCommandsAreWholeWords(t *testing.T) {
	words := shellWords(t, lookupRule("us-east-1", "AuthorizeSecurityGroupIngress", "sgr-0123456789abcdef0"))
	assert.Equal(t, []string{
		"cloudtrail", "lookup-events", "--region", "us-east-1",
		"--lookup-attributes", "AttributeKey=EventName,AttributeValue=AuthorizeSecurityGroupIngress",
		"--query", "Events[?contains(CloudTrailEvent,'sgr-0123456789abcdef0')].CloudTrailEvent",
	}, words)
	assert.Empty(t, lookupRule("us-east-1", "AuthorizeSecurityGroupIngress", `sgr-1')]`))
	assert.Empty(t, lookupEvent("us-east-1", "$(id)"))
	assert.Empty(t, groupHistory("us-east-1", "-x"))
}

func TestCloseIsTheCommandOfOneRule(t *testing.T) {
	rule := secgrouptest.TCP(22, "0.0.0.0/0")
	rule.Description = "SSH, oops"
	assert.Equal(t, `aws ec2 revoke-security-group-ingress --region us-east-1 --group-id sg-0123456789abcdef0 `+
		`--protocol tcp --port 22 --cidr 0.0.0.0/0`,
		Close("123456789012", "us-east-1", "sg-0123456789abcdef0", *rule))
	assert.Empty(t, Close("123456789012", "us-east-1; rm -rf /", "sg-0123456789abcdef0", *rule))
	assert.Equal(t, "https://console.aws.amazon.com/ec2/home?region=us-east-1#SecurityGroup:groupId=sg-0123456789abcdef0", GroupURL("us-east-1", "sg-0123456789abcdef0"))
	assert.Empty(t, EventURL("us-east-1", "javascript:"))
}
