package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/sweep"
)

// bench is a handler whose sweeper only takes note.
type bench struct {
	*handler
	log     bytes.Buffer
	account string
	changes []cloudtrail.Call
	days    []sweep.Day
	sweeps  []cloudtrail.Event
	swept   []finding.Detection // orders of sweeps
	orders  []finding.Detection
	how     sweep.Delivery
	answer  finding.Detection
	err     error

	unwarned error // of WarnOfExpiry
}

func newBench() *bench {
	b := &bench{answer: finding.Detection{SchemaVersion: "1", Verdict: policy.Compliant, Findings: []finding.Finding{}}}
	b.handler = &handler{sweeper: b, logger: slog.New(slog.NewJSONHandler(&b.log, nil))}
	return b
}

func (b *bench) Changed(_ context.Context, account string, c cloudtrail.Call) (finding.Detection, error) {
	b.account, b.changes = account, append(b.changes, c)
	return b.answer, b.err
}

func (b *bench) Close(_ context.Context, account string, c cloudtrail.Call, order finding.Detection, d sweep.Delivery) error {
	b.account, b.changes, b.orders, b.how = account, append(b.changes, c), append(b.orders, order), d
	return b.err
}

func (b *bench) WarnOfExpiry(_ context.Context, day sweep.Day) error {
	b.days = append(b.days, day)
	return b.unwarned
}

func (b *bench) Sweep(_ context.Context, event cloudtrail.Event) (finding.Detection, error) {
	b.sweeps = append(b.sweeps, event)
	return b.answer, b.err
}

func (b *bench) CloseSwept(_ context.Context, order finding.Detection, d sweep.Delivery) error {
	b.swept, b.how = append(b.swept, order), d
	return b.err
}

func recorded(t *testing.T, name string) []byte {
	t.Helper()
	event, err := os.ReadFile(filepath.Join("..", "..", "events", "sweep", name))
	require.NoError(t, err)
	return event
}

// invoked is the context of an invocation.
func invoked(t *testing.T) context.Context {
	return lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{
		AwsRequestID: "request-1", InvokedFunctionArn: "arn:aws:lambda:us-east-1:123456789012:function:sweep",
	})
}

func TestAnEditedListIsHandedToTheAuditor(t *testing.T) {
	for _, name := range []string{"modify-prefix-list-one-entry-world.json", "modify-prefix-list-several-entries.json", "restore-prefix-list-version.json"} {
		b := newBench()
		out, err := b.Invoke(invoked(t), recorded(t, name))
		require.NoError(t, err, name)
		require.Len(t, b.changes, 1, name)
		assert.Equal(t, "pl-0123456789abcdef0", b.changes[0].List.ID)
		assert.Equal(t, "123456789012", b.account)
		var d finding.Detection
		require.NoError(t, json.Unmarshal(out, &d))
		assert.Equal(t, b.answer.Verdict, d.Verdict)
	}
}

func TestTheDailyRunIsHandedToTheAuditor(t *testing.T) {
	b := newBench()
	out, err := b.Invoke(invoked(t), recorded(t, "scheduled-day.json"))
	require.NoError(t, err)
	assert.Equal(t, []sweep.Day{{EventID: "0a1d6f0e-6b1c-4a57-9a55-2f6b7f1f5b04", Time: time.Date(2026, 11, 3, 0, 15, 0, 0, time.UTC),
		AccountID: "123456789012", Region: "us-east-1"}}, b.days)
	assert.Equal(t, []cloudtrail.Event{{
		EventID: "0a1d6f0e-6b1c-4a57-9a55-2f6b7f1f5b04", EventName: "Scheduled Event", EventTime: time.Date(2026, 11, 3, 0, 15, 0, 0, time.UTC),
		AccountID: "123456789012", Region: "us-east-1", Actor: cloudtrail.Actor{Type: "AWSService", InvokedBy: "events.amazonaws.com"},
	}}, b.sweeps)
	var d finding.Detection
	require.NoError(t, json.Unmarshal(out, &d))
	assert.Equal(t, b.answer.Verdict, d.Verdict, "what the sweep leaves to close is for the queue")
}

// onDemand is what a person asks for a sweep with.
const onDemand = `{"sgward":"sweep"}`

