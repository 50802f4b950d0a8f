package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert/alerttest"
	"sgward/internal/slack/slacktest"
	"sgward/localaws/runtimeapi"
)

const secretARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:slack-AbCdEf"

// stage is the deployed function beside stand-ins for Slack and Secrets Manager.
type stage struct {
	t        *testing.T
	slack    *slacktest.Server
	function *runtimeapi.Function

	mu     sync.Mutex
	secret string // the status code 400 if empty
	reads  int
	log    strings.Builder
}

func newStage(t *testing.T) *stage {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	s := &stage{t: t, slack: slacktest.New(t)}
	s.secret = s.slack.Webhook()
	secrets := httptest.NewServer(http.HandlerFunc(s.getSecretValue))
	t.Cleanup(secrets.Close)
	// The function trusts the stand-in's certificate by Go's own variable.
	cert := filepath.Join(t.TempDir(), "cert.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.slack.Certificate().Raw}), 0o600))
	s.function, err = runtimeapi.New(runtimeapi.Config{
		Name: "sgward-slack", ARN: "arn:aws:lambda:eu-central-1:123456789012:function:sgward-slack", Bootstrap: binary, Region: "eu-central-1",
		Timeout: 6 * time.Second, MaximumConcurrency: 1,
		Environment: map[string]string{
			"WEBHOOK_SECRET_ARN": secretARN, "AWS_ENDPOINT_URL_SECRETS_MANAGER": secrets.URL, "SSL_CERT_FILE": cert,
		},
		Log: func(line string) { s.mu.Lock(); defer s.mu.Unlock(); s.log.WriteString(line + "\n") },
	})
	require.NoError(t, err)
	t.Cleanup(func() { s.function.Close() })
	return s
}

func (s *stage) getSecretValue(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	var in struct{ SecretId string }
	assert.NoError(s.t, json.NewDecoder(r.Body).Decode(&in))
	assert.Equal(s.t, "secretsmanager.GetSecretValue", r.Header.Get("X-Amz-Target"))
	assert.Equal(s.t, secretARN, in.SecretId)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if s.secret == "" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"AccessDeniedException","Message":"not allowed"}`))
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ARN": secretARN, "Name": "slack", "SecretString": s.secret})
}

// invoke invokes the function as SNS does, and returns its error.
func (s *stage) invoke(subject, message string) string {
	s.t.Helper()
	result, err := s.function.Invoke(s.t.Context(), alerttest.Notification(s.t, subject, message, time.Time{}))
	require.NoError(s.t, err)
	if result.FunctionError == "" {
		return ""
	}
	return string(result.Payload)
}

// alertJSON is an alert's machine form from the goldens of internal/alert.
func alertJSON(t *testing.T, name string) string {
	t.Helper()
	return alerttest.JSON(t, filepath.Join("../../internal/alert/testdata", name+".txt"))
}

func TestAlertsArriveAsBlocksWithFieldsAndButtons(t *testing.T) {
	s := newStage(t)
	require.Empty(t, s.invoke("subject", alertJSON(t, "world-open-database-revoked")))
	require.Len(t, s.slack.Messages(), 1)
	raw, err := json.Marshal(s.slack.Messages()[0])
	require.NoError(t, err)
	for _, want := range []string{
		`✅ Closed: MySQL (tcp 3306) was open to the whole internet for 2.4 s in web, production 123456789012`,
		"*Who*\\n`alice@example.com` (unverified), role Developer, from 198.51.100.7 with aws-cli",
		`"text":"Security group web"`, `#SecurityGroup:groupId=sg-0123456789abcdef0`,
		"```aws ec2 authorize-security-group-ingress --region us-east-1 --group-id sg-0123456789abcdef0 --protocol tcp --port 3306 --cidr 198.51.100.7/32```",
		`sgward · critical · a-9bc16ee75906b5bf`,
	} {
		assert.Contains(t, strings.ReplaceAll(string(raw), `\u003c`, "<"), want)
	}
	assert.Equal(t, 1, s.reads)

	// Every other alert of the goldens, alarms and plain text.
	files, err := filepath.Glob("../../internal/alert/testdata/*.txt")
	require.NoError(t, err)
	require.Greater(t, len(files), 20)
	sent := 1
	for _, f := range files {
		body := alertJSON(t, strings.TrimSuffix(filepath.Base(f), ".txt"))
		if !strings.HasPrefix(body, "{") { // a summary
			continue
		}
		sent++
		require.Empty(t, s.invoke("", body), f)
	}
	require.Empty(t, s.invoke("ALARM", `{"AlarmName":"x-DeadLetterAlarm","AlarmDescription":"sgward: all retries <failed>.","AlarmArn":"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:x-DeadLetterAlarm","AWSAccountId":"123456789012","NewStateValue":"ALARM","NewStateReason":"Threshold Crossed"}`))
	require.Empty(t, s.invoke("hello", "<!channel> @here"))
	messages := s.slack.Messages()
	require.Len(t, messages, sent+2, "none was refused")
	for _, m := range messages {
		assert.NotNil(t, m["blocks"], "none needed the plain form")
		assert.NotContains(t, fmt.Sprint(m), "<!")
		assert.NotContains(t, fmt.Sprint(m), " @here")
	}
	assert.Contains(t, fmt.Sprint(messages[sent]), "all retries &lt;failed&gt;.")
	assert.Equal(t, 1, s.reads, "the secret is read once")
}

