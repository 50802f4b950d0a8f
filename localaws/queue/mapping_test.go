package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/queue"
)

// event is the part of an SQS event that these tests look at.
type event struct {
	Records []struct {
		MessageID      string            `json:"messageId"`
		ReceiptHandle  string            `json:"receiptHandle"`
		Body           string            `json:"body"`
		Attributes     map[string]string `json:"attributes"`
		EventSource    string            `json:"eventSource"`
		EventSourceARN string            `json:"eventSourceARN"`
		AWSRegion      string            `json:"awsRegion"`
	}
}

// consumer is the far side of a mapping: it keeps what it was given.
type consumer struct {
	mu      sync.Mutex
	batches []event
	answer  func(event) (queue.Response, error)
}

func (c *consumer) invoke(_ context.Context, payload []byte) (queue.Response, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return queue.Response{}, err
	}
	c.mu.Lock()
	c.batches = append(c.batches, e)
	c.mu.Unlock()
	if c.answer == nil {
		return queue.Response{Payload: []byte(`{"batchItemFailures":[]}`)}, nil
	}
	return c.answer(e)
}

// received counts the deliveries of each body.
func (c *consumer) received() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := map[string]int{}
	for _, batch := range c.batches {
		for _, r := range batch.Records {
			counts[r.Body]++
		}
	}
	return counts
}

func (c *consumer) sizes() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var sizes []int
	for _, batch := range c.batches {
		sizes = append(sizes, len(batch.Records))
	}
	return sizes
}

