package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/lambdaenv"
	"sgward/internal/policy"
	"sgward/internal/policypackage"
	"sgward/localaws/dynamodbapi"
	"sgward/localaws/ec2api"
	"sgward/localaws/eventpattern"
	"sgward/localaws/samtemplate"
	"sgward/localaws/snsapi"
)

const topicARN = "arn:aws:sns:us-east-1:123456789012:alerts"

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
  - {id: database, severity: critical, effect: revoke, existing: revoke, ingress: {from: world, ports: [5432/tcp]}}
`)))
	return map[string]string{"MODE": "enforce", "ALERT_TOPIC_ARN": topicARN, "AWS_REGION": "us-east-1", "POLICY_FILE": filepath.Join(folder, "policy.yaml")}
}

func TestAWrongEnvironmentIsNamedAndNothingStarts(t *testing.T) {
	for name, c := range map[string]struct{ variable, value, want string }{
		"no mode":      {"MODE", "", "MODE"},
		"no topic":     {"ALERT_TOPIC_ARN", "alerts", "ALERT_TOPIC_ARN"},
		"a FIFO topic": {"ALERT_TOPIC_ARN", topicARN + ".fifo", "standard"},
		"no region":    {"AWS_REGION", "", "AWS_REGION"},
		"other region": {"AWS_REGION", "eu-west-1", "the topic is in us-east-1 and this function in eu-west-1"},
		"many revokes": {"MAX_REVOKES", "many", "MAX_REVOKES"},
		"less than 0":  {"MAX_REVOKES", "-1", "MAX_REVOKES"},
		"empty number": {"MAX_REVOKES", "", "MAX_REVOKES"},
		"no policy":    {"POLICY_FILE", "no/such/policy.yaml", "no/such/policy.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			env := environment(t)
			env[c.variable] = c.value
			h, err := newHandler(lookup(env), slog.New(slog.DiscardHandler))
			assert.Nil(t, h)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

// The whole function but its runtime: environment, SDK, EC2 and SNS over HTTP.
func TestTheFunctionHandsOverWhatAnEditHasOpened(t *testing.T) {
	var events [][]byte
	// The event is old enough for EC2's reads to have caught up.
	cloud := ec2api.New(ec2api.WithSeed("wiring"), ec2api.WithClock(func() time.Time { return time.Now().Add(-time.Minute) }),
		ec2api.WithEvents(func(_ context.Context, event []byte) { events = append(events, event) }))
	topics := snsapi.New(snsapi.Config{Region: "us-east-1", TopicARNs: []string{topicARN}})
	ec2Web, snsWeb := httptest.NewServer(cloud), httptest.NewServer(topics)
	t.Cleanup(ec2Web.Close)
	t.Cleanup(snsWeb.Close)
	env := environment(t)
	env["AWS_ENDPOINT_URL_EC2"], env["AWS_ENDPOINT_URL_SNS"] = ec2Web.URL, snsWeb.URL
	env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = "AKIAIOSFODNN7EXAMPLE", "secret"

	user := ec2.New(ec2.Options{Region: "us-east-1", BaseEndpoint: &ec2Web.URL,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAI44QH8DHBEXAMPLE", SecretAccessKey: "secret"}, nil
		})})
	group, err := user.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("app"), Description: aws.String("app")})
	require.NoError(t, err)
	list, err := user.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("offices"), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(5)})
	require.NoError(t, err)
	_, err = user.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId,
		IpPermissions: []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(5432), ToPort: aws.Int32(5432),
			PrefixListIds: []types.PrefixListId{{PrefixListId: list.PrefixList.PrefixListId}}}}})
	require.NoError(t, err)
	_, err = user.ModifyManagedPrefixList(t.Context(), &ec2.ModifyManagedPrefixListInput{PrefixListId: list.PrefixList.PrefixListId,
		CurrentVersion: aws.Int64(1), AddEntries: []types.AddPrefixListEntry{{Cidr: aws.String("0.0.0.0/0")}}})
	require.NoError(t, err)
	event := events[len(events)-1]

	h, err := newHandler(lookup(env), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	out, err := h.Invoke(invoked(t), event)
	require.NoError(t, err)
	var chosen finding.Detection
	require.NoError(t, json.Unmarshal(out, &chosen))
	require.Equal(t, policy.Revoke, chosen.Verdict)
	assert.True(t, passes(t, string(out)), "the queue's filter lets it through")
	assert.Empty(t, topics.Messages())

	require.Len(t, chosen.Findings, 1)
	assert.Equal(t, *group.GroupId, chosen.Findings[0].GroupID)
	assert.Equal(t, *list.PrefixList.PrefixListId, chosen.PrefixListID)
	assert.Len(t, cloud.Rules(*group.GroupId), 2, "it closes nothing itself")
}

// The whole function again: EC2, SNS and DynamoDB over HTTP, a run and one after
// remediate has closed what it chose.
func TestTheFunctionSweepsAndRemembers(t *testing.T) {
	cloud := ec2api.New(ec2api.WithSeed("sweep"))
	topics := snsapi.New(snsapi.Config{Region: "us-east-1", TopicARNs: []string{topicARN}})
	tables := dynamodbapi.New(dynamodbapi.Config{Tables: []dynamodbapi.Table{{Name: "told", Key: "id"}}})
	env := environment(t)
	for variable, service := range map[string]http.Handler{"EC2": cloud, "SNS": topics, "DYNAMODB": tables} {
		web := httptest.NewServer(service)
		t.Cleanup(web.Close)
		env["AWS_ENDPOINT_URL_"+variable] = web.URL
	}
	env["MEMORY_TABLE"], env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"] = "told", "AKIAIOSFODNN7EXAMPLE", "secret"
	user := ec2.New(ec2.Options{Region: "us-east-1", BaseEndpoint: aws.String(env["AWS_ENDPOINT_URL_EC2"]),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAI44QH8DHBEXAMPLE", SecretAccessKey: "secret"}, nil
		})})
	group, err := user.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String("app"), Description: aws.String("app")})
	require.NoError(t, err)
	for _, cidr := range []string{"0.0.0.0/0", "52.0.0.0/10", "52.64.0.0/10"} { // the last two only together
		_, err = user.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group.GroupId,
			IpPermissions: []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(5432), ToPort: aws.Int32(5432), IpRanges: []types.IpRange{{CidrIp: &cidr}}}}})
		require.NoError(t, err)
	}

	h, err := newHandler(lookup(env), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	event := recorded(t, "scheduled-day.json")
	out, err := h.Invoke(invoked(t), event)
	require.NoError(t, err)
	assert.True(t, passes(t, string(out)), "the queue's filter lets it through")
	var chosen finding.Detection
	require.NoError(t, json.Unmarshal(out, &chosen))
	require.Len(t, chosen.Findings, 1)
	assert.Len(t, cloud.Rules(*group.GroupId), 4, "it closes nothing itself")
	_, err = user.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: group.GroupId,
		SecurityGroupRuleIds: []string{chosen.Findings[0].Rule.ID}})
	require.NoError(t, err)

	var alerts []finding.Alert
	for _, m := range topics.Messages() {
		var a finding.Alert
		require.NoError(t, json.Unmarshal([]byte(m.For("default")), &a))
		alerts = append(alerts, a)
	}
	require.Len(t, alerts, 1)
	assert.Len(t, alerts[0].Findings, 2, "the digest")
	assert.Len(t, tables.Items("told"), 4, "two were told, and one was tried; and the sweep itself")

	out, err = h.Invoke(invoked(t), []byte(onDemandEvent))
	require.NoError(t, err)
	assert.False(t, passes(t, string(out)))
	assert.Len(t, topics.Messages(), 1, "nothing is new")
	assert.Len(t, tables.Items("told"), 3, "what was closed is forgotten")
}

func deployed(t *testing.T, mode string) *samtemplate.Template {
	t.Helper()
	template, err := samtemplate.Load("../../template.yaml", samtemplate.Options{Parameters: map[string]string{"Mode": mode}})
	require.NoError(t, err)
	return template
}

// passes reports whether the findings queue takes to remediate what an invocation has
// returned.
func passes(t *testing.T, response string) bool {
	t.Helper()
	template := deployed(t, "enforce")
	for _, m := range template.Mappings {
		if m.QueueARN != template.Functions["SweepFunction"].OnSuccessARN {
			continue
		}
		for _, filter := range m.Filters {
			pattern, err := eventpattern.Compile(filter)
			require.NoError(t, err)
			ok, err := pattern.Matches([]byte(`{"body":{"responsePayload":` + response + `}}`))
			require.NoError(t, err)
			if ok {
				return true
			}
		}
	}
	return false
}

// template.yaml and this function agree on what both state.
func TestTheTemplateAgrees(t *testing.T) {
	template := deployed(t, "enforce")
	function := template.Functions["SweepFunction"]
	assert.NotEmpty(t, function.OnFailureARN)
	assert.Equal(t, 2, function.MaximumRetryAttempts)
	for name := range function.Environment {
		assert.True(t, strings.HasPrefix(name, "AWS_") || name == "MODE" || name == "ALERT_TOPIC_ARN" || name == "POLICY_FILE" || name == "MAX_REVOKES" || name == "ACCOUNT_NAME" || name == "METRICS_STACK" || name == "MEMORY_TABLE" || name == "DETECT_LOG_GROUP" || name == "LOG_RETENTION_DAYS", name)
	}
	env := map[string]string{"AWS_REGION": "us-east-1"}
	for name, value := range function.Environment {
		env[name] = value
	}
	read, err := lambdaenv.Read(lookup(env))
	require.NoError(t, err)
	assert.Equal(t, 20, read.MaxRevokes)
	assert.Equal(t, template.Functions["DetectFunction"].LogGroup, function.Environment["DETECT_LOG_GROUP"])
	announcements, err := readAnnouncements(lookup(env), read)
	require.NoError(t, err)
	assert.Equal(t, 365*24*time.Hour, announcements.Kept())
	table := template.Tables["MemoryTable"]
	assert.Equal(t, table.Name, function.Environment["MEMORY_TABLE"])
	assert.Equal(t, [2]string{"id", "expiresAt"}, [2]string{table.Key, table.TTL})
	assert.False(t, passes(t, `{"decision":"none"}`))
}
