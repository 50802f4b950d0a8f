package runtimeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"sgward/internal/crash"
	"sgward/internal/pause"
)

// maxAsyncBytes is the most that an asynchronous invocation may carry, and that a
// destination queue takes: 1 MiB.
const maxAsyncBytes = 1 << 20

// Invoker is a synchronous invocation; Function is one.
type Invoker interface {
	Invoke(ctx context.Context, payload []byte) (Result, error)
}

// AsyncConfig configures an asynchronous invocation. Function is required.
type AsyncConfig struct {
	Function    Invoker
	FunctionARN string
	// MaximumRetryAttempts is the number of tries after the first, 0 to 2.
	MaximumRetryAttempts int
	// RetryDelay is the wait before the given retry, counted from 1; nil is Lambda's
	// own, a minute and then two.
	RetryDelay func(retry int) time.Duration
	// OnSuccess and OnFailure get the invocation record; nil drops it.
	OnSuccess func(record []byte) error
	OnFailure func(record []byte) error
	// OnAttempt is called for every try, counted from 1.
	OnAttempt func(payload []byte, attempt int, result Result)
	// OnDeliveryFailure is called for a record that no destination accepted. It is lost,
	// as on AWS, where only the metric DestinationDeliveryFailures shows it.
	OnDeliveryFailure func(payload []byte, err error)
}

// Async invokes a function asynchronously: it retries failures and sends an
// invocation record to a destination at the end. It is safe for concurrent use.
type Async struct {
	cfg              AsyncConfig
	pending          sync.WaitGroup
	deliveryFailures atomic.Int64
}

// NewAsync returns an invoker of cfg.Function.
func NewAsync(cfg AsyncConfig) *Async {
	if cfg.RetryDelay == nil {
		cfg.RetryDelay = func(retry int) time.Duration { return time.Duration(retry) * time.Minute }
	}
	return &Async{cfg: cfg}
}

// invocationRecord is what a destination receives: "Capturing records of Lambda
// asynchronous invocations" in the Lambda developer guide.
type invocationRecord struct {
	Version         string          `json:"version"`
	Timestamp       string          `json:"timestamp"`
	RequestContext  requestContext  `json:"requestContext"`
	RequestPayload  json.RawMessage `json:"requestPayload"`
	ResponseContext responseContext `json:"responseContext"`
	ResponsePayload json.RawMessage `json:"responsePayload"`
}

type requestContext struct {
	RequestID              string `json:"requestId"`
	FunctionARN            string `json:"functionArn"`
	Condition              string `json:"condition"`
	ApproximateInvokeCount int    `json:"approximateInvokeCount"`
}

type responseContext struct {
	StatusCode      int    `json:"statusCode"`
	ExecutedVersion string `json:"executedVersion"`
	FunctionError   string `json:"functionError,omitempty"`
}

// Invoke accepts a JSON payload and returns; done, if not nil, is called when all
// that follows is over. It refuses what Lambda refuses: a payload that is not JSON
// or over 1 MiB. When ctx ends the invocation is given up without a record.
func (a *Async) Invoke(ctx context.Context, payload []byte, done func()) error {
	if len(payload) > maxAsyncBytes {
		return fmt.Errorf("invoking asynchronously: payload of %d bytes is over the limit of %d", len(payload), maxAsyncBytes)
	}
	if !json.Valid(payload) {
		return fmt.Errorf("invoking asynchronously: the payload is not JSON")
	}
	a.pending.Go(func() {
		defer crash.Exit()
		if done != nil {
			defer done()
		}
		a.run(ctx, payload)
	})
	return nil
}

// Wait returns when no invocation is pending.
func (a *Async) Wait() { a.pending.Wait() }

// DeliveryFailures counts the records that no destination accepted.
func (a *Async) DeliveryFailures() int { return int(a.deliveryFailures.Load()) }

func (a *Async) run(ctx context.Context, payload []byte) {
	for attempt := 1; ; attempt++ {
		result, err := a.cfg.Function.Invoke(ctx, payload)
		if ctx.Err() != nil {
			return
		}
		if err != nil { // it could not be called at all: Lambda retries this too
			result = Result{FunctionError: Unhandled, ErrorType: "ServiceException"}
			out := failure(result.ErrorType, err.Error())
			result.Payload = out.payload
		}
		if a.cfg.OnAttempt != nil {
			a.cfg.OnAttempt(payload, attempt, result)
		}
		if result.FunctionError == "" {
			a.deliver(a.cfg.OnSuccess, payload, "Success", attempt, result)
			return
		}
		if attempt > a.cfg.MaximumRetryAttempts {
			a.deliver(a.cfg.OnFailure, payload, "RetriesExhausted", attempt, result)
			return
		}
		if pause.For(ctx, a.cfg.RetryDelay(attempt)) != nil {
			return
		}
	}
}

func (a *Async) deliver(destination func([]byte) error, payload []byte, condition string, attempts int, result Result) {
	if destination == nil {
		return
	}
	err := func() error {
		record, err := a.record(payload, condition, attempts, result)
		if err != nil {
			return err
		}
		if len(record) > maxAsyncBytes {
			return fmt.Errorf("delivering to the destination: record of %d bytes is over the limit of %d", len(record), maxAsyncBytes)
		}
		return destination(record)
	}()
	if err != nil {
		a.deliveryFailures.Add(1)
		if a.cfg.OnDeliveryFailure != nil {
			a.cfg.OnDeliveryFailure(payload, err)
		}
	}
}

func (a *Async) record(payload []byte, condition string, attempts int, result Result) ([]byte, error) {
	response := json.RawMessage(result.Payload)
	if len(response) == 0 {
		response = json.RawMessage("null")
	}
	if !json.Valid(response) { // a custom runtime may answer anything
		quoted, err := json.Marshal(string(response))
		if err != nil {
			return nil, fmt.Errorf("writing the invocation record: %w", err)
		}
		response = quoted
	}
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false) // or "<" would count six bytes against the limit
	err := encoder.Encode(invocationRecord{
		Version:   "1.0",
		Timestamp: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		RequestContext: requestContext{
			RequestID: result.RequestID, FunctionARN: a.cfg.FunctionARN + ":$LATEST",
			Condition: condition, ApproximateInvokeCount: attempts,
		},
		RequestPayload:  payload,
		ResponseContext: responseContext{StatusCode: 200, ExecutedVersion: "$LATEST", FunctionError: result.FunctionError},
		ResponsePayload: response,
	})
	if err != nil {
		return nil, fmt.Errorf("writing the invocation record: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
