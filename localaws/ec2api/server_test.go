package ec2api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/ec2api"
)

const demoKey = "AKIAIOSFODNN7EXAMPLE"

// stage is a stand-in on a loopback port, a client of it, and its events.
type stage struct {
	*ec2api.Server
	t      testing.TB
	url    string
	client *ec2.Client
	clock  *clock

	mu     sync.Mutex
	events [][]byte
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newStage(t testing.TB, options ...ec2api.Option) *stage {
	t.Helper()
	s := &stage{t: t, clock: &clock{now: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)}}
	s.Server = ec2api.New(append([]ec2api.Option{
		ec2api.WithSeed("test"),
		ec2api.WithClock(s.clock.Now),
		ec2api.WithEvents(func(_ context.Context, event []byte) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, event)
		}),
	}, options...)...)
	web := httptest.NewServer(s.Server)
	t.Cleanup(web.Close)
	s.url = web.URL
	s.client = s.clientFor(demoKey, "us-east-1")
	return s
}

func (s *stage) clientFor(accessKey, region string) *ec2.Client {
	return ec2.New(ec2.Options{
		Region:           region,
		BaseEndpoint:     &s.url,
		RetryMaxAttempts: 1,
		HTTPClient:       wholeBody{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: "secret"}, nil
		}),
	})
}

// wholeBody sends requests from memory. smithy-go v1.28.8 closes a request's body
// once the answer begins; if net/http has not yet seen the body's end by then,
// which happens on a busy machine with a server this near, it takes the close for
// a failed write and drops the connection under the rest of a large answer.
type wholeBody struct{}

func (wholeBody) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return http.DefaultClient.Do(r)
}

// lastEvent is the newest event as a tree.
func (s *stage) lastEvent() map[string]any {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotEmpty(s.t, s.events)
	var out map[string]any
	require.NoError(s.t, json.Unmarshal(s.events[len(s.events)-1], &out))
	return out
}

func (s *stage) lastDetail() map[string]any {
	s.t.Helper()
	return s.lastEvent()["detail"].(map[string]any)
}

func (s *stage) eventCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.events)
}

// newVPC makes a VPC that is not the default one.
func (s *stage) newVPC() string {
	s.t.Helper()
	out, err := s.client.CreateVpc(s.t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
	require.NoError(s.t, err)
	return *out.Vpc.VpcId
}

// newGroup makes a group in a VPC of its own or, with "", in the default VPC.
func (s *stage) newGroup(name, vpcID string) string {
	s.t.Helper()
	in := &ec2.CreateSecurityGroupInput{GroupName: &name, Description: aws.String("for tests")}
	if vpcID != "" {
		in.VpcId = &vpcID
	}
	out, err := s.client.CreateSecurityGroup(s.t.Context(), in)
	require.NoError(s.t, err)
	return *out.GroupId
}

func (s *stage) authorize(groupID string, perms ...types.IpPermission) ([]types.SecurityGroupRule, error) {
	out, err := s.client.AuthorizeSecurityGroupIngress(s.t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &groupID, IpPermissions: perms,
	})
	if err != nil {
		return nil, err
	}
	return out.SecurityGroupRules, nil
}

func (s *stage) mustAuthorize(groupID string, perms ...types.IpPermission) []types.SecurityGroupRule {
	s.t.Helper()
	rules, err := s.authorize(groupID, perms...)
	require.NoError(s.t, err)
	return rules
}

// ingress is what a group holds besides the default egress rule.
func (s *stage) ingress(groupID string) []ec2api.Rule {
	var out []ec2api.Rule
	for _, r := range s.Rules(groupID) {
		if !r.Egress {
			out = append(out, r)
		}
	}
	return out
}

func tcp(port int32, cidrs ...string) types.IpPermission {
	return perm("tcp", &port, &port, cidrs...)
}

func perm(protocol string, from, to *int32, cidrs ...string) types.IpPermission {
	p := types.IpPermission{IpProtocol: &protocol, FromPort: from, ToPort: to}
	for _, cidr := range cidrs {
		if strings.Contains(cidr, ":") {
			p.Ipv6Ranges = append(p.Ipv6Ranges, types.Ipv6Range{CidrIpv6: aws.String(cidr)})
		} else {
			p.IpRanges = append(p.IpRanges, types.IpRange{CidrIp: aws.String(cidr)})
		}
	}
	return p
}

func assertCode(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if assert.ErrorAs(t, err, &api) {
		assert.Equal(t, code, api.ErrorCode(), api.ErrorMessage())
	}
}

// post sends a raw request, for what the SDK refuses to send.
func (s *stage) post(form string) (int, http.Header, string) {
	s.t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, "/", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s.ServeHTTP(w, r)
	return w.Code, w.Header(), w.Body.String()
}

func TestUnknownActionIsRefusedAndTheKnownOnesNamed(t *testing.T) {
	s := newStage(t)
	code, _, body := s.post("Action=RunInstances&Version=2016-11-15")
	assert.Equal(t, http.StatusBadRequest, code)
	var answer struct {
		XMLName xml.Name `xml:"Response"`
		Code    string   `xml:"Errors>Error>Code"`
		Message string   `xml:"Errors>Error>Message"`
		ID      string   `xml:"RequestID"`
	}
	require.NoError(t, xml.Unmarshal([]byte(body), &answer))
	assert.Equal(t, "InvalidAction", answer.Code)
	assert.Contains(t, answer.Message, "RunInstances")
	assert.Contains(t, answer.Message, "RevokeSecurityGroupIngress")
	assert.NotEmpty(t, answer.ID)
	assert.Zero(t, s.eventCount(), "CloudTrail knows no such call")

	_, _, body = s.post("")
	assert.Contains(t, body, "<Code>MissingAction</Code>")
	code, _, body = s.post("Action=%zz")
	assert.Equal(t, http.StatusBadRequest, code)
	assert.Contains(t, body, "<Code>MalformedQueryString</Code>")
}

