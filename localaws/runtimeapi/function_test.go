package runtimeapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/runtimeapi"
)

// bootstrap builds the test function once for all tests of the package.
var bootstrap = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "runtimeapi")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-o", path, "./testdata/bootstrap")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the test function: %w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := bootstrap(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func start(t *testing.T, change func(*runtimeapi.Config)) *runtimeapi.Function {
	t.Helper()
	path, err := bootstrap()
	require.NoError(t, err)
	cfg := runtimeapi.Config{
		Name: "fn", ARN: "arn:aws:lambda:us-east-1:123456789012:function:fn", Bootstrap: path, Timeout: 10 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	f, err := runtimeapi.New(cfg)
	require.NoError(t, err)
	t.Cleanup(f.Close)
	return f
}

func invoke(t *testing.T, f *runtimeapi.Function, payload string) runtimeapi.Result {
	t.Helper()
	result, err := f.Invoke(context.Background(), []byte(payload))
	require.NoError(t, err)
	return result
}

func TestInvokeHandsOverThePayloadAndReturnsTheAnswer(t *testing.T) {
	f := start(t, nil)
	result := invoke(t, f, `{"do":"echo","name":"<&>"}`)
	assert.JSONEq(t, `{"do":"echo","name":"<&>"}`, string(result.Payload))
	assert.Empty(t, result.FunctionError)
	assert.True(t, result.ColdStart)
	assert.Positive(t, result.Init)
	assert.Positive(t, result.Duration)
}

func TestProcessIsKeptWarm(t *testing.T) {
	f := start(t, nil)
	first := invoke(t, f, `{"do":"pid"}`)
	second := invoke(t, f, `{"do":"pid"}`)
	assert.Equal(t, string(first.Payload), string(second.Payload), "one process")
	assert.False(t, second.ColdStart)
	assert.NotEqual(t, first.RequestID, second.RequestID)
}

func TestWarmStartsTheProcessAhead(t *testing.T) {
	f := start(t, nil)
	require.NoError(t, f.Warm(context.Background()))
	assert.False(t, invoke(t, f, `{"do":"pid"}`).ColdStart)
}

func TestFunctionSeesWhatLambdaTellsIt(t *testing.T) {
	f := start(t, func(c *runtimeapi.Config) {
		c.MemoryMB = 256
		c.Region = "eu-west-1"
		c.Environment = map[string]string{"MODE": "observe", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}
	})
	for name, want := range map[string]string{
		"AWS_LAMBDA_FUNCTION_NAME":        "fn",
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
		"AWS_LAMBDA_LOG_FORMAT":           "JSON",
		"AWS_REGION":                      "eu-west-1",
		"MODE":                            "observe",
		"AWS_ACCESS_KEY_ID":               "AKIAIOSFODNN7EXAMPLE",
		"HOME":                            "", // nothing of the parent's own
	} {
		result := invoke(t, f, `{"do":"environment","name":"`+name+`"}`)
		assert.Equal(t, strconv.Quote(want), string(result.Payload), name)
	}
	path, err := bootstrap()
	require.NoError(t, err)
	root, err := filepath.EvalSymlinks(filepath.Dir(path))
	require.NoError(t, err)
	var dir string
	require.NoError(t, json.Unmarshal(invoke(t, f, `{"do":"working directory"}`).Payload, &dir))
	dir, err = filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	assert.Equal(t, root, dir, "the task root")
}

func TestFunctionSeesRequestIDAndDeadline(t *testing.T) {
	f := start(t, nil)
	result := invoke(t, f, `{"do":"context"}`)
	var seen struct {
		RequestID string `json:"requestId"`
		ARN       string `json:"arn"`
		LeftMs    int64  `json:"leftMs"`
	}
	require.NoError(t, json.Unmarshal(result.Payload, &seen))
	assert.Equal(t, result.RequestID, seen.RequestID)
	assert.Equal(t, "arn:aws:lambda:us-east-1:123456789012:function:fn", seen.ARN)
	assert.InDelta(t, 10_000, seen.LeftMs, 2_000)
}

func TestHandlerErrorIsAFunctionErrorAndTheProcessLives(t *testing.T) {
	f := start(t, nil)
	before := invoke(t, f, `{"do":"pid"}`)
	result := invoke(t, f, `{"do":"fail"}`)
	assert.Equal(t, runtimeapi.Unhandled, result.FunctionError)
	assert.Equal(t, "spoiled", result.ErrorType, "the Go type")
	assert.JSONEq(t, `{"errorMessage":"spoiled milk","errorType":"spoiled"}`, string(result.Payload))
	assert.Equal(t, string(before.Payload), string(invoke(t, f, `{"do":"pid"}`).Payload))
}

func TestCrashFailsTheInvocationInHandAndTheNextGetsANewProcess(t *testing.T) {
	for _, how := range []struct{ do, errorType string }{
		{"exit", "Runtime.ExitError"},
		{"panic", "string"}, // the runtime client reports the panic before it exits
	} {
		t.Run(how.do, func(t *testing.T) {
			f := start(t, nil)
			before := invoke(t, f, `{"do":"pid"}`)
			result := invoke(t, f, `{"do":"`+how.do+`"}`)
			assert.Equal(t, runtimeapi.Unhandled, result.FunctionError)
			assert.Equal(t, how.errorType, result.ErrorType)
			after := invoke(t, f, `{"do":"pid"}`)
			assert.Empty(t, after.FunctionError)
			assert.NotEqual(t, string(before.Payload), string(after.Payload))
		})
	}
}

func TestCrashNamesTheExitStatus(t *testing.T) {
	f := start(t, nil)
	result := invoke(t, f, `{"do":"exit"}`)
	assert.Contains(t, string(result.Payload), "Runtime exited with error: exit status 7")
	assert.Contains(t, string(result.Payload), result.RequestID)
}

