package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/awscall"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/invocation"
	"sgward/internal/policy"
	"sgward/internal/policypackage"
	"sgward/internal/policyyaml"
	"sgward/internal/sdkhttp"
	"sgward/localaws/ec2api"
	"sgward/localaws/queue"
	"sgward/localaws/runtimeapi"
	"sgward/localaws/snsapi"
	"sgward/localaws/sqsapi"
)

// The scenes of this file run the function's own binary behind the Runtime API of
// localaws, with a proxy in front of EC2, SNS and SQS that fails as a scene says. Time
// passes by making messages older.

const sceneRegion = "us-east-1"

const scenePolicy = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: critical, effect: revoke, ingress: {from: world, ports: [3306/tcp, 5432/tcp]}}
  - {id: other, severity: medium, effect: alert, ingress: {from: world, except-ports: [3306/tcp, 5432/tcp]}}
`

const sceneAdminPolicy = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - id: database
    severity: critical
    effect: revoke
    ingress: {from: world, ports: [3306/tcp, 5432/tcp]}
    unless: {actors: ["arn:aws:iam::123456789012:user/admin"]}
`

// binary is a build of the function for this machine.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "remediate")
	if err != nil {
		return "", err
	}
	builtIn = dir
	path := filepath.Join(dir, "bootstrap")
	out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building remediate: %w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(builtIn)
	os.Exit(code)
}

// builtIn is the folder of the build, "" before there is one.
var builtIn string

// fault is what the proxy does with one call.
type fault int

const (
	pass      fault = iota
	refuse          // answer 500 before the call is processed
	dropReply       // process the call and break the connection
	cutReply        // process it and break the connection within the answer
)

// scene is a region with the real function at work.
type scene struct {
	t              *testing.T
	cloud          *ec2api.Server
	topics         *snsapi.Server
	findings, dead *queue.Queue
	function       *runtimeapi.Function
	people         map[string]*ec2.Client // by the name of their key
	vpc            *string
	proxyURL       string

	mu      sync.Mutex
	records [][]byte
	calls   map[string]int // by action
	// fault decides on the function's nth call of an action, from 1.
	fault func(action string, n int) fault
	log   bytes.Buffer
}

func newScene(t *testing.T, document string, timeout time.Duration) *scene {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	s := &scene{t: t, calls: map[string]int{}, people: map[string]*ec2.Client{}}
	s.cloud = ec2api.New(ec2api.WithSeed(t.Name()),
		ec2api.WithIdentity("ASIAREMEDIATE0000000", ec2api.Identity{Role: "remediate", Session: "remediate"}),
		ec2api.WithIdentity("AKIAADMIN00000000000", ec2api.Identity{User: "admin"}),
		ec2api.WithEvents(func(_ context.Context, record []byte) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.records = append(s.records, record)
		}))
	topic := "arn:aws:sns:us-east-1:123456789012:alerts"
	s.topics = snsapi.New(snsapi.Config{Region: sceneRegion, TopicARNs: []string{topic}})
	s.dead = queue.New(queue.Config{Name: "dead"})
	s.findings = queue.New(queue.Config{Name: "findings", ARN: queueARN, VisibilityTimeout: time.Hour})
	queues := sqsapi.Handler(sqsapi.Config{Queue: func(url string) (*queue.Queue, bool) {
		return map[bool]*queue.Queue{true: s.findings, false: s.dead}[strings.HasSuffix(url, "findings")], true
	}})
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, queues) }))
	t.Cleanup(proxy.Close)
	s.proxyURL = proxy.URL
	direct := httptest.NewServer(s.cloud)
	t.Cleanup(direct.Close)
	folder := t.TempDir()
	require.NoError(t, policypackage.Write(folder, "policy.yaml", []byte(document)))
	s.function, err = runtimeapi.New(runtimeapi.Config{
		Name: "remediate", ARN: "arn:aws:lambda:us-east-1:123456789012:function:remediate", Bootstrap: path, Region: sceneRegion, Timeout: timeout,
		Environment: map[string]string{
			"MODE": "enforce", "ALERT_TOPIC_ARN": topic, "POLICY_FILE": filepath.Join(folder, "policy.yaml"), "AWS_ENDPOINT_URL": proxy.URL,
			"FINDINGS_QUEUE_URL": proxy.URL + "/123456789012/findings", "DEAD_LETTER_QUEUE_URL": proxy.URL + "/123456789012/dead",
			"AWS_ACCESS_KEY_ID": "ASIAREMEDIATE0000000", "AWS_SECRET_ACCESS_KEY": "secret",
		},
		Log: func(line string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.log.WriteString(line + "\n")
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		s.function.Close()
		if t.Failed() {
			t.Log(s.log.String())
		}
	})
	for name, key := range map[string]string{"maker": "AKIAIOSFODNN7EXAMPLE", "admin": "AKIAADMIN00000000000"} {
		s.people[name] = ec2.New(ec2.Options{Region: sceneRegion, BaseEndpoint: &direct.URL, HTTPClient: sdkhttp.Client(http.DefaultClient),
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: key, SecretAccessKey: "secret"}, nil
			})})
	}
	return s
}

