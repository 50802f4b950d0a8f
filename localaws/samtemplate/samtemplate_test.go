package samtemplate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/samtemplate"
)

const pipeline = `
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Mode: {Type: String, Default: observe, AllowedValues: [observe, enforce]}
  TopicArn: {Type: String, Default: ""}
Conditions:
  OwnTopic: !Equals [!Ref TopicArn, ""]
  Enforce: !Equals [!Ref Mode, enforce]
  EnforceOnOwnTopic: !And [!Condition OwnTopic, {Condition: Enforce}]
Globals:
  Function:
    Timeout: 5
    Environment: {Variables: {SHARED: "yes", MODE: none}}
    Layers: !If [OwnTopic, ["arn:aws:lambda:us-east-1:123456789012:layer:shared:3"], !Ref AWS::NoValue]
Resources:
  Judge:
    Type: AWS::Serverless::Function
    Properties:
      EventInvokeConfig:
        MaximumRetryAttempts: 1
        DestinationConfig:
          OnSuccess: {Type: SQS, Destination: !GetAtt Work.Arn}
          OnFailure: {Type: SQS, Destination: !GetAtt Lost.Arn}
  Closer:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${AWS::StackName}-closer"
      Timeout: 20
      MemorySize: 256
      Layers: ["arn:aws:lambda:us-east-1:123456789012:layer:own:1", !Ref AWS::NoValue]
      Environment:
        Variables:
          MODE: !Ref Mode
          TOPIC: !If [OwnTopic, !Ref Topic, !Ref TopicArn]
          BOTH: !If [EnforceOnOwnTopic, "1", "0"]
          GONE: !Ref AWS::NoValue
  Batches:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      FunctionName: !GetAtt Closer.Arn
      EventSourceArn: !GetAtt Work.Arn
      BatchSize: 7
      FunctionResponseTypes: [ReportBatchItemFailures]
      ScalingConfig: {MaximumConcurrency: 4}
      FilterCriteria:
        Filters:
          - Pattern: '{"body":{"kind":["a"]}}'
  Work:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 120
      MessageRetentionPeriod: 1209600
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Lost.Arn, maxReceiveCount: 5}
  Lost:
    Type: AWS::SQS::Queue
  Topic:
    Type: AWS::SNS::Topic
    Condition: OwnTopic
  Openings:
    Type: AWS::Events::Rule
    Properties:
      EventPattern:
        source: [aws.ec2]
        detail: {errorCode: [{exists: false}]}
      Targets:
        - Id: judge
          Arn: !GetAtt Judge.Arn
          DeadLetterConfig: {Arn: !GetAtt Lost.Arn}
  Nightly:
    Type: AWS::Events::Rule
    Properties:
      ScheduleExpression: rate(1 day)
  Board:
    Type: AWS::CloudWatch::Dashboard
    Properties:
      DashboardBody: !Transform {Name: Unknown}
`

func TestTemplateIsFoundByTypeAndReference(t *testing.T) {
	tmpl, err := samtemplate.Parse([]byte(pipeline), samtemplate.Options{Parameters: map[string]string{"Mode": "enforce"}})
	require.NoError(t, err)

	judge := tmpl.Functions["Judge"]
	assert.Equal(t, "arn:aws:lambda:us-east-1:123456789012:function:sgward-Judge", judge.ARN)
	assert.Equal(t, 5*time.Second, judge.Timeout, "from Globals")
	assert.Equal(t, 1, judge.MaximumRetryAttempts)
	assert.Equal(t, tmpl.Queues["Work"].ARN, judge.OnSuccessARN)
	assert.Equal(t, tmpl.Queues["Lost"].ARN, judge.OnFailureARN)

	assert.Equal(t, []string{"arn:aws:lambda:us-east-1:123456789012:layer:shared:3"}, judge.Layers)

	closer := tmpl.Functions["Closer"]
	assert.Equal(t, []string{"arn:aws:lambda:us-east-1:123456789012:layer:shared:3", "arn:aws:lambda:us-east-1:123456789012:layer:own:1"}, closer.Layers)
	assert.Equal(t, "sgward-closer", closer.Name)
	assert.Equal(t, 20*time.Second, closer.Timeout)
	assert.Equal(t, 256, closer.MemoryMB)
	assert.Equal(t, 2, closer.MaximumRetryAttempts, "Lambda's default")
	assert.Equal(t, map[string]string{
		"SHARED": "yes", "MODE": "enforce", "BOTH": "1",
		"TOPIC": "arn:aws:sns:us-east-1:123456789012:sgward-Topic",
	}, closer.Environment)

	work := tmpl.Queues["Work"]
	assert.Equal(t, 2*time.Minute, work.VisibilityTimeout)
	assert.Equal(t, 14*24*time.Hour, work.Retention)
	assert.Equal(t, 5, work.MaxReceiveCount)
	assert.Equal(t, tmpl.Queues["Lost"].ARN, work.DeadLetterARN)
	assert.Equal(t, 30*time.Second, tmpl.Queues["Lost"].VisibilityTimeout, "SQS's default")

	require.Contains(t, tmpl.Rules, "Openings")
	assert.NotContains(t, tmpl.Rules, "Nightly", "a schedule is no pattern")
	openings := tmpl.Rules["Openings"]
	assert.True(t, openings.Enabled)
	assert.JSONEq(t, `{"source":["aws.ec2"],"detail":{"errorCode":[{"exists":false}]}}`, string(openings.Pattern))
	assert.Equal(t, []samtemplate.Target{{ARN: judge.ARN, DeadLetterARN: tmpl.Queues["Lost"].ARN}}, openings.Targets)

	require.Len(t, tmpl.Mappings, 1)
	m := tmpl.Mappings[0]
	assert.Equal(t, work.ARN, m.QueueARN)
	assert.Equal(t, closer.ARN, m.FunctionARN)
	assert.Equal(t, 7, m.BatchSize)
	assert.Equal(t, 4, m.MaximumConcurrency)
	assert.True(t, m.ReportBatchItemFailures)
	require.Len(t, m.Filters, 1)
	assert.JSONEq(t, `{"body":{"kind":["a"]}}`, string(m.Filters[0]))
}

