package authorize_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/authorize"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/secgroup"
)

const document = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, ingress: {from: world, ports: [3306/tcp]}}
  - id: deployers
    severity: medium
    effect: alert
    ingress: {from: world, ports: [22/tcp]}
    unless: {actors: ["arn:aws:iam::123456789012:user/deploy"]}
exceptions:
  - {id: known, reason: a demo, owner: demo@example.com, expires: 2099-12-31,
     match: {groups: [sg-0123456789abcdef0], ports: [3306/tcp], peers: [0.0.0.0/0]}}
`

func judge(p *place, actor policy.Actor, rules ...secgroup.Rule) []finding.Finding {
	p.Helper()
	judging, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(document)))
	require.NoError(p, err)
	out, err := authorize.Judge(p.Context(), p.client, judging, p.read(), rules, actor, time.Now())
	require.NoError(p, err)
	require.Len(p, out, len(rules))
	return out
}

func TestRulesAreJudgedWithWhatTheGroupHolds(t *testing.T) {
	p := newPlace(t)
	half := tcp(secgroup.Ingress, 3306, "0.0.0.0/1", "")
	harmless := tcp(secgroup.Ingress, 443, "0.0.0.0/0", "")
	narrow := tcp(secgroup.Ingress, 3306, "64.0.0.0/10", "") // half of a /9
	out := judge(p, policy.Actor{}, half, harmless)
	assert.Equal(t, []policy.Verdict{policy.Revoke, policy.Compliant}, []policy.Verdict{out[0].Verdict, out[1].Verdict})
	assert.Equal(t, "database", out[0].StatementID)
	assert.Contains(t, out[0].Reasons[0].String(), "policy.yaml:5 database: ")
	assert.Equal(t, policy.Compliant, judge(p, policy.Actor{}, narrow)[0].Verdict, "alone it is below the threshold")

	beside := tcp(secgroup.Ingress, 3306, "64.64.0.0/10", "")
	authorize.Put(t.Context(), p.client, p.read(), []secgroup.Rule{beside}, false)
	got := judge(p, policy.Actor{}, narrow)[0]
	assert.Equal(t, policy.Revoke, got.Verdict, "together they are the world")
	assert.True(t, got.Union)
	assert.Equal(t, policy.Compliant, judge(p, policy.Actor{}, beside)[0].Verdict, "a rule that is there is not counted twice")
}

func TestUnknownIsNotAllowed(t *testing.T) {
	p := newPlace(t)
	ssh := tcp(secgroup.Ingress, 22, "0.0.0.0/0", "")
	got := judge(p, policy.Actor{}, ssh)[0]
	assert.Equal(t, policy.Undetermined, got.Verdict)
	assert.False(t, authorize.Allowed(got))
	assert.Contains(t, got.Reasons[len(got.Reasons)-1].String(), "not known: who made the rule")
	assert.True(t, authorize.Allowed(judge(p, policy.Actor{Known: true, ARN: "arn:aws:iam::123456789012:user/deploy"}, ssh)[0]))
	assert.Equal(t, policy.Alert, judge(p, policy.Actor{Known: true, ARN: "arn:aws:iam::123456789012:user/demo"}, ssh)[0].Verdict)

	list := p.ec2.AddAWSPrefixList(region, "list", netip.MustParsePrefix("0.0.0.0/1"))
	assert.Equal(t, policy.Revoke, judge(p, policy.Actor{}, peered(secgroup.PrefixListPeer(list)))[0].Verdict, "lists are read")
	got = judge(p, policy.Actor{}, peered(secgroup.PrefixListPeer("pl-0123456789abcdef0")))[0]
	assert.Equal(t, policy.Undetermined, got.Verdict)
	assert.Contains(t, strings.Join(policy.Texts(got.Reasons), "\n"), "InvalidPrefixListID.NotFound")
}

func TestGroupThatIsYetToBeMadeIsNoneThatAnExceptionNames(t *testing.T) {
	p := newPlace(t)
	judging, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(document)))
	require.NoError(t, err)
	g := p.read()
	g.ID = ""
	mysql := []secgroup.Rule{tcp(secgroup.Ingress, 3306, "0.0.0.0/0", "")}
	out, err := authorize.Judge(t.Context(), p.client, judging, g, mysql, policy.Actor{}, time.Now())
	require.NoError(t, err)
	assert.Equal(t, policy.Revoke, out[0].Verdict)
	assert.Empty(t, out[0].GroupID)
	g.ID = "sg-0123456789abcdef0"
	out, err = authorize.Judge(t.Context(), p.client, judging, g, mysql, policy.Actor{}, time.Now())
	require.NoError(t, err)
	assert.Equal(t, policy.Exempt, out[0].Verdict)
	assert.True(t, authorize.Allowed(out[0]))
}

// What CheckName and CheckDescription let pass is what EC2 takes, and no less.
func TestTextsAreJudgedAsEC2Does(t *testing.T) {
	p := newPlace(t)
	texts := []string{strings.Repeat("x", 255), strings.Repeat("x", 256), "sg-web", "default", "Größe", "a\tb", "a\nb", "a\x00b", `"quoted"`, "<b>", "50%", "a|b", "a?b", "`", "~", "'", "^", `\`}
	for r := rune(' '); r < 0x7F; r++ {
		texts = append(texts, "a"+string(r)+"b")
	}
	for i, text := range texts {
		_, err := p.client.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
			GroupName: aws.String(text), Description: aws.String("x"), VpcId: aws.String(p.vpc)})
		assert.Equal(t, err == nil, secgroup.CheckName(text) == nil, "name %q: EC2 says %v", text, err)
		p.group = p.newGroup(fmt.Sprintf("described %d", i))
		rule := tcp(secgroup.Ingress, 22, "10.0.0.0/8", text)
		results := authorize.Put(t.Context(), p.client, p.read(), []secgroup.Rule{rule}, false)
		assert.Equal(t, results[0].Err == nil, secgroup.CheckDescription(text) == nil, "description %q: EC2 says %v", text, results[0].Err)
	}
	for _, blank := range []string{"", " web", "web "} {
		assert.Error(t, secgroup.CheckName(blank), "%q", blank)
	}
}
