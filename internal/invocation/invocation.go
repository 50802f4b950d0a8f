// Package invocation has the forms of what invokes the functions, and of the records that
// Lambda keeps of invocations.
package invocation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// Record is the part that sgward reads of the record which Lambda sends to a destination
// after an asynchronous invocation. What the record lacks is zero.
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html)
type Record struct {
	Timestamp      string `json:"timestamp"` // in the form of RFC 3339
	RequestContext struct {
		RequestID              string `json:"requestId"`
		FunctionARN            string `json:"functionArn"`
		Condition              string `json:"condition"` // such as Success, RetriesExhausted or EventAgeExceeded
		ApproximateInvokeCount int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	RequestPayload  json.RawMessage `json:"requestPayload"`
	ResponseContext struct {
		FunctionError string `json:"functionError"`
	} `json:"responseContext"`
	ResponsePayload json.RawMessage `json:"responsePayload"`
}

// WithResponse returns an invocation record with another response, of the given time. Every
// other member that Lambda documents stays.
func WithResponse(record string, response any, at time.Time) ([]byte, error) {
	var out struct {
		Version         string          `json:"version"`
		Timestamp       string          `json:"timestamp"`
		RequestContext  json.RawMessage `json:"requestContext"`
		RequestPayload  json.RawMessage `json:"requestPayload,omitempty"`
		ResponseContext json.RawMessage `json:"responseContext,omitempty"`
		ResponsePayload any             `json:"responsePayload"`
	}
	if err := json.Unmarshal([]byte(record), &out); err != nil {
		return nil, fmt.Errorf("reading the invocation record: %w", err)
	}
	out.Timestamp, out.ResponsePayload = at.UTC().Format("2006-01-02T15:04:05.000Z"), response
	body, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encoding the response of an invocation record: %w", err)
	}
	return body, nil
}

// Event is the envelope of an event of EventBridge, or a person's own event. What it lacks
// is zero.
type Event struct {
	Sgward     string    `json:"sgward"` // a person's command
	ID         string    `json:"id"`
	DetailType string    `json:"detail-type"`
	Source     string    `json:"source"`
	Account    string    `json:"account"`
	Time       time.Time `json:"time"`
	Region     string    `json:"region"`
}

// ScheduledDetailType is the DetailType of the events of EventBridge's schedules.
const ScheduledDetailType = "Scheduled Event"

// IsScheduled reports whether the event is of one of EventBridge's schedules.
func (e *Event) IsScheduled() bool {
	return e.DetailType == ScheduledDetailType && e.Source == "aws.events"
}

// errNotSNS is the error for an event that is not a topic's.
var errNotSNS = errors.New("reading event: Records is missing: want the event of an SNS topic")

// EachNotification handles the notifications of an event of SNS, which sends one in each,
// until one fails. It logs that one's failure as the message failed.
func EachNotification(ctx context.Context, event events.SNSEvent, logger *slog.Logger, failed string, handle func(context.Context, events.SNSEntity) error) error {
	if event.Records == nil {
		return errNotSNS
	}
	for _, record := range event.Records {
		if err := handle(ctx, record.SNS); err != nil {
			logger.ErrorContext(ctx, failed, "messageId", record.SNS.MessageID, "error", err.Error())
			return err
		}
	}
	return nil
}
