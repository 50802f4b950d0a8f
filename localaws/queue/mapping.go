package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"sgward/internal/crash"
	"sgward/localaws/eventpattern"
)

// maxBatchBytes limits the payload of one invocation: Lambda's 6 MB, less room for the
// envelope.
const maxBatchBytes = 6<<20 - 1024

// defaultConcurrency is the number of batches that Lambda takes at first.
const defaultConcurrency = 5

// Response is a function's answer to a batch.
type Response struct {
	Payload []byte
	// FunctionError is empty when the function returned, else Lambda's word for the
	// failure ("Unhandled").
	FunctionError string
}

// MappingConfig describes an event source mapping. Invoke and Queue are required.
type MappingConfig struct {
	Queue  *Queue
	Region string
	// BatchSize is the most messages of a batch; zero stands for Lambda's default, 10.
	BatchSize int
	// Filters are event patterns over a message; any may match, and none passes
	// everything. Messages that do not match are deleted.
	Filters []json.RawMessage
	// ReportBatchItemFailures trusts the function's list of failed messages.
	ReportBatchItemFailures bool
	// MaximumConcurrency caps the batches in hand; zero stands for 5.
	MaximumConcurrency int
	// RetryAfter, if positive, replaces the queue's visibility timeout as the time before
	// failed messages are retried.
	RetryAfter time.Duration
	// Invoke calls the function and waits. An error means that it could not be called.
	Invoke func(ctx context.Context, payload []byte) (Response, error)
	// OnFiltered, OnBatch and OnFailed are called for messages dropped by the filter, for
	// batches before their delivery, and for messages that will be retried.
	OnFiltered func(Message)
	OnBatch    func([]Message)
	OnFailed   func(m Message, reason string)
}

// Mapping polls a queue for a function, as an event source mapping does.
type Mapping struct {
	cfg     MappingConfig
	filters []filter
}

type filter struct {
	pattern  *eventpattern.Pattern
	bodyJSON bool // the pattern looks into the body, so the body must be JSON
}

// record is one message of an SQS event, in Lambda's own spelling.
type record struct {
	MessageID         string            `json:"messageId"`
	ReceiptHandle     string            `json:"receiptHandle"`
	Body              string            `json:"body"`
	Attributes        map[string]string `json:"attributes"`
	MessageAttributes struct{}          `json:"messageAttributes"`
	EventSource       string            `json:"eventSource"`
	EventSourceARN    string            `json:"eventSourceARN"`
	AWSRegion         string            `json:"awsRegion"`
}

// NewMapping compiles the filters. An operator that the filter language does not
// have here is an error.
func NewMapping(cfg MappingConfig) (*Mapping, error) {
	if cfg.Queue == nil || cfg.Invoke == nil {
		return nil, fmt.Errorf("mapping a queue: it needs a queue and a function")
	}
	if cfg.BatchSize <= 0 {
		cfg.BatchSize = 10
	}
	if cfg.MaximumConcurrency <= 0 {
		cfg.MaximumConcurrency = defaultConcurrency
	}
	m := &Mapping{cfg: cfg}
	for i, src := range cfg.Filters {
		pattern, err := eventpattern.Compile(src)
		if err != nil {
			return nil, fmt.Errorf("mapping queue %s: filter %d: %w", cfg.Queue.Name(), i+1, err)
		}
		var top map[string]json.RawMessage
		if err := json.Unmarshal(src, &top); err != nil {
			return nil, fmt.Errorf("mapping queue %s: filter %d: %w", cfg.Queue.Name(), i+1, err)
		}
		body := top["body"]
		m.filters = append(m.filters, filter{pattern: pattern, bodyJSON: len(body) > 0 && body[0] == '{'})
	}
	return m, nil
}

