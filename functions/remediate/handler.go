package main

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"sgward/internal/awsid"
	"sgward/internal/remediation"
)

// maxReceiveCount is after how many deliveries the findings queue gives a message
// to the dead letters. template.yaml sets it; a test holds both together.
const maxReceiveCount = 5

// errNotSQS is the one error of the function itself: what invoked it was no queue.
var errNotSQS = errors.New("reading event: Records is missing: want the event of an SQS queue")

// handler takes batches of messages apart. It is safe for concurrent use.
type handler struct {
	remediate func(ctx context.Context, accountID string, messages []remediation.Message) []error
	logger    *slog.Logger
}

// handle brings a batch to an end. A message that is not what it should be fails
// alone and is kept: the queue gives it to the dead letters after some tries. The
// list of failures is never null, which some implementations take for an error.
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
			h.logger.ErrorContext(ctx, "message not understood", "messageId", record.MessageId,
				"field", malformed.field, "problem", malformed.problem, "bytes", len(record.Body))
			failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: record.MessageId})
			continue
		}
		message.Try, message.Tries = receiveCount(record.Attributes), maxReceiveCount
		messages = append(messages, message)
		ids = append(ids, record.MessageId)
	}
	for i, err := range h.remediate(ctx, accountID, messages) {
		if err != nil {
			h.logger.WarnContext(ctx, "message comes again", "messageId", ids[i],
				"eventId", messages[i].Detection.Event.EventID, "try", messages[i].Try, "tries", maxReceiveCount, "error", err.Error())
			failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: ids[i]})
		}
	}
	return events.SQSEventResponse{BatchItemFailures: failures}, nil
}

// queueAccount returns the account of the queue that delivers, which is that of
// the function and its role: a queue and its function are of one stack. It is ""
// where the ARN does not tell.
func queueAccount(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) != 6 || !awsid.IsAccount(parts[4]) {
		return ""
	}
	return parts[4]
}

// receiveCount returns which delivery this is, from 1; 0 where SQS does not say.
func receiveCount(attributes map[string]string) int {
	n, err := strconv.Atoi(attributes["ApproximateReceiveCount"])
	if err != nil || n < 0 {
		return 0
	}
	return n
}
