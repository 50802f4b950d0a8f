package tour_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/functionstest"
	"sgward/internal/policypackage"
	"sgward/localaws/tour"
)

const (
	template = "../../template.yaml"
	policy   = "../../policy.yaml"
)

func TestMain(m *testing.M) { functionstest.Main(m) }

// buildDir returns a folder with the functions that the tour runs.
func buildDir(t *testing.T) string {
	t.Helper()
	return functionstest.Build(t, functionstest.Policy(t), "detect", "remediate", "sweep")
}

func TestDemoEndsAsExpected(t *testing.T) {
	var out, logs bytes.Buffer
	err := tour.Demo(context.Background(), tour.DemoConfig{TemplatePath: template, BuildDir: buildDir(t), Out: &out, Logs: &logs})
	text := out.String()
	require.NoError(t, err, "%s\n%s", text, logs.String())

	assert.NotContains(t, text, "\x1b", "no color unless asked for")
	assert.NotContains(t, text, "nothing to report", "every message of the story leads to something")
	for l := range strings.Lines(text) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(l, "\n")), 80, l)
	}
	for _, want := range []string{
		"closed  tcp 3306 from 0.0.0.0/0",
		"stays   tcp 443 from 0.0.0.0/0",
		"closed  tcp 5432 from 0.0.0.0/1", "closed  tcp 5432 from 128.0.0.0/1",
		"closed  tcp 6379 from 0.0.0.0/0",
		"closed  tcp 22 from 0.0.0.0/0", "stays   tcp 22 from 10.0.0.0/8",
		"kept in DeadLetterQueue", "has judged: nothing to close", "has read the group: 1 rule to close",
		"found  critical  tcp 27017 from 0.0.0.0/0      shop-web",
		"15 records", "6  would have been closed", "of 6 seen closed", "as Slack shows it", "policy.yaml:", "Everything ended as expected",
	} {
		assert.Contains(t, text, want)
	}
}

// The story of another policy ends as that policy says, and the tour checks it.
func TestDemoTellsTheStoryOfAnotherPolicy(t *testing.T) {
	rules, err := os.ReadFile(policy)
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		rules     string
		want, not []string
	}{
		"one that closes nothing": {
			strings.ReplaceAll(string(rules), "effect: revoke", "effect: alert"),
			[]string{"stays   tcp 3306 from 0.0.0.0/0", "says ALERT", "remediate's calls: 1×ec2:DescribeSecurityGroups, 1×sns:Publish"}, []string{"closed  tcp"},
		},
		"one that closes what stands": {
			strings.ReplaceAll(string(rules), "\n    effect: revoke", "\n    effect: revoke\n    existing: revoke"),
			[]string{"closed  tcp 3306 from 0.0.0.0/0"}, []string{"--security-group-rule-ids"},
		},
		"one that knows SSH only, and HTTPS": {
			"version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n  - {id: ssh, severity: high, effect: revoke, ingress: {from: public, ports: [ssh, https]}}\n",
			[]string{"stays   tcp 3306 from 0.0.0.0/0", "closed  tcp 443 from 0.0.0.0/0", "The policy has nothing against it"}, []string{"The policy says so too"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "mine.yaml")
			require.NoError(t, os.WriteFile(file, []byte(tt.rules), 0o600))
			var out bytes.Buffer
			err := tour.Demo(context.Background(), tour.DemoConfig{TemplatePath: template, BuildDir: buildDir(t), PolicyFile: file, Out: &out})
			require.NoError(t, err, out.String())
			for _, want := range append(tt.want, "Everything ended as "+file+" says") {
				assert.Contains(t, out.String(), want)
			}
			for _, not := range append(tt.not, "UNEXPECTED") {
				assert.NotContains(t, out.String(), not)
			}
		})
	}
}

