package alert

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const testTopic = "arn:aws:sns:us-east-1:123456789012:alerts"

// snsAt returns the real SNS client, which talks to an endpoint of ours.
func snsAt(t *testing.T, answer http.HandlerFunc) *sns.Client {
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return sns.New(sns.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
}

func TestPublishSendsOneMessageWithAVariantForEachMedium(t *testing.T) {
	var forms []url.Values
	client := snsAt(t, func(w http.ResponseWriter, r *http.Request) {
		assert.NoError(t, r.ParseForm())
		forms = append(forms, r.PostForm)
		_, _ = w.Write([]byte(`<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>`))
	})
	a := scenarios()[0].alert
	require.NoError(t, Publish(t.Context(), client, testTopic, a))
	require.Len(t, forms, 1)
	form, want := forms[0], messageOf(t, a)
	assert.Equal(t, "Publish", form.Get("Action"))
	assert.Equal(t, testTopic, form.Get("TopicArn"))
	assert.Equal(t, "json", form.Get("MessageStructure"))
	assert.Equal(t, want.Subject, form.Get("Subject"))
	var variants map[string]string
	require.NoError(t, json.Unmarshal([]byte(form.Get("Message")), &variants))
	assert.Equal(t, map[string]string{"default": want.Default, "email": want.Email, "https": want.HTTPS}, variants)
	var names []string
	for i := 1; form.Has(attribute(i, "Name")); i++ {
		names = append(names, form.Get(attribute(i, "Name")))
		assert.NotEmpty(t, form.Get(attribute(i, "Value.StringValue")))
		assert.NotEmpty(t, form.Get(attribute(i, "Value.DataType")))
	}
	assert.ElementsMatch(t, []string{"accountId", "accountName", "actor", "outcome", "region", "severity", "statementId"}, names)
}

func attribute(i int, part string) string {
	return "MessageAttributes.entry." + string(rune('0'+i)) + "." + part
}

func TestPublishSaysWhichAlertWasNotSentAndWhy(t *testing.T) {
	client := snsAt(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>no</Message></Error></ErrorResponse>`))
	})
	a := scenarios()[0].alert
	err := Publish(t.Context(), client, testTopic, a)
	require.ErrorContains(t, err, "publishing alert "+ID(a.Event)+" to "+testTopic)
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	assert.Equal(t, "AuthorizationError", api.ErrorCode())
}

func TestPublishSendsNothingThatCannotBeEncoded(t *testing.T) {
	client := snsAt(t, func(http.ResponseWriter, *http.Request) { t.Error("SNS was called") })
	a := scenarios()[0].alert
	a.Event.EventTime = a.Event.EventTime.AddDate(9000, 0, 0)
	require.ErrorContains(t, Publish(t.Context(), client, testTopic, a), "encoding alert")
}
