package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/samtemplate"
)

// template.yaml and this function agree, and the function is there only where it is asked for.
func TestTheTemplateAgrees(t *testing.T) {
	template, err := samtemplate.Load("../../template.yaml", samtemplate.Options{})
	require.NoError(t, err)
	assert.NotContains(t, template.Functions, "SlackFunction")

	template, err = samtemplate.Load("../../template.yaml", samtemplate.Options{Parameters: map[string]string{"SlackWebhookSecretArn": secretARN}})
	require.NoError(t, err)
	function := template.Functions["SlackFunction"]
	assert.Equal(t, map[string]string{"WEBHOOK_SECRET_ARN": secretARN}, function.Environment, "the URL is in no variable")
	assert.GreaterOrEqual(t, function.Timeout, patience.Longest()+30*time.Second, "the secret is read, and Slack may ask to wait")
	env := map[string]string{"AWS_REGION": "eu-central-1"}
	for k, v := range function.Environment {
		env[k] = v
	}
	_, err = newHandler(func(n string) (string, bool) { v, ok := env[n]; return v, ok }, nil, nil)
	require.NoError(t, err)
}
