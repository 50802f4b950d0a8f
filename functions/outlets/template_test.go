package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/samtemplate"
)

// template.yaml and this function agree, and the function is there only where it is asked for.
func TestTheTemplateAgrees(t *testing.T) {
	for name, c := range map[string]struct {
		parameters, want map[string]string
	}{
		"none": {nil, nil},
		"bus":  {map[string]string{"EventBusArn": busARN}, map[string]string{"EVENT_BUS_ARN": busARN, "SECURITY_HUB": "off"}},
		"hub":  {map[string]string{"SecurityHub": "on"}, map[string]string{"SECURITY_HUB": "on"}},
		"both": {map[string]string{"EventBusArn": busARN, "SecurityHub": "on"}, both()},
	} {
		template, err := samtemplate.Load("../../template.yaml", samtemplate.Options{Parameters: c.parameters})
		require.NoError(t, err, name)
		function, ok := template.Functions["OutletsFunction"]
		require.Equal(t, c.want != nil, ok, name)
		if !ok {
			continue
		}
		assert.Equal(t, c.want, function.Environment, name)
		assert.Greater(t, function.Timeout, 2*patience.Longest(), "one outlet leaves time for the other")
		env := map[string]string{"AWS_REGION": "us-east-1"}
		for k, v := range function.Environment {
			env[k] = v
		}
		_, err = newHandler(func(n string) (string, bool) { v, ok := env[n]; return v, ok }, nil)
		require.NoError(t, err, name)
	}
}
