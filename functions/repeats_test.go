package functions_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/localaws"
	"sgward/localaws/dynamodbapi"
	"sgward/localaws/ec2api"
)

// pipelineKey is the access key of the pipeline that makes an opening again and again.
const pipelineKey = "ASIAPIPELINE00000000"

// repeating is a stack with a group that a pipeline works on.
type repeating struct {
	*localaws.Stack
	t      *testing.T
	client *ec2.Client
	group  string
	events [][]byte // of the bus

	mu  sync.Mutex
	log []string // lines of remediate
}

// startRepeating starts the deployed template with the built functions. proxied, if it is
// set, answers a call of a function instead of the stack, unless it returns false.
func startRepeating(t *testing.T, proxied func(http.ResponseWriter, *http.Request) bool) *repeating {
	t.Helper()
	s := &repeating{t: t}
	var stack atomic.Pointer[localaws.Stack]
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if proxied == nil || !proxied(w, r) {
			stack.Load().ServeHTTP(w, r)
		}
	}))
	t.Cleanup(proxy.Close)
	var err error
	s.Stack, err = localaws.Start(t.Context(), localaws.Config{
		TemplatePath: "../template.yaml", BuildDir: build(t), Listen: "127.0.0.1:0", Parameters: map[string]string{"Mode": "enforce"},
		PolicyFile: "../policy.yaml", RetryAfter: 10 * time.Millisecond, FunctionEndpoint: proxy.URL,
		Identities: map[string]ec2api.Identity{pipelineKey: {Role: "Deployer", Session: "run-17"}},
		Bus:        func(event []byte) { s.events = append(s.events, event); stack.Load().PutEvent(event) },
		Log: func(function, line string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if strings.Contains(function, "emediate") {
				s.log = append(s.log, line)
			}
		},
	})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	stack.Store(s.Stack)
	s.client = ec2.New(ec2.Options{Region: "us-east-1", BaseEndpoint: aws.String(s.Endpoint()), AppID: "HashiCorp-Terraform",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: pipelineKey, SecretAccessKey: "secret"}, nil
		})})
	group, err := s.client.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("app"), Description: aws.String("app")})
	require.NoError(t, err)
	s.group = *group.GroupId
	return s
}

// open opens MySQL to the world, and waits until it is closed and told.
func (s *repeating) open() {
	s.t.Helper()
	_, err := s.client.AuthorizeSecurityGroupIngress(s.t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: aws.String(s.group),
		IpPermissions: []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306), ToPort: aws.Int32(3306), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}})
	require.NoError(s.t, err)
	require.NoError(s.t, s.WaitIdle(s.t.Context()))
	assert.Len(s.t, s.EC2().Rules(s.group), 1, "its own egress")
}

// told is what an alert says of repeats.
type told struct {
	Closings  int
	Escalated bool
	Thread    int    // which alert's thread it is in, from 1; 0 is none of them
	Attribute string // "repeat"
}

func (s *repeating) told() (out []told) {
	s.t.Helper()
	var ids []string
	for _, m := range s.SNS().Messages() {
		var a finding.Alert
		require.NoError(s.t, json.Unmarshal([]byte(m.For("default")), &a))
		require.Len(s.t, a.Findings, 1)
		var n struct {
			Metadata struct {
				ThreadID string `json:"threadId"`
			} `json:"metadata"`
		}
		require.NoError(s.t, json.Unmarshal([]byte(m.For("https")), &n))
		ids = append(ids, a.ID)
		t := told{Closings: 1, Attribute: m.Attributes["repeat"].Value}
		for i, id := range ids {
			if id == n.Metadata.ThreadID {
				t.Thread = i + 1
				break
			}
		}
		if r := a.Findings[0].Repeat; r != nil {
			t.Closings, t.Escalated = r.Closings, r.Escalated
			assert.Equal(s.t, ids[0], r.FirstAlertID)
			assert.Contains(s.t, m.For("email"), "opened each time by role Deployer")
		}
		out = append(out, t)
	}
	return out
}

