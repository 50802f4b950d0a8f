// Package sqs calls a queue of Amazon SQS
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html).
// Errors are those of awscall.
package sqs

import (
	"context"
	"errors"
	"strconv"
	"time"

	"sgward/internal/awscall"
)

const (
	// MaxBatch is the most messages that SQS hands out, deletes or releases in one call.
	MaxBatch = 10
	// MaxMessageBytes is the most that SQS takes in one message.
	MaxMessageBytes = 1 << 20
)

// The attributes of queues that are read.
const (
	ARN      = "QueueArn"
	Visible  = "ApproximateNumberOfMessages"
	InFlight = "ApproximateNumberOfMessagesNotVisible" // received, and not deleted
	KeyID    = "KmsMasterKeyId"                        // absent if AWS's own key encrypts the queue
)

// The attributes of messages that SQS makes.
const (
	SentTimestamp = "SentTimestamp"           // milliseconds since 1970
	ReceiveCount  = "ApproximateReceiveCount" // from 1
)

// ReasonAttribute is the message attribute of a dead letter that says why remediate gave it up.
const ReasonAttribute = "reason"

// Queue is a queue with the credentials of a client.
type Queue struct {
	Client *awscall.Client
	URL    string
}

// Message is a message that was received.
type Message struct {
	ID            string `json:"MessageId"`
	ReceiptHandle string
	Body          string
	// Attributes are SQS's own, and MessageAttributes the sender's; those that Receiving names.
	Attributes        map[string]string
	MessageAttributes map[string]Attribute
}

// Attribute is a message attribute. Those of other types than String are not read.
type Attribute struct{ DataType, StringValue string }

// SentAt returns when a queue took a message with these attributes, zero if SQS does not say.
func SentAt(attributes map[string]string) time.Time {
	ms, err := strconv.ParseInt(attributes[SentTimestamp], 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Attributes returns attributes of the queue, by name.
func (q Queue) Attributes(ctx context.Context, names ...string) (map[string]string, error) {
	var out struct{ Attributes map[string]string }
	err := q.call(ctx, "GetQueueAttributes", struct {
		QueueURL       string `json:"QueueUrl"`
		AttributeNames []string
	}{q.URL, names}, &out)
	return out.Attributes, err
}

// Send puts a message on the queue; texts are its attributes.
func (q Queue) Send(ctx context.Context, body string, texts map[string]string) error {
	in := struct {
		QueueURL          string `json:"QueueUrl"`
		MessageBody       string
		MessageAttributes map[string]Attribute `json:",omitempty"`
	}{QueueURL: q.URL, MessageBody: body}
	for name, value := range texts {
		if in.MessageAttributes == nil {
			in.MessageAttributes = map[string]Attribute{}
		}
		in.MessageAttributes[name] = Attribute{"String", value}
	}
	return q.call(ctx, "SendMessage", in, nil)
}

// Receiving selects what Receive returns.
type Receiving struct {
	// Wait is how long SQS waits for a first message; whole seconds, up to 20.
	Wait time.Duration
	// Hidden is how long others do not receive the messages; whole seconds, 0 is the queue's
	// time.
	Hidden time.Duration
	// Attributes and MessageAttributes name the attributes of each message.
	Attributes, MessageAttributes []string
}

// Receive receives up to MaxBatch messages.
func (q Queue) Receive(ctx context.Context, r Receiving) ([]Message, error) {
	var out struct{ Messages []Message }
	err := q.call(ctx, "ReceiveMessage", struct {
		QueueURL                    string `json:"QueueUrl"`
		MaxNumberOfMessages         int
		WaitTimeSeconds             int // without it the queue's setting counts
		VisibilityTimeout           int `json:",omitempty"`
		MessageSystemAttributeNames []string
		MessageAttributeNames       []string `json:",omitempty"`
	}{q.URL, MaxBatch, int(r.Wait.Seconds()), int(r.Hidden.Seconds()), r.Attributes, r.MessageAttributes}, &out)
	return out.Messages, err
}

// Delete deletes up to MaxBatch messages, by their receipt handles. failed says of single
// ones, by their place in handles, why they remain.
func (q Queue) Delete(ctx context.Context, handles []string) (failed map[int]error, err error) {
	type entry struct {
		ID            string `json:"Id"`
		ReceiptHandle string
	}
	entries := make([]entry, len(handles))
	for i, handle := range handles {
		entries[i] = entry{strconv.Itoa(i), handle}
	}
	return q.batch(ctx, "DeleteMessageBatch", entries)
}

// Release lets others receive up to MaxBatch messages again, at once. Messages that are
// deleted, or hidden no more, are no error.
func (q Queue) Release(ctx context.Context, handles []string) error {
	type entry struct {
		ID                string `json:"Id"`
		ReceiptHandle     string
		VisibilityTimeout int
	}
	entries := make([]entry, len(handles))
	for i, handle := range handles {
		entries[i] = entry{ID: strconv.Itoa(i), ReceiptHandle: handle}
	}
	_, err := q.batch(ctx, "ChangeMessageVisibilityBatch", entries)
	return err
}

// batch makes a call whose answer names the entries that failed.
func (q Queue) batch(ctx context.Context, operation string, entries any) (failed map[int]error, err error) {
	var out struct {
		Failed []struct {
			ID            string `json:"Id"`
			Code, Message string
		}
	}
	err = q.call(ctx, operation, struct {
		QueueURL string `json:"QueueUrl"`
		Entries  any
	}{q.URL, entries}, &out)
	if err != nil {
		return nil, err
	}
	failed = map[int]error{}
	for _, f := range out.Failed {
		if i, err := strconv.Atoi(f.ID); err == nil {
			failed[i] = errors.New(f.Code + ": " + f.Message)
		}
	}
	return failed, nil
}

func (q Queue) call(ctx context.Context, operation string, in, out any) error {
	return q.Client.JSON(ctx, awscall.SQS, operation, in, out)
}
