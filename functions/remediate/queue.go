package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"sgward/internal/crash"
	"sgward/internal/finding"
	"sgward/internal/invocation"
	"sgward/internal/pause"
	"sgward/internal/remediation"
	"sgward/internal/sqs"
)

const (
	// batchSize is the most messages that a batch of the mapping holds, as template.yaml says.
	batchSize = sqs.MaxBatch
	// maxGathered and maxGatheredBytes limit the messages that are handled together.
	maxGathered      = 1000
	maxGatheredBytes = 16 << 20
	// gatherTime is the longest time for receiving messages, and gatherReserve the time that
	// an invocation must have left to handle them.
	gatherTime    = 4 * time.Second
	gatherReserve = 30 * time.Second
	// gatherJitter is the longest pause before an invocation checks whether another one gathers.
	gatherJitter = 400 * time.Millisecond
	// gatherers is the number of receives at once.
	gatherers = 4
	// maxOthers is the most messages that the other invocations hold if none of them gathers.
	maxOthers = 2 * batchSize
)

// findingsQueue is the queue that the function's messages come from.
type findingsQueue struct {
	sqs.Queue
	deadLetters sqs.Queue
	logger      *slog.Logger
}

// queued is a message of the queue.
type queued struct {
	id, handle, body string
	try              int
	sent             time.Time
}

// choose puts a Detection on the queue as the invocation record of the event that origin
// holds. A Detection that does not fit is sent in parts.
func (q *findingsQueue) choose(ctx context.Context, origin remediation.Message, d finding.Detection) error {
	body, err := invocation.WithResponse(origin.Record, d, time.Now())
	if err != nil {
		return err
	}
	if n := len(d.Findings); len(body) > sqs.MaxMessageBytes && n > 1 {
		first, second := d, d
		first.Findings, second.Findings, second.Told = d.Findings[:n/2], d.Findings[n/2:], nil
		return errors.Join(q.choose(ctx, origin, first), q.choose(ctx, origin, second))
	}
	if len(body) > sqs.MaxMessageBytes {
		return remediation.ErrTooLarge
	}
	if err := q.Send(ctx, string(body), nil); err != nil {
		return fmt.Errorf("sending the chosen rules to the findings queue: %w", err)
	}
	return nil
}

// giveUp sends a message to the dead letters, with the reason as an attribute.
func (q *findingsQueue) giveUp(ctx context.Context, body string, reason error) error {
	text := reason.Error()
	if err := q.deadLetters.Send(ctx, body, map[string]string{sqs.ReasonAttribute: text[:min(len(text), 1000)]}); err != nil {
		return fmt.Errorf("sending a message to the dead letters: %w", err)
	}
	return nil
}

// gather receives the messages behind a batch that is a sign of a backlog, to handle all of
// them together: a storm on few groups then takes few calls. A message that is not deleted
// is delivered again after its visibility timeout, so an invocation that ends early loses
// none.
//
// Two invocations that gather at once would share the messages of every group. So taken is
// set, and nothing received, if another one gathers already.
func (q *findingsQueue) gather(ctx context.Context, batch int) (out []queued, taken bool) {
	deadline, ok := ctx.Deadline()
	if ok && time.Until(deadline) < gatherReserve+gatherTime {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, gatherTime)
	defer cancel()
	_ = pause.For(ctx, rand.N(gatherJitter)) //nolint:gosec // its value is no secret; two that check at once would both gather
	if q.inFlight(ctx) > batch+maxOthers {
		return nil, true
	}
	size := 0
	for len(out)+batch < maxGathered && size < maxGatheredBytes {
		patience := time.Second
		if len(out) == 0 {
			patience = 0 // the first receive asks whether there is a backlog
		}
		received := q.receive(ctx, min(gatherers, (maxGathered-batch-len(out)+batchSize-1)/batchSize), patience)
		for _, m := range received {
			size += len(m.body)
		}
		out = append(out, received...)
		if len(received) == 0 { // for a second
			break
		}
	}
	q.logger.InfoContext(ctx, "messages gathered", "batch", batch, "gathered", len(out), "bytes", size)
	return out, false
}

// inFlight returns about how many messages are received and not deleted; 0 if that is
// unknown.
func (q *findingsQueue) inFlight(ctx context.Context) int {
	attributes, err := q.Attributes(ctx, sqs.InFlight)
	if err != nil {
		q.logger.WarnContext(ctx, "attributes of the queue not read", "error", err.Error())
		return 0
	}
	n, _ := strconv.Atoi(attributes[sqs.InFlight]) // 0 if it is not a number
	return n
}

// receive makes some receives at once. Messages that they miss stay on the queue.
func (q *findingsQueue) receive(ctx context.Context, calls int, wait time.Duration) []queued {
	answers := make([][]sqs.Message, calls)
	var receiving sync.WaitGroup
	for i := range calls {
		receiving.Go(func() {
			defer crash.Exit()
			messages, err := q.Receive(ctx, sqs.Receiving{Wait: wait, Attributes: []string{sqs.ReceiveCount, sqs.SentTimestamp}})
			if err != nil && ctx.Err() == nil {
				q.logger.WarnContext(ctx, "messages not received", "error", err.Error())
			}
			answers[i] = messages
		})
	}
	receiving.Wait()
	var all []queued
	for _, messages := range answers {
		for _, m := range messages {
			all = append(all, queued{
				id: m.ID, handle: m.ReceiptHandle, body: m.Body, try: receiveCount(m.Attributes), sent: sqs.SentAt(m.Attributes),
			})
		}
	}
	return all
}

// remove deletes messages. One that cannot be deleted is delivered again.
func (q *findingsQueue) remove(ctx context.Context, done []queued) {
	var removing sync.WaitGroup
	slots := make(chan struct{}, gatherers)
	for len(done) > 0 {
		part := done[:min(batchSize, len(done))]
		done = done[len(part):]
		removing.Go(func() {
			defer crash.Exit()
			slots <- struct{}{}
			defer func() { <-slots }()
			handles := make([]string, len(part))
			for i, m := range part {
				handles[i] = m.handle
			}
			remain, err := q.Delete(ctx, handles)
			if err != nil {
				q.logger.WarnContext(ctx, "messages not deleted", "messages", len(part), "error", err.Error())
			}
			for i := range part {
				if why := remain[i]; why != nil {
					q.logger.WarnContext(ctx, "messages not deleted", "messages", len(remain), "error", why.Error())
					break
				}
			}
		})
	}
	removing.Wait()
}
