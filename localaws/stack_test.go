package localaws_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/functionstest"
	"sgward/localaws"
	"sgward/localaws/queue"
	"sgward/localaws/runtimeapi"
)

// builds holds a build of the small pipeline, as `make build` would lay it out.
var builds = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "localaws")
	if err != nil {
		return "", err
	}
	for i, function := range []string{"Judge", "Closer"} {
		path := filepath.Join(dir, function, "bootstrap")
		if i == 0 {
			build := exec.Command("go", "build", "-o", path, "./testdata/function")
			if out, err := build.CombinedOutput(); err != nil {
				return "", fmt.Errorf("building the test function: %w: %s", err, out)
			}
			continue
		}
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		if err := os.Link(filepath.Join(dir, "Judge", "bootstrap"), path); err != nil {
			return "", err
		}
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	functionstest.Main(m)
	if dir, err := builds(); err == nil {
		_ = os.RemoveAll(dir)
	}
}

// pipeline is a running stack of the small template and its client.
type pipeline struct {
	*localaws.Stack
	client *ec2.Client
	group  string

	mu    sync.Mutex
	steps []localaws.Step
}

func start(t *testing.T, change func(*localaws.Config)) *pipeline {
	t.Helper()
	dir, err := builds()
	require.NoError(t, err)
	p := &pipeline{}
	cfg := localaws.Config{
		TemplatePath: "testdata/template.yaml", BuildDir: dir, Listen: "127.0.0.1:0",
		Parameters: map[string]string{"Mode": "enforce"}, RetryAfter: time.Millisecond,
		OnStep: func(s localaws.Step) { p.mu.Lock(); p.steps = append(p.steps, s); p.mu.Unlock() },
		Log:    func(function, line string) { t.Logf("%s: %s", function, line) },
	}
	if change != nil {
		change(&cfg)
	}
	p.Stack, err = localaws.Start(context.Background(), cfg)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	p.client = clientOf(p.Endpoint(), "us-east-1")
	created, err := p.client.CreateSecurityGroup(context.Background(), &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("web"), Description: aws.String("web servers"),
	})
	require.NoError(t, err)
	p.group = aws.ToString(created.GroupId)
	return p
}

func clientOf(endpoint, region string) *ec2.Client {
	return ec2.New(ec2.Options{
		Region: region, BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

// open lets cidr in on a port, with a description that steers the functions.
func (p *pipeline) open(t *testing.T, port int32, cidr, description string) {
	t.Helper()
	_, err := p.client.AuthorizeSecurityGroupIngress(context.Background(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: aws.String(p.group),
		IpPermissions: []types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(port), ToPort: aws.Int32(port),
			IpRanges: []types.IpRange{{CidrIp: aws.String(cidr), Description: aws.String(description)}},
		}},
	})
	require.NoError(t, err)
}

func (p *pipeline) rest(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(t, p.WaitIdle(ctx))
}

// ingress lists what the group lets in.
func (p *pipeline) ingress() []string {
	rules := []string{}
	for _, r := range p.EC2().Rules(p.group) {
		if !r.Egress {
			rules = append(rules, fmt.Sprintf("%d %s", r.FromPort, r.CIDRIPv4))
		}
	}
	return rules
}

// kinds lists what happened after the group was made, as "kind EventName".
func (p *pipeline) kinds() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var kinds []string
	for _, s := range p.steps {
		if s.EventName != "CreateSecurityGroup" {
			kinds = append(kinds, strings.TrimSpace(string(s.Kind)+" "+s.EventName))
		}
	}
	return kinds
}

func (p *pipeline) bodies(t *testing.T, queueID string) []queue.Message {
	t.Helper()
	q, ok := p.Queue(queueID)
	require.True(t, ok, queueID)
	return q.Messages()
}

