package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
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
	unnamed []cloudtrail.Call
	days    []sweep.Day
	sweeps  []cloudtrail.Event
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

func (b *bench) Unnamed(_ context.Context, account string, c cloudtrail.Call) (finding.Detection, error) {
	b.account, b.unnamed = account, append(b.unnamed, c)
	return b.answer, b.err
}

func (b *bench) WarnOfExpiry(_ context.Context, day sweep.Day) error {
	b.days = append(b.days, day)
	return b.unwarned
}

func (b *bench) Sweep(_ context.Context, event cloudtrail.Event) (finding.Detection, error) {
	b.sweeps = append(b.sweeps, event)
	return b.answer, b.err
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

func TestACallThatNamesNoGroupIsLookedFor(t *testing.T) {
	b := newBench()
	event, err := os.ReadFile(filepath.Join("..", "..", "events", "ingress-request-and-response-omitted.json"))
	require.NoError(t, err)
	_, err = b.Invoke(invoked(t), event)
	require.NoError(t, err)
	require.Len(t, b.unnamed, 1)
	assert.Equal(t, "AuthorizeSecurityGroupIngress", b.unnamed[0].EventName)
	assert.Equal(t, "123456789012", b.account)
	assert.Empty(t, b.changes)
}

// onDemandEvent is what a person asks for a sweep with.
const onDemandEvent = `{"sgward":"sweep"}`

func TestASweepIsMadeOnDemand(t *testing.T) {
	b := newBench()
	b.answer = order()
	out, err := b.Invoke(invoked(t), []byte(onDemandEvent))
	require.NoError(t, err)
	assert.Equal(t, []cloudtrail.Event{{EventID: "request-1", EventName: "Sweep on demand", AccountID: "123456789012"}}, b.sweeps)
	assert.Empty(t, b.days, "of exceptions the schedule tells")
	var d finding.Detection
	require.NoError(t, json.Unmarshal(out, &d))
	assert.Equal(t, order(), d)
}

func TestEachInvocationIsMeasuredAtItsEnd(t *testing.T) {
	b := newBench()
	measured := 0
	b.measure = func(context.Context) {
		measured++
		assert.Len(t, b.sweeps, measured, "at the end")
	}
	_, err := b.Invoke(invoked(t), []byte(onDemandEvent))
	require.NoError(t, err)
	b.err = errors.New("throttled")
	_, err = b.Invoke(invoked(t), []byte(onDemandEvent))
	require.Error(t, err)
	assert.Equal(t, 2, measured, "a failed one too")
}

func TestAWarningThatFailsKeepsTheSweepFromNothingAndIsRetried(t *testing.T) {
	b := newBench()
	b.unwarned = errors.New("topic gone")
	_, err := b.Invoke(invoked(t), recorded(t, "scheduled-day.json"))
	require.ErrorContains(t, err, "topic gone")
	assert.Len(t, b.sweeps, 1)
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
		"a queue's batch":    `{"Records":[{"messageId":"1","body":"{}"}]}`,
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
			assert.Contains(t, b.log.String(), "event failed")
		})
	}
}

func order() finding.Detection {
	return finding.Detection{SchemaVersion: "1", Verdict: policy.Revoke, Findings: []finding.Finding{{ID: "f-1", GroupID: "sg-0123456789abcdef0"}}}
}

func TestAnAccountThatThePlatformDoesNotTellIsUnknown(t *testing.T) {
	b := newBench()
	_, err := b.Invoke(t.Context(), recorded(t, "modify-prefix-list-one-entry-world.json"))
	require.NoError(t, err)
	assert.Empty(t, b.account)
}
