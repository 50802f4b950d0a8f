package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup/secgrouptest"
	"sgward/internal/sqs"
)

var sqsActions = []string{"ReceiveMessage", "SendMessage", "GetQueueAttributes", "DeleteMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"}

func TestALoneOpeningMakesNoCallOfSQSAndWaitsForNothing(t *testing.T) {
	s := newScene(t, scenePolicy, 60*time.Second)
	g := s.group()
	s.authorize("maker", g, world(3306, "", "0.0.0.0/0"))
	m := s.message(s.detected(0)[0])
	require.NoError(t, s.function.Warm(t.Context()))
	began := time.Now()
	assert.Empty(t, s.deliver(m))
	assert.Less(t, time.Since(began), 900*time.Millisecond)
	for _, action := range sqsActions {
		assert.Zero(t, s.count(action), action)
	}
	assert.Equal(t, 1, s.count("RevokeSecurityGroupIngress"))
	assert.Zero(t, s.count("DescribeSecurityGroupRules"), "a complete event needs no read")
	assert.Equal(t, []string{"revoked 3306 0.0.0.0/0"}, s.told())
}

// storm puts n openings on few groups in turn, ten of them as the batch, the others on the
// queue.
func storm(s *scene, n int) (groups []string, batch []message) {
	for range 5 {
		groups = append(groups, s.group())
	}
	for i := range n {
		s.authorize("maker", groups[i%5], world(3306, "", fmt.Sprintf("%d.0.0.0/8", 20+i/5)))
	}
	ds := s.detected(0)
	require.Len(s.t, ds, n)
	for i, d := range ds {
		if m := s.message(d); i < batchSize {
			batch = append(batch, m)
		} else {
			_, err := s.findings.Send(m.body)
			require.NoError(s.t, err)
		}
	}
	return groups, batch
}

func TestAFullBatchIsHandledTogetherWithWhatWaitsBehindIt(t *testing.T) {
	s := newScene(t, scenePolicy, 60*time.Second)
	groups, batch := storm(s, 100)
	_, err := s.findings.Send(`{"responsePayload":"no Detection"}`)
	require.NoError(t, err)
	none := s.message(finding.Detection{SchemaVersion: "1", Verdict: policy.Compliant, Event: detection().Event, Findings: []finding.Finding{}})
	_, err = s.findings.Send(none.body)
	require.NoError(t, err)

	assert.Empty(t, s.deliver(batch...))

	for _, g := range groups {
		assert.Empty(t, s.held(g))
	}
	assert.Equal(t, 5, s.count("RevokeSecurityGroupIngress"), "one for each group")
	assert.Len(t, s.told(), 100)
	left := s.findings.Messages()
	require.Len(t, left, 1, "what is done is deleted")
	assert.Contains(t, left[0].Body, "no Detection")
}

func TestAnInvocationThatGathersLeavesTheRestToTheOtherOne(t *testing.T) {
	s := newScene(t, scenePolicy, 60*time.Second)
	_, batch := storm(s, 100)
	held := 0
	for range 4 {
		held += len(s.findings.Receive(10)) // by another invocation
	}
	require.Equal(t, 40, held)
	assert.Empty(t, s.deliver(batch...))
	assert.Zero(t, s.count("ReceiveMessage"))
	assert.Len(t, s.told(), batchSize)
}

func TestAnInvocationThatDiesWhileItGathersLosesNothing(t *testing.T) {
	s := newScene(t, scenePolicy, 60*time.Second)
	groups, batch := storm(s, 60)
	ctx, kill := context.WithCancel(t.Context())
	s.setFault(func(action string, n int) fault {
		if action == "RevokeSecurityGroupIngress" && n == 3 {
			kill()
			return dropReply
		}
		return pass
	})
	_, err := s.tryDeliver(ctx, batch...)
	require.Error(t, err)
	s.setFault(nil)
	for _, m := range s.findings.Messages() {
		s.findings.ChangeVisibility(m.ReceiptHandle, 0)
		batch = append(batch, message{m.Body, 1})
		s.findings.Delete(m.ReceiptHandle)
	}
	require.Len(t, batch, 60)
	for i := range batch {
		batch[i] = later(t, batch[i])
	}
	for part := range slices.Chunk(batch, batchSize) {
		s.settle(part...)
	}
	for _, g := range groups {
		assert.Empty(t, s.held(g))
	}
	heard := map[string]bool{}
	for _, a := range s.alerts() {
		heard[a.Event.EventID] = true
	}
	assert.Len(t, heard, 60)
}

