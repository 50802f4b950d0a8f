package remediation_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/metric"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

const (
	account = "123456789012"
	region  = "eu-central-1"
	groupA  = "sg-0000000000000000a"
	groupB  = "sg-0000000000000000b"
)

const closing = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, ingress: {from: world, ports: [3306/tcp, 5432/tcp, 6379/tcp]}}
  - {id: database-out, severity: high, effect: revoke, egress: {to: world, ports: [3306/tcp]}}
  - {id: other, severity: medium, effect: alert, ingress: {from: world, except-ports: [3306/tcp, 5432/tcp, 6379/tcp, 443/tcp]}}
exceptions:
  - {id: demo, reason: a demo, owner: demo@example.com, expires: 2099-12-31, match: {ports: [6379/tcp], peers: [0.0.0.0/0]}}
`

// stage is a region with an engine at work and people to tell.
type stage struct {
	t      *testing.T
	cloud  *cloud
	policy *policy.Policy
	mode   finding.Mode
	// maxRevokes is how many rules that exist already a batch closes at most.
	maxRevokes int

	mu     sync.Mutex
	alerts []finding.Alert
	// metrics holds the values of all metrics so far.
	metrics map[string][]float64
	// publishing is asked before an alert is taken.
	publishing func(finding.Alert) error
	log        bytes.Buffer
	events     int
	// returned holds the messages that remediate has put on the queue itself and that have
	// to come again.
	returned []remediation.Message
	// warm has one engine handle all deliveries, as a function that has been running. Then
	// deliver does not wait for what is chosen.
	warm   bool
	engine *remediation.Engine
	// count counts closings; nil counts none.
	count func(context.Context, cloudtrail.Event, finding.Result) (*finding.Repeat, error)
	// within is the time that an invocation has; 0 is a function's 30 seconds.
	within time.Duration
	// inTurn has messages that one goroutine chooses handled one after the other.
	inTurn bool
}

// onStage runs a test in a bubble, where waiting takes no time.
func onStage(t *testing.T, document string, test func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newStage(t, document)) })
}

func newStage(t *testing.T, document string) *stage {
	t.Helper()
	p, err := policy.Compile(policyyaml.Document("policy.yaml", []byte(document)))
	require.NoError(t, err)
	s := &stage{t: t, cloud: newCloud(), policy: p, mode: finding.Enforce}
	s.cloud.group(groupA)
	s.cloud.group(groupB)
	return s
}

// deliver hands messages to a new engine, as to a function that has just
// started, with a function's 30 seconds.
func (s *stage) deliver(messages ...remediation.Message) []error {
	s.t.Helper()
	return s.deliverTo(s.cloud, messages...)
}

func (s *stage) deliverTo(client remediation.EC2, messages ...remediation.Message) []error {
	s.t.Helper()
	var r *remediation.Engine
	var chosen sync.WaitGroup
	var last chan struct{} // closed when the message chosen last is handled
	// What remediate chooses comes at once, to another invocation.
	choose := func(_ context.Context, _ remediation.Message, d finding.Detection) error {
		m := remediation.Message{Detection: d, Try: 1, Tries: 5, Sent: time.Now(), Queued: time.Now()}
		start := chosen.Go
		switch before := last; {
		case s.warm:
			start = func(run func()) { go run() }
		case s.inTurn:
			last = make(chan struct{})
			done := last
			start = func(run func()) {
				chosen.Go(func() {
					defer close(done)
					if before != nil {
						<-before
					}
					run()
				})
			}
		}
		start(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if err := errors.Join(r.Run(ctx, account, []remediation.Message{m})...); err != nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.returned = append(s.returned, m)
			}
		})
		return nil
	}
	r = s.engineFor(client, choose)
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(s.within, 30*time.Second))
	defer cancel()
	errs := r.Run(ctx, account, messages)
	require.Len(s.t, errs, len(messages))
	chosen.Wait()
	return errs
}

// engineFor returns a new engine or, of a warm stage, the one that it has.
func (s *stage) engineFor(client remediation.EC2, choose func(context.Context, remediation.Message, finding.Detection) error) *remediation.Engine {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.warm && s.engine != nil {
		return s.engine
	}
	engine, err := remediation.New(remediation.Config{
		EC2: client, Region: region, Policy: s.policy, Mode: s.mode, MaxRevokes: s.maxRevokes, Publish: s.publish, Choose: choose, Count: s.count,
		Logger: slog.New(slog.NewJSONHandler(&lockedWriter{stage: s}, nil)), Measure: s.measure,
	})
	require.NoError(s.t, err)
	s.engine = engine
	return engine
}

type lockedWriter struct{ stage *stage }

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.stage.mu.Lock()
	defer w.stage.mu.Unlock()
	return w.stage.log.Write(p)
}

// told prints the results of all alerts so far, those of one event after another.
func (s *stage) told() (out []string) {
	for _, a := range s.alerts {
		out = append(out, told(a)...)
	}
	return out
}

// done delivers messages and holds that none has to come again.
func (s *stage) done(messages ...remediation.Message) {
	s.t.Helper()
	for _, err := range s.deliver(messages...) {
		assert.NoError(s.t, err)
	}
}

func (s *stage) publish(ctx context.Context, a finding.Alert) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.publishing != nil {
		if err := s.publishing(a); err != nil {
			return err
		}
	}
	s.alerts = append(s.alerts, a)
	return nil
}

// alert returns the only alert so far.
func (s *stage) alert() finding.Alert {
	s.t.Helper()
	require.Len(s.t, s.alerts, 1)
	return s.alerts[0]
}

func (s *stage) measure(_ context.Context, metrics ...metric.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range metrics {
		if len(m.Values) > 0 {
			if s.metrics == nil {
				s.metrics = map[string][]float64{}
			}
			s.metrics[m.Name] = append(s.metrics[m.Name], m.Values...)
		}
	}
}

// counted adds up what a metric has counted.
func (s *stage) counted(name string) (n int) {
	for _, v := range s.metrics[name] {
		n += int(v)
	}
	return n
}

// only returns the only result of an alert.
func only(t *testing.T, a finding.Alert) finding.Result {
	t.Helper()
	require.Len(t, a.Findings, 1)
	return a.Findings[0]
}

// told prints an alert's results as "outcome peer", in their order.
func told(a finding.Alert) []string {
	var out []string
	for _, r := range a.Findings {
		peer := "no rule"
		if r.Rule != nil {
			peer = r.Rule.Permission.Peer.String()
		}
		out = append(out, string(r.Outcome)+" "+peer)
	}
	return out
}

// change starts a CloudTrail event of now.
func (s *stage) change(groupID string) cloudtrail.Call {
	s.events++
	return cloudtrail.Call{
		Event: cloudtrail.Event{
			EventID: fmt.Sprintf("00000000-0000-4000-8000-%012d", s.events), EventName: "AuthorizeSecurityGroupIngress",
			EventTime: time.Now().UTC().Truncate(time.Second), AccountID: account, Region: region,
			Actor:           cloudtrail.Actor{Type: "IAMUser", ARN: "arn:aws:iam::" + account + ":user/demo"},
			SourceIPAddress: "198.51.100.7",
		},
		Kind: cloudtrail.KindAuthorize, Group: secgroup.Group{ID: groupID}, From: cloudtrail.RulesFromResponse,
	}
}

// detected is the message of what detect makes of a change, at its first try.
func (s *stage) detected(c cloudtrail.Call) remediation.Message {
	return remediation.Message{Detection: finding.Detect(s.policy, c, time.Now()), Try: 1, Tries: 5, Queued: time.Now()}
}

// open makes rules in the cloud and returns the message of the call.
func (s *stage) open(groupID string, rules ...types.SecurityGroupRule) remediation.Message {
	s.t.Helper()
	c := s.change(groupID)
	for _, r := range rules {
		id := s.cloud.authorize(groupID, r)
		c.Rules = append(c.Rules, s.rule(groupID, id, r))
	}
	return s.detected(c)
}

// edit changes a rule in the cloud and returns the message of the call, whose
// record tells no direction.
func (s *stage) edit(groupID, ruleID string, r types.SecurityGroupRule) remediation.Message {
	s.t.Helper()
	s.cloud.edit(groupID, ruleID, r)
	c := s.change(groupID)
	c.EventName, c.Kind, c.From = "ModifySecurityGroupRules", cloudtrail.KindModify, cloudtrail.RulesFromRequest
	rule := s.rule(groupID, ruleID, r)
	rule.Permission.Direction = 0
	c.Rules = []secgroup.Rule{rule}
	m := s.detected(c)
	require.NotEmpty(s.t, m.Detection.Findings, "the event alone must look suspicious")
	return m
}

// rule is a rule of the cloud as a record tells it.
func (s *stage) rule(groupID, id string, r types.SecurityGroupRule) secgroup.Rule {
	s.t.Helper()
	direction := secgroup.Ingress
	if aws.ToBool(r.IsEgress) {
		direction = secgroup.Egress
	}
	protocol, err := secgroup.ParseProtocol(*r.IpProtocol)
	require.NoError(s.t, err)
	var peer secgroup.Peer
	switch {
	case r.PrefixListId != nil:
		peer = secgroup.PrefixListPeer(*r.PrefixListId)
	case r.ReferencedGroupInfo != nil:
		peer = secgroup.GroupPeer(*r.ReferencedGroupInfo.GroupId, aws.ToString(r.ReferencedGroupInfo.UserId))
	default:
		peer, err = secgroup.ParseCIDRPeer(aws.ToString(r.CidrIpv4) + aws.ToString(r.CidrIpv6))
		require.NoError(s.t, err)
	}
	from, to := int(*r.FromPort), int(*r.ToPort)
	permission, err := secgroup.NewPermission(direction, protocol, &from, &to, peer)
	require.NoError(s.t, err)
	return secgroup.Rule{ID: id, GroupID: groupID, OwnerID: account, Permission: permission, Description: aws.ToString(r.Description)}
}

// again is the same message at its next try.
func again(m remediation.Message) remediation.Message {
	m.Try++
	return m
}

// failing returns a fault that answers every call of the actions with a code.
func failing(code string, actions ...string) func(context.Context, string, string) error {
	return func(_ context.Context, action, _ string) error {
		for _, a := range actions {
			if strings.HasPrefix(action, a) {
				return apiError(code)
			}
		}
		return nil
	}
}

var errPublish = errors.New("topic is throttled")

// alertOf returns the alert of a message's event.
func (s *stage) alertOf(m remediation.Message) finding.Alert {
	s.t.Helper()
	for _, a := range s.alerts {
		if a.Event.EventID == m.Detection.Event.EventID {
			return a
		}
	}
	require.Fail(s.t, "no alert for the event")
	return finding.Alert{}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