func TestOpeningIsClosedAndAlerted(t *testing.T) {
	p := start(t, nil)
	p.open(t, 3306, "0.0.0.0/0", "")
	p.rest(t)
	assert.Empty(t, p.ingress())
	require.Len(t, p.SNS().Messages(), 1)
	assert.Equal(t, "closed", p.SNS().Messages()[0].Body)
	assert.Equal(t, []string{
		"call AuthorizeSecurityGroupIngress",
		"matched AuthorizeSecurityGroupIngress",
		"detected AuthorizeSecurityGroupIngress",
		"delivered AuthorizeSecurityGroupIngress",
		"revoked RevokeSecurityGroupIngress",
		"ignored RevokeSecurityGroupIngress",
		"alerted", "handled AuthorizeSecurityGroupIngress",
	}, p.kinds())
	assert.Equal(t, map[string]int{"ec2:RevokeSecurityGroupIngress": 1, "sns:Publish": 1}, p.Calls("Closer"))
	assert.Equal(t, map[string]int{"ec2:CreateSecurityGroup": 1, "ec2:AuthorizeSecurityGroupIngress": 1}, p.Calls(""))

	for i, s := range p.steps[1:] {
		assert.GreaterOrEqual(t, s.At, p.steps[i].At, "steps are in order")
	}
	call := p.steps[2]
	assert.Equal(t, localaws.StepCall, call.Kind)
	assert.Equal(t, p.group, call.GroupID)
	assert.Contains(t, string(call.Record), `"eventName":"AuthorizeSecurityGroupIngress"`)
}

func TestVerdictThatNeedsNoWorkIsDroppedByTheFilter(t *testing.T) {
	p := start(t, nil)
	p.open(t, 443, "10.0.0.0/8", "")
	p.rest(t)
	assert.Equal(t, []string{"443 10.0.0.0/8"}, p.ingress())
	assert.Equal(t, []string{
		"call AuthorizeSecurityGroupIngress",
		"matched AuthorizeSecurityGroupIngress",
		"detected AuthorizeSecurityGroupIngress",
		"filtered AuthorizeSecurityGroupIngress",
	}, p.kinds())
	assert.Empty(t, p.Calls("Closer"))
}

func TestEventThatThePatternRefusesGoesNowhere(t *testing.T) {
	p := start(t, nil)
	_, err := p.client.AuthorizeSecurityGroupIngress(context.Background(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: aws.String(p.group), DryRun: aws.Bool(true),
		IpPermissions: []types.IpPermission{{IpProtocol: aws.String("-1"), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}},
	})
	require.ErrorContains(t, err, "DryRunOperation")
	p.rest(t)
	assert.Equal(t, []string{"call AuthorizeSecurityGroupIngress", "ignored AuthorizeSecurityGroupIngress"}, p.kinds())
}

func TestCallInAnotherRegionIsNotSeen(t *testing.T) {
	p := start(t, nil)
	p.client = clientOf(p.Endpoint(), "eu-west-1")
	created, err := p.client.CreateSecurityGroup(context.Background(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("far"), Description: aws.String("far")})
	require.NoError(t, err)
	p.group = aws.ToString(created.GroupId)
	p.open(t, 3306, "0.0.0.0/0", "")
	p.rest(t)
	assert.Equal(t, []string{"3306 0.0.0.0/0"}, p.ingress())
	last := p.steps[len(p.steps)-1]
	assert.Equal(t, localaws.StepIgnored, last.Kind)
	assert.Equal(t, "AuthorizeSecurityGroupIngress", last.EventName)
	assert.Contains(t, last.Reason, "eu-west-1")
}

func TestJudgeThatFailsIsRetriedAndItsEventKept(t *testing.T) {
	for _, how := range []string{"judge fails", "judge crashes"} {
		t.Run(how, func(t *testing.T) {
			p := start(t, nil)
			p.open(t, 3306, "0.0.0.0/0", how)
			p.rest(t)
			assert.Equal(t, []string{
				"call AuthorizeSecurityGroupIngress",
				"matched AuthorizeSecurityGroupIngress",
				"function failed AuthorizeSecurityGroupIngress",
				"function failed AuthorizeSecurityGroupIngress",
				"dead letter AuthorizeSecurityGroupIngress",
			}, p.kinds(), "one retry, says the template")
			letters := p.bodies(t, "Unjudged")
			require.Len(t, letters, 1)
			assert.Contains(t, letters[0].Body, `"condition":"RetriesExhausted"`)
			assert.Contains(t, letters[0].Body, how)
			assert.Equal(t, []string{"3306 0.0.0.0/0"}, p.ingress())
		})
	}
}

