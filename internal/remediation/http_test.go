package remediation_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/localaws/ec2api"
)

// wire is the stage of an EC2 behind HTTP: real SDK clients on both sides, and the
// records that EC2 writes of what its callers do.
type wire struct {
	*stage
	ec2     *ec2api.Server
	user    *ec2.Client
	sgward  *ec2.Client
	mu      sync.Mutex
	records [][]byte
}

const remediateKey = "AKIAI44QH8DHBEXAMPLE"

func newWire(t *testing.T) *wire {
	t.Helper()
	return wireOf(t, newStage(t, closing), func(ec2 http.Handler) (string, *http.Client) {
		web := httptest.NewServer(ec2)
		t.Cleanup(web.Close)
		return web.URL, nil
	})
}

// wireOf makes a wire of which connect says where its EC2 is reached and how.
func wireOf(t *testing.T, s *stage, connect func(http.Handler) (string, *http.Client)) *wire {
	t.Helper()
	w := &wire{stage: s}
	w.ec2 = ec2api.New(ec2api.WithSeed("remediation"), ec2api.WithEvents(func(_ context.Context, record []byte) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.records = append(w.records, record)
	}))
	url, transport := connect(w.ec2)
	client := func(key string) *ec2.Client {
		o := ec2.Options{
			Region: region, BaseEndpoint: &url, RetryMaxAttempts: 1,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: key, SecretAccessKey: "secret"}, nil
			}),
		}
		if transport != nil {
			o.HTTPClient = transport
		}
		return ec2.New(o)
	}
	w.user, w.sgward = client("AKIAIOSFODNN7EXAMPLE"), client(remediateKey)
	return w
}

// newGroup makes a group of the default VPC or of another one, without rules.
func (w *wire) newGroup(name string, defaultVPC bool) string {
	w.t.Helper()
	in := &ec2.CreateSecurityGroupInput{GroupName: aws.String(name), Description: aws.String(name)}
	if !defaultVPC {
		vpc, err := w.user.CreateVpc(w.t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
		require.NoError(w.t, err)
		in.VpcId = vpc.Vpc.VpcId
	}
	out, err := w.user.CreateSecurityGroup(w.t.Context(), in)
	require.NoError(w.t, err)
	_, err = w.user.RevokeSecurityGroupEgress(w.t.Context(), &ec2.RevokeSecurityGroupEgressInput{
		GroupId: out.GroupId, IpPermissions: []types.IpPermission{{IpProtocol: aws.String("-1"), IpRanges: ranges("0.0.0.0/0")}},
	})
	require.NoError(w.t, err)
	w.forget()
	return *out.GroupId
}

func ranges(cidrs ...string) []types.IpRange {
	var out []types.IpRange
	for _, c := range cidrs {
		out = append(out, types.IpRange{CidrIp: aws.String(c), Description: aws.String("from " + c)})
	}
	return out
}

func tcp(port int32, cidrs ...string) types.IpPermission {
	return types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(port), ToPort: aws.Int32(port), IpRanges: ranges(cidrs...)}
}

func (w *wire) authorize(groupID string, permissions ...types.IpPermission) []types.SecurityGroupRule {
	w.t.Helper()
	out, err := w.user.AuthorizeSecurityGroupIngress(w.t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &groupID, IpPermissions: permissions})
	require.NoError(w.t, err)
	return out.SecurityGroupRules
}

func (w *wire) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records = nil
}

// messages are what detect makes of the records since the last forget.
func (w *wire) messages() []remediation.Message {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []remediation.Message
	for _, record := range w.records {
		change, err := cloudtrail.Parse(record)
		require.NoError(w.t, err)
		d := finding.Detect(w.policy, change, time.Now())
		if d.Verdict != policy.Compliant {
			out = append(out, remediation.Message{Detection: d, Try: 1, Tries: 5, Sent: time.Now(), Queued: time.Now()})
		}
	}
	w.records = nil
	return out
}

// remediate brings everything since the last forget to an end.
func (w *wire) remediate() {
	w.t.Helper()
	w.ec2.ResetCalls()
	for _, err := range w.deliverTo(w.sgward, w.messages()...) {
		assert.NoError(w.t, err)
	}
}

// left lists the sources of a group's rules.
func (w *wire) left(groupID string) []string {
	out := []string{}
	for _, r := range w.ec2.Rules(groupID) {
		out = append(out, r.CIDRIPv4+r.CIDRIPv6+r.PrefixListID+r.ReferencedGroupID)
	}
	return out
}

func (w *wire) calls(actions ...string) int { return w.ec2.Calls().Of(actions...) }

