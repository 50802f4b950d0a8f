package runtimeapi

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"sgward/internal/crash"
)

// environment is one process with a Runtime API of its own, so that the API need not
// distinguish callers.
type environment struct {
	cfg         Config
	token       string // its AWS_SESSION_TOKEN, which no other process has
	cmd         *exec.Cmd
	server      *http.Server
	began       time.Time
	init        time.Duration // valid once ready is closed
	invocations chan *invocation
	ready       chan struct{} // closed at the first poll
	becameReady sync.Once
	exited      chan struct{} // closed when the process has ended
	exitErr     error         // valid once exited is closed

	mu        sync.Mutex
	current   *invocation
	initFault []byte // the body of init/error
}

type invocation struct {
	id      string
	traceID string
	payload []byte
	done    chan outcome // holds one: the first answer counts
}

type outcome struct {
	payload []byte
	failed  bool
}

func newInvocation(payload []byte) *invocation {
	id := newRequestID()
	return &invocation{
		id:      id,
		traceID: fmt.Sprintf("Root=1-%08x-%s;Sampled=0", time.Now().Unix(), id[len(id)-12:]+"000000000000"),
		payload: payload,
		done:    make(chan outcome, 1),
	}
}

// startEnvironment starts the process; ready or exited shows the result.
func startEnvironment(cfg Config) (*environment, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the runtime of %s: %w", cfg.Name, err)
	}
	env := &environment{
		cfg:         cfg,
		token:       newRequestID(),
		invocations: make(chan *invocation),
		ready:       make(chan struct{}),
		exited:      make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", env.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", env.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", env.fault)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", env.initFaultReported)
	env.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	logs := &lineWriter{line: cfg.Log}
	env.cmd = exec.Command(cfg.Bootstrap)
	env.cmd.Dir = filepath.Dir(cfg.Bootstrap)
	env.cmd.Env = processEnvironment(cfg, listener.Addr().String(), env.token)
	env.cmd.Stdout = logs
	env.cmd.Stderr = logs // the same value: exec then uses one pipe, and lines stay whole
	env.cmd.WaitDelay = time.Second
	env.began = time.Now()
	if err := env.cmd.Start(); err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("starting %s: %w", cfg.Name, err)
	}
	go func() { // ends with stop; early polls wait in the listener
		defer crash.Exit()
		_ = env.server.Serve(listener)
	}()
	go func() {
		defer crash.Exit()
		env.exitErr = env.cmd.Wait()
		logs.flush()
		close(env.exited)
	}()
	return env, nil
}

// processEnvironment is Lambda's environment, with the function's own variables. Nothing
// of this process's environment passes but PATH: a function must not see the caller's
// credentials or proxies.
func processEnvironment(cfg Config, runtimeAPI, sessionToken string) []string {
	root := filepath.Dir(cfg.Bootstrap)
	vars := map[string]string{
		"AWS_LAMBDA_RUNTIME_API":          runtimeAPI,
		"AWS_LAMBDA_FUNCTION_NAME":        cfg.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(cfg.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_FORMAT":           "JSON",
		"AWS_LAMBDA_LOG_LEVEL":            "INFO",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + cfg.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      "local/[$LATEST]" + newRequestID(),
		"AWS_EXECUTION_ENV":               "AWS_Lambda_provided.al2023",
		"AWS_REGION":                      cfg.Region,
		"AWS_DEFAULT_REGION":              cfg.Region,
		"AWS_ACCESS_KEY_ID":               "test",
		"AWS_SECRET_ACCESS_KEY":           "test",
		"AWS_SESSION_TOKEN":               sessionToken,
		"LAMBDA_TASK_ROOT":                root,
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"_HANDLER":                        "bootstrap",
		"LANG":                            "en_US.UTF-8",
		"TZ":                              ":UTC",
		"PATH":                            os.Getenv("PATH"),
	}
	maps.Copy(vars, cfg.Environment)
	list := make([]string, 0, len(vars))
	for _, key := range slices.Sorted(maps.Keys(vars)) {
		list = append(list, key+"="+vars[key])
	}
	return list
}

// next answers a poll with the next invocation, however long that takes.
func (env *environment) next(w http.ResponseWriter, r *http.Request) {
	env.becameReady.Do(func() {
		env.init = time.Since(env.began)
		close(env.ready)
	})
	select {
	case inv := <-env.invocations:
		env.mu.Lock()
		env.current = inv
		env.mu.Unlock()
		if env.cfg.OnInvoke != nil {
			env.cfg.OnInvoke(env.process(), inv.payload)
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Content-Length", strconv.Itoa(len(inv.payload)))
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(env.cfg.Timeout).UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", env.cfg.ARN)
		h.Set("Lambda-Runtime-Trace-Id", inv.traceID)
		_, _ = w.Write(inv.payload) // if it is lost, so is the process, and exited shows it
	case <-r.Context().Done():
	case <-env.exited:
	}
}

func (env *environment) response(w http.ResponseWriter, r *http.Request) {
	body, ok := env.read(w, r)
	if !ok {
		return
	}
	// A body that failed half-way says so in trailers.
	if r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "" {
		reported, err := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
		if err == nil {
			env.answer(w, r, outcome{payload: reported, failed: true})
			return
		}
	}
	env.answer(w, r, outcome{payload: body})
}

func (env *environment) fault(w http.ResponseWriter, r *http.Request) {
	if body, ok := env.read(w, r); ok {
		env.answer(w, r, outcome{payload: body, failed: true})
	}
}

// read takes a body within Lambda's limit; a longer one fails the invocation.
func (env *environment) read(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxResponseBytes+1))
	if err != nil {
		status(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return nil, false
	}
	if len(body) > maxResponseBytes {
		env.finish(r.PathValue("id"), failure("Function.ResponseSizeTooLarge",
			fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxResponseBytes)))
		status(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the response is over 6 MB")
		return nil, false
	}
	return body, true
}

func (env *environment) answer(w http.ResponseWriter, r *http.Request, out outcome) {
	if !env.finish(r.PathValue("id"), out) {
		status(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// finish settles the invocation in hand; false if id is not it.
func (env *environment) finish(id string, out outcome) bool {
	env.mu.Lock()
	defer env.mu.Unlock()
	if env.current == nil || env.current.id != id {
		return false
	}
	env.current.done <- out
	env.current = nil
	return true
}

func (env *environment) initFaultReported(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxResponseBytes))
	if err != nil {
		status(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return
	}
	env.mu.Lock()
	env.initFault = body
	env.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

// initError returns what the process reported before it ended.
func (env *environment) initError() ([]byte, bool) {
	env.mu.Lock()
	defer env.mu.Unlock()
	return env.initFault, env.initFault != nil
}

// exitReason requires that exited is closed.
func (env *environment) exitReason() string {
	if env.exitErr == nil {
		return "without providing a reason"
	}
	return "with error: " + env.exitErr.Error()
}

func (env *environment) process() Process {
	return Process{PID: env.cmd.Process.Pid, SessionToken: env.token}
}

// stop kills the process and waits for its end.
func (env *environment) stop() {
	_ = env.cmd.Process.Kill() // an error means that it has ended
	<-env.exited
	_ = env.server.Close()
}

func status(w http.ResponseWriter, code int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"errorType":%q,"errorMessage":%q}`, kind, message)
}

// newRequestID returns a random UUID (version 4), the form of Lambda's request ids.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