// Run polls until ctx ends and then waits for the batches in hand.
func (m *Mapping) Run(ctx context.Context) {
	var inHand sync.WaitGroup
	defer inHand.Wait()
	slots := make(chan struct{}, m.cfg.MaximumConcurrency)
	for {
		select { // a slot first: the visibility timeout of received messages must not run while they wait
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		batch := m.collect(ctx)
		if ctx.Err() != nil {
			return
		}
		inHand.Go(func() {
			defer crash.Exit()
			defer func() { <-slots }()
			m.process(ctx, batch)
		})
	}
}

// collect waits for a message and takes the available ones, up to a full batch.
func (m *Mapping) collect(ctx context.Context) []Message {
	for {
		changed, wait := m.cfg.Queue.next()
		if batch := m.cfg.Queue.Receive(m.cfg.BatchSize); len(batch) > 0 {
			return batch
		}
		if wait == 0 {
			continue // just received, or visible this instant: look again
		}
		var visible <-chan time.Time
		if wait > 0 {
			visible = time.After(wait)
		}
		select {
		case <-changed:
		case <-visible:
		case <-ctx.Done():
			return nil
		}
	}
}

// process filters a batch and hands over the rest in as few invocations as the
// payload limit allows.
func (m *Mapping) process(ctx context.Context, batch []Message) {
	var part []Message
	var records []json.RawMessage
	size := 0
	flush := func() {
		if len(part) > 0 {
			m.deliver(ctx, part, records)
		}
		part, records, size = nil, nil, 0
	}
	for _, message := range batch {
		encoded, err := json.Marshal(m.record(message))
		if err != nil {
			m.failed(message, err.Error())
			continue
		}
		if !m.passes(message, encoded) {
			if m.cfg.OnFiltered != nil { // before it is gone: an empty queue means that everything was reported
				m.cfg.OnFiltered(message)
			}
			m.cfg.Queue.Delete(message.ReceiptHandle)
			continue
		}
		if size+len(encoded) > maxBatchBytes {
			flush()
		}
		part, records, size = append(part, message), append(records, encoded), size+len(encoded)+1
	}
	flush()
}

func (m *Mapping) record(message Message) record {
	r := record{
		MessageID:      message.ID,
		ReceiptHandle:  message.ReceiptHandle,
		Body:           message.Body,
		EventSource:    "aws:sqs",
		EventSourceARN: m.cfg.Queue.ARN(),
		AWSRegion:      m.cfg.Region,
		Attributes: map[string]string{
			"ApproximateReceiveCount":          strconv.Itoa(message.ReceiveCount),
			"SentTimestamp":                    strconv.FormatInt(message.Sent.UnixMilli(), 10),
			"ApproximateFirstReceiveTimestamp": strconv.FormatInt(message.FirstReceived.UnixMilli(), 10),
		},
	}
	if message.SourceARN != "" {
		r.Attributes["DeadLetterQueueSourceArn"] = message.SourceARN
	}
	return r
}

// passes applies the filters as Lambda does for SQS: a pattern that looks into the
// body drops a body that is not JSON.
func (m *Mapping) passes(message Message, encoded []byte) bool {
	if len(m.filters) == 0 {
		return true
	}
	for _, f := range m.filters {
		event := encoded
		if f.bodyJSON {
			if !json.Valid([]byte(message.Body)) {
				continue
			}
			// A later key of the same name wins, here and in encoding/json.
			event = append(encoded[:len(encoded)-1:len(encoded)-1], `,"body":`+message.Body+"}"...)
		}
		if ok, err := f.pattern.Matches(event); err == nil && ok {
			return true
		}
	}
	return false
}

func (m *Mapping) deliver(ctx context.Context, part []Message, records []json.RawMessage) {
	payload, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		m.failAll(part, err.Error())
		return
	}
	if m.cfg.OnBatch != nil {
		m.cfg.OnBatch(part)
	}
	response, err := m.cfg.Invoke(ctx, payload)
	switch {
	case err != nil:
		m.failAll(part, err.Error())
		return
	case response.FunctionError != "":
		m.failAll(part, "function error "+response.FunctionError)
		return
	case !m.cfg.ReportBatchItemFailures:
		for _, message := range part {
			m.cfg.Queue.Delete(message.ReceiptHandle)
		}
		return
	}
	failures, err := batchItemFailures(response.Payload, part)
	if err != nil {
		m.failAll(part, err.Error())
		return
	}
	for _, message := range part {
		if failures[message.ID] {
			m.failed(message, "reported by the function")
			continue
		}
		m.cfg.Queue.Delete(message.ReceiptHandle)
	}
}

func (m *Mapping) failAll(part []Message, reason string) {
	for _, message := range part {
		m.failed(message, reason)
	}
}

func (m *Mapping) failed(message Message, reason string) {
	if m.cfg.OnFailed != nil {
		m.cfg.OnFailed(message, reason)
	}
	if m.cfg.RetryAfter > 0 {
		m.cfg.Queue.ChangeVisibility(message.ReceiptHandle, m.cfg.RetryAfter)
	}
}

// batchItemFailures reads the list of failed messages. Lambda takes an empty or null
// answer or list for "none". An unreadable answer, an empty, null or missing identifier
// and one that is not in the batch mean "all": then this is an error. (Lambda developer
// guide, "Reporting batch item failures".)
func batchItemFailures(payload []byte, part []Message) (map[string]bool, error) {
	var answer *struct {
		BatchItemFailures []struct {
			ItemIdentifier *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if len(payload) > 0 {
		if err := json.Unmarshal(payload, &answer); err != nil {
			return nil, fmt.Errorf("reading batch item failures: %w", err)
		}
	}
	failures := map[string]bool{}
	if answer == nil {
		return failures, nil
	}
	known := make(map[string]bool, len(part))
	for _, message := range part {
		known[message.ID] = true
	}
	for _, item := range answer.BatchItemFailures {
		if item.ItemIdentifier == nil || !known[*item.ItemIdentifier] {
			return nil, fmt.Errorf("reading batch item failures: an identifier is missing or not of this batch")
		}
		failures[*item.ItemIdentifier] = true
	}
	return failures, nil
}