// sqsClient is a client of the queues behind the proxy.
func (s *scene) sqsClient() *awscall.Client {
	return awscall.New(aws.Config{Region: sceneRegion, BaseEndpoint: &s.proxyURL, HTTPClient: sdkhttp.Client(http.DefaultClient),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "ASIAREMEDIATE0000000", SecretAccessKey: "secret"}, nil
		})})
}

// serve is the proxy.
func (s *scene) serve(w http.ResponseWriter, r *http.Request, queues http.Handler) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var next http.Handler = s.cloud
	action, isQueue := sqsapi.ActionOf(r)
	if isQueue {
		next = queues
	} else {
		form, _ := url.ParseQuery(string(body))
		action = form.Get("Action")
		if form.Get("Version") == "2010-03-31" {
			next = s.topics
		}
	}
	s.mu.Lock()
	s.calls[action]++
	does := pass
	if s.fault != nil {
		n, decide := s.calls[action], s.fault
		s.mu.Unlock()
		does = decide(action, n)
		s.mu.Lock()
	}
	s.mu.Unlock()
	if does == refuse {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "<Response><Errors><Error><Code>InternalError</Code><Message>fault</Message></Error></Errors></Response>")
		return
	}
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	switch does {
	case dropReply:
		panic(http.ErrAbortHandler)
	case cutReply:
		w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
		panic(http.ErrAbortHandler)
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// failing makes every call of an action fail until the scene ends it.
func (s *scene) failing(actions ...string) (end func()) {
	s.setFault(func(action string, _ int) fault {
		for _, a := range actions {
			if a == action {
				return refuse
			}
		}
		return pass
	})
	return func() { s.setFault(nil) }
}

func (s *scene) setFault(f func(action string, n int) fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.calls = f, map[string]int{}
}

func (s *scene) count(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[action]
}

func (s *scene) group() string {
	s.t.Helper()
	if s.vpc == nil { // in the default VPC, EC2 says less of rules that are gone
		made, err := s.people["maker"].CreateVpc(s.t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
		require.NoError(s.t, err)
		s.vpc = made.Vpc.VpcId
	}
	out, err := s.people["maker"].CreateSecurityGroup(s.t.Context(), &ec2.CreateSecurityGroupInput{
		VpcId: s.vpc, GroupName: aws.String(fmt.Sprint("app-", len(s.cloud.Groups()))), Description: aws.String("app"),
	})
	require.NoError(s.t, err)
	return *out.GroupId
}

func world(port int32, description string, cidrs ...string) types.IpPermission {
	p := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port}
	for _, cidr := range cidrs {
		p.IpRanges = append(p.IpRanges, types.IpRange{CidrIp: aws.String(cidr), Description: aws.String(description)})
	}
	return p
}

func (s *scene) authorize(who, group string, permissions ...types.IpPermission) []types.SecurityGroupRule {
	s.t.Helper()
	out, err := s.people[who].AuthorizeSecurityGroupIngress(s.t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: permissions})
	require.NoError(s.t, err)
	return out.SecurityGroupRules
}

func (s *scene) remove(group string, rules ...types.SecurityGroupRule) {
	s.t.Helper()
	for _, r := range rules {
		_, err := s.people["maker"].RevokeSecurityGroupIngress(s.t.Context(), &ec2.RevokeSecurityGroupIngressInput{
			GroupId: &group, SecurityGroupRuleIds: []string{*r.SecurityGroupRuleId}})
		require.NoError(s.t, err)
	}
}

