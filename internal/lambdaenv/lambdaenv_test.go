package lambdaenv

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/awscall"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
)

const topicARN = "arn:aws:sns:eu-central-1:123456789012:alerts"

func lookup(env map[string]string) Lookup {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

// sound is an environment with more variables.
func sound(more map[string]string) map[string]string {
	env := map[string]string{"MODE": "enforce", "ALERT_TOPIC_ARN": topicARN, "AWS_REGION": "eu-central-1"}
	maps.Copy(env, more)
	return env
}

func TestASoundEnvironmentIsRead(t *testing.T) {
	e, err := Read(lookup(sound(nil)))
	require.NoError(t, err)
	assert.Equal(t, finding.Enforce, e.Mode)
	assert.Equal(t, topicARN, e.TopicARN)
	assert.Equal(t, "eu-central-1", e.Region)
}

func TestEveryWrongVariableIsNamedAtOnce(t *testing.T) {
	_, err := Read(lookup(nil))
	for _, name := range []string{"MODE", "ALERT_TOPIC_ARN", "AWS_REGION"} {
		assert.ErrorContains(t, err, name)
	}
}

func TestTopicsOfEveryPartitionAreTaken(t *testing.T) {
	for arn, want := range map[string]string{
		topicARN: "eu-central-1",
		"arn:aws-us-gov:sns:us-gov-west-1:123456789012:alerts": "us-gov-west-1",
		"arn:aws-cn:sns:cn-north-1:123456789012:alerts":        "cn-north-1",
	} {
		region, ok := topicRegion(arn)
		assert.True(t, ok, arn)
		assert.Equal(t, want, region)
	}
	for _, arn := range []string{"", "alerts", "arn:aws:sqs:eu-central-1:123456789012:alerts", topicARN + ".fifo", "arn:aws:sns:eu-central-1:1234:alerts"} {
		_, ok := topicRegion(arn)
		assert.False(t, ok, arn)
	}
}

func TestATopicOfAnotherRegionIsRefusedWithBothRegions(t *testing.T) {
	_, err := Read(lookup(sound(map[string]string{"AWS_REGION": "us-east-1"})))
	assert.EqualError(t, err, `reading ALERT_TOPIC_ARN: "`+topicARN+`": the topic is in eu-central-1 and this function in us-east-1: `+
		"want a topic of us-east-1, as SNS takes no message for a topic of another region")
}

func TestTheEndpointsOfTheEnvironmentAreUsed(t *testing.T) {
	env := map[string]string{"AWS_ENDPOINT_URL": "http://all.example", "AWS_ENDPOINT_URL_EC2": "http://ec2.example", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": "http://logs.example"}
	used := func(service string) string {
		config := Environment{Region: "eu-central-1", lookup: lookup(env)}.Config(Patience{})
		address, _ := awscall.Configured(t.Context(), config, service)
		if service == "EC2" {
			assert.Equal(t, address, aws.ToString(ec2.NewFromConfig(config).Options().BaseEndpoint), "the SDK's client agrees")
		}
		return address
	}
	assert.Equal(t, "http://ec2.example", used("EC2"))
	assert.Equal(t, "http://logs.example", used("CloudWatch Logs"))
	assert.Equal(t, "http://all.example", used("SNS"))
	env["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "True"
	assert.Empty(t, used("EC2"))
	assert.Empty(t, used("SNS"))
	env = nil
	assert.Empty(t, used("EC2"))
}

func TestCredentialsAreThoseOfTheFunction(t *testing.T) {
	c := Environment{lookup: lookup(map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"})}.Config(Patience{})
	got, err := c.Credentials.Retrieve(t.Context())
	require.NoError(t, err)
	assert.Equal(t, [3]string{"AKIAIOSFODNN7EXAMPLE", "secret", "token"}, [3]string{got.AccessKeyID, got.SecretAccessKey, got.SessionToken})

	_, err = Environment{lookup: lookup(nil)}.Config(Patience{}).Credentials.Retrieve(t.Context())
	assert.ErrorContains(t, err, "AWS_ACCESS_KEY_ID")
}

func TestFIPSEndpointsAreUsedWhereAskedFor(t *testing.T) {
	for value, want := range map[string]bool{"true": true, "TRUE": true, "false": false, "": false} {
		config := Environment{Region: "us-east-1", lookup: lookup(map[string]string{"AWS_USE_FIPS_ENDPOINT": value})}.Config(Patience{})
		_, fips := awscall.Configured(t.Context(), config, "SQS")
		assert.Equal(t, want, fips, value)
		assert.Equal(t, want, ec2.NewFromConfig(config).Options().EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled, "the SDK's client agrees")
	}
}

func TestTheLongestCallHasEveryAttemptAndEveryPause(t *testing.T) {
	assert.Equal(t, 22*time.Second, Patience{Attempts: 4, Attempt: 4 * time.Second, Backoff: 2 * time.Second}.Longest())
}

func TestMaxRevokesHasADefaultAndMayBeNone(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want int
	}{"not set": {nil, 20}, "none": {map[string]string{"MAX_REVOKES": "0"}, 0}, "some": {map[string]string{"MAX_REVOKES": "7"}, 7}} {
		e, err := Read(lookup(sound(c.env)))
		require.NoError(t, err, name)
		assert.Equal(t, c.want, e.MaxRevokes, name)
	}
	for _, text := range []string{"", "many", "-1", "1.5"} {
		_, err := Read(lookup(sound(map[string]string{"MAX_REVOKES": text})))
		assert.ErrorContains(t, err, "MAX_REVOKES", text)
	}
}

func TestTheAccountsNameIsForItsOwnAlerts(t *testing.T) {
	e, err := Read(lookup(sound(map[string]string{"ACCOUNT_NAME": "Data Platform-1"})))
	require.NoError(t, err)
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{InvokedFunctionArn: "arn:aws:lambda:eu-central-1:123456789012:function:sgward-remediate"})
	own := finding.Alert{Event: cloudtrail.Event{AccountID: "123456789012"}}
	assert.Equal(t, "Data Platform-1", e.Named(ctx, own).AccountName)
	assert.Empty(t, e.Named(ctx, finding.Alert{Event: cloudtrail.Event{AccountID: "111122223333"}}).AccountName)
	assert.Empty(t, e.Named(t.Context(), own).AccountName, "whose function runs is unknown")
	for _, name := range []string{"<!channel>", "a,b", "-x", strings.Repeat("x", 64)} {
		_, err := Read(lookup(sound(map[string]string{"ACCOUNT_NAME": name})))
		assert.ErrorContains(t, err, "ACCOUNT_NAME", name)
	}
}

func TestTheMemoryIsTheTableOfTheEnvironment(t *testing.T) {
	memory := Environment{Region: "eu-central-1", lookup: lookup(map[string]string{"MEMORY_TABLE": "told"})}.Memory(Patience{})
	assert.Equal(t, "told", memory.Name)
	assert.Nil(t, Environment{Region: "eu-central-1", lookup: lookup(nil)}.Memory(Patience{}), "no table is no memory, and no mistake")
}

func TestWhatIsNoRegionIsRefused(t *testing.T) {
	for _, region := range []string{"", "nowhere", "eu-central-1.example"} {
		_, err := ReadRegion(lookup(map[string]string{"AWS_REGION": region}))
		assert.EqualError(t, err, fmt.Sprintf("reading AWS_REGION: %q: want the region of this function, as Lambda sets it", region))
	}
}