func TestVerdictTooLargeForTheQueueIsLostAndCounted(t *testing.T) {
	p := start(t, nil)
	p.open(t, 3306, "0.0.0.0/0", "judge talks")
	p.rest(t)
	assert.Equal(t, 1, p.DestinationDeliveryFailures())
	assert.Contains(t, p.kinds(), "lost AuthorizeSecurityGroupIngress")
	assert.Equal(t, []string{"3306 0.0.0.0/0"}, p.ingress())
}

func TestEventThatCannotBeHandedOverGoesToTheRulesDeadLetters(t *testing.T) {
	p := start(t, nil)
	p.FailHandOvers(1)
	p.open(t, 3306, "0.0.0.0/0", "")
	p.open(t, 5432, "0.0.0.0/0", "")
	p.rest(t)
	assert.Equal(t, []string{"3306 0.0.0.0/0"}, p.ingress(), "the second went its way")
	letters := p.bodies(t, "Unhanded")
	require.Len(t, letters, 1)
	require.NoError(t, p.InvokeAsync("Judge", []byte(letters[0].Body)), "the letter is the event itself")
	p.rest(t)
	assert.Empty(t, p.ingress())
}

func TestEventTooLargeForItsTargetIsLost(t *testing.T) {
	p := start(t, nil)
	event := fmt.Sprintf(`{"source":"aws.ec2","region":"us-east-1","detail":{"eventName":"AuthorizeSecurityGroupIngress","pad":%q}}`,
		strings.Repeat("x", 1<<20))
	assert.Equal(t, 1, p.PutEvent([]byte(event)))
	p.rest(t)
	assert.Empty(t, p.bodies(t, "Unhanded"), "a queue takes no more than 1 MiB either")
	assert.Contains(t, p.kinds(), "lost AuthorizeSecurityGroupIngress")
}

func TestPoisonAmongGoodMessagesEndsInTheDeadLettersAndComesBack(t *testing.T) {
	p := start(t, nil)
	switchFile := filepath.Join(t.TempDir(), "mended")
	p.open(t, 22, "0.0.0.0/0", "")
	p.open(t, 3306, "0.0.0.0/0", "closer fails until "+switchFile)
	p.open(t, 5432, "0.0.0.0/0", "")
	p.rest(t)
	assert.Equal(t, []string{"3306 0.0.0.0/0"}, p.ingress(), "the others are closed")
	letters := p.bodies(t, "Unclosed")
	require.Len(t, letters, 1)
	assert.Equal(t, 3, letters[0].ReceiveCount, "the template's maxReceiveCount")

	require.NoError(t, os.WriteFile(switchFile, nil, 0o600))
	var letter struct {
		RequestPayload json.RawMessage `json:"requestPayload"`
	}
	require.NoError(t, json.Unmarshal([]byte(letters[0].Body), &letter))
	require.NoError(t, p.InvokeAsync("Judge", letter.RequestPayload), "the message holds the event that began it")
	p.rest(t)
	assert.Empty(t, p.ingress())
}

func TestEventFromTheDeadLettersGoesThroughAgain(t *testing.T) {
	p := start(t, nil)
	p.open(t, 3306, "0.0.0.0/0", "judge fails")
	p.rest(t)
	var call localaws.Step
	for _, s := range p.steps {
		if s.Kind == localaws.StepCall {
			call = s
		}
	}
	mended := strings.ReplaceAll(string(call.Record), "judge fails", "mended")
	require.NoError(t, p.InvokeAsync("Judge", []byte(mended)))
	p.rest(t)
	assert.Empty(t, p.ingress())
	assert.ErrorContains(t, p.InvokeAsync("Closer", []byte(`{}`)), "no rule")
}

func TestFunctionMayDoWhatItsRoleAllowsAndNoMore(t *testing.T) {
	p := start(t, func(c *localaws.Config) { c.Parameters = nil }) // observe: no permission to revoke
	p.open(t, 3306, "0.0.0.0/0", "")
	p.rest(t)
	assert.Equal(t, []string{"3306 0.0.0.0/0"}, p.ingress())
	denied := 0
	for _, s := range p.steps {
		if s.Kind == localaws.StepRevoked {
			assert.Equal(t, "Client.UnauthorizedOperation", s.ErrorCode)
			assert.Equal(t, "Closer", s.Function)
			denied++
		}
	}
	assert.Equal(t, 3, denied, "tried until the dead letters")
	assert.Len(t, p.bodies(t, "Unclosed"), 1)
	assert.Empty(t, p.SNS().Messages())
}