func (s *scene) edit(group, rule string, port int32, cidr string) {
	s.t.Helper()
	_, err := s.people["maker"].ModifySecurityGroupRules(s.t.Context(), &ec2.ModifySecurityGroupRulesInput{GroupId: &group,
		SecurityGroupRules: []types.SecurityGroupRuleUpdate{{SecurityGroupRuleId: &rule, SecurityGroupRule: &types.SecurityGroupRuleRequest{
			IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, CidrIpv4: &cidr}}}})
	require.NoError(s.t, err)
}

// held lists the peers of a group's ingress rules.
func (s *scene) held(group string) []string {
	out := []string{}
	for _, r := range s.cloud.Rules(group) {
		if !r.Egress {
			out = append(out, fmt.Sprintf("%d %s", r.FromPort, r.CIDRIPv4))
		}
	}
	return out
}

// detected returns what detect makes of the openings since the last call, as if they were
// that old.
func (s *scene) detected(age time.Duration) (out []finding.Detection) {
	s.t.Helper()
	s.mu.Lock()
	records := s.records
	s.records = nil
	s.mu.Unlock()
	for _, record := range records {
		call, err := cloudtrail.Parse(record)
		require.NoError(s.t, err)
		if !call.Kind.Opens() {
			continue
		}
		call.EventTime = call.EventTime.Add(-age)
		p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(scenePolicy)))
		require.NoError(s.t, err)
		if d := finding.Detect(p, call, time.Now()); d.Verdict != policy.Compliant {
			out = append(out, d)
		}
	}
	return out
}

// unnamed is a Detection whose record leaves out the rules.
func unnamed(d finding.Detection) finding.Detection {
	f := d.Findings[0]
	d.Verdict = policy.Undetermined
	d.Findings = []finding.Finding{{
		ID: f.ID, Verdict: policy.Undetermined, Severity: policy.High, AccountID: f.AccountID, Region: f.Region, GroupID: f.GroupID,
		Reasons: []policy.Reason{policy.Remark("the record leaves out which rules it made")},
	}}
	return d
}

// message is a message of the findings queue at its nth try.
type message struct {
	body string
	try  int
}

func (s *scene) message(d finding.Detection) message {
	s.t.Helper()
	body, err := invocation.WithResponse(record(s.t, d), d, time.Now())
	require.NoError(s.t, err)
	return message{string(body), 1}
}

// later is a message at its next try: everything in it happened six minutes earlier.
func later(t *testing.T, m message) message {
	t.Helper()
	var tree map[string]any
	require.NoError(t, json.Unmarshal([]byte(m.body), &tree))
	event := tree["responsePayload"].(map[string]any)["event"].(map[string]any)
	for _, at := range []struct {
		in  map[string]any
		key string
	}{{tree, "timestamp"}, {event, "eventTime"}} {
		made, err := time.Parse(time.RFC3339, at.in[at.key].(string))
		require.NoError(t, err)
		at.in[at.key] = made.Add(-6 * time.Minute).Format(time.RFC3339)
	}
	body, err := json.Marshal(tree)
	require.NoError(t, err)
	return message{string(body), m.try + 1}
}

// deliver hands messages to the function in one batch and returns those that it returns.
func (s *scene) deliver(messages ...message) (returned []message) {
	s.t.Helper()
	returned, err := s.tryDeliver(s.t.Context(), messages...)
	require.NoError(s.t, err)
	return returned
}