// run polls until the test ends.
func run(t *testing.T, cfg queue.MappingConfig) {
	t.Helper()
	m, err := queue.NewMapping(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); m.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func eventually(t *testing.T, condition func() bool, message string) {
	t.Helper()
	require.Eventually(t, condition, 5*time.Second, time.Millisecond, message)
}

func TestBatchIsAnSQSEvent(t *testing.T) {
	q := queue.New(queue.Config{Name: "q", ARN: "arn:q"})
	id, err := q.Send("hello")
	require.NoError(t, err)
	c := &consumer{}
	run(t, queue.MappingConfig{Queue: q, Region: "us-east-1", Invoke: c.invoke})
	eventually(t, func() bool { return q.Depth() == queue.Depth{} }, "handled messages are deleted")

	require.Len(t, c.batches, 1)
	r := c.batches[0].Records[0]
	assert.Equal(t, id, r.MessageID)
	assert.NotEmpty(t, r.ReceiptHandle)
	assert.Equal(t, "hello", r.Body)
	assert.Equal(t, "1", r.Attributes["ApproximateReceiveCount"])
	assert.Len(t, r.Attributes["SentTimestamp"], 13, "milliseconds")
	assert.Equal(t, "aws:sqs", r.EventSource)
	assert.Equal(t, "arn:q", r.EventSourceARN)
	assert.Equal(t, "us-east-1", r.AWSRegion)
}

func TestMessagesThatWaitAreBatched(t *testing.T) {
	q := queue.New(queue.Config{})
	for i := range 25 {
		send(t, q, fmt.Sprint(i))
	}
	c := &consumer{}
	run(t, queue.MappingConfig{Queue: q, BatchSize: 10, MaximumConcurrency: 1, Invoke: c.invoke})
	eventually(t, func() bool { return q.Depth() == queue.Depth{} }, "all handled")
	assert.Equal(t, []int{10, 10, 5}, c.sizes())
}

func TestFilterDeletesWhatDoesNotMatch(t *testing.T) {
	q := queue.New(queue.Config{})
	c := &consumer{}
	var mu sync.Mutex
	var dropped []string
	send(t, q,
		`{"responsePayload":{"decision":"revoke"}}`,
		`{"responsePayload":{"decision":"none"}}`,
		`{"responsePayload":{}}`,
		`not JSON`,
		`"a JSON string"`,
		`{},"body":{"responsePayload":{"decision":"revoke"}}`, // not JSON, and would be if pasted into the message
	)
	run(t, queue.MappingConfig{
		Queue: q, Invoke: c.invoke,
		Filters: []json.RawMessage{
			json.RawMessage(`{"body":{"responsePayload":{"decision":["revoke"]}}}`),
			json.RawMessage(`{"body":{"responsePayload":{"decision":["alert"]}}}`),
		},
		OnFiltered: func(m queue.Message) { mu.Lock(); dropped = append(dropped, m.Body); mu.Unlock() },
	})
	eventually(t, func() bool { return q.Depth() == queue.Depth{} }, "nothing stays")
	assert.Equal(t, map[string]int{`{"responsePayload":{"decision":"revoke"}}`: 1}, c.received())
	assert.Len(t, dropped, 5)
}

func TestFilterOnAPlainBody(t *testing.T) {
	q := queue.New(queue.Config{})
	c := &consumer{}
	send(t, q, "yes", "no")
	run(t, queue.MappingConfig{Queue: q, Invoke: c.invoke, Filters: []json.RawMessage{json.RawMessage(`{"body":["yes"]}`)}})
	eventually(t, func() bool { return q.Depth() == queue.Depth{} }, "nothing stays")
	assert.Equal(t, map[string]int{"yes": 1}, c.received())
}

func TestFilterWithAnUnknownOperatorIsRefused(t *testing.T) {
	_, err := queue.NewMapping(queue.MappingConfig{
		Queue: queue.New(queue.Config{}), Invoke: (&consumer{}).invoke,
		Filters: []json.RawMessage{json.RawMessage(`{"body":[{"like":"x"}]}`)},
	})
	assert.ErrorContains(t, err, "like")
}

func TestPoisonInABatchGoesToTheDeadLettersAndTheOthersGoOn(t *testing.T) {
	dead := queue.New(queue.Config{Name: "dead", ARN: "arn:dead"})
	q := queue.New(queue.Config{Name: "q", ARN: "arn:q", MaxReceiveCount: 3, DeadLetters: dead})
	send(t, q, "good 1", "poison", "good 2")
	c := &consumer{answer: func(e event) (queue.Response, error) {
		failures := []map[string]string{}
		for _, r := range e.Records {
			if r.Body == "poison" {
				failures = append(failures, map[string]string{"itemIdentifier": r.MessageID})
			}
		}
		payload, err := json.Marshal(map[string]any{"batchItemFailures": failures})
		return queue.Response{Payload: payload}, err
	}}
	run(t, queue.MappingConfig{Queue: q, ReportBatchItemFailures: true, RetryAfter: time.Millisecond, Invoke: c.invoke})
	eventually(t, func() bool { return len(dead.Messages()) == 1 }, "the poison ends in the dead letters")
	assert.Equal(t, queue.Depth{}, q.Depth())
	assert.Equal(t, "poison", dead.Messages()[0].Body)
	assert.Equal(t, map[string]int{"good 1": 1, "good 2": 1, "poison": 3}, c.received())
}

func TestAnswersToABatch(t *testing.T) {
	payload := func(s string) func(event) (queue.Response, error) {
		return func(event) (queue.Response, error) { return queue.Response{Payload: []byte(s)}, nil }
	}
	tests := []struct {
		name        string
		answer      func(event) (queue.Response, error)
		comesBack   bool
		withoutFlag bool // ReportBatchItemFailures is off
	}{
		{name: "empty list", answer: payload(`{"batchItemFailures":[]}`)},
		{name: "null list", answer: payload(`{"batchItemFailures":null}`)},
		{name: "empty object", answer: payload(`{}`)},
		{name: "null", answer: payload(`null`)},
		{name: "no answer", answer: payload(``)},
		{name: "unknown identifier", answer: payload(`{"batchItemFailures":[{"itemIdentifier":"nobody"}]}`), comesBack: true},
		{name: "null identifier", answer: payload(`{"batchItemFailures":[{"itemIdentifier":null}]}`), comesBack: true},
		{name: "empty identifier", answer: payload(`{"batchItemFailures":[{"itemIdentifier":""}]}`), comesBack: true},
		{name: "misspelt key", answer: payload(`{"batchItemFailures":[{"identifier":"x"}]}`), comesBack: true},
		{name: "list of strings", answer: payload(`{"batchItemFailures":["x"]}`), comesBack: true},
		{name: "not JSON", answer: payload(`ok`), comesBack: true},
		{name: "not an object", answer: payload(`[]`), comesBack: true},
		{name: "function error", comesBack: true, answer: func(event) (queue.Response, error) {
			return queue.Response{Payload: []byte(`{}`), FunctionError: "Unhandled"}, nil
		}},
		{name: "function could not be called", comesBack: true, answer: func(event) (queue.Response, error) {
			return queue.Response{}, errors.New("no")
		}},
		{name: "identifiers do not count without the flag", withoutFlag: true, answer: payload(`{"batchItemFailures":[{"itemIdentifier":"nobody"}]}`)},
		{name: "function error counts without the flag", withoutFlag: true, comesBack: true, answer: func(event) (queue.Response, error) {
			return queue.Response{FunctionError: "Unhandled"}, nil
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := queue.New(queue.Config{})
			send(t, q, "a", "b")
			c := &consumer{answer: tt.answer}
			var mu sync.Mutex
			failed := 0
			run(t, queue.MappingConfig{
				Queue: q, ReportBatchItemFailures: !tt.withoutFlag, Invoke: c.invoke,
				OnFailed: func(queue.Message, string) { mu.Lock(); failed++; mu.Unlock() },
			})
			if !tt.comesBack {
				eventually(t, func() bool { return q.Depth() == queue.Depth{} }, "both are done")
				return
			}
			eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return failed == 2 }, "the whole batch fails")
			assert.Equal(t, queue.Depth{InFlight: 2}, q.Depth(), "hidden until the visibility timeout")
		})
	}
}

func TestBatchLargerThanAPayloadIsSplit(t *testing.T) {
	q := queue.New(queue.Config{})
	big := strings.Repeat("x", queue.MaxMessageBytes)
	for range 10 {
		send(t, q, big)
	}
	c := &consumer{}
	run(t, queue.MappingConfig{Queue: q, BatchSize: 10, MaximumConcurrency: 1, Invoke: c.invoke})
	eventually(t, func() bool { return q.Depth() == queue.Depth{} }, "all handled")
	assert.Equal(t, []int{5, 5}, c.sizes(), "Lambda takes 6 MB at once")
}

func TestConcurrencyIsCapped(t *testing.T) {
	q := queue.New(queue.Config{})
	for i := range 12 {
		send(t, q, fmt.Sprint(i))
	}
	var mu sync.Mutex
	running, most := 0, 0
	c := &consumer{answer: func(event) (queue.Response, error) {
		mu.Lock()
		running++
		most = max(most, running)
		mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		running--
		mu.Unlock()
		return queue.Response{}, nil
	}}
	run(t, queue.MappingConfig{Queue: q, BatchSize: 1, MaximumConcurrency: 3, Invoke: c.invoke})
	eventually(t, func() bool { return q.Depth() == queue.Depth{} }, "all handled")
	assert.Equal(t, 3, most)
}
