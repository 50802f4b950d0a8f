package authorize_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/authorize"
	"sgward/internal/ec2rules"
	"sgward/internal/sdkhttp"
	"sgward/internal/secgroup"
	"sgward/localaws/ec2api"
)

const (
	region  = "us-east-1"
	account = "123456789012"
)

// place is an EC2 behind HTTP and a group in it that holds nothing.
type place struct {
	*testing.T
	ec2    *ec2api.Server
	client *ec2.Client
	vpc    string
	group  string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{T: t, ec2: ec2api.New(ec2api.WithSeed("authorize"))}
	web := httptest.NewServer(p.ec2)
	t.Cleanup(web.Close)
	p.client = ec2.New(ec2.Options{
		Region: region, BaseEndpoint: &web.URL, RetryMaxAttempts: 1,
		HTTPClient:  sdkhttp.Client(http.DefaultClient),
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "not-a-secret", ""),
	})
	vpc, err := p.client.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.20.0.0/16")})
	require.NoError(t, err)
	p.vpc = *vpc.Vpc.VpcId
	p.group = p.newGroup("web")
	return p
}

func (p *place) newGroup(name string) string {
	p.Helper()
	out, err := p.client.CreateSecurityGroup(p.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: aws.String(name), Description: aws.String(name), VpcId: aws.String(p.vpc)})
	require.NoError(p, err)
	_, err = p.client.RevokeSecurityGroupEgress(p.Context(), &ec2.RevokeSecurityGroupEgressInput{GroupId: out.GroupId,
		IpPermissions: []types.IpPermission{{IpProtocol: aws.String("-1"), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}})
	require.NoError(p, err)
	return *out.GroupId
}

func (p *place) read() secgroup.Group {
	p.Helper()
	g, err := ec2rules.Group(p.Context(), p.client, region, p.group)
	require.NoError(p, err)
	return g
}

// held is what the group holds, one text for a rule with all that is of it.
func (p *place) held() []string {
	p.Helper()
	out := []string{}
	for _, r := range p.read().Rules {
		text := strings.TrimSpace(r.Permission.String() + " " + r.Description)
		for _, t := range r.Tags {
			text += " " + t.Key + "=" + t.Value
		}
		out = append(out, text)
	}
	return out
}

func tcp(d secgroup.Direction, port uint16, cidr, description string, tags ...secgroup.Tag) secgroup.Rule {
	return secgroup.Rule{Description: description, Tags: tags, Permission: secgroup.Permission{
		Direction: d, Protocol: secgroup.TCP, Ports: secgroup.PortRange{From: port, To: port},
		Peer: secgroup.CIDRPeer(netip.MustParsePrefix(cidr)),
	}}
}

func peered(peer secgroup.Peer) secgroup.Rule {
	r := tcp(secgroup.Ingress, 3306, "10.0.0.0/8", "from there")
	r.Permission.Peer = peer
	return r
}

func outcomes(results []authorize.RuleResult) []authorize.Outcome {
	var out []authorize.Outcome
	for _, r := range results {
		out = append(out, r.Outcome)
	}
	return out
}

func TestRulesComeWithDescriptionsAndTagsInAsFewCallsAsTagsAllow(t *testing.T) {
	p := newPlace(t)
	team := secgroup.Tag{Key: "team", Value: "web"}
	own := secgroup.Tag{Key: "aws:cloudformation:stack-name", Value: "shop"}
	p.ec2.ResetCalls()
	results := authorize.Put(t.Context(), p.client, p.read(), []secgroup.Rule{
		tcp(secgroup.Ingress, 22, "203.0.113.10/32", "office", team),
		tcp(secgroup.Egress, 443, "0.0.0.0/0", "out"),
		tcp(secgroup.Ingress, 80, "::/0", "", team),
		tcp(secgroup.Ingress, 443, "0.0.0.0/0", "plain", own),
		peered(secgroup.GroupPeer(p.newGroup("app"), account)),
	}, false)
	assert.Equal(t, []authorize.Outcome{"made", "made", "made", "made", "made"}, outcomes(results))
	assert.ElementsMatch(t, []string{
		"ingress tcp 22 from 203.0.113.10/32 office team=web", "egress tcp 443 to 0.0.0.0/0 out",
		"ingress tcp 80 from ::/0 team=web", "ingress tcp 443 from 0.0.0.0/0 plain",
		"ingress tcp 3306 from " + results[4].Rule.Permission.Peer.String() + " from there",
	}, p.held())
	for _, r := range results {
		assert.Regexp(t, `^sgr-[0-9a-f]+$`, r.Rule.ID)
	}
	assert.Equal(t, 2, p.ec2.Calls().Of("AuthorizeSecurityGroupIngress"), "one for each set of tags")
	assert.Equal(t, 1, p.ec2.Calls().Of("AuthorizeSecurityGroupEgress"))
}