func (s *scene) tryDeliver(ctx context.Context, messages ...message) (returned []message, err error) {
	event := events.SQSEvent{Records: []events.SQSMessage{}}
	for i, m := range messages {
		event.Records = append(event.Records, events.SQSMessage{
			MessageId: fmt.Sprint("m", i), Body: m.body, EventSourceARN: queueARN,
			Attributes: map[string]string{"ApproximateReceiveCount": fmt.Sprint(m.try), "SentTimestamp": fmt.Sprint(time.Now().UnixMilli())},
		})
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	result, err := s.function.Invoke(ctx, payload)
	if err != nil {
		return nil, err
	}
	if result.FunctionError != "" {
		return messages, fmt.Errorf("%s: %s", result.FunctionError, result.Payload)
	}
	var out events.SQSEventResponse
	if err := json.Unmarshal(result.Payload, &out); err != nil {
		return nil, err
	}
	for _, f := range out.BatchItemFailures {
		i := 0
		_, _ = fmt.Sscanf(f.ItemIdentifier, "m%d", &i)
		returned = append(returned, messages[i])
	}
	return returned, nil
}

// chosen takes the messages that the function has put on its queue.
func (s *scene) chosen() (out []message) {
	for _, m := range s.findings.Receive(10) {
		out = append(out, message{m.Body, 1})
		s.findings.Delete(m.ReceiptHandle)
	}
	return out
}

// settle delivers messages, and what they lead to, until none is left.
func (s *scene) settle(messages ...message) {
	s.t.Helper()
	for range 20 {
		if len(messages) == 0 {
			return
		}
		returned := s.deliver(messages...)
		messages = s.chosen()
		for _, m := range returned {
			messages = append(messages, later(s.t, m))
		}
	}
	require.Fail(s.t, "messages are left")
}

func (s *scene) alerts() (out []finding.Alert) {
	s.t.Helper()
	for _, m := range s.topics.Messages() {
		var a finding.Alert
		require.NoError(s.t, json.Unmarshal([]byte(m.For("default")), &a))
		out = append(out, a)
	}
	return out
}

// told lists what was told of all events: outcome, port and peer.
func (s *scene) told() (out []string) {
	for _, a := range s.alerts() {
		for _, r := range a.Findings {
			out = append(out, said(r))
		}
	}
	return out
}

func said(r finding.Result) string {
	if r.Rule == nil {
		return string(r.Outcome)
	}
	from, _ := r.Rule.Permission.FromTo()
	return fmt.Sprintf("%s %d %s", r.Outcome, from, r.Rule.Permission.Peer)
}

// of returns the last result that was told of a port.
func (s *scene) of(port int) finding.Result {
	s.t.Helper()
	var out finding.Result
	for _, a := range s.alerts() {
		for _, r := range a.Findings {
			if r.Rule == nil {
				continue
			}
			if from, _ := r.Rule.Permission.FromTo(); from == port {
				out = r
			}
		}
	}
	require.NotNil(s.t, out.Rule, "nothing was told of port %d", port)
	return out
}

func TestSceneARecordWithoutItsRulesWhoseAlertWasNotPublished(t *testing.T) {
	s := newScene(t, scenePolicy, 30*time.Second)
	g := s.group()
	s.authorize("maker", g, world(3306, "mine", "0.0.0.0/0"), world(22, "", "0.0.0.0/0"))
	first := s.message(unnamed(s.detected(10 * time.Second)[0]))

	end := s.failing("Publish")
	returned := s.deliver(first)
	choice := s.chosen()
	require.Len(t, choice, 1)
	returned = append(returned, s.deliver(choice...)...)
	assert.Equal(t, []string{"22 0.0.0.0/0"}, s.held(g))
	assert.Empty(t, s.alerts())
	end()
	for _, m := range returned {
		s.settle(later(t, m))
	}

	r := s.of(3306)
	assert.Equal(t, finding.OutcomeRevoked, r.Outcome)
	assert.Contains(t, r.Undo, "mine")
	assert.Equal(t, finding.OutcomeAlerted, s.of(22).Outcome)
}

func TestSceneAReadFailsAfterTheRevoke(t *testing.T) {
	s := newScene(t, scenePolicy+`  - id: tagged
    severity: low
    effect: alert
    ingress: {from: world, ports: [22/tcp]}
    when: {group-tags: {stage: [production]}}
`, 30*time.Second)
	g := s.group()
	s.authorize("maker", g, world(3306, "", "0.0.0.0/0"), world(22, "", "0.0.0.0/0"))
	first := s.message(unnamed(s.detected(10 * time.Second)[0]))
	end := s.failing("DescribeSecurityGroups", "Publish")
	returned := s.deliver(first)
	if choice := s.chosen(); len(choice) > 0 {
		returned = append(returned, s.deliver(choice...)...)
	}
	require.Equal(t, []string{"22 0.0.0.0/0"}, s.held(g))
	end()
	for _, m := range returned {
		s.settle(later(t, m))
	}
	assert.Equal(t, finding.OutcomeRevoked, s.of(3306).Outcome)
	assert.Equal(t, finding.OutcomeAlerted, s.of(22).Outcome)
}

func TestSceneTwoCallsThatOnlyTogetherReachTheWorld(t *testing.T) {
	s := newScene(t, scenePolicy, 30*time.Second)
	g := s.group()
	before := s.authorize("maker", g, world(3306, "", "40.0.0.0/10"))
	s.detected(0)
	s.authorize("maker", g, world(3306, "second", "40.64.0.0/10"))
	end := s.failing("Publish")
	returned := append(s.deliver(s.message(s.detected(0)[0])), s.deliver(s.chosen()...)...)
	require.Len(t, returned, 1)
	require.Equal(t, []string{"3306 40.0.0.0/10"}, s.held(g))
	s.remove(g, before...)
	end()
	s.settle(later(t, returned[0]))
	assert.Equal(t, []string{"revoked 3306 40.64.0.0/10"}, s.told())
	assert.Contains(t, s.of(3306).Undo, "second")
}

func TestSceneAnEditWhoseReadLagsAndWhoseAnswerIsLost(t *testing.T) {
	s := newScene(t, scenePolicy, 30*time.Second)
	g := s.group()
	rule := *s.authorize("maker", g, world(3306, "", "10.0.0.0/8"))[0].SecurityGroupRuleId
	s.cloud.SetReadLag(5 * time.Second)
	s.detected(0)
	s.edit(g, rule, 3306, "0.0.0.0/0")
	s.setFault(func(action string, n int) fault {
		if action == "RevokeSecurityGroupIngress" && n == 1 {
			return dropReply
		}
		return pass
	})
	s.settle(s.message(s.detected(0)[0]))
	assert.Empty(t, s.held(g))
	assert.Equal(t, "revoked 3306 0.0.0.0/0", s.told()[0])
	assert.True(t, s.alerts()[0].Findings[0].AnswerLost)
	assert.NotEmpty(t, s.alerts()[0].Findings[0].Undo)
}

func TestSceneARecordWithoutRuleIDsThatAnActorCouldBeExemptedFrom(t *testing.T) {
	s := newScene(t, sceneAdminPolicy, 30*time.Second)
	g := s.group()
	s.authorize("maker", g, world(3306, "", "0.0.0.0/0"))
	d := s.detected(0)[0]
	d.Findings[0].Rule.ID = ""
	end := s.failing("Publish")
	returned := s.deliver(s.message(d))
	assert.Empty(t, returned, "its rule is chosen")
	returned = s.deliver(s.chosen()...)
	require.Len(t, returned, 1)
	assert.Empty(t, s.held(g))
	end()
	s.settle(later(t, returned[0]))
	assert.Equal(t, []string{"revoked 3306 0.0.0.0/0"}, s.told())
}

func TestSceneARedeliveredEventTakesNoRuleOfAnExemptedActor(t *testing.T) {
	for name, again := range map[string]func(message) message{
		"by the queue":    func(m message) message { return later(t, m) },
		"by the bus":      func(m message) message { late := later(t, m); late.try = 1; return late },
		"within a moment": func(m message) message { return m },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, sceneAdminPolicy, 30*time.Second)
			g := s.group()
			s.authorize("maker", g, world(3306, "", "0.0.0.0/0"))
			m := s.message(s.detected(0)[0])
			s.settle(m)
			require.Empty(t, s.held(g))
			s.authorize("admin", g, world(3306, "of an admin", "0.0.0.0/0"))
			s.settle(again(m))
			assert.Equal(t, []string{"3306 0.0.0.0/0"}, s.held(g))
		})
	}
}