// Functions that do not end the story as the policy says are found out: here they run with
// another one than the tour reads.
func TestDemoMarksWhatDoesNotEndAsExpected(t *testing.T) {
	rules, err := os.ReadFile(policy)
	require.NoError(t, err)
	dir := t.TempDir()
	for _, id := range []string{"DetectFunction", "RemediateFunction", "SweepFunction"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, id), 0o700))
		binary, err := os.ReadFile(filepath.Join(buildDir(t), id, "bootstrap"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, id, "bootstrap"), binary, 0o700))
		require.NoError(t, policypackage.Write(filepath.Join(dir, id), "policy.yaml", bytes.ReplaceAll(rules, []byte("effect: revoke"), []byte("effect: alert"))))
	}
	var out bytes.Buffer
	err = tour.Demo(context.Background(), tour.DemoConfig{TemplatePath: template, BuildDir: dir, Out: &out})
	assert.ErrorIs(t, err, tour.ErrUnexpected)
	assert.Contains(t, out.String(), "STILL OPEN  tcp 3306 from 0.0.0.0/0")
	assert.NotContains(t, out.String(), "Everything ended as expected")
	marked := strings.Count(out.String(), "UNEXPECTED: ")
	assert.ErrorContains(t, err, fmt.Sprintf("%d things, marked UNEXPECTED above", marked))
}

func TestWordsStayWholeAtEveryWidth(t *testing.T) {
	for _, width := range []int{60, 80, 120} {
		var out bytes.Buffer
		require.NoError(t, tour.Demo(context.Background(), tour.DemoConfig{TemplatePath: template, BuildDir: buildDir(t), Out: &out, Width: width}))
		words := strings.Join(strings.Fields(strings.NewReplacer("│", "", "\n", " ").Replace(out.String())), " ")
		assert.Contains(t, words, "The functions that run are the real ones, wired as template.yaml says; EC2, EventBridge, SQS, SNS and DynamoDB are stand-ins")
		for l := range strings.Lines(out.String()) {
			if l := strings.TrimSuffix(l, "\n"); utf8.RuneCountInString(l) > width {
				assert.Fail(t, "a line is too long", "%d: %s", width, l)
			}
		}
	}
}

// docs/OPERATIONS.md gives queries on what the functions log.
func TestTheQueriesInTheDocumentsFindWhatTheFunctionsLog(t *testing.T) {
	page, err := os.ReadFile("../../docs/OPERATIONS.md")
	require.NoError(t, err)
	queries := regexp.MustCompile("fields @timestamp, (.*)\n\\| filter message = \"(.*)\" and (\\w+) (> 0|!= \"none\")").FindAllStringSubmatch(string(page), -1)
	require.Len(t, queries, 2, "the queries have changed")
	var logs bytes.Buffer
	require.NoError(t, tour.Demo(context.Background(), tour.DemoConfig{TemplatePath: template, BuildDir: buildDir(t), Out: io.Discard, Logs: &logs}))
	// The demo closes something in four of the five scenes whose events arrive.
	for i, function := range []string{"remediate: ", "detect: "} {
		fields, message, condition, none := queries[i][1], queries[i][2], queries[i][3], any("none")
		if queries[i][4] == "> 0" {
			none = 0.0
		}
		found := 0
		for line := range strings.Lines(logs.String()) {
			text, ok := strings.CutPrefix(line, function)
			var entry map[string]any
			if !ok || json.Unmarshal([]byte(text), &entry) != nil || entry["message"] != message || entry[condition] == none {
				continue
			}
			found++
			for _, field := range strings.Split(fields+", "+condition, ", ") {
				assert.NotNil(t, lookUp(entry, field), "%s is not in %s", field, line)
			}
		}
		assert.Equal(t, 4, found, function)
	}
}

// lookUp finds a field as CloudWatch Logs Insights names it: a.b in objects, a.0 in
// lists.
func lookUp(value any, path string) any {
	for _, name := range strings.Split(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

func TestDemoWithoutBuildsSaysWhatToRun(t *testing.T) {
	err := tour.Demo(context.Background(), tour.DemoConfig{TemplatePath: template, BuildDir: t.TempDir(), Out: io.Discard})
	assert.ErrorContains(t, err, `run "make build"`)
}

// A function that does not come up says why in its log, which nobody has asked for here.
func TestFunctionThatDoesNotStartIsQuoted(t *testing.T) {
	dir := t.TempDir()
	for _, id := range []string{"DetectFunction", "RemediateFunction", "SweepFunction"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, id), 0o700))
		binary, err := os.ReadFile(filepath.Join(buildDir(t), id, "bootstrap"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, id, "bootstrap"), binary, 0o700))
	}
	err := tour.Demo(context.Background(), tour.DemoConfig{TemplatePath: template, BuildDir: dir, Out: io.Discard})
	require.ErrorContains(t, err, "function does not start")
	assert.ErrorContains(t, err, "policy.yaml: no such file or directory")
}