func TestTablesAreReadWithTheirKeyAndTimeToLive(t *testing.T) {
	tmpl, err := samtemplate.Parse([]byte(`
Resources:
  Told:
    Type: AWS::DynamoDB::Table
    Properties:
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      TimeToLiveSpecification: {AttributeName: expiresAt, Enabled: true}
  Kept:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: kept
      KeySchema: [{AttributeName: name, KeyType: HASH}]
      TimeToLiveSpecification: {AttributeName: expiresAt, Enabled: false}
  User: {Type: AWS::Serverless::Function, Properties: {Environment: {Variables: {TABLE: !Ref Told, ARN: !GetAtt Kept.Arn}}}}
`), samtemplate.Options{})
	require.NoError(t, err)
	assert.Equal(t, map[string]samtemplate.Table{
		"Told": {LogicalID: "Told", Name: "sgward-Told", Key: "id", TTL: "expiresAt"},
		"Kept": {LogicalID: "Kept", Name: "kept", Key: "name"},
	}, tmpl.Tables)
	assert.Equal(t, map[string]string{"TABLE": "sgward-Told", "ARN": "arn:aws:dynamodb:us-east-1:123456789012:table/kept"}, tmpl.Functions["User"].Environment)

	_, err = samtemplate.Parse([]byte("Resources:\n  T: {Type: AWS::DynamoDB::Table, Properties: {KeySchema: [{AttributeName: a}, {AttributeName: b}]}}\n"), samtemplate.Options{})
	assert.ErrorContains(t, err, "resource T: KeySchema: want one key, found 2")
}

func TestResourceWithAFalseConditionIsAbsent(t *testing.T) {
	given := "arn:aws:sns:us-east-1:123456789012:central"
	tmpl, err := samtemplate.Parse([]byte(pipeline), samtemplate.Options{Parameters: map[string]string{"TopicArn": given}})
	require.NoError(t, err)
	assert.Empty(t, tmpl.Topics)
	assert.Equal(t, given, tmpl.Functions["Closer"].Environment["TOPIC"])
	assert.Equal(t, "0", tmpl.Functions["Closer"].Environment["BOTH"])
}

func TestNamesAndReferencesInTheirOtherForms(t *testing.T) {
	tmpl, err := samtemplate.Parse([]byte(`
Resources:
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
      Enabled: false
      FunctionName: !Ref Closer
      EventSourceArn: {"Fn::GetAtt": [Work, Arn]}
  Closer: {Type: AWS::Serverless::Function, Properties: {Timeout: 9, FunctionName: !Join ["-", [my, "closer"]], EventInvokeConfig: {MaximumRetryAttempts: 0, DestinationConfig: {OnFailure: {Destination: !GetAtt [Work, Arn]}}}}}
  Work: {Type: AWS::SQS::Queue, Properties: {QueueName: !Select [1, !Split [",", "a,b"]]}}
`), samtemplate.Options{AccountID: "111122223333", Region: "eu-west-1", Partition: "aws-us-gov"})
	require.NoError(t, err)
	const work = "arn:aws-us-gov:sqs:eu-west-1:111122223333:b"
	assert.Equal(t, 0, tmpl.Functions["Closer"].MaximumRetryAttempts)
	assert.Equal(t, work, tmpl.Functions["Closer"].OnFailureARN)
	require.Len(t, tmpl.Mappings, 1)
	assert.False(t, tmpl.Mappings[0].Enabled)
	assert.Equal(t, work, tmpl.Mappings[0].QueueARN)
	closer, ok := tmpl.FunctionByARN(tmpl.Mappings[0].FunctionARN)
	require.True(t, ok, "a mapping may name its function")
	assert.Equal(t, "my-closer", closer.Name)
	assert.Equal(t, 10, tmpl.Mappings[0].BatchSize, "Lambda's default")
}

