package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/lambdaenv"
	"sgward/internal/policypackage"
	"sgward/localaws/ec2api"
	"sgward/localaws/samtemplate"
	"sgward/localaws/snsapi"
)

const (
	queueURL      = "https://sqs.eu-central-1.amazonaws.com/123456789012/findings"
	deadLetterURL = "https://sqs.eu-central-1.amazonaws.com/123456789012/dead-letters"
)

const topicARN = "arn:aws:sns:eu-central-1:123456789012:alerts"

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

// environment is a sound one, with its policy file.
func environment(t *testing.T) map[string]string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, policypackage.Write(folder, "policy.yaml", []byte(`
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: critical, effect: revoke, ingress: {from: world, ports: [3306/tcp]}}
`)))
	return map[string]string{"MODE": "enforce", "ALERT_TOPIC_ARN": topicARN, "AWS_REGION": "eu-central-1", "POLICY_FILE": filepath.Join(folder, "policy.yaml"),
		"FINDINGS_QUEUE_URL": queueURL, "DEAD_LETTER_QUEUE_URL": deadLetterURL}
}

func TestAWrongEnvironmentIsNamedAndNothingStarts(t *testing.T) {
	for name, c := range map[string]struct {
		variable, value string
		want            []string
	}{
		"no mode":         {"MODE", "", []string{"MODE", "observe or enforce"}},
		"mode in capital": {"MODE", "ENFORCE", []string{"MODE", `"ENFORCE"`}},
		"no topic":        {"ALERT_TOPIC_ARN", "", []string{"ALERT_TOPIC_ARN", "arn:aws:sns:"}},
		"topic by name":   {"ALERT_TOPIC_ARN", "alerts", []string{"ALERT_TOPIC_ARN"}},
		"a queue":         {"ALERT_TOPIC_ARN", "arn:aws:sqs:eu-central-1:123456789012:alerts", []string{"ALERT_TOPIC_ARN"}},
		"a FIFO topic":    {"ALERT_TOPIC_ARN", topicARN + ".fifo", []string{"ALERT_TOPIC_ARN", "standard"}},
		"no region":       {"AWS_REGION", "", []string{"AWS_REGION"}},
		"another region":  {"AWS_REGION", "us-east-1", []string{"the topic is in eu-central-1 and this function in us-east-1"}},
		"many revokes":    {"MAX_REVOKES", "many", []string{"MAX_REVOKES"}},
		"less than none":  {"MAX_REVOKES", "-1", []string{"MAX_REVOKES"}},
		"no queue":        {"FINDINGS_QUEUE_URL", "", []string{"FINDINGS_QUEUE_URL", "https://sqs."}},
		"queue by name":   {"FINDINGS_QUEUE_URL", "findings", []string{"FINDINGS_QUEUE_URL", `"findings"`}},
		"no dead letters": {"DEAD_LETTER_QUEUE_URL", "", []string{"DEAD_LETTER_QUEUE_URL"}},
		"no policy":       {"POLICY_FILE", "/no/such/policy.yaml", []string{"/no/such/policy.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			env := environment(t)
			env[c.variable] = c.value
			h, err := newHandler(lookup(env), slog.New(slog.DiscardHandler))
			assert.Nil(t, h)
			for _, part := range c.want {
				assert.ErrorContains(t, err, part)
			}
		})
	}
}