func (s *repeating) logged(text string) (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.log {
		if strings.Contains(line, text) {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestAPipelineThatMakesTheSameOpeningAgainIsNamed(t *testing.T) {
	s := startRepeating(t, nil)
	for range 4 {
		s.open()
	}
	want := []told{
		{Closings: 1, Thread: 1},
		{Closings: 2, Thread: 1, Attribute: "again"},
		{Closings: 3, Thread: 3, Attribute: "escalated", Escalated: true},
		{Closings: 4, Thread: 1, Attribute: "again"},
	}
	assert.Equal(t, want, s.told())
	calls := s.Calls("RemediateFunction")
	assert.Equal(t, 7, calls["dynamodb:UpdateItem"], "one for the first closing, two for each repeat")

	// The same events once more: nothing is closed, and nothing counted.
	for _, event := range s.events {
		s.PutEvent(event)
	}
	require.NoError(t, s.WaitIdle(t.Context()))
	items := s.DynamoDB().Items(s.Template().Tables["MemoryTable"].Name)
	require.Len(t, items, 1)
	assert.Equal(t, "4", *items[0]["closings"].N)
	s.open()
	last := s.told()
	assert.Equal(t, told{Closings: 5, Thread: 1, Attribute: "again"}, last[len(last)-1])
	assert.Empty(t, s.logged("repeats not counted"))

	// Sweep has the same table, and leaves it as it is.
	require.NoError(t, sweep(t, s))
	after := s.DynamoDB().Items(s.Template().Tables["MemoryTable"].Name)
	require.Greater(t, len(after), 1, "sweep has written too")
	kept := 0
	for _, item := range after {
		if strings.HasPrefix(*item["id"].S, "repeat/") {
			assert.Equal(t, "5", *item["closings"].N)
			kept++
		}
	}
	assert.Equal(t, 1, kept)
	s.open()
	last = s.told()
	assert.Equal(t, 6, last[len(last)-1].Closings)
}

// sweep runs a sweep as its schedule does.
func sweep(t *testing.T, s *repeating) error {
	t.Helper()
	url := s.Endpoint() + "/2015-03-31/functions/SweepFunction/invocations"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(
		`{"version":"0","id":"53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa","detail-type":"Scheduled Event","source":"aws.events","account":"123456789012",`+
			`"time":"2026-11-03T02:15:00Z","region":"us-east-1","resources":["arn:aws:events:us-east-1:123456789012:rule/sgward"],"detail":{}}`))
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	assert.Equal(t, http.StatusOK, response.StatusCode)
	assert.Empty(t, response.Header.Get("X-Amz-Function-Error"))
	return s.WaitIdle(t.Context())
}

// The table can fail in every way: each opening is closed, each alert is sent, in time.
func TestTheTableMayFailInAnyWay(t *testing.T) {
	isUpdate := func(r *http.Request) bool {
		action, ok := dynamodbapi.ActionOf(r)
		return ok && action == "UpdateItem"
	}
	refusing := func(code string, status int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool {
			if !isUpdate(r) {
				return false
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"__type":"com.amazonaws.dynamodb.v20120810#` + code + `","message":"no"}`))
			return true
		}
	}
	for name, c := range map[string]struct {
		fault func(http.ResponseWriter, *http.Request) bool
		says  string
	}{
		"it is missing": {refusing("ResourceNotFoundException", 400), "ResourceNotFoundException"},
		"it is denied":  {refusing("AccessDeniedException", 400), "AccessDeniedException"},
		"it throttles":  {refusing("ThrottlingException", 400), "ThrottlingException"},
		"it is down":    {refusing("InternalServerError", 500), "InternalServerError"},
		"no JSON": {func(w http.ResponseWriter, r *http.Request) bool {
			if isUpdate(r) {
				w.WriteHeader(http.StatusBadGateway)
				_, _ = w.Write([]byte("<html>"))
			}
			return isUpdate(r)
		}, "HTTP502"},
		"it is too slow": {func(_ http.ResponseWriter, r *http.Request) bool {
			if isUpdate(r) {
				select {
				case <-r.Context().Done():
				case <-time.After(5 * time.Second):
				}
			}
			return isUpdate(r)
		}, "context deadline exceeded"},
		"it hangs up": {func(_ http.ResponseWriter, r *http.Request) bool {
			if isUpdate(r) {
				panic(http.ErrAbortHandler)
			}
			return false
		}, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startRepeating(t, c.fault)
			began := time.Now()
			s.open()
			s.open()
			assert.Less(t, time.Since(began), 15*time.Second)
			assert.Equal(t, []told{{Closings: 1, Thread: 1}, {Closings: 1, Thread: 2}}, s.told())
			lines := s.logged("repeats not counted")
			require.Len(t, lines, 2)
			assert.Contains(t, lines[0], c.says)
			assert.Contains(t, lines[0], `"level":"WARN"`)
		})
	}
}
