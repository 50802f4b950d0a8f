// Package sqsapi serves queues of package queue over SQS's JSON protocol: to send,
// receive, delete, and to change the visibility. It is for tests and tours only:
// signatures are not verified.
package sqsapi

import (
	"context"
	"crypto/md5" //nolint:gosec // SQS answers with it, and its clients compare it
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sgward/localaws/awswire"
	"sgward/localaws/queue"
)

// target is what the header X-Amz-Target begins with.
const target = "AmazonSQS."

// maxRequest is above the largest request of SQS, a message of 1 MiB in JSON.
const maxRequest = 8 << 20

// Config describes a server. Queue is required.
type Config struct {
	// Queue returns the queue at a URL.
	Queue func(url string) (*queue.Queue, bool)
	// Authorize says whether an access key may call an action; nil allows everything.
	Authorize func(action, accessKey string) bool
	// OnReceive is called for the messages that a caller has received.
	OnReceive func(accessKey string, q *queue.Queue, received []queue.Message)
	// OnSend is called for a message that a caller sends, before a consumer can receive it.
	// The message has its body and attributes only.
	OnSend func(accessKey string, q *queue.Queue, m queue.Message)
}

// ActionOf returns the operation that a request asks of SQS; false for requests of other
// services.
func ActionOf(r *http.Request) (string, bool) {
	return strings.CutPrefix(r.Header.Get("X-Amz-Target"), target)
}

// request has the fields of all operations that are served.
type request struct {
	QueueURL            string                                  `json:"QueueUrl"`
	MessageBody         string                                  `json:"MessageBody"`
	MessageAttributes   map[string]struct{ StringValue string } `json:"MessageAttributes"`
	MaxNumberOfMessages *int                                    `json:"MaxNumberOfMessages"`
	WaitTimeSeconds     int                                     `json:"WaitTimeSeconds"`
	VisibilityTimeout   *int                                    `json:"VisibilityTimeout"`
	ReceiptHandle       string                                  `json:"ReceiptHandle"`
	AttributeNames      []string                                `json:"AttributeNames"`
	Entries             []struct {
		ID                string `json:"Id"`
		ReceiptHandle     string `json:"ReceiptHandle"`
		VisibilityTimeout int    `json:"VisibilityTimeout"`
	} `json:"Entries"`
}

// Handler serves the queues.
func Handler(cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		action, _ := ActionOf(r)
		accessKey := awswire.AccessKey(r)
		if cfg.Authorize != nil && !cfg.Authorize(action, accessKey) {
			awswire.WriteError(w, "1.0", http.StatusForbidden, "com.amazonaws.sqs#AccessDeniedException", "not authorized to perform: sqs:"+action)
			return
		}
		var in request
		body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
		if err == nil {
			err = json.Unmarshal(body, &in)
		}
		if err != nil {
			awswire.WriteError(w, "1.0", http.StatusBadRequest, "com.amazonaws.sqs#InvalidAddress", "reading the request: "+err.Error())
			return
		}
		q, ok := cfg.Queue(in.QueueURL)
		if !ok {
			awswire.WriteError(w, "1.0", http.StatusBadRequest, "com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
			return
		}
		switch action {
		case "SendMessage":
			send(w, q, in, func(m queue.Message) {
				if cfg.OnSend != nil {
					cfg.OnSend(accessKey, q, m)
				}
			})
		case "ReceiveMessage":
			received := receive(r.Context(), q, in)
			if cfg.OnReceive != nil && len(received) > 0 {
				cfg.OnReceive(accessKey, q, received)
			}
			awswire.WriteJSON(w, "1.0", http.StatusOK, map[string]any{"Messages": shown(received)})
		case "DeleteMessage":
			q.Delete(in.ReceiptHandle)
			awswire.WriteJSON(w, "1.0", http.StatusOK, struct{}{})
		case "DeleteMessageBatch", "ChangeMessageVisibilityBatch":
			batch(w, q, action, in)
		case "GetQueueAttributes":
			depth := q.Depth()
			attributes := map[string]string{
				"QueueArn": q.ARN(), "ApproximateNumberOfMessages": strconv.Itoa(depth.Visible),
				"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(depth.InFlight),
			}
			maps.DeleteFunc(attributes, func(name, _ string) bool {
				return !slices.Contains(in.AttributeNames, name) && !slices.Contains(in.AttributeNames, "All")
			})
			awswire.WriteJSON(w, "1.0", http.StatusOK, map[string]any{"Attributes": attributes})
		default:
			awswire.WriteError(w, "1.0", http.StatusNotImplemented, "com.amazonaws.sqs#UnsupportedOperation", "sgward's stand-in for SQS has no "+action)
		}
	})
}

