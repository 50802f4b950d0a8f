package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"sgward/internal/awsid"
	"sgward/internal/pause"
	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/sqs"
)

const (
	// maxReceiveCount is the number of deliveries after which the findings queue sends a
	// message to the dead-letter queue. template.yaml sets it; a test compares both.
	maxReceiveCount = 60
	// maxMalformed is the number of tries for a message that holds no Detection, which a
	// retry cannot mend.
	maxMalformed = 3
	// answerReserve is the part of an invocation's time reserved for its answer.
	answerReserve = 1500 * time.Millisecond
)

// errNotSQS is the one error of the function itself: its event is not a queue's.
var errNotSQS = errors.New("reading event: Records is missing: want the event of an SQS queue")

// handler handles batches of messages. It is safe for concurrent use.
type handler struct {
	remediate func(ctx context.Context, accountID string, messages []remediation.Message) []error
	queue     *findingsQueue
	logger    *slog.Logger
	// policyDigest is that of the policy that remediate judges by.
	policyDigest string

	mu     sync.Mutex
	since  time.Time // when the count of recent messages began
	recent int
}

// handle handles a batch and, if it is full, the messages that wait behind it. A message that
// fails, or for which no time is left, is named in the answer and retried. The list of failures is
// never null, which some implementations take for an error.
func (h *handler) handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	if event.Records == nil {
		return events.SQSEventResponse{}, errNotSQS
	}
	// Lambda drops an answer after the timeout, and retries all messages.
	working, cancel := remediation.KeepReserve(ctx, answerReserve)
	defer cancel()
	var all []queued
	accountID := ""
	for _, record := range event.Records {
		accountID = queueAccount(record.EventSourceARN)
		all = append(all, queued{
			id: record.MessageId, handle: record.ReceiptHandle, body: record.Body,
			try: receiveCount(record.Attributes), sent: sqs.SentAt(record.Attributes),
		})
	}
	batch, gatheredElsewhere := len(all), false
	if h.queue != nil && h.isBacklog(batch) {
		var more []queued
		began := time.Now()
		more, gatheredElsewhere = h.queue.gather(working, batch)
		all = append(all, more...)
		if gatheredElsewhere { // leave the rest of the storm to the other invocation
			defer func() { _ = pause.For(working, gatherTime-time.Since(began)) }()
		}
	}
	failed := h.handleAll(working, accountID, all)
	failures := []events.SQSBatchItemFailure{}
	var done []queued
	for i, m := range all {
		switch {
		case i >= batch && !failed[i]:
			done = append(done, m)
		case i < batch && failed[i]:
			failures = append(failures, events.SQSBatchItemFailure{ItemIdentifier: m.id})
		}
	}
	if len(done) > 0 {
		h.queue.remove(ctx, done)
	}
	return events.SQSEventResponse{BatchItemFailures: failures}, nil
}

// isBacklog reports whether a batch is a sign of more messages: it is full, or it and those
// of the last second are as many as a full one.
func (h *handler) isBacklog(batch int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if now.Sub(h.since) > time.Second {
		h.since, h.recent = now, 0
	}
	h.recent += batch
	return batch >= batchSize || h.recent >= batchSize
}

// handleAll handles messages and reports which of them must be retried.
func (h *handler) handleAll(ctx context.Context, accountID string, all []queued) (failed []bool) {
	failed = make([]bool, len(all))
	var messages []remediation.Message
	var at []int // in all
	for i, m := range all {
		message, err := readMessage(m.body)
		if err != nil {
			failed[i] = !h.giveUp(ctx, m, err)
			continue
		}
		if v := message.Detection.Verdict; v == policy.Compliant || v == policy.Exempt {
			continue // the mapping's filter deletes these, but gathered messages pass no filter
		}
		message.Try, message.Tries = m.try, maxReceiveCount
		message.Queued, message.Record = m.sent, m.body
		messages, at = append(messages, message), append(at, i)
	}
	h.comparePolicies(ctx, messages)
	for k, err := range h.remediate(ctx, accountID, messages) {
		if err == nil {
			continue
		}
		failed[at[k]] = true
		h.logger.WarnContext(ctx, "message will be retried", "messageId", all[at[k]].id,
			"eventId", messages[k].Detection.Event.EventID, "try", messages[k].Try, "tries", maxReceiveCount, "error", err.Error())
	}
	return failed
}

// comparePolicies logs one line for each other policy by which messages were found. A
// deployment leaves such messages on the queue for a while; later they mean that the
// functions have different policies. remediate judges by its own.
func (h *handler) comparePolicies(ctx context.Context, messages []remediation.Message) {
	others := map[string]int{}
	for _, m := range messages {
		d := m.Detection
		if d.PolicyDigest == h.policyDigest {
			continue
		}
		if others[d.PolicyDigest]++; others[d.PolicyDigest] > 1 {
			continue
		}
		h.logger.WarnContext(ctx, "found by another policy: judged again by that of remediate", "policyDigest", h.policyDigest,
			"detectionPolicyDigest", fmt.Sprintf("%.80s", d.PolicyDigest), "source", cmp.Or(string(d.Source), "event"), "eventId", d.Event.EventID)
	}
}

// giveUp sends a malformed message to the dead letters after some tries, and reports whether
// it did.
func (h *handler) giveUp(ctx context.Context, m queued, why error) bool {
	var malformed *malformedError
	errors.As(why, &malformed)
	log := h.logger.With("messageId", m.id, "field", malformed.field, "problem", malformed.problem, "bytes", len(m.body), "try", m.try)
	if m.try < maxMalformed || h.queue == nil {
		log.ErrorContext(ctx, "message malformed")
		return false
	}
	if err := h.queue.giveUp(ctx, m.body, why); err != nil {
		log.ErrorContext(ctx, "message malformed", "error", err.Error())
		return false
	}
	log.ErrorContext(ctx, "message malformed: it is with the dead letters")
	return true
}

// queueAccount returns the account of the delivering queue, which is that of the function
// and its role: a stack has both. It is "" if the ARN lacks it.
func queueAccount(arn string) string {
	queue, _ := awsid.ParseARN(arn)
	if !awsid.IsAccount(queue.Account) || strings.Contains(queue.Resource, ":") {
		return ""
	}
	return queue.Account
}

// receiveCount returns the number of the delivery, from 1; 0 if SQS does not say.
func receiveCount(attributes map[string]string) int {
	n, err := strconv.Atoi(attributes[sqs.ReceiveCount])
	if err != nil || n < 0 {
		return 0
	}
	return n
}