func TestAMessageThatSlackCannotTakeFailsAndNothingHoldsTheURL(t *testing.T) {
	s := newStage(t)
	body := alertJSON(t, "observe")
	hook := s.slack.Webhook()

	s.slack.Fail(slacktest.Fault{Status: 500, Body: hook}, slacktest.Fault{Status: 429, RetryAfter: "1"})
	require.Empty(t, s.invoke("", body), "it waits, and tries again")
	assert.Equal(t, 3, s.slack.Tries())

	s.slack.Fail(slacktest.Fault{Status: 429, RetryAfter: "30"})
	assert.Contains(t, s.invoke("", body), "429", "Lambda tries it later")
	s.slack.Fail(slacktest.Fault{Status: 503, Delay: 4 * time.Second, Body: hook})
	assert.Contains(t, s.invoke("", body), "503", "a slow error leaves no time for another try")

	// A removed webhook: the secret is read anew, in case it was changed.
	reads := s.reads
	s.slack.Fail(slacktest.Fault{Status: 404, Body: "no_service " + hook})
	require.Empty(t, s.invoke("", body))
	assert.Equal(t, reads+1, s.reads)
	s.slack.Fail(slacktest.Fault{Status: 404, Body: "no_service"}, slacktest.Fault{Status: 404, Body: "no_service"})
	assert.Contains(t, s.invoke("", body), "make a new one and put its URL into the secret")

	s.slack.Close() // connections are refused, and the error of net/http names the URL
	assert.Contains(t, s.invoke("", body), "posting to slack")
	s.mu.Lock()
	log := s.log.String()
	s.mu.Unlock()
	assert.Contains(t, log, "alert not posted")
	assert.NotContains(t, log, slacktest.Path)
	assert.NotContains(t, log, "abcdefghijklmnopqrstuvwx")
}

func TestASecretIsTheURLOrAnObjectWithIt(t *testing.T) {
	s := newStage(t)
	body := alertJSON(t, "observe")
	hook := s.secret
	for _, c := range []struct{ secret, want string }{
		{"", "AccessDeniedException"}, {"xoxb-not-a-url", "want an https address"}, {`{"other":"` + hook + `"}`, "want an https address"},
		{`{"url":"` + hook + `"}`, ""},
	} {
		s.mu.Lock()
		s.secret = c.secret
		s.mu.Unlock()
		got := s.invoke("", body)
		assert.Contains(t, got, c.want)
		assert.NotContains(t, got, "xoxb")
		assert.NotContains(t, got, slacktest.Path)
	}
	assert.Len(t, s.slack.Messages(), 1)
}

func TestAWrongEnvironmentIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want string
	}{
		"no secret": {map[string]string{"AWS_REGION": "eu-central-1"}, "WEBHOOK_SECRET_ARN"},
		"a URL":     {map[string]string{"AWS_REGION": "eu-central-1", "WEBHOOK_SECRET_ARN": "https://hooks.slack.com/x"}, "want the ARN of a secret"},
		"no region": {map[string]string{"WEBHOOK_SECRET_ARN": secretARN}, "AWS_REGION"},
	} {
		_, err := newHandler(func(n string) (string, bool) { v, ok := c.env[n]; return v, ok }, nil, nil)
		assert.ErrorContains(t, err, c.want, name)
	}
}
