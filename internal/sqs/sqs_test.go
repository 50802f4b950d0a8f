package sqs_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/awscall"
	"sgward/internal/ec2rules"
	"sgward/internal/sqs"
)

// queue is one that gives an answer to all calls, and its last request.
func queue(t *testing.T, status int, answer string) (q sqs.Queue, asked func() string) {
	t.Helper()
	var operation, body string
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		operation, body = r.Header.Get("X-Amz-Target"), string(data)
		w.Header().Set("X-Amzn-Query-Error", "AWS.SimpleQueueService.NonExistentQueue;Sender")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(web.Close)
	client := awscall.New(aws.Config{Region: "us-east-1", BaseEndpoint: &web.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "not-a-secret", "")})
	return sqs.Queue{Client: client, URL: "https://q"}, func() string {
		assert.True(t, json.Valid([]byte(body)))
		return operation + " " + body
	}
}

func TestEachCallSaysWhatSQSTakes(t *testing.T) {
	handles := []string{"a", "b"}
	for want, call := range map[string]func(sqs.Queue) error{
		`AmazonSQS.SendMessage {"QueueUrl":"https://q","MessageBody":"text"}`: func(q sqs.Queue) error {
			return q.Send(t.Context(), "text", nil)
		},
		`AmazonSQS.SendMessage {"QueueUrl":"https://q","MessageBody":"text","MessageAttributes":{"reason":{"DataType":"String","StringValue":"none"}}}`: func(q sqs.Queue) error {
			return q.Send(t.Context(), "text", map[string]string{sqs.ReasonAttribute: "none"})
		},
		`AmazonSQS.ReceiveMessage {"QueueUrl":"https://q","MaxNumberOfMessages":10,"WaitTimeSeconds":0,"MessageSystemAttributeNames":["SentTimestamp"]}`: func(q sqs.Queue) error {
			_, err := q.Receive(t.Context(), sqs.Receiving{Attributes: []string{sqs.SentTimestamp}})
			return err
		},
		`AmazonSQS.ReceiveMessage {"QueueUrl":"https://q","MaxNumberOfMessages":10,"WaitTimeSeconds":1,"VisibilityTimeout":300,"MessageSystemAttributeNames":["SentTimestamp"],"MessageAttributeNames":["All"]}`: func(q sqs.Queue) error {
			_, err := q.Receive(t.Context(), sqs.Receiving{Wait: time.Second, Hidden: 5 * time.Minute, Attributes: []string{sqs.SentTimestamp}, MessageAttributes: []string{"All"}})
			return err
		},
		`AmazonSQS.DeleteMessageBatch {"QueueUrl":"https://q","Entries":[{"Id":"0","ReceiptHandle":"a"},{"Id":"1","ReceiptHandle":"b"}]}`: func(q sqs.Queue) error {
			_, err := q.Delete(t.Context(), handles)
			return err
		},
		`AmazonSQS.ChangeMessageVisibilityBatch {"QueueUrl":"https://q","Entries":[{"Id":"0","ReceiptHandle":"a","VisibilityTimeout":0},{"Id":"1","ReceiptHandle":"b","VisibilityTimeout":0}]}`: func(q sqs.Queue) error {
			return q.Release(t.Context(), handles)
		},
	} {
		q, asked := queue(t, http.StatusOK, "{}")
		require.NoError(t, call(q))
		assert.Equal(t, want, asked())
	}
}

func TestAnswersAreRead(t *testing.T) {
	q, _ := queue(t, http.StatusOK, `{"Messages":[{"MessageId":"m","ReceiptHandle":"h","MD5OfBody":"x","Body":"text","Attributes":{"SentTimestamp":"1795341602500"},
		"MessageAttributes":{"reason":{"DataType":"String","StringValue":"none"},"other":{"DataType":"Binary","BinaryValue":"AA=="}}}]}`)
	got, err := q.Receive(t.Context(), sqs.Receiving{})
	require.NoError(t, err)
	assert.Equal(t, []sqs.Message{{ID: "m", ReceiptHandle: "h", Body: "text", Attributes: map[string]string{"SentTimestamp": "1795341602500"},
		MessageAttributes: map[string]sqs.Attribute{"reason": {DataType: "String", StringValue: "none"}, "other": {DataType: "Binary"}}}}, got)
	assert.Equal(t, time.Date(2026, 11, 22, 10, 0, 2, 500_000_000, time.UTC), sqs.SentAt(got[0].Attributes))

	q, asked := queue(t, http.StatusOK, `{"Attributes":{"ApproximateNumberOfMessages":"3"}}`)
	attributes, err := q.Attributes(t.Context(), sqs.Visible, sqs.InFlight)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{sqs.Visible: "3"}, attributes)
	assert.Contains(t, asked(), `"AttributeNames":["ApproximateNumberOfMessages","ApproximateNumberOfMessagesNotVisible"]`)

	q, _ = queue(t, http.StatusOK, `{"Successful":[{"Id":"0"}],"Failed":[{"Id":"1","Code":"ReceiptHandleIsInvalid","Message":"expired","SenderFault":true}]}`)
	failed, err := q.Delete(t.Context(), []string{"a", "b"})
	require.NoError(t, err)
	require.Len(t, failed, 1)
	assert.EqualError(t, failed[1], "ReceiptHandleIsInvalid: expired")
}

func TestAQueueThatIsGoneIsTold(t *testing.T) {
	q, _ := queue(t, http.StatusBadRequest, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}`)
	_, err := q.Attributes(t.Context(), sqs.ARN)
	assert.Equal(t, "QueueDoesNotExist", ec2rules.ErrorCode(err))
}

func TestATimeThatSQSDoesNotTellIsNotKnown(t *testing.T) {
	for _, sent := range []string{"", "0", "-1", "yesterday"} {
		assert.Zero(t, sqs.SentAt(map[string]string{sqs.SentTimestamp: sent}), sent)
	}
}