func TestWhatCannotBeEvaluatedIsAnErrorWithItsPlace(t *testing.T) {
	tests := []struct{ name, template, want string }{
		{"unknown reference", "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      QueueName: !Ref Nobody\n", "line 5: Ref: Nobody"},
		{"unknown function", "Resources:\n  Q:\n    Type: AWS::SQS::Queue\n    Properties:\n      VisibilityTimeout: !FindInMap [a, b, c]\n", "line 5: FindInMap"},
		{"batching window", "Resources:\n  M:\n    Type: AWS::Lambda::EventSourceMapping\n    Properties:\n      FunctionName: f\n      EventSourceArn: q\n      MaximumBatchingWindowInSeconds: 1\n", "MaximumBatchingWindowInSeconds is 1"},
		{"unknown name in Sub", "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub 'a-${Nobody}'}}\n", "Nobody"},
		{"missing condition", "Resources:\n  Q: {Type: AWS::SQS::Queue, Condition: Never}\n", "there is no condition Never"},
		{"circular condition", "Conditions: {A: !Not [!Condition B], B: !Not [!Condition A]}\nResources:\n  Q: {Type: AWS::SQS::Queue, Condition: A}\n", "depends on itself"},
		{"filter that is not JSON", "Resources:\n  M: {Type: AWS::Lambda::EventSourceMapping, Properties: {FilterCriteria: {Filters: [{Pattern: '{'}]}}}\n", "is not JSON"},
		{"number in words", "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: long}}\n", "whole number"},
		{"empty", "", "empty"},
		{"no resources", "Parameters: {}", "no Resources"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := samtemplate.Parse([]byte(tt.template), samtemplate.Options{})
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

func TestParametersAreChecked(t *testing.T) {
	_, err := samtemplate.Parse([]byte(pipeline), samtemplate.Options{Parameters: map[string]string{"Mode": "delete-all"}})
	assert.ErrorContains(t, err, "AllowedValues")
	_, err = samtemplate.Parse([]byte(pipeline), samtemplate.Options{Parameters: map[string]string{"Mood": "enforce"}})
	assert.ErrorContains(t, err, "no parameter Mood")
}

func TestRoleAllowsWhatItsInlinePoliciesAllow(t *testing.T) {
	src := `
Parameters: {Mode: {Type: String, Default: observe}}
Conditions: {Enforce: !Equals [!Ref Mode, enforce]}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyName: read
          PolicyDocument: {Statement: {Effect: Allow, Action: [ec2:DescribeSecurityGroups, "sqs:*"], Resource: "*"}}
        - PolicyName: never
          PolicyDocument: {Statement: [{Effect: Deny, Action: sns:Publish, Resource: "*"}]}
        - !If
          - Enforce
          - PolicyName: close
            PolicyDocument: {Statement: [{Effect: Allow, Action: ec2:RevokeSecurityGroupIngress, Resource: "*"}]}
          - !Ref AWS::NoValue
  Beside:
    Type: AWS::IAM::Policy
    Properties: {Roles: [!Ref Role], PolicyDocument: {Statement: [{Effect: Allow, Action: dynamodb:Scan, Resource: "*"}, {Effect: Deny, Action: sns:Publish, Resource: "*"}]}}
`
	observe, err := samtemplate.Parse([]byte(src), samtemplate.Options{})
	require.NoError(t, err)
	role, ok := observe.RoleByARN("arn:aws:iam::123456789012:role/sgward-Role")
	require.True(t, ok)
	assert.True(t, role.Allows("ec2:DescribeSecurityGroups"))
	assert.True(t, role.Allows("sqs:ReceiveMessage"))
	assert.False(t, role.Allows("ec2:DescribeSecurityGroupRules"), "a name is no prefix")
	assert.False(t, role.Allows("sns:Publish"), "denied")
	assert.True(t, role.Allows("dynamodb:Scan"), "by a policy beside it")
	_, err = samtemplate.Parse([]byte(strings.Replace(src, "[!Ref Role]", "[somebody]", 1)), samtemplate.Options{})
	assert.ErrorContains(t, err, "no role of the template is named somebody")
	assert.False(t, role.Allows("ec2:RevokeSecurityGroupIngress"), "only under enforce")

	enforce, err := samtemplate.Parse([]byte(src), samtemplate.Options{Parameters: map[string]string{"Mode": "enforce"}})
	require.NoError(t, err)
	assert.True(t, enforce.Roles["Role"].Allows("ec2:RevokeSecurityGroupIngress"))
}
