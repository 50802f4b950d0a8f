package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
)

const queueARN = "arn:aws:sqs:eu-central-1:123456789012:findings"

// detection is what detect says of a database opened to the world.
func databaseRule() *secgroup.Rule {
	rule := secgrouptest.TCP(3306, "0.0.0.0/0")
	rule.GroupID, rule.OwnerID = "sg-0123456789abcdef0", "123456789012"
	return rule
}

func detection() finding.Detection {
	return finding.Detection{
		SchemaVersion: "1", Verdict: policy.Revoke, PolicyDigest: "sha256:00",
		Event: cloudtrail.Event{
			EventID: "6f1c7a52-93d1-4f5e-8d8a-6d4f4a1f0c11", EventName: "AuthorizeSecurityGroupIngress",
			EventTime: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), AccountID: "123456789012", Region: "eu-central-1",
		},
		Findings: []finding.Finding{{
			ID: "f-0000000000000001", Verdict: policy.Revoke, Severity: policy.Critical, GroupID: "sg-0123456789abcdef0",
			Rule: databaseRule(),
		}},
	}
}

// record is an invocation record as Lambda writes it.
func record(t *testing.T, payload any) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"version": "1.0", "timestamp": "2026-11-22T10:00:01.000Z",
		"requestContext": map[string]any{"requestId": "e4b2", "condition": "Success", "approximateInvokeCount": 1,
			"functionArn": "arn:aws:lambda:eu-central-1:123456789012:function:detect:$LATEST"},
		"requestPayload":  map[string]any{"source": "aws.ec2"},
		"responseContext": map[string]any{"statusCode": 200, "executedVersion": "$LATEST"},
		"responsePayload": payload,
	})
	require.NoError(t, err)
	return string(body)
}

// edited is a record of which one field is another.
func edited(t *testing.T, path []string, value any) string {
	t.Helper()
	var tree map[string]any
	require.NoError(t, json.Unmarshal([]byte(record(t, detection())), &tree))
	at := tree
	for _, key := range path[:len(path)-1] {
		if next, ok := at[key].([]any); ok {
			at = next[0].(map[string]any)
			continue
		}
		at = at[key].(map[string]any)
	}
	if value == missing {
		delete(at, path[len(path)-1])
	} else {
		at[path[len(path)-1]] = value
	}
	body, err := json.Marshal(tree)
	require.NoError(t, err)
	return string(body)
}

const missing = "\x00missing"

// bench is a handler whose engine only takes note.
type bench struct {
	handler
	log      bytes.Buffer
	account  string
	messages []remediation.Message
	errs     map[string]error // by event id
}

func newBench() *bench {
	b := &bench{errs: map[string]error{}}
	b.handler = handler{
		policyDigest: detection().PolicyDigest,
		logger:       slog.New(slog.NewJSONHandler(&b.log, nil)),
		remediate: func(_ context.Context, account string, messages []remediation.Message) []error {
			b.account, b.messages = account, messages
			errs := make([]error, len(messages))
			for i, m := range messages {
				errs[i] = b.errs[m.Detection.Event.EventID]
			}
			return errs
		},
	}
	return b
}

func sqsEvent(bodies ...string) events.SQSEvent {
	e := events.SQSEvent{Records: []events.SQSMessage{}}
	for i, body := range bodies {
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: "m" + string(rune('1'+i)), Body: body, EventSourceARN: queueARN,
			Attributes: map[string]string{"ApproximateReceiveCount": "2", "SentTimestamp": "1795341602500"},
		})
	}
	return e
}

func failed(r events.SQSEventResponse) []string {
	ids := []string{}
	for _, f := range r.BatchItemFailures {
		ids = append(ids, f.ItemIdentifier)
	}
	return ids
}

