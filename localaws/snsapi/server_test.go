package snsapi_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/snsapi"
)

const topic = "arn:aws:sns:us-east-1:123456789012:alerts"

func start(t *testing.T, cfg snsapi.Config) (*snsapi.Server, *sns.Client) {
	t.Helper()
	cfg.TopicARNs = []string{topic}
	s := snsapi.New(cfg)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, sns.New(sns.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", ""),
	})
}

func text(value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
}

func TestPublishedMessageIsKeptWhole(t *testing.T) {
	var heard []snsapi.Message
	s, client := start(t, snsapi.Config{OnPublish: func(m snsapi.Message) { heard = append(heard, m) }})
	out, err := client.Publish(context.Background(), &sns.PublishInput{
		TopicArn: aws.String(topic), Subject: aws.String("sgward: closed"), MessageStructure: aws.String("json"),
		Message: aws.String(`{"default":"machine","https":"chat <&>","sms":7}`),
		MessageAttributes: map[string]types.MessageAttributeValue{
			"severity":    text("critical"),
			"statementId": {DataType: aws.String("String.Array"), StringValue: aws.String(`["a","b"]`)},
		},
	})
	require.NoError(t, err)
	messages := s.Messages()
	require.Len(t, messages, 1)
	m := messages[0]
	assert.Equal(t, aws.ToString(out.MessageId), m.ID)
	assert.Equal(t, "sgward: closed", m.Subject)
	assert.Equal(t, "AKIAIOSFODNN7EXAMPLE", m.AccessKey)
	assert.Equal(t, map[string]snsapi.Attribute{
		"severity":    {DataType: "String", Value: "critical"},
		"statementId": {DataType: "String.Array", Value: `["a","b"]`},
	}, m.Attributes)
	assert.Equal(t, "machine", m.For("default"))
	assert.Equal(t, "chat <&>", m.For("https"))
	assert.Equal(t, "machine", m.For("email"), "no variant of its own")
	assert.Equal(t, "machine", m.For("sms"), "a value that is no string is ignored")
	assert.Equal(t, messages, heard)
	assert.Equal(t, map[string]int{"Publish": 1}, s.Calls())
}

func TestPublishRefusesWhatSNSRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*sns.PublishInput)
		code   string
	}{
		{"unknown topic", func(in *sns.PublishInput) { in.TopicArn = aws.String(topic + "x") }, "NotFound"},
		{"no topic", func(in *sns.PublishInput) { in.TopicArn = nil }, "InvalidParameter"},
		{"empty message", func(in *sns.PublishInput) { in.Message = aws.String("") }, "InvalidParameter"},
		{"over 256 KiB", func(in *sns.PublishInput) { in.Message = aws.String(strings.Repeat("x", 262_145)) }, "InvalidParameter"},
		{"over 256 KiB with its attributes", func(in *sns.PublishInput) {
			in.Message = aws.String(strings.Repeat("x", 262_144))
			in.MessageAttributes = map[string]types.MessageAttributeValue{"a": text("b")}
		}, "InvalidParameter"},
		{"subject of 100 characters", func(in *sns.PublishInput) { in.Subject = aws.String(strings.Repeat("é", 100)) }, "InvalidParameter"},
		{"subject with a line break", func(in *sns.PublishInput) { in.Subject = aws.String("a\nb") }, "InvalidParameter"},
		{"subject with a control character", func(in *sns.PublishInput) { in.Subject = aws.String("a\x07b") }, "InvalidParameter"},
		{"subject that begins with a space", func(in *sns.PublishInput) { in.Subject = aws.String(" a") }, "InvalidParameter"},
		{"json that does not parse", func(in *sns.PublishInput) {
			in.MessageStructure, in.Message = aws.String("json"), aws.String("{")
		}, "InvalidParameter"},
		{"json without default", func(in *sns.PublishInput) {
			in.MessageStructure, in.Message = aws.String("json"), aws.String(`{"email":"x"}`)
		}, "InvalidParameter"},
		{"json whose default is no string", func(in *sns.PublishInput) {
			in.MessageStructure, in.Message = aws.String("json"), aws.String(`{"default":{}}`)
		}, "InvalidParameter"},
		{"unknown structure", func(in *sns.PublishInput) { in.MessageStructure = aws.String("xml") }, "InvalidParameter"},
		{"attribute of an unknown type", func(in *sns.PublishInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{"a": {DataType: aws.String("List"), StringValue: aws.String("b")}}
		}, "ParameterValueInvalid"},
		{"empty attribute", func(in *sns.PublishInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{"a": text("")}
		}, "ParameterValueInvalid"},
		{"array that is no array", func(in *sns.PublishInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{"a": {DataType: aws.String("String.Array"), StringValue: aws.String(`"b"`)}}
		}, "ParameterValueInvalid"},
		{"array of objects", func(in *sns.PublishInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{"a": {DataType: aws.String("String.Array"), StringValue: aws.String(`[{}]`)}}
		}, "ParameterValueInvalid"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, client := start(t, snsapi.Config{})
			in := &sns.PublishInput{TopicArn: aws.String(topic), Message: aws.String("m")}
			tt.change(in)
			_, err := client.Publish(context.Background(), in)
			var apiErr smithy.APIError
			require.ErrorAs(t, err, &apiErr)
			assert.Equal(t, tt.code, apiErr.ErrorCode())
			assert.Empty(t, s.Messages())
		})
	}
}