func TestSceneTheReplyOfARevokeIsLost(t *testing.T) {
	for name, how := range map[string]fault{"dropped": dropReply, "cut": cutReply} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, scenePolicy, 30*time.Second)
			g := s.group()
			s.authorize("maker", g, world(3306, "", "0.0.0.0/0"), world(5432, "", "0.0.0.0/0"))
			s.setFault(func(action string, n int) fault {
				if action == "RevokeSecurityGroupIngress" && n == 1 {
					return how
				}
				return pass
			})
			assert.Empty(t, s.deliver(s.message(s.detected(0)[0])), "in one try")
			assert.Equal(t, []string{"revoked 3306 0.0.0.0/0", "revoked 5432 0.0.0.0/0"}, s.told())
			assert.True(t, s.of(3306).AnswerLost)
			assert.Contains(t, s.topics.Messages()[0].For("email"), "EC2's answer was lost")
		})
	}
}

func TestSceneTwoEventsOfEqualValuesInOneBatch(t *testing.T) {
	for name, stands := range map[string]bool{"both gone": false, "the second stands": true} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, scenePolicy, 30*time.Second)
			g := s.group()
			a := s.authorize("maker", g, world(3306, "of A", "0.0.0.0/0"))
			s.remove(g, a...)
			b := s.authorize("maker", g, world(3306, "of B", "0.0.0.0/0"))
			if !stands {
				s.remove(g, b...)
			}
			ds := s.detected(0)
			require.Len(t, ds, 2)
			assert.Empty(t, s.deliver(s.message(ds[0]), s.message(ds[1])))
			alerts := s.alerts()
			require.Len(t, alerts, 2)
			for _, alert := range alerts {
				of, id, outcome := "of A", *a[0].SecurityGroupRuleId, finding.OutcomeAlreadyClosed
				if alert.Event.EventID == ds[1].Event.EventID {
					of, id = "of B", *b[0].SecurityGroupRuleId
					if stands {
						outcome = finding.OutcomeRevoked
					}
				}
				assert.Equal(t, outcome, alert.Findings[0].Outcome)
				assert.Equal(t, id, alert.Findings[0].Rule.ID)
				assert.Contains(t, alert.Findings[0].Undo, of)
			}
		})
	}
}