// The whole function but its runtime: environment, SDK, EC2 and SNS over HTTP.
func TestTheFunctionClosesAndReports(t *testing.T) {
	cloud := ec2api.New(ec2api.WithSeed("wiring"))
	var mu sync.Mutex
	agents := map[string]bool{}
	topics := snsapi.New(snsapi.Config{Region: "eu-central-1", TopicARNs: []string{topicARN}})
	serve := func(h http.Handler) string {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			agents[r.UserAgent()] = true
			mu.Unlock()
			h.ServeHTTP(w, r)
		}))
		t.Cleanup(web.Close)
		return web.URL
	}
	env := environment(t)
	env["AWS_ENDPOINT_URL_EC2"], env["AWS_ENDPOINT_URL"] = serve(cloud), serve(topics)
	env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = "AKIAIOSFODNN7EXAMPLE", "secret"

	h, err := newHandler(lookup(env), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	mu.Lock()
	assert.Empty(t, agents, "starting calls nobody")
	mu.Unlock()

	groupID := openGroup(t, env["AWS_ENDPOINT_URL_EC2"])
	mu.Lock()
	clear(agents)
	mu.Unlock()
	cloud.ResetCalls()
	d := detection()
	d.Findings[0].GroupID = groupID
	d.Event.EventTime = time.Now().UTC().Truncate(time.Second)

	// Two of the SDK's attempts meet a throttle.
	cloud.FailNext("RevokeSecurityGroupIngress", 2, "RequestLimitExceeded")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := h.handle(ctx, sqsEvent(record(t, d)))

	require.NoError(t, err)
	assert.Empty(t, out.BatchItemFailures)
	assert.Len(t, cloud.Rules(groupID), 1, "the group's own egress")
	assert.Equal(t, 3, cloud.Calls().Of("RevokeSecurityGroupIngress"))
	require.Len(t, topics.Messages(), 1)
	var a finding.Alert
	require.NoError(t, json.Unmarshal([]byte(topics.Messages()[0].For("default")), &a))
	assert.Equal(t, finding.OutcomeRevoked, a.Findings[0].Outcome)
	assert.Contains(t, a.Findings[0].Undo, "aws ec2 authorize-security-group-ingress --region eu-central-1 --group-id "+groupID)
	for agent := range agents {
		assert.Contains(t, agent, "app/sgward", "our calls are told apart in CloudTrail")
	}
}

// openGroup makes a group and opens a database to the world, as a person would.
func openGroup(t *testing.T, url string) string {
	t.Helper()
	user := ec2.New(ec2.Options{Region: "eu-central-1", BaseEndpoint: &url,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAI44QH8DHBEXAMPLE", SecretAccessKey: "secret"}, nil
		})})
	group, err := user.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("app"), Description: aws.String("app")})
	require.NoError(t, err)
	_, err = user.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId,
		IpPermissions: []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306), ToPort: aws.Int32(3306),
			IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}})
	require.NoError(t, err)
	return *group.GroupId
}

// template.yaml and this function agree on what both state.
func TestTheTemplateAgrees(t *testing.T) {
	template, err := samtemplate.Load("../../template.yaml", samtemplate.Options{Parameters: map[string]string{"Mode": "enforce"}})
	require.NoError(t, err)
	function := template.Functions["RemediateFunction"]
	assert.Equal(t, maxReceiveCount, template.Queues["FindingsQueue"].MaxReceiveCount)
	assert.GreaterOrEqual(t, function.Timeout, patience.Longest()+6*time.Second,
		"one call with all its attempts, and the time kept for the alert")
	known := []string{"MODE", "ALERT_TOPIC_ARN", "POLICY_FILE", "MAX_REVOKES", "ACCOUNT_NAME", "METRICS_STACK", "FINDINGS_QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "MEMORY_TABLE"}
	for name := range function.Environment {
		assert.True(t, strings.HasPrefix(name, "AWS_") || slices.Contains(known, name), name)
	}
	for _, m := range template.Mappings {
		assert.Equal(t, batchSize, m.BatchSize, "a full batch is a sign of a backlog")
	}
	tries := time.Duration(maxReceiveCount) * template.Queues["FindingsQueue"].VisibilityTimeout
	assert.GreaterOrEqual(t, tries, 4*time.Hour, "retries outlast an outage")
	env := maps.Clone(function.Environment)
	env["AWS_REGION"] = "us-east-1" // of the template's topic here
	read, err := lambdaenv.Read(lookup(env))
	assert.NoError(t, err)
	assert.Equal(t, lambdaenv.DefaultMaxRevokes, read.MaxRevokes)
}
