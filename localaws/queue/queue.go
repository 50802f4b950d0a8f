// Package queue is a standard SQS queue in memory: visibility timeouts, receive counts,
// and dead-letter queues. Mapping polls a queue for a Lambda function as an event source
// mapping does.
//
// It is for tests and tours. There is no long polling by clients, no delay, no FIFO and no
// encryption. Package sqsapi is its HTTP side.
package queue

import (
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"time"
)

// MaxMessageBytes is the most that one message may hold, as on SQS since August
// 2025: 1 MiB.
const MaxMessageBytes = 1 << 20

// TooLargeError says that a message is beyond MaxMessageBytes.
type TooLargeError struct {
	Queue string
	Bytes int
}

// Error names the queue, the size and the limit.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("sending to queue %s: message of %d bytes is over the limit of %d", e.Queue, e.Bytes, MaxMessageBytes)
}

// Config describes a queue. Name and ARN name it; the rest may be zero.
type Config struct {
	Name string
	ARN  string
	// VisibilityTimeout hides a received message; zero stands for SQS's default, 30 s.
	VisibilityTimeout time.Duration
	// Retention removes messages older than this; zero keeps them.
	Retention time.Duration
	// MaxReceiveCount moves a message to DeadLetters instead of receiving it once
	// more; zero never does.
	MaxReceiveCount int
	DeadLetters     *Queue
	// OnDeadLetter is called for each message moved to DeadLetters, without the lock.
	OnDeadLetter func(Message)
	// Now is the clock; nil is time.Now.
	Now    func() time.Time
	Faults Faults
}

// Faults makes a queue misbehave as SQS may. The zero value does nothing.
type Faults struct {
	// Copies is called for each message that is sent and returns, for each copy to keep, how
	// long it is hidden at first. Copies are one message to a consumer, delivered more than
	// once, late, and out of order. None stands for one that is visible at once.
	Copies func(Message) []time.Duration
	// Receive may change a message that a consumer is about to receive. The queue keeps it
	// as it was.
	Receive func(*Message)
}

// Message is a message as a consumer sees it.
type Message struct {
	ID            string
	ReceiptHandle string // of the latest receive; empty before the first
	Body          string
	Sent          time.Time
	FirstReceived time.Time // zero before the first receive
	ReceiveCount  int
	Attributes    map[string]string // the message attributes of its sender, nil without any
	SourceARN     string            // in a dead-letter queue: the source queue
}

// Depth counts the messages of a queue.
type Depth struct {
	Visible  int
	InFlight int // received and neither deleted nor visible again, or on the way to the dead letters
}

// Queue is safe for concurrent use. Queues come from New.
type Queue struct {
	cfg Config

	mu       sync.Mutex
	messages []*stored
	receipts int           // how many were given out
	moving   int           // given up, and not yet announced as dead letters
	changed  chan struct{} // closed and replaced when a receive may find more
}

type stored struct {
	Message
	visibleAt time.Time
}