// countingWriter counts what reaches the connection in separate pieces.
type countingWriter struct {
	*httptest.ResponseRecorder
	writes int
}

func (w *countingWriter) Write(b []byte) (int, error) {
	w.writes++
	return w.ResponseRecorder.Write(b)
}

func TestAnswersAreOneWriteWithTheirLength(t *testing.T) {
	s := newStage(t)
	for _, form := range []string{"Action=DescribeRegions", "Action=DescribeSecurityGroups", "Action=Nothing"} {
		w := &countingWriter{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		s.ServeHTTP(w, r)
		assert.Equal(t, 1, w.writes, form)
		assert.Equal(t, w.Header().Get("Content-Length"), itoa(w.Body.Len()), form)
	}
}

func TestAnswersNameTheirActionAndNamespace(t *testing.T) {
	s := newStage(t)
	_, header, body := s.post("Action=DescribeVpcs")
	assert.Equal(t, "text/xml;charset=UTF-8", header.Get("Content-Type"))
	assert.Contains(t, body, `<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>`)
}

func TestAGetRequestAndAPresignedScopeWork(t *testing.T) {
	s := newStage(t)
	query := url.Values{"Action": {"DescribeVpcs"}, "X-Amz-Credential": {demoKey + "/20260301/eu-west-1/ec2/aws4_request"}}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?"+query.Encode(), nil))
	assert.Equal(t, http.StatusOK, w.Code)
	require.Len(t, s.Groups(), 1)
	assert.Equal(t, "eu-west-1", s.Groups()[0].Region)
}

func TestRegionsAndAccountsDoNotSeeEachOther(t *testing.T) {
	s := newStage(t, ec2api.WithIdentity("AKIAOTHER", ec2api.Identity{Account: "111122223333"}))
	id := s.newGroup("here", "")
	in := &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}}

	out, err := s.client.DescribeSecurityGroups(t.Context(), in)
	require.NoError(t, err)
	assert.Equal(t, ec2api.DefaultAccount, *out.SecurityGroups[0].OwnerId)

	_, err = s.clientFor(demoKey, "eu-central-1").DescribeSecurityGroups(t.Context(), in)
	assertCode(t, err, "InvalidGroup.NotFound")
	_, err = s.clientFor("AKIAOTHER", "us-east-1").DescribeSecurityGroups(t.Context(), in)
	assertCode(t, err, "InvalidGroup.NotFound")

	own, err := s.clientFor("AKIAOTHER", "us-east-1").DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{})
	require.NoError(t, err)
	require.Len(t, own.SecurityGroups, 1, "every account has a default group in every region")
	assert.Equal(t, "111122223333", *own.SecurityGroups[0].OwnerId)
	assert.Equal(t, "default", *own.SecurityGroups[0].GroupName)
}

func TestTheSameSeedGivesTheSameIDs(t *testing.T) {
	ids := func(options ...ec2api.Option) []string {
		s := newStage(t, options...)
		group := s.newGroup("a", "")
		_, err := s.client.DescribeRegions(t.Context(), &ec2.DescribeRegionsInput{})
		require.NoError(t, err)
		rules := s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))
		detail := s.lastDetail()
		return []string{group, *rules[0].SecurityGroupRuleId, detail["eventID"].(string), detail["requestID"].(string)}
	}
	first := ids()
	assert.Equal(t, first, ids())
	other := ids(ec2api.WithSeed("another"))
	for i := range first {
		assert.NotEqual(t, first[i], other[i])
	}
	assert.Regexp(t, `^sg-0[0-9a-f]{16}$`, first[0])
	assert.Regexp(t, `^sgr-0[0-9a-f]{16}$`, first[1])
	assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$`, first[2])
}

func TestReadsDoNotMoveTheIDsOfWrites(t *testing.T) {
	event := func(reads int) any {
		s := newStage(t)
		for range reads {
			_, err := s.client.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
			require.NoError(t, err)
		}
		s.newGroup("a", "")
		return s.lastDetail()
	}
	assert.Equal(t, event(0), event(3))
}

func TestDryRunSaysWhatWouldHaveHappenedAndChangesNothing(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", "")
	before := s.Rules(group)
	_, err := s.client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &group, IpPermissions: []types.IpPermission{tcp(22, "0.0.0.0/0")}, DryRun: aws.Bool(true),
	})
	assertCode(t, err, "DryRunOperation")
	var status interface{ HTTPStatusCode() int }
	require.ErrorAs(t, err, &status)
	assert.Equal(t, http.StatusPreconditionFailed, status.HTTPStatusCode())
	assert.Equal(t, before, s.Rules(group))
	assert.Equal(t, "Client.DryRunOperation", s.lastDetail()["errorCode"])

	_, err = s.client.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &group, DryRun: aws.Bool(true)})
	assertCode(t, err, "DryRunOperation")
	assert.NotEmpty(t, s.Rules(group))
}

func TestConcurrentCallersKeepTheStateWhole(t *testing.T) {
	s := newStage(t)
	s.SetRuleQuota(1000)
	group := s.newGroup("a", s.newVPC())
	before := s.eventCount()
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for j := range 10 {
				port := int32(1000 + i*10 + j)
				if _, err := s.authorize(group, tcp(port, "203.0.113.0/24")); !assert.NoError(t, err) {
					return
				}
				_, err := s.client.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{})
				assert.NoError(t, err)
			}
		})
	}
	wait.Wait()
	assert.Len(t, s.ingress(group), 80)
	assert.Eventually(t, func() bool { return s.eventCount() == before+80 }, time.Second, time.Millisecond)
}
