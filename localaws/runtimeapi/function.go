// Package runtimeapi runs real Lambda `bootstrap` binaries as child processes
// behind the Lambda Runtime API (2018-06-01), kept warm between invocations.
//
// Function invokes synchronously; Async adds what Lambda does for asynchronous
// invocations: retries and destinations. Extensions, response streaming to clients,
// SnapStart and X-Ray are left out, and nothing is sandboxed: the process has the
// rights of its user. It is for tests and tours only.
package runtimeapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// maxResponseBytes is Lambda's limit on a buffered response, 6 MB.
const maxResponseBytes = 6 << 20

// Unhandled is Lambda's word for a function error of a custom runtime, the value of
// X-Amz-Function-Error.
const Unhandled = "Unhandled"

// ErrClosed is returned by Invoke after Close.
var ErrClosed = errors.New("function is closed")

// Config describes a function. Name, ARN and Bootstrap are required.
type Config struct {
	Name      string
	ARN       string
	Bootstrap string // path of the binary; its folder is the task root
	Region    string // default us-east-1
	// Timeout ends an invocation and its process; zero stands for Lambda's default, 3 s.
	Timeout time.Duration
	// InitTimeout bounds the time to the first poll; zero stands for Lambda's 10 s.
	InitTimeout time.Duration
	MemoryMB    int // what the function is told it has; default 128
	// MaximumConcurrency caps the processes; zero stands for 4.
	MaximumConcurrency int
	// Environment is added to what Lambda itself sets, which it may override.
	Environment map[string]string
	// OnInvoke is called before a process gets an invocation. It must be quick.
	OnInvoke func(p Process, payload []byte)
	// Log takes each line that a process writes, from several goroutines; nil drops them.
	Log func(line string)
}

// Process is a running process of a function.
type Process struct {
	PID int
	// SessionToken is that of its credentials: the calls that carry it are the process's.
	SessionToken string
}

// Result is what an invocation came to.
type Result struct {
	RequestID string
	// Payload is the function's answer, or the error object {errorType, errorMessage}.
	Payload []byte
	// FunctionError is empty on success, else Unhandled.
	FunctionError string
	// ErrorType is the errorType of a failure: the function's own, or
	// Runtime.ExitError, Sandbox.Timedout, Function.ResponseSizeTooLarge.
	ErrorType string
	Duration  time.Duration // from hand-over to answer, without the start of a process
	ColdStart bool
	Init      time.Duration // process start to first poll, zero when warm
}

// Function is a Lambda function, safe for concurrent use. Functions come from New.
type Function struct {
	cfg   Config
	slots chan struct{}

	mu     sync.Mutex
	idle   []*environment
	all    map[*environment]bool
	closed bool
}

// New checks that the binary is there. No process starts before the first Invoke
// or Warm.
func New(cfg Config) (*Function, error) {
	bootstrap, err := filepath.Abs(cfg.Bootstrap)
	if err != nil {
		return nil, fmt.Errorf("resolving %s: %w", cfg.Bootstrap, err)
	}
	info, err := os.Stat(bootstrap)
	if err != nil {
		return nil, fmt.Errorf("looking for the binary of %s: %w", cfg.Name, err)
	}
	if info.IsDir() || info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("looking for the binary of %s: %s is not executable", cfg.Name, cfg.Bootstrap)
	}
	cfg.Bootstrap = bootstrap
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 3 * time.Second
	}
	if cfg.InitTimeout <= 0 {
		cfg.InitTimeout = 10 * time.Second
	}
	if cfg.MemoryMB <= 0 {
		cfg.MemoryMB = 128
	}
	if cfg.MaximumConcurrency <= 0 {
		cfg.MaximumConcurrency = 4
	}
	return &Function{
		cfg:   cfg,
		slots: make(chan struct{}, cfg.MaximumConcurrency),
		all:   map[*environment]bool{},
	}, nil
}

// Warm starts a process ahead of the first invocation and waits until it polls.
func (f *Function) Warm(ctx context.Context) error {
	env, failure, err := f.start(ctx)
	if err != nil {
		return err
	}
	if failure != nil {
		return fmt.Errorf("starting %s: %s", f.cfg.Name, failure.Payload)
	}
	f.release(env)
	return nil
}

