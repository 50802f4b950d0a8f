package invocation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/invocation"
)

const record = `{"version":"1.0","timestamp":"2026-11-03T12:00:05.120Z",` +
	`"requestContext":{"requestId":"r-1","functionArn":"arn:aws:lambda:eu-central-1:123456789012:function:detect:$LATEST","condition":"Success","approximateInvokeCount":2},` +
	`"requestPayload":{"id":"e-1"},"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},"responsePayload":{"a":1}}`

func TestARecordIsReadAsLambdaWritesIt(t *testing.T) {
	var r invocation.Record
	require.NoError(t, json.Unmarshal([]byte(record), &r))
	assert.Equal(t, "2026-11-03T12:00:05.120Z", r.Timestamp)
	assert.Equal(t, "r-1", r.RequestContext.RequestID)
	assert.Equal(t, "arn:aws:lambda:eu-central-1:123456789012:function:detect:$LATEST", r.RequestContext.FunctionARN)
	assert.Equal(t, "Success", r.RequestContext.Condition)
	assert.Equal(t, 2, r.RequestContext.ApproximateInvokeCount)
	assert.Equal(t, `{"id":"e-1"}`, string(r.RequestPayload))
	assert.Empty(t, r.ResponseContext.FunctionError)
	assert.Equal(t, `{"a":1}`, string(r.ResponsePayload))
}

func TestAnotherResponseLeavesTheRestOfARecord(t *testing.T) {
	out, err := invocation.WithResponse(record, map[string]int{"b": 2}, time.Date(2026, 11, 3, 13, 0, 6, 0, time.FixedZone("", 3600)))
	require.NoError(t, err)
	want := `{"version":"1.0","timestamp":"2026-11-03T12:00:06.000Z",` +
		`"requestContext":{"requestId":"r-1","functionArn":"arn:aws:lambda:eu-central-1:123456789012:function:detect:$LATEST","condition":"Success","approximateInvokeCount":2},` +
		`"requestPayload":{"id":"e-1"},"responseContext":{"statusCode":200,"executedVersion":"$LATEST"},"responsePayload":{"b":2}}`
	assert.Equal(t, want, string(out))
	_, err = invocation.WithResponse("[]", nil, time.Time{})
	assert.ErrorContains(t, err, "reading the invocation record")
}

func TestOnlyEventBridgesOwnEventsAreScheduled(t *testing.T) {
	assert.True(t, (&invocation.Event{DetailType: "Scheduled Event", Source: "aws.events"}).IsScheduled())
	assert.False(t, (&invocation.Event{DetailType: "Scheduled Event", Source: "my.app"}).IsScheduled())
	assert.False(t, (&invocation.Event{DetailType: "AWS API Call via CloudTrail", Source: "aws.events"}).IsScheduled())
}

func TestTheFirstNotificationThatFailsEndsTheEvent(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	var handled []string
	errDown := errors.New("it is down")
	handle := func(_ context.Context, n events.SNSEntity) error {
		handled = append(handled, n.MessageID)
		if n.MessageID == "m-2" {
			return errDown
		}
		return nil
	}
	event := events.SNSEvent{Records: []events.SNSEventRecord{{SNS: events.SNSEntity{MessageID: "m-1"}}, {SNS: events.SNSEntity{MessageID: "m-2"}}, {SNS: events.SNSEntity{MessageID: "m-3"}}}}
	assert.Equal(t, errDown, invocation.EachNotification(t.Context(), event, logger, "alert lost", handle), "as it is: Lambda reports its type")
	assert.Equal(t, []string{"m-1", "m-2"}, handled)
	assert.Contains(t, log.String(), `"msg":"alert lost","messageId":"m-2","error":"it is down"`)

	assert.NoError(t, invocation.EachNotification(t.Context(), events.SNSEvent{Records: []events.SNSEventRecord{}}, logger, "", handle))
	assert.ErrorContains(t, invocation.EachNotification(t.Context(), events.SNSEvent{}, logger, "", handle), "Records is missing")
}