func TestASweepIsMadeOnDemand(t *testing.T) {
	b := newBench()
	b.answer = order()
	out, err := b.Invoke(invoked(t), []byte(onDemand))
	require.NoError(t, err)
	assert.Equal(t, []cloudtrail.Event{{EventID: "request-1", EventName: "Sweep on demand", AccountID: "123456789012"}}, b.sweeps)
	assert.Empty(t, b.days, "of exceptions the schedule tells")
	var d finding.Detection
	require.NoError(t, json.Unmarshal(out, &d))
	assert.Equal(t, order(), d)
}

func TestAWarningThatFailsKeepsTheSweepFromNothingAndComesAgain(t *testing.T) {
	b := newBench()
	b.unwarned = errors.New("topic gone")
	_, err := b.Invoke(invoked(t), recorded(t, "scheduled-day.json"))
	require.ErrorContains(t, err, "topic gone")
	assert.Len(t, b.sweeps, 1)
}

func TestWhatASweepLeftIsTakenUp(t *testing.T) {
	for name, request := range map[string][]byte{"on schedule": recorded(t, "scheduled-day.json"), "on demand": []byte(onDemand)} {
		b := newBench()
		out, err := b.Invoke(invoked(t), message(t, record(t, request, order())))
		require.NoError(t, err, name)
		assert.JSONEq(t, `{"batchItemFailures":[]}`, string(out), name)
		assert.Equal(t, []finding.Detection{order()}, b.swept, name)
		assert.Equal(t, sweep.Delivery{Try: 2, Tries: 5, Chosen: time.Date(2026, 11, 22, 10, 0, 1, 250_000_000, time.UTC)}, b.how, name)
		assert.Empty(t, b.orders, name)
		b.err = errors.New("throttled")
		out, err = b.Invoke(invoked(t), message(t, record(t, request, order())))
		require.NoError(t, err, name)
		assert.JSONEq(t, `{"batchItemFailures":[{"itemIdentifier":"m1"}]}`, string(out), name)
	}
}

func TestWhatFailsIsOneNamedErrorSoThatLambdaTriesAgain(t *testing.T) {
	for _, name := range []string{"modify-prefix-list-one-entry-world.json", "scheduled-day.json"} {
		b := newBench()
		b.err = errors.New("publishing failed")
		_, err := b.Invoke(invoked(t), recorded(t, name))
		var failed *runError
		require.ErrorAs(t, err, &failed, name)
		assert.EqualError(t, err, "publishing failed")
		assert.Same(t, failed, err, "the platform reports the outermost type")
	}
}