func TestDetectionsReachTheEngineWithWhatTheQueueSays(t *testing.T) {
	b := newBench()
	out, err := b.handle(t.Context(), sqsEvent(record(t, detection())))
	require.NoError(t, err)
	assert.Equal(t, "123456789012", b.account)
	require.Len(t, b.messages, 1)
	assert.Equal(t, remediation.Message{
		Detection: detection(), Try: 2, Tries: 60, Record: record(t, detection()), Sent: time.Date(2026, 11, 22, 10, 0, 1, 0, time.UTC),
		Queued: time.Date(2026, 11, 22, 10, 0, 2, 500_000_000, time.UTC),
	}, b.messages[0])
	answer, err := json.Marshal(out)
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[]}`, string(answer), "never null")
}

func TestOnlyTheMessagesThatFailAreRetried(t *testing.T) {
	b := newBench()
	bad := detection()
	bad.Event.EventID = "throttled"
	b.errs["throttled"] = errors.New("RequestLimitExceeded")
	out, err := b.handle(t.Context(), sqsEvent(record(t, detection()), "{", record(t, bad), record(t, detection())))
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"m2", "m3"}, failed(out))
	assert.Len(t, b.messages, 3)
}

func TestAMalformedMessageFailsAloneAndIsNamed(t *testing.T) {
	for name, c := range map[string]struct{ body, field string }{
		"empty":                  {"", "body"},
		"not JSON":               {"{", "body"},
		"a list":                 {"[]", "body"},
		"trailing text":          {record(t, detection()) + "x", "body"},
		"not a record":           {`{"hello":"world"}`, "requestContext.requestId"},
		"a bare Detection":       {func() string { b, _ := json.Marshal(detection()); return string(b) }(), "requestContext.requestId"},
		"a failure of detect":    {edited(t, []string{"responseContext", "functionError"}, "Unhandled"), "responseContext.functionError"},
		"no payload":             {edited(t, []string{"responsePayload"}, missing), "responsePayload"},
		"null payload":           {edited(t, []string{"responsePayload"}, nil), "responsePayload"},
		"text as payload":        {edited(t, []string{"responsePayload"}, "revoke"), "responsePayload"},
		"another schema":         {edited(t, []string{"responsePayload", "schemaVersion"}, "2"), "responsePayload.schemaVersion"},
		"number for schema":      {edited(t, []string{"responsePayload", "schemaVersion"}, 1), "responsePayload.schemaVersion"},
		"no decision":            {edited(t, []string{"responsePayload", "decision"}, missing), "responsePayload.decision"},
		"null for decision":      {edited(t, []string{"responsePayload", "decision"}, nil), "responsePayload.decision"},
		"undecided finding":      {edited(t, []string{"responsePayload", "findings", "decision"}, missing), "responsePayload.findings.0.decision"},
		"another source":         {edited(t, []string{"responsePayload", "source"}, "audit"), "responsePayload.source"},
		"unknown decision":       {edited(t, []string{"responsePayload", "decision"}, "delete"), "responsePayload.decision"},
		"no event id":            {edited(t, []string{"responsePayload", "event", "eventId"}, missing), "responsePayload.event.eventId"},
		"event id a number":      {edited(t, []string{"responsePayload", "event", "eventId"}, 7), "responsePayload.event.eventId"},
		"no time":                {edited(t, []string{"responsePayload", "event", "eventTime"}, missing), "responsePayload.event.eventTime"},
		"no account":             {edited(t, []string{"responsePayload", "event", "accountId"}, "12345"), "responsePayload.event.accountId"},
		"no region":              {edited(t, []string{"responsePayload", "event", "region"}, ""), "responsePayload.event.region"},
		"findings no list":       {edited(t, []string{"responsePayload", "findings"}, "all"), "responsePayload.findings"},
		"unknown finding":        {edited(t, []string{"responsePayload", "findings", "decision"}, "open"), "responsePayload.findings.0.decision"},
		"port as text":           {edited(t, []string{"responsePayload", "findings", "rule", "fromPort"}, "3306"), "responsePayload.findings.0.rule.fromPort"},
		"port out of range":      {edited(t, []string{"responsePayload", "findings", "rule", "toPort"}, 70000), "responsePayload.findings.0.rule"},
		"two peers":              {edited(t, []string{"responsePayload", "findings", "rule", "cidrIpv6"}, "::/0"), "responsePayload.findings.0.rule"},
		"a direction of no kind": {edited(t, []string{"responsePayload", "findings", "rule", "direction"}, "inbound"), "responsePayload.findings.0.rule"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			out, err := b.handle(t.Context(), sqsEvent(record(t, detection()), c.body))
			require.NoError(t, err)
			assert.Equal(t, []string{"m2"}, failed(out))
			assert.Len(t, b.messages, 1, "the other goes on")
			var line map[string]any
			require.NoError(t, json.Unmarshal(b.log.Bytes(), &line), b.log.String())
			assert.Equal(t, "message malformed", line["msg"])
			assert.Equal(t, "m2", line["messageId"])
			assert.Equal(t, c.field, line["field"])
			assert.NotEmpty(t, line["problem"])
		})
	}
}

// ofEdit is what sweep has chosen to close after the edit of a prefix list.
func ofEdit() finding.Detection {
	d := detection()
	d.Source, d.PrefixListID = finding.SourcePrefixListEdit, "pl-0123456789abcdef0"
	d.Findings[0].Rule = secgrouptest.TCP(3306, d.PrefixListID)
	d.Findings[0].Rule.GroupID, d.Findings[0].Rule.OwnerID = d.Findings[0].GroupID, d.Event.AccountID
	return d
}

func TestWhatSweepHasChosenReachesTheEngine(t *testing.T) {
	ofSweep := detection()
	ofSweep.Source = finding.SourceSweep
	b := newBench()
	out, err := b.handle(t.Context(), sqsEvent(record(t, ofEdit()), record(t, ofSweep)))
	require.NoError(t, err)
	assert.Empty(t, out.BatchItemFailures)
	require.Len(t, b.messages, 2)
	assert.Equal(t, ofEdit(), b.messages[0].Detection)
	assert.Equal(t, ofSweep, b.messages[1].Detection)
}

func TestWhatSweepHasChosenNamesAGroupARuleAndForAnEditItsList(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*finding.Detection)
		field  string
	}{
		"no list":      {func(d *finding.Detection) { d.PrefixListID = "" }, "responsePayload.prefixListId"},
		"no group":     {func(d *finding.Detection) { d.Findings[0].GroupID = "" }, "responsePayload.findings.0.groupId"},
		"no rule":      {func(d *finding.Detection) { d.Findings[0].Rule = nil }, "responsePayload.findings.0.rule"},
		"another peer": {func(d *finding.Detection) { d.Findings[0].Rule = databaseRule() }, "responsePayload.findings.0.rule.prefixListId"},
		"no rule of a sweep": {func(d *finding.Detection) {
			d.Source, d.Findings[0].Rule = finding.SourceSweep, nil
		}, "responsePayload.findings.0.rule"},
	} {
		t.Run(name, func(t *testing.T) {
			d := ofEdit()
			c.change(&d)
			_, err := readMessage(record(t, d))
			var malformed *malformedError
			require.ErrorAs(t, err, &malformed)
			assert.Equal(t, c.field, malformed.field)
			assert.NotEmpty(t, malformed.problem)
		})
	}
}

func TestATimeThatCannotBeReadKeepsNothingOpen(t *testing.T) {
	for _, timestamp := range []string{"", "yesterday", missing} {
		m, err := readMessage(edited(t, []string{"timestamp"}, timestamp))
		require.NoError(t, err, timestamp)
		assert.Zero(t, m.Sent, timestamp)
	}
}

func TestWhatIsNoQueuesEventIsAnError(t *testing.T) {
	_, err := newBench().handle(t.Context(), events.SQSEvent{})
	assert.ErrorIs(t, err, errNotSQS)
}

func TestAQueueThatSaysLittleIsWorkedWithAllTheSame(t *testing.T) {
	b := newBench()
	e := sqsEvent(record(t, detection()))
	e.Records[0].EventSourceARN, e.Records[0].Attributes = "findings", nil
	_, err := b.handle(t.Context(), e)
	require.NoError(t, err)
	assert.Empty(t, b.account)
	assert.Zero(t, b.messages[0].Try)
}

// remediate judges by its own policy; a message that another one found says so in the log.
func TestAMessageThatAnotherPolicyFoundIsWarnedAboutOnce(t *testing.T) {
	b := newBench()
	bySweep := detection()
	bySweep.PolicyDigest, bySweep.Source = "sha256:01", finding.SourceSweep
	_, err := b.handle(t.Context(), sqsEvent(record(t, detection()), record(t, bySweep), record(t, bySweep)))
	require.NoError(t, err)
	assert.Len(t, b.messages, 3, "all are judged")
	var lines []map[string]any
	for line := range strings.Lines(b.log.String()) {
		var l map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		delete(l, "time")
		lines = append(lines, l)
	}
	assert.Equal(t, []map[string]any{{"level": "WARN", "msg": "found by another policy: judged again by that of remediate", "policyDigest": "sha256:00",
		"detectionPolicyDigest": "sha256:01", "source": "sweep", "eventId": detection().Event.EventID}}, lines)
}