func TestRuleThatIsThereIsSuccessAndSaidToDiffer(t *testing.T) {
	p := newPlace(t)
	first := tcp(secgroup.Ingress, 22, "203.0.113.10/32", "office", secgroup.Tag{Key: "team", Value: "web"})
	require.Equal(t, []authorize.Outcome{"made"}, outcomes(authorize.Put(t.Context(), p.client, p.read(), []secgroup.Rule{first}, false)))
	id := p.read().Rules[0].ID

	again := first
	again.Description, again.Tags = "home", nil
	p.ec2.ResetCalls()
	results := authorize.Put(t.Context(), p.client, p.read(), []secgroup.Rule{first, again}, false)
	assert.Equal(t, []authorize.Outcome{"already_there", "already_there"}, outcomes(results))
	assert.Empty(t, results[0].Differs)
	assert.Equal(t, []string{`its description is "office", not "home"`, `its tags are "team=web", not none`}, results[1].Differs)
	assert.Equal(t, id, results[1].Rule.ID)
	assert.Zero(t, p.ec2.Calls().Of("AuthorizeSecurityGroupIngress"), "nothing to send")
}

// A read that lags, or somebody who was quicker.
func TestDuplicateKeepsNoOtherRuleFromBeingMade(t *testing.T) {
	p := newPlace(t)
	before := p.read()
	there := tcp(secgroup.Ingress, 22, "203.0.113.10/32", "office")
	authorize.Put(t.Context(), p.client, before, []secgroup.Rule{there}, false)
	there.Description = "home"
	results := authorize.Put(t.Context(), p.client, before, []secgroup.Rule{tcp(secgroup.Ingress, 80, "0.0.0.0/0", ""), there}, false)
	assert.Equal(t, []authorize.Outcome{"made", "already_there"}, outcomes(results))
	assert.Equal(t, []string{`its description is "office", not "home"`}, results[1].Differs)

	p.ec2.FailNext("DescribeSecurityGroupRules", 1, "UnauthorizedOperation")
	results = authorize.Put(t.Context(), p.client, before, []secgroup.Rule{there}, false)
	assert.Equal(t, authorize.There, results[0].Outcome)
	assert.Contains(t, results[0].Differs[0], "compare description and tags yourself")
}

func TestOneRuleThatEC2RefusesKeepsNoOtherFromBeingMade(t *testing.T) {
	p := newPlace(t)
	gone := peered(secgroup.GroupPeer("sg-0123456789abcdef0", account))
	results := authorize.Put(t.Context(), p.client, p.read(), []secgroup.Rule{
		tcp(secgroup.Ingress, 80, "0.0.0.0/0", ""), gone, tcp(secgroup.Ingress, 443, "0.0.0.0/0", "")}, false)
	assert.Equal(t, []authorize.Outcome{"made", "failed", "made"}, outcomes(results))
	assert.ErrorContains(t, results[1].Err, "InvalidGroup.NotFound")

	p.ec2.SetRuleQuota(3)
	results = authorize.Put(t.Context(), p.client, p.read(), []secgroup.Rule{
		tcp(secgroup.Ingress, 1, "10.0.0.0/8", ""), tcp(secgroup.Ingress, 2, "10.0.0.0/8", "")}, false)
	assert.Equal(t, []authorize.Outcome{"made", "failed"}, outcomes(results), "as many as fit")
	assert.ErrorContains(t, results[1].Err, "RulesPerSecurityGroupLimitExceeded")
}

func TestDenialIsAskedForOnce(t *testing.T) {
	p := newPlace(t)
	p.ec2.SetAuthorizer(func(action, _ string) string {
		if strings.HasPrefix(action, "Authorize") {
			return "UnauthorizedOperation"
		}
		return ""
	})
	p.ec2.ResetCalls()
	results := authorize.Put(t.Context(), p.client, p.read(), []secgroup.Rule{
		tcp(secgroup.Ingress, 80, "0.0.0.0/0", ""), tcp(secgroup.Ingress, 443, "0.0.0.0/0", "")}, false)
	assert.Equal(t, []authorize.Outcome{"failed", "failed"}, outcomes(results))
	assert.ErrorContains(t, results[1].Err, "UnauthorizedOperation")
	assert.Equal(t, 1, p.ec2.Calls().Of("AuthorizeSecurityGroupIngress"))
	assert.Empty(t, p.held())
}

