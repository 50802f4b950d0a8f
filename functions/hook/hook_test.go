package main

import (
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policypackage"
	"sgward/localaws/runtimeapi"
)

var update = flag.Bool("update", false, "write the expected answers anew")

// policyFile packages a policy for the function, and returns its path.
func policyFile(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../internal/check/testdata/policy.yaml")
	require.NoError(t, err)
	folder := t.TempDir()
	require.NoError(t, policypackage.Write(folder, "policy.yaml", data))
	return filepath.Join(folder, "policy.yaml")
}

// stage is the deployed function behind Lambda's runtime interface.
type stage struct {
	function *runtimeapi.Function
	mu       sync.Mutex
	log      strings.Builder
}

func newStage(t *testing.T, prevention string) *stage {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	s := &stage{}
	s.function, err = runtimeapi.New(runtimeapi.Config{
		Name: "sgward-hook", ARN: "arn:aws:lambda:eu-central-1:123456789012:function:sgward-hook", Bootstrap: binary, Region: "eu-central-1",
		Timeout: 6 * time.Second, Environment: map[string]string{"PREVENTION": prevention, "POLICY_FILE": policyFile(t)},
		Log: func(line string) { s.mu.Lock(); defer s.mu.Unlock(); s.log.WriteString(line + "\n") },
	})
	require.NoError(t, err)
	t.Cleanup(func() { s.function.Close() })
	return s
}

// lines are what the function has logged about requests.
func (s *stage) lines(t *testing.T) (out []map[string]any) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range strings.Lines(s.log.String()) {
		var l map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &l), line)
		if l["message"] != "policy loaded" {
			delete(l, "timestamp")
			delete(l, "requestId")
			out = append(out, l)
		}
	}
	return out
}

// exchange is one request's answer and log line, in each mode.
type exchange struct {
	Answer json.RawMessage `json:"answer"`
	Log    map[string]any  `json:"log"`
}

// The requests in testdata are of the shapes that AWS documents; each has its answers beside it.
func TestTheDeployedFunctionAnswersAsDocumented(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.Greater(t, len(files), 8)
	answers := map[string]map[string]exchange{}
	for _, mode := range []string{"warn", "refuse"} {
		s := newStage(t, mode)
		for i, file := range files {
			request, err := os.ReadFile(file)
			require.NoError(t, err)
			answer, err := s.function.Invoke(t.Context(), request)
			require.NoError(t, err, file)
			require.Empty(t, answer.FunctionError, file)
			name := filepath.Base(file)
			if answers[name] == nil {
				answers[name] = map[string]exchange{}
			}
			require.Eventually(t, func() bool { return len(s.lines(t)) > i }, 10*time.Second, 5*time.Millisecond, "one line for each request")
			answers[name][mode] = exchange{answer.Payload, s.lines(t)[i]}
		}
	}
	got, err := json.MarshalIndent(answers, "", "  ")
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile("testdata/answers.golden", append(got, '\n'), 0o600))
	}
	want, err := os.ReadFile("testdata/answers.golden")
	require.NoError(t, err)
	assert.JSONEq(t, string(want), string(got), "-update writes it anew")

	var shown struct{ Message string }
	require.NoError(t, json.Unmarshal(answers["create-group-mysql-world.json"]["refuse"].Answer, &shown))
	page, err := os.ReadFile("../../docs/PREVENTION.md")
	require.NoError(t, err)
	assert.Contains(t, strings.Join(strings.Fields(string(page)), " "), shown.Message, "the page shows what people see")
}

func TestWhatIsNoRequestHasAnAnswerToo(t *testing.T) {
	for mode, want := range map[string]string{"warn": `"hookStatus":"SUCCESS"`, "refuse": `"errorCode":"InternalFailure"`} {
		s := newStage(t, mode)
		for _, request := range []string{`[]`, `null`, `"text"`, `{"requestData": []}`} {
			answer, err := s.function.Invoke(t.Context(), []byte(request))
			require.NoError(t, err, request)
			assert.Empty(t, answer.FunctionError, "the invocation does not fail: %s", request)
			assert.Contains(t, string(answer.Payload), want, request)
		}
		for _, line := range s.lines(t) {
			assert.Equal(t, "not judged", line["message"], "for HookFailedMetric")
			assert.Equal(t, "ERROR", line["level"])
		}
	}
}

func TestAWrongEnvironmentIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want []string
	}{
		"nothing":      {nil, []string{`reading PREVENTION: "": want "warn" or "refuse"`, `reading AWS_REGION: ""`}},
		"off":          {map[string]string{"AWS_REGION": "eu-central-1", "PREVENTION": "off"}, []string{`reading PREVENTION: "off"`}},
		"no policy":    {map[string]string{"AWS_REGION": "eu-central-1", "PREVENTION": "warn", "POLICY_FILE": "nowhere.yaml"}, []string{"nowhere.yaml"}},
		"empty policy": {map[string]string{"AWS_REGION": "eu-central-1", "PREVENTION": "warn", "POLICY_FILE": ""}, []string{"POLICY_FILE"}},
	} {
		_, err := newHandler(func(n string) (string, bool) { v, ok := c.env[n]; return v, ok }, slog.New(slog.NewJSONHandler(io.Discard, nil)), time.Now)
		require.Error(t, err, name)
		for _, want := range c.want {
			assert.ErrorContains(t, err, want, name)
		}
	}
}