func TestTimeoutKillsTheProcess(t *testing.T) {
	f := start(t, func(c *runtimeapi.Config) { c.Timeout = 200 * time.Millisecond })
	before := invoke(t, f, `{"do":"pid"}`)
	began := time.Now()
	result := invoke(t, f, `{"do":"sleep","millis":60000}`)
	assert.Less(t, time.Since(began), 10*time.Second)
	assert.Equal(t, "Sandbox.Timedout", result.ErrorType)
	assert.Contains(t, string(result.Payload), "Task timed out after 0.20 seconds")
	after := invoke(t, f, `{"do":"pid"}`)
	assert.NotEqual(t, string(before.Payload), string(after.Payload))
}

func TestInitFailureFailsTheInvocation(t *testing.T) {
	tests := []struct{ init, errorType, message string }{
		{"exit", "Runtime.ExitError", "exit status 3"},
		{"report", "ConfigError", "MODE is missing"},
		{"hang", "Sandbox.Timedout", "Init timed out"},
	}
	for _, tt := range tests {
		t.Run(tt.init, func(t *testing.T) {
			f := start(t, func(c *runtimeapi.Config) {
				c.InitTimeout = 500 * time.Millisecond
				if tt.init != "hang" {
					c.InitTimeout = 10 * time.Second
				}
				c.Environment = map[string]string{"INIT": tt.init}
			})
			result := invoke(t, f, `{"do":"echo"}`)
			assert.Equal(t, runtimeapi.Unhandled, result.FunctionError)
			assert.Equal(t, tt.errorType, result.ErrorType)
			assert.Contains(t, string(result.Payload), tt.message)
			assert.NotEmpty(t, result.RequestID)
			assert.ErrorContains(t, f.Warm(context.Background()), tt.message)
		})
	}
}

func TestAnswerOverSixMegabytesFails(t *testing.T) {
	f := start(t, nil)
	assert.Empty(t, invoke(t, f, `{"do":"big","size":6291454}`).FunctionError, "6 MB with its quotes")
	result := invoke(t, f, `{"do":"big","size":6291455}`)
	assert.Equal(t, "Function.ResponseSizeTooLarge", result.ErrorType)
	assert.Empty(t, invoke(t, f, `{"do":"echo"}`).FunctionError, "the next invocation works")
}

func TestConcurrentInvocationsHaveAProcessEachUpToTheCap(t *testing.T) {
	f := start(t, func(c *runtimeapi.Config) { c.MaximumConcurrency = 2 })
	pids := make(chan string, 6)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			result, err := f.Invoke(context.Background(), []byte(`{"do":"sleep","millis":100}`))
			if assert.NoError(t, err) {
				pids <- string(result.Payload)
			}
		})
	}
	wg.Wait()
	close(pids)
	distinct := map[string]bool{}
	for pid := range pids {
		distinct[pid] = true
	}
	assert.Len(t, distinct, 2)
}

func TestLogsArriveLineByLine(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	f := start(t, func(c *runtimeapi.Config) {
		c.Log = func(line string) { mu.Lock(); lines = append(lines, line); mu.Unlock() }
	})
	invoke(t, f, `{"do":"log"}`)
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(lines) == 2 }, 5*time.Second, time.Millisecond)
	assert.Equal(t, []string{"to stdout", "to stderr"}, lines)
}

func TestInvokeEndsWithItsContext(t *testing.T) {
	f := start(t, nil)
	require.NoError(t, f.Warm(context.Background()))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := f.Invoke(ctx, []byte(`{"do":"sleep","millis":60000}`))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestCloseEndsTheProcesses(t *testing.T) {
	f := start(t, nil)
	pid := strings.TrimSpace(string(invoke(t, f, `{"do":"pid"}`).Payload))
	f.Close()
	_, err := f.Invoke(context.Background(), []byte(`{}`))
	assert.ErrorIs(t, err, runtimeapi.ErrClosed)
	n, err := strconv.Atoi(pid)
	require.NoError(t, err)
	process, err := os.FindProcess(n)
	require.NoError(t, err)
	assert.Error(t, process.Signal(syscall.Signal(0)), "it has ended")
}

func TestMissingBinaryIsNamed(t *testing.T) {
	_, err := runtimeapi.New(runtimeapi.Config{Name: "fn", Bootstrap: filepath.Join(t.TempDir(), "bootstrap")})
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "fn")

	path := filepath.Join(t.TempDir(), "bootstrap")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	_, err = runtimeapi.New(runtimeapi.Config{Name: "fn", Bootstrap: path})
	assert.ErrorContains(t, err, "not executable")
}

func TestAProcessIsKnownByItsCredentialsAndKilledInTheMiddle(t *testing.T) {
	invoked := make(chan runtimeapi.Process, 2)
	f := start(t, func(c *runtimeapi.Config) {
		c.OnInvoke = func(p runtimeapi.Process, payload []byte) {
			assert.Contains(t, string(payload), `"do"`)
			invoked <- p
		}
	})
	token := strings.Trim(string(invoke(t, f, `{"do":"environment","name":"AWS_SESSION_TOKEN"}`).Payload), `"`)
	p := <-invoked
	assert.Equal(t, token, p.SessionToken)
	assert.Equal(t, []runtimeapi.Process{p}, f.Processes())
	assert.False(t, f.Kill("another"))
	go func() {
		assert.True(t, f.Kill((<-invoked).SessionToken))
	}()
	result := invoke(t, f, `{"do":"sleep","millis":60000}`)
	assert.Equal(t, "Runtime.ExitError", result.ErrorType)
	assert.Empty(t, f.Processes())
}
