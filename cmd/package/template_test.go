package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"sgward/internal/cloudformation"
)

func named(rest string) string { return "sgward-v1.2.3-" + rest }

// That CloudFormation takes it, and that it is what SAM makes, is tested in e2e/test_package.py.
func TestTheTemplateOfAReleaseNeedsNoSAM(t *testing.T) {
	source, err := os.ReadFile("../../template.yaml")
	require.NoError(t, err)
	both, functions, err := translate(source, "v1.2.3", named)
	require.NoError(t, err)
	translated := both.full
	assert.Equal(t, []string{"detect", "remediate", "sweep", "slack", "hook", "outlets"}, functions)
	assert.NotContains(t, string(translated), "\nTransform")
	assert.NotContains(t, string(translated), "AWS::Serverless")

	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(translated, &document))
	at := func(path ...string) *yaml.Node {
		node := document.Content[0]
		for _, key := range path {
			node = cloudformation.Child(node, key)
			require.NotNil(t, node, path)
		}
		return node
	}
	assert.Equal(t, "AWS::Lambda::Function", at("Resources", "DetectFunction", "Type").Value)
	key := at("Resources", "DetectFunction", "Properties", "Code", "S3Key")
	assert.Equal(t, "!Sub", key.Tag)
	assert.Equal(t, "${CodeKeyPrefix}sgward-v1.2.3-detect-${Architecture}.zip", key.Value)
	assert.Equal(t, "provided.al2023", at("Resources", "DetectFunction", "Properties", "Runtime").Value, "of Globals")
	for _, function := range []string{"DetectFunction", "RemediateFunction", "SweepFunction", "SlackFunction", "HookFunction", "OutletsFunction"} {
		metadata := at("Resources", function, "Metadata")
		assert.NotNil(t, cloudformation.Child(metadata, "checkov"), "why a finding of checkov does not hold is for the readers of the release too")
		assert.Nil(t, cloudformation.Child(metadata, "BuildMethod"))
	}
	assert.Equal(t, "$LATEST", at("Resources", "SlackFunctionEventInvokeConfig", "Properties", "Qualifier").Value)
	assert.Equal(t, "ByWebhook", at("Resources", "SlackFunctionEventInvokeConfig", "Condition").Value)
	assert.Equal(t, "v1.2.3", at("Outputs", "Release", "Value").Value)
	again, _, err := translate(source, "v1.2.3", named)
	require.NoError(t, err)
	assert.Equal(t, both, again)
}

// choices are parameters that turn all conditions of the template one way and the other.
var choices = []map[string]string{
	{"CodeBucketPrefix": "example"},
	{
		"CodeBucketPrefix": "example", "Mode": "enforce", "AlertTopicArn": "arn:aws:sns:eu-west-1:111122223333:alerts", "Alarms": "essential",
		"PermissionsBoundary": "arn:aws:iam::aws:policy/x", "VpcSubnetIds": "subnet-0a", "VpcSecurityGroupIds": "sg-0a", "AccountName": "shop",
		"KmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/k", "SlackWebhookSecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s",
		"SlackWorkspaceId": "T1", "SlackChannelId": "C1", "PolicyLayerArn": "arn:aws:lambda:eu-west-1:123456789012:layer:p:1",
	},
	{
		"CodeBucketPrefix": "example", "AlertTopicAccountId": "111122223333", "AlertTopicName": "alerts", "AlarmTopicName": "alarms",
		"PermissionsBoundaryName": "limit", "SlackWebhookSecretArn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s", "AlertEmail": "a@example.com",
		"TeamsTeamId": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "TeamsTenantId": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "TeamsChannelId": "19%3A0a%40thread.tacv2",
		"ChatAlsoTopicArns": "arn:aws:sns:us-east-1:111122223333:alerts", "AlarmTopicArn": "",
	},
}

// madeOf evaluates the resources and outputs of a template, without what a body may spare.
func madeOf(t *testing.T, template []byte, parameters map[string]string) map[string]any {
	t.Helper()
	tmpl, err := cloudformation.Parse(template, cloudformation.Options{
		Region: "eu-west-1", Parameters: parameters,
		Ref: func(_ *cloudformation.Template, r cloudformation.Resource) (any, error) { return r.LogicalID, nil },
		Attribute: func(_ *cloudformation.Template, r cloudformation.Resource, attribute string) (any, error) {
			return r.LogicalID + "." + attribute, nil
		},
	})
	require.NoError(t, err)
	made := map[string]any{}
	for _, r := range tmpl.Resources {
		value, err := tmpl.Value(r.Properties)
		require.NoError(t, err, r.LogicalID)
		properties := value.(map[string]any)
		delete(properties, "Description")
		if policies, ok := properties["Policies"].([]any); ok && r.Type == "AWS::IAM::Role" {
			var statements []any
			for _, policy := range policies {
				statements = append(statements, policy.(map[string]any)["PolicyDocument"].(map[string]any)["Statement"].([]any)...)
			}
			properties["Policies"] = statements
		}
		made[r.Type+" "+r.LogicalID] = properties
	}
	outputs, err := tmpl.Outputs()
	require.NoError(t, err)
	made["outputs"] = outputs
	return made
}

