package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudformation"
	"sgward/internal/template"
	"sgward/localaws/samtemplate"
)

// template.yaml and this function agree, and the function is there only where it is asked for.
func TestTheTemplateAgrees(t *testing.T) {
	off, err := samtemplate.Load("../../template.yaml", samtemplate.Options{})
	require.NoError(t, err)
	assert.NotContains(t, off.Functions, "HookFunction")
	for _, r := range off.Resources {
		assert.NotContains(t, r.LogicalID, "Hook")
	}
	for _, mode := range []string{"warn", "refuse"} {
		tmpl, err := samtemplate.Load("../../template.yaml", samtemplate.Options{Parameters: map[string]string{"Prevention": mode}})
		require.NoError(t, err)
		function := tmpl.Functions["HookFunction"]
		assert.Equal(t, map[string]string{"PREVENTION": mode}, function.Environment)
		assert.Less(t, function.Timeout, 30*time.Second, "a timeout is Lambda's, with a line in the log, and not the hook's")
		env := map[string]string{"AWS_REGION": "eu-central-1", "POLICY_FILE": policyFile(t)}
		for k, v := range function.Environment {
			env[k] = v
		}
		_, err = newHandler(func(n string) (string, bool) { v, ok := env[n]; return v, ok }, slog.New(slog.NewJSONHandler(io.Discard, nil)), time.Now)
		require.NoError(t, err)
	}
}

// evaluated is the template as CloudFormation evaluates it.
func evaluated(t *testing.T, parameters map[string]string) *cloudformation.Template {
	t.Helper()
	src, err := os.ReadFile("../../template.yaml")
	require.NoError(t, err)
	value := func(r cloudformation.Resource, attribute string) (any, error) { return r.LogicalID + attribute, nil }
	tmpl, err := cloudformation.Parse(src, cloudformation.Options{Region: "eu-central-1", AccountID: "123456789012", StackName: "sgward", Parameters: parameters,
		Ref: func(_ *cloudformation.Template, r cloudformation.Resource) (any, error) { return value(r, "") },
		Attribute: func(_ *cloudformation.Template, r cloudformation.Resource, name string) (any, error) {
			return value(r, "."+name)
		}})
	require.NoError(t, err)
	return tmpl
}

func propertiesOf(t *testing.T, tmpl *cloudformation.Template, id string) map[string]any {
	t.Helper()
	r, ok := tmpl.Resource(id)
	require.True(t, ok, id)
	v, err := tmpl.Value(r.Properties)
	require.NoError(t, err)
	return v.(map[string]any)
}

func TestTheHookAsksTheFunctionAboutGroupsAndRules(t *testing.T) {
	for mode, failure := range map[string]string{"warn": "WARN", "refuse": "FAIL"} {
		tmpl := evaluated(t, map[string]string{"Prevention": mode})
		properties := propertiesOf(t, tmpl, "PreventionHook")
		assert.Equal(t, map[string]any{
			"Alias": "Private::Lambda::SgwardHook", "HookStatus": "ENABLED", "FailureMode": failure,
			"TargetOperations": []any{"RESOURCE", "CLOUD_CONTROL"},
			"TargetFilters": map[string]any{"Actions": []any{"CREATE", "UPDATE"}, "InvocationPoints": []any{"PRE_PROVISION"},
				"TargetNames": []any{"AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"}},
			"LambdaFunction": "HookFunction.Arn", "ExecutionRole": "HookInvokerRole.Arn",
		}, properties)
		for _, name := range properties["TargetFilters"].(map[string]any)["TargetNames"].([]any) {
			assert.True(t, template.OpensGroups(name.(string)), "%s is judged", name)
		}
		// Else a broken hook could keep the stack from being updated, or deleted with the hook.
		for _, r := range tmpl.Resources {
			assert.False(t, template.OpensGroups(r.Type), "%s is no target of the hook", r.LogicalID)
		}
	}
}

// The function may write its log, CloudFormation may invoke it, and that is all.
func TestTheRolesOfTheHookMayDoNothingElse(t *testing.T) {
	tmpl := evaluated(t, map[string]string{"Prevention": "refuse", "KmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/0a"})
	for role, want := range map[string][]string{
		"HookRole":        {"lambda.amazonaws.com", "logs:CreateLogStream logs:PutLogEvents on HookLogGroup.Arn"},
		"HookInvokerRole": {"hooks.cloudformation.amazonaws.com", "lambda:InvokeFunction on HookFunction.Arn"},
	} {
		properties := propertiesOf(t, tmpl, role)
		trust := properties["AssumeRolePolicyDocument"].(map[string]any)["Statement"].([]any)
		require.Len(t, trust, 1, role)
		got := []string{fmt.Sprint(trust[0].(map[string]any)["Principal"].(map[string]any)["Service"])}
		for _, p := range properties["Policies"].([]any) {
			policy, ok := p.(map[string]any)
			if !ok {
				continue // AWS::NoValue
			}
			for _, s := range policy["PolicyDocument"].(map[string]any)["Statement"].([]any) {
				statement := s.(map[string]any)
				actions := strings.Trim(fmt.Sprint(statement["Action"]), "[]")
				got = append(got, actions+" on "+fmt.Sprint(statement["Resource"]))
			}
		}
		assert.Equal(t, want, got, role)
		assert.NotContains(t, properties, "ManagedPolicyArns")
	}
}