// Invoke hands payload to a process, starting one if none is idle, and waits. What
// goes wrong inside the function is a Result with FunctionError; an error means
// that no invocation took place or that ctx ended first.
func (f *Function) Invoke(ctx context.Context, payload []byte) (Result, error) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	inv := newInvocation(payload)
	for {
		env, cold, failure, err := f.acquire(ctx)
		if err != nil {
			return Result{}, err
		}
		if failure != nil {
			failure.RequestID = inv.id
			return *failure, nil
		}
		select {
		case env.invocations <- inv:
		case <-env.exited: // died while idle: nothing was handed over, take another
			f.discard(env)
			continue
		case <-ctx.Done():
			f.release(env)
			return Result{}, ctx.Err()
		}
		result, err := f.await(ctx, env, inv)
		result.ColdStart = cold
		if cold {
			result.Init = env.init
		}
		return result, err
	}
}

// await waits for the answer of a process that holds the invocation.
func (f *Function) await(ctx context.Context, env *environment, inv *invocation) (Result, error) {
	began := time.Now()
	timeout := time.NewTimer(f.cfg.Timeout)
	defer timeout.Stop()
	result := Result{RequestID: inv.id}
	var out outcome
	select {
	case out = <-inv.done:
		f.release(env)
	case <-env.exited:
		select {
		case out = <-inv.done: // it answered and then exited
		default:
			out = failure("Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited %s", inv.id, env.exitReason()))
		}
		f.discard(env)
	case <-timeout.C:
		f.discard(env)
		out = failure("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", inv.id, f.cfg.Timeout.Seconds()))
	case <-ctx.Done():
		f.discard(env)
		return result, ctx.Err()
	}
	result.Duration = time.Since(began)
	result.Payload = out.payload
	if out.failed {
		result.FunctionError = Unhandled
		result.ErrorType = errorType(out.payload)
	}
	return result, nil
}

// acquire takes an idle process or starts one. A process that does not come up is
// a failure of the invocation, in AWS's words, not an error.
func (f *Function) acquire(ctx context.Context) (env *environment, cold bool, failed *Result, err error) {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return nil, false, nil, ErrClosed
	}
	if n := len(f.idle); n > 0 {
		env = f.idle[n-1]
		f.idle = f.idle[:n-1]
		f.mu.Unlock()
		return env, false, nil, nil
	}
	f.mu.Unlock()
	env, failed, err = f.start(ctx)
	return env, true, failed, err
}

func (f *Function) start(ctx context.Context) (*environment, *Result, error) {
	env, err := startEnvironment(f.cfg)
	if err != nil {
		return nil, nil, err
	}
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		env.stop()
		return nil, nil, ErrClosed
	}
	f.all[env] = true
	f.mu.Unlock()

	timeout := time.NewTimer(f.cfg.InitTimeout)
	defer timeout.Stop()
	var out outcome
	select {
	case <-env.ready:
		return env, nil, nil
	case <-env.exited:
		out = failure("Runtime.ExitError", fmt.Sprintf("Error: Runtime exited %s", env.exitReason()))
		if reported, ok := env.initError(); ok {
			out = outcome{payload: reported, failed: true}
		}
	case <-timeout.C:
		out = failure("Sandbox.Timedout", fmt.Sprintf("Error: Init timed out after %.2f seconds", f.cfg.InitTimeout.Seconds()))
	case <-ctx.Done():
		f.discard(env)
		return nil, nil, ctx.Err()
	}
	f.discard(env)
	return nil, &Result{Payload: out.payload, FunctionError: Unhandled, ErrorType: errorType(out.payload), ColdStart: true}, nil
}

func (f *Function) release(env *environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.idle = append(f.idle, env)
}

func (f *Function) discard(env *environment) {
	f.mu.Lock()
	delete(f.all, env)
	f.mu.Unlock()
	env.stop()
}

// Processes returns the running processes.
func (f *Function) Processes() []Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Process, 0, len(f.all))
	for env := range f.all {
		out = append(out, env.process())
	}
	return out
}

// Kill kills the process with a session token and reports whether there is one. Its
// invocation in hand fails with Runtime.ExitError.
func (f *Function) Kill(sessionToken string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for env := range f.all {
		if env.token == sessionToken {
			return env.cmd.Process.Kill() == nil
		}
	}
	return false
}

// Close ends every process. An invocation in hand fails with Runtime.ExitError.
func (f *Function) Close() {
	f.mu.Lock()
	f.closed = true
	all := f.all
	f.all = map[*environment]bool{}
	f.idle = nil
	f.mu.Unlock()
	for env := range all {
		env.stop()
	}
}

func failure(kind, message string) outcome {
	payload, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message}) // strings always encode
	return outcome{payload: payload, failed: true}
}

func errorType(payload []byte) string {
	var object struct {
		ErrorType string `json:"errorType"`
	}
	if json.Unmarshal(payload, &object) != nil {
		return ""
	}
	return object.ErrorType
}