func TestSceneAFailureThatProvesHarmlessIsTakenBack(t *testing.T) {
	s := newScene(t, scenePolicy, 30*time.Second)
	g := s.group()
	s.authorize("maker", g, world(3306, "", "52.1.2.3/32"))
	m := s.message(s.detected(2 * time.Minute)[0])
	end := s.failing("DescribeSecurityGroupRules", "DescribeSecurityGroups")
	for range 2 {
		require.Len(t, s.deliver(m), 1)
		m = later(t, m)
	}
	require.Equal(t, []string{"failed 3306 52.1.2.3/32"}, s.told())
	end()
	assert.Empty(t, s.deliver(m))
	alerts := s.alerts()
	require.Len(t, alerts, 2)
	assert.Equal(t, []string{"failed 3306 52.1.2.3/32", "compliant 3306 52.1.2.3/32"}, s.told())
	assert.Equal(t, alerts[0].ID, alerts[1].ID, "one thread")
	assert.Contains(t, s.topics.Messages()[1].For("email"), "ompliant after all")
	assert.Equal(t, "low", s.topics.Messages()[1].Attributes["severity"].Value)
}

func TestSceneOpenedByAnEditAndEditedBack(t *testing.T) {
	for name, age := range map[string]time.Duration{"half a minute": 35 * time.Second, "two minutes": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, scenePolicy, 30*time.Second)
			g := s.group()
			rule := *s.authorize("maker", g, world(3306, "", "10.0.0.0/8"))[0].SecurityGroupRuleId
			s.detected(0)
			s.edit(g, rule, 3306, "0.0.0.0/0")
			m := s.message(s.detected(age)[0])
			s.edit(g, rule, 3306, "10.0.0.0/8")
			s.settle(m)
			assert.Equal(t, []string{"3306 10.0.0.0/8"}, s.held(g))
			require.Equal(t, []string{"already_closed 3306 0.0.0.0/0"}, s.told())
			r := s.of(3306)
			assert.True(t, r.EditedBack)
			assert.Empty(t, r.Undo)
			assert.GreaterOrEqual(t, *r.ExposureSeconds, age.Seconds())
			assert.NotEmpty(t, s.alerts()[0].Event.Actor.ARN)
		})
	}
}