func send(w http.ResponseWriter, q *queue.Queue, in request, before func(queue.Message)) {
	attributes := map[string]string{}
	for name, value := range in.MessageAttributes {
		attributes[name] = value.StringValue
	}
	if len(in.MessageBody) <= queue.MaxMessageBytes {
		before(queue.Message{Body: in.MessageBody, Attributes: attributes})
	}
	id, err := q.SendWith(in.MessageBody, attributes)
	var large *queue.TooLargeError
	switch {
	case errors.As(err, &large):
		awswire.WriteError(w, "1.0", http.StatusBadRequest, "com.amazonaws.sqs#InvalidMessageContents", "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.")
	case err != nil:
		awswire.WriteError(w, "1.0", http.StatusInternalServerError, "com.amazonaws.sqs#InternalError", err.Error())
	default:
		awswire.WriteJSON(w, "1.0", http.StatusOK, map[string]any{"MessageId": id, "MD5OfMessageBody": digest(in.MessageBody)})
	}
}

// receive takes messages, and waits for the first if the caller asks for that.
func receive(ctx context.Context, q *queue.Queue, in request) []queue.Message {
	limit := 1
	if in.MaxNumberOfMessages != nil {
		limit = min(*in.MaxNumberOfMessages, 10)
	}
	received := q.Receive(limit)
	for end := time.Now().Add(time.Duration(in.WaitTimeSeconds) * time.Second); len(received) == 0 && time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(5 * time.Millisecond)
		received = q.Receive(limit)
	}
	if in.VisibilityTimeout != nil {
		for _, m := range received {
			q.ChangeVisibility(m.ReceiptHandle, time.Duration(*in.VisibilityTimeout)*time.Second)
		}
	}
	return received
}

func shown(received []queue.Message) []map[string]any {
	out := []map[string]any{}
	for _, m := range received {
		system := map[string]string{
			"ApproximateReceiveCount":          strconv.Itoa(m.ReceiveCount),
			"SentTimestamp":                    strconv.FormatInt(m.Sent.UnixMilli(), 10),
			"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.FirstReceived.UnixMilli(), 10),
		}
		if m.SourceARN != "" {
			system["DeadLetterQueueSourceArn"] = m.SourceARN
		}
		one := map[string]any{"MessageId": m.ID, "ReceiptHandle": m.ReceiptHandle, "Body": m.Body, "MD5OfBody": digest(m.Body), "Attributes": system}
		if len(m.Attributes) > 0 {
			attributes := map[string]any{}
			for name, value := range m.Attributes {
				attributes[name] = map[string]string{"DataType": "String", "StringValue": value}
			}
			one["MessageAttributes"] = attributes
		}
		out = append(out, one)
	}
	return out
}

// batch deletes messages, or changes their visibility, one entry after another.
func batch(w http.ResponseWriter, q *queue.Queue, action string, in request) {
	if n := len(in.Entries); n == 0 || n > 10 {
		awswire.WriteError(w, "1.0", http.StatusBadRequest, "com.amazonaws.sqs#TooManyEntriesInBatchRequest", fmt.Sprintf("Maximum number of entries per request are 10. You have sent %d.", n))
		return
	}
	done := []map[string]string{}
	for _, e := range in.Entries {
		if action == "DeleteMessageBatch" {
			q.Delete(e.ReceiptHandle)
		} else {
			q.ChangeVisibility(e.ReceiptHandle, time.Duration(e.VisibilityTimeout)*time.Second)
		}
		done = append(done, map[string]string{"Id": e.ID})
	}
	awswire.WriteJSON(w, "1.0", http.StatusOK, map[string]any{"Successful": done, "Failed": []any{}})
}

func digest(body string) string {
	sum := md5.Sum([]byte(body)) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}