func TestPublishTakesWhatIsJustWithinTheLimits(t *testing.T) {
	s, client := start(t, snsapi.Config{})
	_, err := client.Publish(context.Background(), &sns.PublishInput{
		TopicArn: aws.String(topic), Message: aws.String(strings.Repeat("x", 262_144)), Subject: aws.String(strings.Repeat("é", 99)),
	})
	require.NoError(t, err)
	assert.Len(t, s.Messages(), 1)
}

func TestInjectedFaultsFailTheNextCallsOnly(t *testing.T) {
	s, client := start(t, snsapi.Config{})
	s.FailNext("Publish", 2, "AuthorizationError")
	in := &sns.PublishInput{TopicArn: aws.String(topic), Message: aws.String("m")}
	for range 2 {
		_, err := client.Publish(context.Background(), in)
		var denied *types.AuthorizationErrorException
		assert.ErrorAs(t, err, &denied)
	}
	_, err := client.Publish(context.Background(), in)
	require.NoError(t, err)
	assert.Len(t, s.Messages(), 1)
	assert.Equal(t, 3, s.Calls()["Publish"], "failed ones count")
}

func TestTopicsAndSubscriptions(t *testing.T) {
	s, client := start(t, snsapi.Config{})
	created, err := client.CreateTopic(context.Background(), &sns.CreateTopicInput{Name: aws.String("mine")})
	require.NoError(t, err)
	assert.Equal(t, "arn:aws:sns:us-east-1:123456789012:mine", aws.ToString(created.TopicArn))
	listed, err := client.ListTopics(context.Background(), &sns.ListTopicsInput{})
	require.NoError(t, err)
	assert.Len(t, listed.Topics, 2)
	_, err = client.Subscribe(context.Background(), &sns.SubscribeInput{
		TopicArn: created.TopicArn, Protocol: aws.String("email"), Endpoint: aws.String("ops@example.com"),
	})
	require.NoError(t, err)
	require.Len(t, s.Subscriptions(), 1)
	assert.Equal(t, "ops@example.com", s.Subscriptions()[0].Endpoint)

	_, err = client.ListSubscriptions(context.Background(), &sns.ListSubscriptionsInput{})
	assert.ErrorContains(t, err, "unknown here")
}

func TestCallerWithoutPermissionIsRefused(t *testing.T) {
	s, client := start(t, snsapi.Config{Authorize: func(action, accessKey string) bool {
		return action != "Publish" || accessKey != "AKIAIOSFODNN7EXAMPLE"
	}})
	_, err := client.Publish(context.Background(), &sns.PublishInput{TopicArn: aws.String(topic), Message: aws.String("m")})
	var denied *types.AuthorizationErrorException
	require.ErrorAs(t, err, &denied)
	assert.Empty(t, s.Messages())
	_, err = client.ListTopics(context.Background(), &sns.ListTopicsInput{})
	assert.NoError(t, err)
}