func TestTheBodyMakesTheSameStackInFewBytes(t *testing.T) {
	source, err := os.ReadFile("../../template.yaml")
	require.NoError(t, err)
	both, _, err := translate(source, "v1.2.3", named)
	require.NoError(t, err)
	t.Logf("sgward.yaml has %d bytes, sgward-body.yaml %d", len(both.full), len(both.body))
	assert.Less(t, len(both.body), mostTemplate)
	for _, parameters := range choices {
		full := madeOf(t, both.full, parameters)
		require.Greater(t, len(full), 30)
		assert.Equal(t, full, madeOf(t, both.body, parameters))
	}

	var full, body yaml.Node
	require.NoError(t, yaml.Unmarshal(both.full, &full))
	require.NoError(t, yaml.Unmarshal(both.body, &body))
	assertSame(t, "Rules", cloudformation.Child(full.Content[0], "Rules"), cloudformation.Child(body.Content[0], "Rules"))
	for name, parameter := range cloudformation.Pairs(cloudformation.Child(full.Content[0], "Parameters")) {
		take(parameter, "Description")
		take(parameter, "ConstraintDescription")
		assertSame(t, name, parameter, cloudformation.Child(cloudformation.Child(body.Content[0], "Parameters"), name))
	}
}

// assertSame compares nodes by what they say, whatever their style.
func assertSame(t *testing.T, path string, want, got *yaml.Node) {
	t.Helper()
	if !assert.Equal(t, want.Kind, got.Kind, path) || !assert.Equal(t, want.ShortTag(), got.ShortTag(), path) ||
		!assert.Equal(t, want.Value, got.Value, path) || !assert.Len(t, got.Content, len(want.Content), path) {
		return
	}
	for i := range want.Content {
		at := fmt.Sprintf("%s/%d", path, i)
		if want.Kind == yaml.MappingNode && i%2 == 1 {
			at = path + "/" + want.Content[i-1].Value
		}
		assertSame(t, at, want.Content[i], got.Content[i])
	}
}

func TestABodyQuotesWhatWouldReadOtherwise(t *testing.T) {
	const source = `Resources: {A: {P: ["yes", 1, "1", true, "a, b", 'it''s', "", -x, "x: y", "a ? b", "#", "é", "a: \"b\"", !Ref A, !Sub "${A}", {"a: b": c}]}}`
	var document, again yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(source), &document))
	written := bodyOf(document.Content[0], "v1.2.3")
	require.NoError(t, yaml.Unmarshal(written, &again), string(written))
	require.NoError(t, yaml.Unmarshal([]byte(source), &document))
	assertSame(t, "", document.Content[0], again.Content[0])
}

func TestGlobalsAreJoinedAsSAMDoes(t *testing.T) {
	both, _, err := translate([]byte(`
Transform: AWS::Serverless-2016-10-31
Metadata: {"AWS::CloudFormation::Interface": {ParameterGroups: [], ParameterLabels: {}}}
Globals:
  Function:
    CodeUri: .
    Timeout: 3
    Environment: {Variables: {A: global, B: global}}
    Layers: [first]
    VpcConfig: !If [InVPC, {SubnetIds: []}, !Ref AWS::NoValue]
Parameters: {}
Resources:
  OneFunction:
    Type: AWS::Serverless::Function
    Properties:
      Role: r
      Timeout: 10
      Environment: {Variables: {B: own}}
      Layers: [second]
      VpcConfig: {SubnetIds: [own]}
`), "v1.2.3", named)
	require.NoError(t, err)
	var got struct {
		Resources map[string]struct {
			Properties map[string]any `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	require.NoError(t, yaml.Unmarshal(both.full, &got))
	properties := got.Resources["OneFunction"].Properties
	assert.Equal(t, 10, properties["Timeout"])
	assert.Equal(t, map[string]any{"Variables": map[string]any{"A": "global", "B": "own"}}, properties["Environment"])
	assert.Equal(t, []any{"first", "second"}, properties["Layers"])
	assert.Equal(t, map[string]any{"SubnetIds": []any{"own"}}, properties["VpcConfig"])
	assert.NotContains(t, properties, "CodeUri")
}

func TestWhatHasNoTranslationIsAnErrorThatNamesThePlace(t *testing.T) {
	const head = `Transform: AWS::Serverless-2016-10-31
Metadata: {"AWS::CloudFormation::Interface": {ParameterGroups: [], ParameterLabels: {}}}
Parameters: {}
`
	for source, want := range map[string]string{
		"Resources: {}": "want Transform: AWS::Serverless-2016-10-31",
		head + "Globals: {Api: {}}\nResources: {}":                                                                            "line 4: Globals: Api: want Function only",
		head + "Resources:\n  Table:\n    Type: AWS::Serverless::SimpleTable":                                                 "line 6: resource Table: no translation of AWS::Serverless::SimpleTable",
		head + "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {Timeout: 3}":                          "resource F: want a Role: SAM would make one",
		head + "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Role: r\n      Events: {A: {}}": "resource F: line 9: no translation of Events",
		head + "Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties:\n      Role: r\n" +
			"      EventInvokeConfig: {DestinationConfig: {OnFailure: {Type: SQS}}}": "resource F: line 9: OnFailure: want a Destination: SAM would make one",
	} {
		t.Run(want, func(t *testing.T) {
			_, _, err := translate([]byte(source), "v1.2.3", named)
			require.EqualError(t, err, want)
		})
	}
	_, _, err := translate([]byte(strings.Repeat("a: [", 3)), "v1.2.3", named)
	require.Error(t, err)
}