// New returns an empty queue.
func New(cfg Config) *Queue {
	if cfg.VisibilityTimeout == 0 {
		cfg.VisibilityTimeout = 30 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Queue{cfg: cfg, changed: make(chan struct{})}
}

// Name returns the queue's name.
func (q *Queue) Name() string { return q.cfg.Name }

// ARN returns the queue's ARN.
func (q *Queue) ARN() string { return q.cfg.ARN }

// Send appends a message and returns its id, or a *TooLargeError.
func (q *Queue) Send(body string) (string, error) { return q.SendWith(body, nil) }

// SendWith is Send for a message with attributes.
func (q *Queue) SendWith(body string, attributes map[string]string) (string, error) {
	if len(body) > MaxMessageBytes {
		return "", &TooLargeError{Queue: q.cfg.Name, Bytes: len(body)}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	m := Message{ID: newID(), Body: body, Sent: q.cfg.Now(), Attributes: attributes}
	copies := []time.Duration{0}
	if q.cfg.Faults.Copies != nil {
		if hidden := q.cfg.Faults.Copies(m); len(hidden) > 0 {
			copies = hidden
		}
	}
	for _, hidden := range copies {
		q.add(m, m.Sent.Add(hidden))
	}
	return m.ID, nil
}

// Receive takes up to limit visible messages, oldest first, and hides them for the
// visibility timeout. Messages received too often go to the dead-letter queue
// instead.
func (q *Queue) Receive(limit int) []Message {
	q.mu.Lock()
	now := q.cfg.Now()
	q.expire(now)
	var received, dead []Message
	q.messages = slices.DeleteFunc(q.messages, func(m *stored) bool {
		if len(received) == limit || m.visibleAt.After(now) {
			return false
		}
		if q.cfg.DeadLetters != nil && q.cfg.MaxReceiveCount > 0 && m.ReceiveCount >= q.cfg.MaxReceiveCount {
			dead = append(dead, m.Message)
			return true
		}
		m.ReceiveCount++
		if m.ReceiveCount == 1 {
			m.FirstReceived = now
		}
		q.receipts++
		m.ReceiptHandle = fmt.Sprintf("%s#%d", m.ID, q.receipts)
		m.visibleAt = now.Add(q.cfg.VisibilityTimeout)
		received = append(received, m.Message)
		if q.cfg.Faults.Receive != nil {
			q.cfg.Faults.Receive(&received[len(received)-1])
		}
		return false
	})
	q.moving += len(dead)
	q.mu.Unlock()
	for _, m := range dead {
		q.cfg.DeadLetters.adopt(m, q.cfg.ARN)
		if q.cfg.OnDeadLetter != nil {
			q.cfg.OnDeadLetter(m)
		}
	}
	q.mu.Lock()
	q.moving -= len(dead)
	q.mu.Unlock()
	return received
}

// Delete removes the message with the given receipt handle. As on SQS a message that was
// received again by another is not removed, and the result is false.
func (q *Queue) Delete(receiptHandle string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := len(q.messages)
	q.messages = slices.DeleteFunc(q.messages, func(m *stored) bool {
		return receiptHandle != "" && m.ReceiptHandle == receiptHandle
	})
	return len(q.messages) < before
}

// ChangeVisibility makes a received message visible after d from now.
func (q *Queue) ChangeVisibility(receiptHandle string, d time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		if receiptHandle != "" && m.ReceiptHandle == receiptHandle {
			m.visibleAt = q.cfg.Now().Add(d)
			q.signal()
			return true
		}
	}
	return false
}

// Messages returns the queue's messages, oldest first, without receiving them.
func (q *Queue) Messages() []Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(q.cfg.Now())
	all := make([]Message, 0, len(q.messages))
	for _, m := range q.messages {
		all = append(all, m.Message)
	}
	return all
}

// Depth counts the queue's messages.
func (q *Queue) Depth() Depth {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.cfg.Now()
	q.expire(now)
	d := Depth{InFlight: q.moving}
	for _, m := range q.messages {
		if m.visibleAt.After(now) {
			d.InFlight++
		} else {
			d.Visible++
		}
	}
	return d
}

// next returns a channel that closes when a receive may find more, and how long
// until the first hidden message becomes visible; negative if none is hidden.
func (q *Queue) next() (<-chan struct{}, time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.cfg.Now()
	wait := time.Duration(-1)
	for _, m := range q.messages {
		if d := max(m.visibleAt.Sub(now), 0); wait < 0 || d < wait {
			wait = d
		}
	}
	return q.changed, wait
}

// adopt takes a message from its source queue; it keeps its id and its age.
func (q *Queue) adopt(m Message, sourceARN string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m.SourceARN = sourceARN
	m.ReceiptHandle = ""
	q.add(m, time.Time{})
}

// add and signal require the lock.
func (q *Queue) add(m Message, visibleAt time.Time) {
	q.messages = append(q.messages, &stored{Message: m, visibleAt: visibleAt})
	q.signal()
}

func (q *Queue) signal() {
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *Queue) expire(now time.Time) {
	if q.cfg.Retention <= 0 {
		return
	}
	q.messages = slices.DeleteFunc(q.messages, func(m *stored) bool { return now.Sub(m.Sent) > q.cfg.Retention })
}

// newID returns a random UUID (version 4), the form of SQS message ids.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