func TestSceneABatchThatWasClosedComesAgain(t *testing.T) {
	s := newScene(t, scenePolicy, 30*time.Second)
	g := s.group()
	var batch []message
	for i := range 9 {
		s.authorize("maker", g, world(3306, "", fmt.Sprintf("%d.0.0.0/8", 20+i)), world(5432, "", fmt.Sprintf("%d.0.0.0/8", 20+i)))
	}
	for _, d := range s.detected(0) {
		batch = append(batch, s.message(d))
	}
	require.Len(t, batch, 9)
	require.Empty(t, s.deliver(batch...))
	require.Empty(t, s.held(g))

	for i := range batch {
		batch[i].try = 2
	}
	s.setFault(nil)
	returned := s.deliver(batch...)
	assert.Equal(t, 1, s.count("RevokeSecurityGroupIngress"), "within a moment, as reads may lag")
	s.setFault(nil)
	for i := range returned {
		returned[i] = later(t, returned[i])
	}
	assert.Empty(t, s.deliver(returned...))
	assert.Zero(t, s.count("RevokeSecurityGroupIngress"))
	assert.Equal(t, 1, s.count("DescribeSecurityGroupRules"))
	for _, r := range s.told()[18:] {
		assert.True(t, strings.HasPrefix(r, "already_closed"), r)
	}
	assert.Len(t, s.told(), 36)
}

func TestSceneATopicThatIsTooSlowForTheInvocation(t *testing.T) {
	s := newScene(t, scenePolicy, 12*time.Second)
	var messages []message
	for range 6 {
		g := s.group()
		for i := range 50 {
			s.authorize("maker", g, world(3306, "", fmt.Sprintf("%d.0.0.0/8", 20+i)))
		}
	}
	for _, d := range s.detected(0) {
		messages = append(messages, s.message(d))
	}
	require.Len(t, messages, 300)
	s.setFault(func(action string, _ int) fault {
		if action == "Publish" {
			time.Sleep(1500 * time.Millisecond)
		}
		return pass
	})
	began := time.Now()
	returned, err := s.tryDeliver(t.Context(), messages...)
	require.NoError(t, err, "it answers before its end")
	assert.Less(t, time.Since(began), 12*time.Second)
	assert.NotEmpty(t, returned)
	assert.Less(t, len(returned), 300)
	heard := map[string]bool{}
	for _, a := range s.alerts() {
		heard[a.Event.EventID] = true
	}
	for _, m := range returned {
		read, err := readMessage(m.body)
		require.NoError(t, err)
		heard[read.Detection.Event.EventID] = true
	}
	assert.Len(t, heard, 300, "each is told or comes again")
	s.setFault(nil)
	for i := range returned {
		returned[i] = later(t, returned[i])
	}
	s.settle(returned...)
	heard = map[string]bool{}
	for _, a := range s.alerts() {
		heard[a.Event.EventID] = true
	}
	assert.Len(t, heard, 300)
}

// Wherever the function dies between the message and the alert, the closing is told.
func TestSceneTheFunctionDiesAtAnyCall(t *testing.T) {
	for _, at := range []string{"DescribeSecurityGroupRules", "SendMessage", "RevokeSecurityGroupIngress", "DescribeNetworkInterfaces", "Publish"} {
		t.Run(at, func(t *testing.T) {
			s := newScene(t, scenePolicy, 30*time.Second)
			g := s.group()
			s.authorize("maker", g, world(3306, "", "0.0.0.0/0"))
			messages := []message{s.message(unnamed(s.detected(10 * time.Second)[0]))}
			killed := false
			for len(messages) > 0 {
				ctx, kill := context.WithCancel(t.Context())
				s.setFault(func(action string, _ int) fault {
					if action == at && !killed {
						killed = true
						kill()
						return dropReply // and the call has taken effect
					}
					return pass
				})
				returned, err := s.tryDeliver(ctx, messages...)
				kill()
				if err != nil {
					returned = messages
				}
				var next []message
				for _, m := range returned {
					next = append(next, later(t, m))
				}
				messages = append(next, s.chosen()...)
			}
			assert.True(t, killed)
			assert.Empty(t, s.held(g))
			assert.Contains(t, s.told(), "revoked 3306 0.0.0.0/0")
			assert.NotEmpty(t, s.of(3306).Undo)
		})
	}
}