func TestOverHTTPOneCallClosesAndTheNeighboursKeepTheirDescriptions(t *testing.T) {
	for name, defaultVPC := range map[string]bool{"default VPC": true, "another VPC": false} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			g := w.newGroup("app", defaultVPC)
			w.authorize(g, tcp(3306, "10.0.0.0/8", "1.2.3.4/0"))
			w.remediate()
			assert.Equal(t, []string{"10.0.0.0/8"}, w.left(g))
			assert.Equal(t, "from 10.0.0.0/8", w.ec2.Rules(g)[0].Description)
			assert.Equal(t, 1, w.calls("RevokeSecurityGroupIngress"))
			assert.Equal(t, 3, w.calls(), "and two for the alert: the group and its interfaces")
			r := only(t, w.alert())
			assert.Equal(t, finding.OutcomeRevoked, r.Outcome)
			assert.Equal(t, "from 1.2.3.4/0", r.Rule.Description)
		})
	}
}

func TestOverHTTPAPersonWasFasterWithOneOfTwo(t *testing.T) {
	for name, defaultVPC := range map[string]bool{"default VPC": true, "another VPC": false} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			g := w.newGroup("app", defaultVPC)
			rules := w.authorize(g, tcp(3306, "0.0.0.0/0", "40.0.0.0/8"), tcp(443, "0.0.0.0/0"))
			_, err := w.user.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{
				GroupId: &g, SecurityGroupRuleIds: []string{*rules[0].SecurityGroupRuleId}})
			require.NoError(t, err)
			w.remediate()
			assert.Equal(t, []string{"0.0.0.0/0"}, w.left(g))
			assert.Equal(t, 443, w.ec2.Rules(g)[0].FromPort)
			assert.ElementsMatch(t, []string{"already_closed 0.0.0.0/0", "revoked 40.0.0.0/8"}, told(w.alert()))
		})
	}
}

func TestOverHTTPEveryFormIsClosed(t *testing.T) {
	w := newWire(t)
	g := w.newGroup("app", false)
	list, err := w.user.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("partners"), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(5),
		Entries: []types.AddPrefixListEntry{{Cidr: aws.String("10.0.0.0/8")}, {Cidr: aws.String("0.0.0.0/1")}},
	})
	require.NoError(t, err)
	w.forget()
	w.authorize(g, types.IpPermission{IpProtocol: aws.String("-1"), IpRanges: ranges("0.0.0.0/0")},
		types.IpPermission{IpProtocol: aws.String("6"), FromPort: aws.Int32(3300), ToPort: aws.Int32(3310),
			Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: aws.String("::/0")}}},
		types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306), ToPort: aws.Int32(3306),
			PrefixListIds: []types.PrefixListId{{PrefixListId: list.PrefixList.PrefixListId}}},
		tcp(5432, lower, upper))
	_, err = w.user.AuthorizeSecurityGroupEgress(t.Context(), &ec2.AuthorizeSecurityGroupEgressInput{
		GroupId: &g, IpPermissions: []types.IpPermission{tcp(3306, "0.0.0.0/0")}})
	require.NoError(t, err)

	w.remediate()

	assert.Empty(t, w.left(g))
	assert.Len(t, w.told(), 6)
	for _, a := range w.alerts {
		for _, r := range a.Findings {
			assert.Equal(t, finding.OutcomeRevoked, r.Outcome, r.Reasons)
		}
	}
}

func TestOverHTTPEditsAreClosedInTheirDirection(t *testing.T) {
	w := newWire(t)
	g := w.newGroup("app", false)
	rules := w.authorize(g, tcp(3306, "10.0.0.0/8"), tcp(5432, "10.0.0.0/8"))
	w.forget()
	var updates []types.SecurityGroupRuleUpdate
	for i, cidr := range []string{"0.0.0.0/0", "10.1.0.0/16"} {
		r := rules[i]
		updates = append(updates, types.SecurityGroupRuleUpdate{SecurityGroupRuleId: r.SecurityGroupRuleId,
			SecurityGroupRule: &types.SecurityGroupRuleRequest{IpProtocol: r.IpProtocol, FromPort: r.FromPort, ToPort: r.ToPort, CidrIpv4: aws.String(cidr)}})
	}
	_, err := w.user.ModifySecurityGroupRules(t.Context(), &ec2.ModifySecurityGroupRulesInput{GroupId: &g, SecurityGroupRules: updates})
	require.NoError(t, err)
	w.remediate()
	assert.Equal(t, []string{"10.1.0.0/16"}, w.left(g))
	r := only(t, w.alert())
	assert.True(t, r.Edited)
	assert.Equal(t, *rules[0].SecurityGroupRuleId, r.Rule.ID)
}

