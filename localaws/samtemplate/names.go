package samtemplate

import (
	"fmt"

	"sgward/internal/cloudformation"
)

// name is a resource's physical name: the one it asks for, else stack and logical
// id, as CloudFormation does without its random end.
func name(t *cloudformation.Template, r cloudformation.Resource) (string, error) {
	property := map[string]string{
		"AWS::SQS::Queue":           "QueueName",
		"AWS::SNS::Topic":           "TopicName",
		"AWS::DynamoDB::Table":      "TableName",
		"AWS::Serverless::Function": "FunctionName",
		"AWS::IAM::Role":            "RoleName",
		"AWS::Events::Rule":         "Name",
		"AWS::Logs::LogGroup":       "LogGroupName",
	}[r.Type]
	if node := cloudformation.Child(r.Properties, property); node != nil {
		v, err := t.Value(node)
		if err != nil {
			return "", err
		}
		if _, gone := v.(cloudformation.NoValue); !gone {
			return fmt.Sprint(v), nil
		}
	}
	return t.Options.StackName + "-" + r.LogicalID, nil
}

// ref returns the value of a Ref to a resource.
func ref(t *cloudformation.Template, r cloudformation.Resource) (any, error) {
	switch r.Type {
	case "AWS::SQS::Queue":
		queue, err := name(t, r)
		return fmt.Sprintf("https://sqs.%s.amazonaws.com/%s/%s", t.Options.Region, t.Options.AccountID, queue), err
	case "AWS::SNS::Topic":
		return arn(t, r)
	}
	return name(t, r)
}

// attribute returns the value of GetAtt.
func attribute(t *cloudformation.Template, r cloudformation.Resource, attribute string) (any, error) {
	switch attribute {
	case "Arn", "TopicArn":
		return arn(t, r)
	case "QueueName", "TopicName":
		return name(t, r)
	case "QueueUrl":
		return ref(t, r)
	}
	return nil, fmt.Errorf("attribute %s of %s is unknown here", attribute, r.LogicalID)
}

func arn(t *cloudformation.Template, r cloudformation.Resource) (string, error) {
	called, err := name(t, r)
	if err != nil {
		return "", err
	}
	switch r.Type {
	case "AWS::SQS::Queue":
		return t.ARN("sqs", called), nil
	case "AWS::SNS::Topic":
		return t.ARN("sns", called), nil
	case "AWS::DynamoDB::Table":
		return t.ARN("dynamodb", "table/"+called), nil
	case "AWS::Serverless::Function":
		return t.ARN("lambda", "function:"+called), nil
	case "AWS::Events::Rule":
		return t.ARN("events", "rule/"+called), nil
	case "AWS::Logs::LogGroup":
		return t.ARN("logs", "log-group:"+called+":*"), nil
	case "AWS::IAM::Role":
		return "arn:" + t.Options.Partition + ":iam::" + t.Options.AccountID + ":role/" + called, nil
	}
	return "", fmt.Errorf("the ARN of %s, a %s, is unknown here", r.LogicalID, r.Type)
}