func TestAMessageWithoutADetectionGoesToTheDeadLettersWithTheReason(t *testing.T) {
	s := newScene(t, scenePolicy, 30*time.Second)
	poison := message{`{"requestContext":{"requestId":"e4b2"},"requestPayload":{"source":"aws.ec2"},"responsePayload":{"no":"decision"}}`, 1}
	for ; poison.try < maxMalformed; poison.try++ {
		require.Len(t, s.deliver(poison), 1, "a newer version of the function may understand it")
		assert.Empty(t, s.dead.Messages())
	}
	end := s.failing("SendMessage")
	require.Len(t, s.deliver(poison), 1, "it is lost by nothing")
	end()
	assert.Empty(t, s.deliver(poison))
	letters := s.dead.Messages()
	require.Len(t, letters, 1)
	assert.Equal(t, poison.body, letters[0].Body)
	assert.Contains(t, letters[0].Attributes["reason"], "responsePayload.schemaVersion")
}

func TestAChoiceIsAnInvocationRecordWithTheEventThatBeganIt(t *testing.T) {
	s := newScene(t, scenePolicy, 30*time.Second)
	g := s.group()
	s.authorize("maker", g, world(3306, "", "0.0.0.0/0"))
	s.deliver(s.message(unnamed(s.detected(10 * time.Second)[0])))
	sent := s.findings.Messages()
	require.Len(t, sent, 1)
	assert.Contains(t, sent[0].Body, `"requestPayload":{"source":"aws.ec2"}`, "redrive leads it back through the front door")
	m, err := readMessage(sent[0].Body)
	require.NoError(t, err)
	assert.True(t, m.Detection.Chosen)
	assert.Equal(t, policy.Revoke, m.Detection.Verdict, "the mapping's filter lets it through")
	assert.NotEmpty(t, m.Detection.Findings[0].Rule.ID)
}

// A forged choice closes nothing that the policy allows.
func TestAChoiceIsJudgedLikeAnyOtherMessage(t *testing.T) {
	s := newScene(t, scenePolicy, 30*time.Second)
	g := s.group()
	s.authorize("maker", g, world(3306, "", "10.0.0.0/8"), world(22, "", "0.0.0.0/0"), world(5432, "", "52.1.2.0/24"))
	d := s.detected(0)[0]
	require.Len(t, d.Findings, 2, "22 to the world, and the narrow rule")
	private := d.Findings[0]
	rule := *private.Rule
	rule.ID, rule.Permission = s.cloud.Rules(g)[0].ID, secgrouptest.TCP(3306, "10.0.0.0/8").Permission
	private.Rule = &rule
	d.Findings = append(d.Findings, private)
	for i := range d.Findings {
		d.Findings[i].Verdict = policy.Revoke
	}
	d.Chosen, d.Verdict = true, policy.Revoke
	before := s.held(g)
	require.Len(t, before, 3)
	s.settle(s.message(d))
	assert.Equal(t, before, s.held(g))
	assert.Zero(t, s.count("RevokeSecurityGroupIngress"))
}

func TestAChoiceThatFitsNoMessageIsSplit(t *testing.T) {
	s := newScene(t, scenePolicy, 30*time.Second)
	q := &findingsQueue{Queue: sqs.Queue{Client: s.sqsClient(), URL: "http://sqs/findings"}, logger: slog.New(slog.DiscardHandler)}
	d := detection()
	long := d.Findings[0]
	long.Reasons = []policy.Reason{policy.Remark(strings.Repeat("x", 300_000))}
	d.Findings = []finding.Finding{long, long, long, long, long}
	origin := remediation.Message{Record: record(t, detection())}
	require.NoError(t, q.choose(t.Context(), origin, d))
	assert.Len(t, s.findings.Messages(), 2)
	long.Reasons = []policy.Reason{policy.Remark(strings.Repeat("x", 1_100_000))}
	d.Findings = []finding.Finding{long}
	assert.ErrorIs(t, q.choose(t.Context(), origin, d), remediation.ErrTooLarge)
}