func TestAnswerThatIsLostIsNoSuccess(t *testing.T) {
	p := newPlace(t)
	p.ec2.Inject(ec2api.Fault{Action: "AuthorizeSecurityGroupIngress", Times: 1, HangUp: true})
	rules := []secgroup.Rule{tcp(secgroup.Ingress, 80, "0.0.0.0/0", ""), tcp(secgroup.Ingress, 443, "0.0.0.0/0", "")}
	assert.Equal(t, []authorize.Outcome{"failed", "failed"}, outcomes(authorize.Put(t.Context(), p.client, p.read(), rules, false)))
	assert.Equal(t, []authorize.Outcome{"already_there", "already_there"}, outcomes(authorize.Put(t.Context(), p.client, p.read(), rules, false)),
		"the second try finds what the first has made")
}

func TestDryRunAsksEC2AndMakesNothing(t *testing.T) {
	p := newPlace(t)
	rules := []secgroup.Rule{tcp(secgroup.Ingress, 80, "0.0.0.0/0", ""), tcp(secgroup.Egress, 80, "0.0.0.0/0", "")}
	assert.Equal(t, []authorize.Outcome{"would_make", "would_make"}, outcomes(authorize.Put(t.Context(), p.client, p.read(), rules, true)))
	assert.Empty(t, p.held())
	p.ec2.FailNext("AuthorizeSecurityGroupEgress", 1, "UnauthorizedOperation")
	assert.Equal(t, []authorize.Outcome{"would_make", "failed"}, outcomes(authorize.Put(t.Context(), p.client, p.read(), rules, true)))
}

// careless is an endpoint that does not know dry runs.
type careless struct{ authorize.EC2 }

func (c careless) AuthorizeSecurityGroupIngress(ctx context.Context, in *ec2.AuthorizeSecurityGroupIngressInput, o ...func(*ec2.Options)) (*ec2.AuthorizeSecurityGroupIngressOutput, error) {
	in.DryRun = nil
	return c.EC2.AuthorizeSecurityGroupIngress(ctx, in, o...)
}

func TestDryRunThatWasTakenForAnOrderIsAnError(t *testing.T) {
	p := newPlace(t)
	got := authorize.Put(t.Context(), careless{p.client}, p.read(), []secgroup.Rule{tcp(secgroup.Ingress, 80, "10.0.0.0/8", "")}, true)
	assert.Equal(t, authorize.Failed, got[0].Outcome)
	assert.ErrorContains(t, got[0].Err, "check the group")
}

// Whatever a rule is, what EC2 stores of it is that rule.
func TestEveryKindOfRuleArrivesAsItIs(t *testing.T) {
	p := newPlace(t)
	list := p.ec2.AddAWSPrefixList(region, "com.amazonaws.us-east-1.s3", netip.MustParsePrefix("198.51.100.0/24"))
	var rules []secgroup.Rule
	for _, protocol := range []string{"tcp", "udp", "icmp", "icmpv6", "-1", "50"} {
		for i, peer := range []secgroup.Peer{
			secgroup.CIDRPeer(netip.MustParsePrefix("203.0.113.0/24")), secgroup.CIDRPeer(netip.MustParsePrefix("2001:db8::/32")),
			secgroup.PrefixListPeer(list), secgroup.GroupPeer(p.group, account), secgroup.GroupPeer("sg-0123456789abcdef1", "111122223333"),
		} {
			from, to := 8, 9
			proto, err := secgroup.ParseProtocol(protocol)
			require.NoError(t, err)
			for _, d := range []secgroup.Direction{secgroup.Ingress, secgroup.Egress} {
				permission, err := secgroup.NewPermission(d, proto, &from, &to, peer)
				require.NoError(t, err)
				rules = append(rules, secgroup.Rule{Permission: permission, Description: fmt.Sprintf("%s %d", protocol, i)})
			}
		}
	}
	for _, r := range authorize.Put(t.Context(), p.client, p.read(), rules, false) {
		require.NoError(t, r.Err)
	}
	held := p.read().Rules
	require.Len(t, held, len(rules))
	for _, want := range rules {
		got, ok := secgroup.FindRule(held, want.Permission)
		require.True(t, ok, want.Permission)
		assert.Equal(t, want.Description, got.Description)
	}
}
