package runtimeapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/runtimeapi"
)

// destination keeps the records it is sent.
type destination struct {
	mu      sync.Mutex
	records []string
	refuse  error
}

func (d *destination) take(record []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse != nil {
		return d.refuse
	}
	d.records = append(d.records, string(record))
	return nil
}

// record is an invocation record, read strictly.
type record struct {
	Version        string `json:"version"`
	Timestamp      string `json:"timestamp"`
	RequestContext struct {
		RequestID              string `json:"requestId"`
		FunctionARN            string `json:"functionArn"`
		Condition              string `json:"condition"`
		ApproximateInvokeCount int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	RequestPayload  json.RawMessage `json:"requestPayload"`
	ResponseContext struct {
		StatusCode      int    `json:"statusCode"`
		ExecutedVersion string `json:"executedVersion"`
		FunctionError   string `json:"functionError"`
	} `json:"responseContext"`
	ResponsePayload json.RawMessage `json:"responsePayload"`
}

func only(t *testing.T, d *destination) record {
	t.Helper()
	require.Len(t, d.records, 1)
	decoder := json.NewDecoder(strings.NewReader(d.records[0]))
	decoder.DisallowUnknownFields()
	var r record
	require.NoError(t, decoder.Decode(&r))
	return r
}

func async(t *testing.T, cfg runtimeapi.AsyncConfig) (*runtimeapi.Async, *destination, *destination) {
	t.Helper()
	success, failure := &destination{}, &destination{}
	if cfg.Function == nil {
		cfg.Function = start(t, nil)
	}
	cfg.FunctionARN = "arn:aws:lambda:us-east-1:123456789012:function:fn"
	cfg.RetryDelay = func(int) time.Duration { return time.Millisecond }
	cfg.OnSuccess, cfg.OnFailure = success.take, failure.take
	return runtimeapi.NewAsync(cfg), success, failure
}

func TestSuccessSendsAnInvocationRecord(t *testing.T) {
	a, success, failure := async(t, runtimeapi.AsyncConfig{MaximumRetryAttempts: 2})
	require.NoError(t, a.Invoke(context.Background(), []byte(`{"do":"echo","name":"<&>"}`), nil))
	a.Wait()
	assert.Empty(t, failure.records)
	r := only(t, success)
	assert.Equal(t, "1.0", r.Version)
	_, err := time.Parse("2006-01-02T15:04:05.000Z", r.Timestamp)
	assert.NoError(t, err)
	assert.NotEmpty(t, r.RequestContext.RequestID)
	assert.Equal(t, "arn:aws:lambda:us-east-1:123456789012:function:fn:$LATEST", r.RequestContext.FunctionARN)
	assert.Equal(t, "Success", r.RequestContext.Condition)
	assert.Equal(t, 1, r.RequestContext.ApproximateInvokeCount)
	assert.JSONEq(t, `{"do":"echo","name":"<&>"}`, string(r.RequestPayload))
	assert.Equal(t, 200, r.ResponseContext.StatusCode)
	assert.Equal(t, "$LATEST", r.ResponseContext.ExecutedVersion)
	assert.Empty(t, r.ResponseContext.FunctionError)
	assert.JSONEq(t, `{"do":"echo","name":"<&>"}`, string(r.ResponsePayload))
}

func TestFailureIsRetriedAndEndsInTheOnFailureDestination(t *testing.T) {
	var attempts []int
	a, success, failure := async(t, runtimeapi.AsyncConfig{
		MaximumRetryAttempts: 2,
		OnAttempt:            func(_ []byte, attempt int, _ runtimeapi.Result) { attempts = append(attempts, attempt) },
	})
	require.NoError(t, a.Invoke(context.Background(), []byte(`{"do":"fail"}`), nil))
	a.Wait()
	assert.Equal(t, []int{1, 2, 3}, attempts)
	assert.Empty(t, success.records)
	r := only(t, failure)
	assert.Equal(t, "RetriesExhausted", r.RequestContext.Condition)
	assert.Equal(t, 3, r.RequestContext.ApproximateInvokeCount)
	assert.Equal(t, runtimeapi.Unhandled, r.ResponseContext.FunctionError)
	assert.JSONEq(t, `{"errorMessage":"spoiled milk","errorType":"spoiled"}`, string(r.ResponsePayload))
}

func TestRetryThatSucceedsIsASuccess(t *testing.T) {
	a, success, failure := async(t, runtimeapi.AsyncConfig{MaximumRetryAttempts: 2})
	counter := filepath.Join(t.TempDir(), "counter")
	require.NoError(t, a.Invoke(context.Background(), fmt.Appendf(nil, `{"do":"fail at first","until":2,"counter":%q}`, counter), nil))
	a.Wait()
	assert.Empty(t, failure.records)
	assert.Equal(t, 3, only(t, success).RequestContext.ApproximateInvokeCount)
}

func TestCrashIsRetriedToo(t *testing.T) {
	a, _, failure := async(t, runtimeapi.AsyncConfig{MaximumRetryAttempts: 1})
	require.NoError(t, a.Invoke(context.Background(), []byte(`{"do":"exit"}`), nil))
	a.Wait()
	r := only(t, failure)
	assert.Equal(t, 2, r.RequestContext.ApproximateInvokeCount)
	assert.Contains(t, string(r.ResponsePayload), "Runtime.ExitError")
}

func TestRecordOverOneMebibyteIsLostAndCounted(t *testing.T) {
	var lost error
	a, success, _ := async(t, runtimeapi.AsyncConfig{
		OnDeliveryFailure: func(_ []byte, err error) { lost = err },
	})
	require.NoError(t, a.Invoke(context.Background(), []byte(`{"do":"big","size":1048576}`), nil))
	a.Wait()
	assert.Empty(t, success.records)
	assert.Equal(t, 1, a.DeliveryFailures())
	assert.ErrorContains(t, lost, "over the limit of 1048576")

	require.NoError(t, a.Invoke(context.Background(), []byte(`{"do":"big","size":1047000}`), nil))
	a.Wait()
	assert.Len(t, success.records, 1, "just under it")
	assert.Equal(t, 1, a.DeliveryFailures())
}

func TestDestinationThatRefusesIsCounted(t *testing.T) {
	a, success, _ := async(t, runtimeapi.AsyncConfig{})
	success.refuse = errors.New("no")
	require.NoError(t, a.Invoke(context.Background(), []byte(`{"do":"echo"}`), nil))
	a.Wait()
	assert.Equal(t, 1, a.DeliveryFailures())
}

func TestAsyncRefusesWhatLambdaRefuses(t *testing.T) {
	a, _, _ := async(t, runtimeapi.AsyncConfig{})
	assert.ErrorContains(t, a.Invoke(context.Background(), []byte(`{`), nil), "not JSON")
	assert.ErrorContains(t, a.Invoke(context.Background(), []byte(`"`+strings.Repeat("x", 1<<20)+`"`), nil), "over the limit")
}

func TestDoneIsCalledWhenAllIsOver(t *testing.T) {
	a, success, _ := async(t, runtimeapi.AsyncConfig{})
	done := make(chan int, 1)
	require.NoError(t, a.Invoke(context.Background(), []byte(`{"do":"echo"}`), func() {
		success.mu.Lock()
		defer success.mu.Unlock()
		done <- len(success.records)
	}))
	select {
	case records := <-done:
		assert.Equal(t, 1, records, "after the delivery")
	case <-time.After(10 * time.Second):
		t.Fatal("done was not called")
	}
}

func TestAsyncEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	a, success, failure := async(t, runtimeapi.AsyncConfig{MaximumRetryAttempts: 2})
	require.NoError(t, a.Invoke(ctx, []byte(`{"do":"sleep","millis":60000}`), nil))
	cancel()
	a.Wait()
	assert.Empty(t, success.records)
	assert.Empty(t, failure.records)
}