// console is an output that can be read while it is written.
type console struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

func watch(t *testing.T, mode finding.Mode) (out *console, client *ec2.Client, group string, end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out = &console{}
	done := make(chan error, 1)
	dir := buildDir(t)
	go func() {
		done <- tour.Watch(ctx, tour.WatchConfig{TemplatePath: template, BuildDir: dir, Listen: "127.0.0.1:0", Mode: mode, Out: out})
	}()
	ended := sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = ended() })
	pasted := regexp.MustCompile(`(?s)AWS_ENDPOINT_URL=(\S+).*ec2 authorize-security-group-ingress --group-id (\S+) \\`)
	require.Eventually(t, func() bool { return pasted.MatchString(out.String()) }, 20*time.Second, 5*time.Millisecond)
	found := pasted.FindStringSubmatch(out.String())
	client = ec2.New(ec2.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(found[1]),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	return out, client, found[2], ended
}

func open(t *testing.T, client *ec2.Client, group string) {
	t.Helper()
	_, err := client.AuthorizeSecurityGroupIngress(context.Background(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: aws.String(group), IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306), ToPort: aws.Int32(3306), CidrIp: aws.String("0.0.0.0/0"),
	})
	require.NoError(t, err)
}

func TestLocalShowsHowAnOpeningIsClosed(t *testing.T) {
	out, client, group, end := watch(t, finding.Enforce)
	open(t, client, group)
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "alert: ") }, 20*time.Second, 5*time.Millisecond, out)
	require.NoError(t, end(), "Ctrl-C is no error")
	text := out.String()
	for _, want := range []string{"AuthorizeSecurityGroupIngress on " + group, "says REVOKE", "RevokeSecurityGroupIngress", "The groups now", "try-me"} {
		assert.Contains(t, text, want)
	}
	_, groups, _ := strings.Cut(text, "The groups now")
	assert.NotContains(t, groups, "3306")
}

func TestLocalSweepsWhenItIsAskedToAndReportsOnce(t *testing.T) {
	out, client, group, end := watch(t, finding.Enforce)
	assert.Contains(t, out.String(), "--function-name SweepFunction")
	endpoint := regexp.MustCompile(`AWS_ENDPOINT_URL=(\S+)`).FindStringSubmatch(out.String())[1]
	sweep := func() {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint+"/2015-03-31/functions/SweepFunction/invocations",
			strings.NewReader(`{"sgward":"sweep"}`))
		require.NoError(t, err)
		request.Header.Set("X-Amz-Invocation-Type", "Event")
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusAccepted, response.StatusCode)
	}
	_, err := client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: aws.String(group), IpProtocol: aws.String("tcp"), FromPort: aws.Int32(8080), ToPort: aws.Int32(8080), CidrIp: aws.String("0.0.0.0/0"),
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.Count(out.String(), "alert: ") == 1 }, 20*time.Second, 5*time.Millisecond, out)
	sweep()
	require.Eventually(t, func() bool { return strings.Count(out.String(), "has judged") == 1 }, 20*time.Second, 5*time.Millisecond, out)
	sweep()
	require.Eventually(t, func() bool { return strings.Count(out.String(), "has judged") == 2 }, 20*time.Second, 5*time.Millisecond, out)
	require.NoError(t, end())
	assert.Equal(t, 2, strings.Count(out.String(), "alert: "), "detect's, and one of the two sweeps': %s", out)
	assert.Contains(t, out.String(), group)
}

func TestLocalInObserveModeReportsAndLeavesItOpen(t *testing.T) {
	out, client, group, end := watch(t, finding.Observe)
	open(t, client, group)
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "alert: ") }, 20*time.Second, 5*time.Millisecond, out)
	require.NoError(t, end())
	assert.NotContains(t, out.String(), "RevokeSecurityGroupIngress")
	_, groups, _ := strings.Cut(out.String(), "The groups now")
	assert.Contains(t, groups, "3306")
}
