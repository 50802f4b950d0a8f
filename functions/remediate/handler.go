package main

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"sgward/internal/awsid"
	"sgward/internal/remediation"
)

// maxReceiveCount is the number of deliveries after which the findings queue sends a
// message to the dead-letter queue. template.yaml sets it; a test compares both.
const maxReceiveCount = 5

// errNotSQS is the one error of the function itself: its event is not a queue's.
var errNotSQS = errors.New("reading event: Records is missing: want the event of an SQS queue")

// handler handles batches of messages. It is safe for concurrent use.
type handler struct {
	remediate func(ctx context.Context, accountID string, messages []remediation.Message) []error
	logger    *slog.Logger
}

// handle handles a batch. A malformed message fails alone and is kept: after some tries
// the queue sends it to the dead-letter queue. The list of failures is never null, which
// some implementations take for an error.
func (h *handler) handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	if event.Records == nil {
		return events.SQSEventResponse{}, errNotSQS
	}
	failures := []events.SQSBatchItemFailure{}
	var messages []remediation.Message
	var ids []string
	accountID := ""
	for _, record := range event.Records {
		accountID = queueAccount(record.EventSourceARN)
		message, err := readMessage(record.Body)
		if err != nil {
			var malformed *malformedError
			errors.As(err, &malformed)
			h.logger.ErrorContext(ctx, "message malformed", "messageId", record.MessageId,
				"field", malformed.field, "problem", malformed.problem, "bytes", len(record.Body))
			failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: record.MessageId})
			continue
		}
		message.Try, message.Tries = receiveCount(record.Attributes), maxReceiveCount
		message.Queued = sentTime(record.Attributes)
		messages = append(messages, message)
		ids = append(ids, record.MessageId)
	}
	for i, err := range h.remediate(ctx, accountID, messages) {
		if err != nil {
			h.logger.WarnContext(ctx, "message will be retried", "messageId", ids[i],
				"eventId", messages[i].Detection.Event.EventID, "try", messages[i].Try, "tries", maxReceiveCount, "error", err.Error())
			failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: ids[i]})
		}
	}
	return events.SQSEventResponse{BatchItemFailures: failures}, nil
}

// queueAccount returns the account of the delivering queue, which is that of the function
// and its role: a stack has both. It is "" if the ARN lacks it.
func queueAccount(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || !awsid.IsAccount(parts[4]) {
		return ""
	}
	return parts[4]
}

// sentTime returns when the queue took the message, zero if SQS does not say.
func sentTime(attributes map[string]string) time.Time {
	ms, err := strconv.ParseInt(attributes["SentTimestamp"], 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// receiveCount returns the number of the delivery, from 1; 0 if SQS does not say.
func receiveCount(attributes map[string]string) int {
	n, err := strconv.Atoi(attributes["ApproximateReceiveCount"])
	if err != nil || n < 0 {
		return 0
	}
	return n
}