func TestMalformedEventsAreNamed(t *testing.T) {
	for name, event := range map[string]string{
		"empty":              ``,
		"not JSON":           `{`,
		"a list":             `[]`,
		"nothing of ours":    `{"hello":"world"}`,
		"records no list":    `{"Records":{"messageId":"1"}}`,
		"another command":    `{"sgward":"close"}`,
		"a command in words": `{"sgward":["sweep"]}`,
		"day without time":   `{"detail-type":"Scheduled Event","source":"aws.events","id":"1","account":"123456789012","region":"us-east-1"}`,
		"day without id":     `{"detail-type":"Scheduled Event","source":"aws.events","time":"2026-11-03T00:15:00Z","account":"123456789012","region":"us-east-1"}`,
		"time of the day":    `{"detail-type":"Scheduled Event","source":"aws.events","time":"midnight"}`,
		"record without id":  `{"detail-type":"AWS API Call via CloudTrail","account":"123456789012","region":"us-east-1","detail":{"eventSource":"ec2.amazonaws.com","eventName":"ModifyManagedPrefixList","requestParameters":{"ModifyManagedPrefixListRequest":{"PrefixListId":"pl-0123456789abcdef0"}}}}`,
		"record of no entry": `{"detail-type":"AWS API Call via CloudTrail","account":"123456789012","region":"us-east-1","detail":{"eventSource":"ec2.amazonaws.com","eventName":"ModifyManagedPrefixList","eventID":"1","eventTime":"2026-11-03T00:15:00Z","requestParameters":{"ModifyManagedPrefixListRequest":{"PrefixListId":"pl-0123456789abcdef0","AddEntry":"all"}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			_, err := b.Invoke(invoked(t), []byte(event))
			var ours *malformedError
			var record *cloudtrail.MalformedError
			assert.True(t, errors.As(err, &ours) || errors.As(err, &record), "%v", err)
			assert.Empty(t, b.changes)
			assert.Contains(t, b.log.String(), "event not dealt with")
		})
	}
}

// message is an SQS event with what an invocation left to close.
func message(t *testing.T, bodies ...string) []byte {
	t.Helper()
	var records []map[string]any
	for i, body := range bodies {
		records = append(records, map[string]any{"messageId": "m" + string(rune('1'+i)), "body": body,
			"attributes": map[string]string{"ApproximateReceiveCount": "2"}, "eventSource": "aws:sqs"})
	}
	event, err := json.Marshal(map[string]any{"Records": records})
	require.NoError(t, err)
	return event
}

// chosenAt is when an invocation came to its end, as Lambda writes it.
const chosenAt = "2026-11-22T10:00:01.250Z"

// record is an invocation record.
func record(t *testing.T, request []byte, response any) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"version": "1.0", "timestamp": chosenAt, "requestContext": map[string]any{"requestId": "1", "condition": "Success"},
		"requestPayload": json.RawMessage(request), "responsePayload": response,
	})
	require.NoError(t, err)
	return string(body)
}

func order() finding.Detection {
	return finding.Detection{SchemaVersion: "1", Verdict: policy.Revoke, Findings: []finding.Finding{{ID: "f-1", GroupID: "sg-0123456789abcdef0"}}}
}

func TestWhatAnInvocationLeftIsTakenUp(t *testing.T) {
	b := newBench()
	out, err := b.Invoke(invoked(t), message(t, record(t, recorded(t, "modify-prefix-list-one-entry-world.json"), order())))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[]}`, string(out), "never null")
	require.Len(t, b.orders, 1)
	assert.Equal(t, order(), b.orders[0])
	assert.Equal(t, "pl-0123456789abcdef0", b.changes[0].List.ID)
	assert.Equal(t, sweep.Delivery{Try: 2, Tries: 5, Chosen: time.Date(2026, 11, 22, 10, 0, 1, 250_000_000, time.UTC)}, b.how)
	assert.Equal(t, "123456789012", b.account)
}

func TestATimeThatCannotBeReadKeepsNothingOpen(t *testing.T) {
	sound := record(t, recorded(t, "modify-prefix-list-one-entry-world.json"), order())
	for _, timestamp := range []string{`""`, `"yesterday"`, `null`} {
		b := newBench()
		_, err := b.Invoke(invoked(t), message(t, strings.Replace(sound, `"`+chosenAt+`"`, timestamp, 1)))
		require.NoError(t, err)
		require.Len(t, b.orders, 1, timestamp)
		assert.Zero(t, b.how.Chosen, timestamp)
	}
}

func TestAMessageThatFailsComesAgainAlone(t *testing.T) {
	sound := recorded(t, "modify-prefix-list-one-entry-world.json")
	none, other := order(), order()
	none.Verdict, other.SchemaVersion = policy.Compliant, "2"
	for name, body := range map[string]string{
		"not JSON":         "{",
		"no record":        `{"hello":"world"}`,
		"an error":         record(t, sound, map[string]string{"errorMessage": "no"}),
		"nothing to close": record(t, sound, none),
		"another schema":   record(t, sound, other),
		"no event":         record(t, []byte(`null`), order()),
		"another event":    record(t, []byte(`{"detail-type":"Scheduled Event","source":"my.events"}`), order()),
		"another command":  record(t, []byte(`{"sgward":"close"}`), order()),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			out, err := b.Invoke(invoked(t), message(t, body, record(t, sound, order())))
			require.NoError(t, err)
			assert.JSONEq(t, `{"batchItemFailures":[{"itemIdentifier":"m1"}]}`, string(out))
			assert.Len(t, b.orders, 1, "the other goes on")
			assert.Contains(t, b.log.String(), "message comes again")
		})
	}
	b := newBench()
	b.err = errors.New("throttled")
	out, err := b.Invoke(invoked(t), message(t, record(t, sound, order())))
	require.NoError(t, err)
	assert.JSONEq(t, `{"batchItemFailures":[{"itemIdentifier":"m1"}]}`, string(out))
}

func TestAnAccountThatThePlatformDoesNotTellIsUnknown(t *testing.T) {
	b := newBench()
	_, err := b.Invoke(t.Context(), recorded(t, "modify-prefix-list-one-entry-world.json"))
	require.NoError(t, err)
	assert.Empty(t, b.account)
}
