package queue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/queue"
)

// clock is a time that only the test moves.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }
func (c *clock) time() time.Time         { return c.now }

func send(t *testing.T, q *queue.Queue, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		_, err := q.Send(body)
		require.NoError(t, err)
	}
}

func bodies(messages []queue.Message) []string {
	var all []string
	for _, m := range messages {
		all = append(all, m.Body)
	}
	return all
}

func TestReceivedMessageIsHiddenForTheVisibilityTimeout(t *testing.T) {
	c := newClock()
	q := queue.New(queue.Config{Name: "q", VisibilityTimeout: 10 * time.Second, Now: c.time})
	send(t, q, "a")

	first := q.Receive(10)
	require.Len(t, first, 1)
	assert.Equal(t, 1, first[0].ReceiveCount)
	assert.Empty(t, q.Receive(10), "hidden")
	assert.Equal(t, queue.Depth{InFlight: 1}, q.Depth())

	c.advance(9 * time.Second)
	assert.Empty(t, q.Receive(10), "still hidden")
	c.advance(time.Second)
	second := q.Receive(10)
	require.Len(t, second, 1)
	assert.Equal(t, 2, second[0].ReceiveCount)
	assert.Equal(t, first[0].ID, second[0].ID)
	assert.Equal(t, first[0].FirstReceived, second[0].FirstReceived)
	assert.NotEqual(t, first[0].ReceiptHandle, second[0].ReceiptHandle)
}

func TestDeleteNeedsTheLatestReceiptHandle(t *testing.T) {
	c := newClock()
	q := queue.New(queue.Config{VisibilityTimeout: time.Second, Now: c.time})
	send(t, q, "a")
	old := q.Receive(1)[0]
	c.advance(time.Second)
	latest := q.Receive(1)[0]

	assert.False(t, q.Delete(old.ReceiptHandle), "someone else holds it now")
	assert.False(t, q.Delete(""), "no handle is no message")
	assert.True(t, q.Delete(latest.ReceiptHandle))
	assert.Equal(t, queue.Depth{}, q.Depth())
}

func TestReceiveTakesTheOldestFirstUpToTheLimit(t *testing.T) {
	q := queue.New(queue.Config{})
	send(t, q, "a", "b", "c")
	assert.Equal(t, []string{"a", "b"}, bodies(q.Receive(2)))
	assert.Equal(t, []string{"c"}, bodies(q.Receive(2)))
}

func TestMessageReceivedTooOftenGoesToTheDeadLetters(t *testing.T) {
	c := newClock()
	dead := queue.New(queue.Config{Name: "dead", ARN: "arn:dead", Now: c.time})
	var heard []string
	q := queue.New(queue.Config{
		Name: "q", ARN: "arn:q", VisibilityTimeout: time.Second, Now: c.time,
		MaxReceiveCount: 2, DeadLetters: dead,
		OnDeadLetter: func(m queue.Message) { heard = append(heard, m.Body) },
	})
	send(t, q, "poison")
	for range 2 {
		require.Len(t, q.Receive(1), 1)
		c.advance(time.Second)
	}
	assert.Empty(t, dead.Messages(), "SQS moves it when it would be received once more, not before")
	assert.Empty(t, q.Receive(1))
	assert.Equal(t, queue.Depth{}, q.Depth())
	require.Len(t, dead.Messages(), 1)
	assert.Equal(t, "poison", dead.Messages()[0].Body)
	assert.Equal(t, "arn:q", dead.Messages()[0].SourceARN)
	assert.Equal(t, []string{"poison"}, heard)
}

func TestSendRefusesWhatIsOverOneMebibyte(t *testing.T) {
	q := queue.New(queue.Config{Name: "q"})
	_, err := q.Send(strings.Repeat("x", queue.MaxMessageBytes))
	require.NoError(t, err)
	_, err = q.Send(strings.Repeat("x", queue.MaxMessageBytes+1))
	var tooLarge *queue.TooLargeError
	require.ErrorAs(t, err, &tooLarge)
	assert.Equal(t, queue.MaxMessageBytes+1, tooLarge.Bytes)
	assert.Len(t, q.Messages(), 1)
}

func TestMessageOlderThanTheRetentionIsGone(t *testing.T) {
	c := newClock()
	q := queue.New(queue.Config{Retention: time.Hour, Now: c.time})
	send(t, q, "a")
	c.advance(time.Hour)
	assert.Len(t, q.Messages(), 1)
	c.advance(time.Second)
	assert.Empty(t, q.Receive(1))
	assert.Equal(t, queue.Depth{}, q.Depth())
}

func TestFaultsSendCopiesOfAMessageAndChangeWhatAConsumerReceives(t *testing.T) {
	c := newClock()
	q := queue.New(queue.Config{Name: "q", VisibilityTimeout: time.Minute, Now: c.time, Faults: queue.Faults{
		Copies: func(m queue.Message) []time.Duration {
			if m.Body == "twice" {
				return []time.Duration{2 * time.Second, 0}
			}
			return nil
		},
		Receive: func(m *queue.Message) { m.Body += "!" },
	}})
	send(t, q, "twice", "once")
	first := q.Receive(10)
	require.Equal(t, []string{"twice!", "once!"}, bodies(first), "the other copy is late")
	c.advance(2 * time.Second)
	second := q.Receive(10)
	require.Equal(t, []string{"twice!"}, bodies(second), "at the same time as the first")
	assert.Equal(t, first[0].ID, second[0].ID, "one message to a consumer")
	assert.Equal(t, 1, second[0].ReceiveCount)
	assert.True(t, q.Delete(first[0].ReceiptHandle))
	assert.Equal(t, []string{"twice", "once"}, bodies(q.Messages()), "each copy has a receipt of its own")
}