func TestOverHTTPADeniedRevokeIsReported(t *testing.T) {
	w := newWire(t)
	g := w.newGroup("app", false)
	w.ec2.SetAuthorizer(func(action, key string) string {
		if key == remediateKey && action == "RevokeSecurityGroupIngress" {
			return "UnauthorizedOperation"
		}
		return ""
	})
	w.authorize(g, tcp(3306, "0.0.0.0/0"))
	errs := w.deliverTo(w.sgward, w.messages()...)
	require.Error(t, errs[0])
	r := only(t, w.alert())
	assert.Equal(t, "UnauthorizedOperation", r.ErrorCode)
	assert.Contains(t, r.ErrorMessage, "not authorized")
}

func TestOverHTTPServersFaultsAreRetried(t *testing.T) {
	for _, code := range []string{"RequestLimitExceeded", "InternalError", "Unavailable"} {
		t.Run(code, func(t *testing.T) {
			w := newWire(t)
			g := w.newGroup("app", false)
			w.authorize(g, tcp(3306, "0.0.0.0/0"))
			w.ec2.FailNext("RevokeSecurityGroupIngress", 1, code)
			messages := w.messages()
			require.Error(t, w.deliverTo(w.sgward, messages...)[0])
			assert.Empty(t, w.alerts)
			require.NoError(t, w.deliverTo(w.sgward, again(messages[0]))[0])
			assert.Empty(t, w.left(g))
		})
	}
}

func TestOverHTTPAnAnswerThatNeverCame(t *testing.T) {
	w := newWire(t)
	g := w.newGroup("app", false)
	w.authorize(g, tcp(3306, "0.0.0.0/0"))
	w.ec2.Inject(ec2api.Fault{Action: "RevokeSecurityGroupIngress", Times: 1, HangUp: true})
	messages := w.messages()
	require.Error(t, w.deliverTo(w.sgward, messages...)[0])
	require.NoError(t, w.deliverTo(w.sgward, again(messages[0]))[0])
	assert.True(t, only(t, w.alert()).MaybeEarlier)
}

// roundTrip is a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) Do(r *http.Request) (*http.Response, error) { return f(r) }

// The attempt that closed the rule had no answer. Before the SDK's next one the caller has made an equal rule.
func TestOverHTTPALostAnswerBeforeAnEqualRuleIsReportedAsItsOwnClosing(t *testing.T) {
	w := newWire(t)
	g := w.newGroup("app", false)
	own := w.authorize(g, tcp(3306, "52.0.0.0/8"))[0]
	messages := w.messages()
	var equal types.SecurityGroupRule
	client := ec2.New(w.sgward.Options(), func(o *ec2.Options) {
		send := o.HTTPClient
		o.RetryMaxAttempts, o.Retryer = 3, retry.NewStandard()
		o.HTTPClient = roundTrip(func(r *http.Request) (*http.Response, error) {
			answer, err := send.Do(r)
			if action := r.URL.Query().Get("Action"); err == nil && equal.SecurityGroupRuleId == nil && action == "" {
				if held := w.left(g); len(held) == 0 {
					_ = answer.Body.Close()
					equal = w.authorize(g, tcp(3306, "52.0.0.0/8"))[0]
					return nil, io.ErrUnexpectedEOF
				}
			}
			return answer, err
		})
	})
	require.NoError(t, w.deliverTo(client, messages...)[0])
	assert.Empty(t, w.left(g))
	results := map[string]finding.Result{}
	for _, r := range w.alert().Findings {
		results[r.Rule.ID] = r
	}
	require.Len(t, results, 2)
	assert.Equal(t, finding.OutcomeRevoked, results[*own.SecurityGroupRuleId].Outcome)
	assert.True(t, results[*own.SecurityGroupRuleId].AnswerLost)
	assert.Equal(t, finding.OutcomeRevoked, results[*equal.SecurityGroupRuleId].Outcome)
}

func TestOverHTTPTheInterfacesBehindAnOpeningAreReported(t *testing.T) {
	w := newWire(t)
	g := w.newGroup("app", false)
	id, err := w.ec2.AddNetworkInterface(ec2api.NetworkInterface{Region: region, GroupIDs: []string{g}, PrivateIPv4: "10.0.0.5",
		PublicIPv4: "203.0.113.9", InstanceID: "i-0123456789abcdef0", Description: "db"})
	require.NoError(t, err)
	w.authorize(g, tcp(3306, "0.0.0.0/0"))
	w.remediate()
	assert.Equal(t, []finding.Interface{{ID: id, GroupID: g, PrivateIP: "10.0.0.5", PublicIP: "203.0.113.9",
		InstanceID: "i-0123456789abcdef0", Description: "db"}}, w.alert().Exposed)
}

// sgward's own calls are recorded as well: it must not answer to itself.
func TestOverHTTPItsOwnRevokeAsksForNothing(t *testing.T) {
	w := newWire(t)
	g := w.newGroup("app", false)
	w.authorize(g, tcp(3306, "0.0.0.0/0"))
	w.remediate()
	assert.Empty(t, w.messages())
}