func TestManyOpeningsAtOnceAreAllClosed(t *testing.T) {
	p := start(t, nil)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() { p.open(t, int32(1000+i), "0.0.0.0/0", "") })
	}
	wg.Wait()
	p.rest(t)
	assert.Empty(t, p.ingress())
	assert.Len(t, p.SNS().Messages(), 40)
}

func TestEndpointSaysWhatItDoesNotServe(t *testing.T) {
	p := start(t, nil)
	request, err := http.NewRequest(http.MethodPost, p.Endpoint(), strings.NewReader(url.Values{"Action": {"ListBuckets"}}.Encode()))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20261101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0")
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { assert.NoError(t, response.Body.Close()) }()
	assert.Equal(t, http.StatusNotImplemented, response.StatusCode)
}

func TestStartNamesWhatIsMissing(t *testing.T) {
	dir, err := builds()
	require.NoError(t, err)
	tests := []struct {
		name string
		cfg  localaws.Config
		want []string
	}{
		{"builds", localaws.Config{TemplatePath: "testdata/template.yaml", BuildDir: t.TempDir()}, []string{"Judge", `run "make build"`}},
		{"template", localaws.Config{TemplatePath: "nowhere.yaml", BuildDir: dir}, []string{"nowhere.yaml", "--template"}},
		{"address", localaws.Config{TemplatePath: "testdata/template.yaml", BuildDir: dir, Listen: "256.0.0.1:0"}, []string{"256.0.0.1:0"}},
		{"parameter", localaws.Config{TemplatePath: "testdata/template.yaml", BuildDir: dir, Parameters: map[string]string{"Mode": "x"}}, []string{"Mode"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.cfg.Listen == "" {
				tt.cfg.Listen = "127.0.0.1:0"
			}
			_, err := localaws.Start(context.Background(), tt.cfg)
			for _, want := range tt.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}
}

func TestStackEndsWithItsContext(t *testing.T) {
	dir, err := builds()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	s, err := localaws.Start(ctx, localaws.Config{TemplatePath: "testdata/template.yaml", BuildDir: dir, Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	cancel()
	s.Close()
	response, err := http.Get(s.Endpoint())
	if err == nil {
		err = response.Body.Close()
		assert.Fail(t, "the endpoint still answers", response.Status)
	}
	assert.Error(t, err)
}

// A proxy before the stack, a bus of its own, faults of queues, and functions to kill: what a drill needs.
func TestFaultsComeBetweenTheParts(t *testing.T) {
	var stack atomic.Pointer[localaws.Stack]
	var calls, invoked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		stack.Load().ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	events := make(chan []byte, 10)
	p := start(t, func(c *localaws.Config) {
		c.FunctionEndpoint = proxy.URL
		c.Bus = func(event []byte) { events <- event }
		c.OnInvoke = func(function string, _ runtimeapi.Process, _ []byte) {
			if function == "Closer" {
				invoked.Add(1)
			}
		}
		c.QueueFaults = func(string) queue.Faults {
			return queue.Faults{Copies: func(queue.Message) []time.Duration { return []time.Duration{0, time.Millisecond} }}
		}
	})
	stack.Store(p.Stack)
	p.open(t, 3306, "0.0.0.0/0", "")
	p.rest(t)
	assert.Len(t, p.ingress(), 1, "nobody has passed the event on")
	<-events // of the group
	p.PutEvent(<-events)
	p.rest(t)
	assert.Empty(t, p.ingress())
	assert.GreaterOrEqual(t, calls.Load(), int64(2), "revoke and publish went through the proxy")
	assert.Equal(t, 2, p.Calls("Closer")["ec2:RevokeSecurityGroupIngress"], "the message came twice")
	assert.Positive(t, invoked.Load())
	f, ok := p.Function("Closer")
	require.True(t, ok)
	assert.NotEmpty(t, f.Processes())
}
