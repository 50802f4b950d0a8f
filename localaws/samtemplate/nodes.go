package samtemplate

import (
	"fmt"
	"iter"
	"strings"

	"go.yaml.in/yaml/v3"
)

// pairs walks the keys of a mapping as written; any other node has none.
func pairs(node *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		if node == nil || node.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if !yield(node.Content[i].Value, node.Content[i+1]) {
				return
			}
		}
	}
}

func child(node *yaml.Node, key string) *yaml.Node {
	for k, v := range pairs(node) {
		if k == key {
			return v
		}
	}
	return nil
}

// untagged returns the argument of a short-form intrinsic: the node without its
// tag, so that its scalar is a string and its contents evaluate as usual.
func untagged(node *yaml.Node) *yaml.Node {
	plain := *node
	plain.Tag = ""
	if node.Kind == yaml.ScalarNode {
		plain.Tag = "!!str"
	}
	return &plain
}

func (e *evaluator) arn(service, rest string) string {
	return strings.Join([]string{"arn", e.opts.Partition, service, e.opts.Region, e.opts.AccountID, rest}, ":")
}

// name is a resource's physical name: the one it asks for, else stack and logical
// id, as CloudFormation does without its random end.
func (e *evaluator) name(r *resource) (string, error) {
	property := map[string]string{
		"AWS::SQS::Queue":           "QueueName",
		"AWS::SNS::Topic":           "TopicName",
		"AWS::DynamoDB::Table":      "TableName",
		"AWS::Serverless::Function": "FunctionName",
		"AWS::Lambda::Function":     "FunctionName",
		"AWS::IAM::Role":            "RoleName",
		"AWS::Events::Rule":         "Name",
		"AWS::Logs::LogGroup":       "LogGroupName",
	}[r.kind]
	if property != "" {
		if node := child(r.properties, property); node != nil {
			v, err := e.value(node)
			if err != nil {
				return "", err
			}
			if _, gone := v.(noValue); !gone {
				return fmt.Sprint(v), nil
			}
		}
	}
	return e.opts.StackName + "-" + r.logicalID, nil
}

func (e *evaluator) refOf(r *resource) (any, error) {
	switch r.kind {
	case "AWS::SQS::Queue":
		name, err := e.name(r)
		return fmt.Sprintf("https://sqs.%s.amazonaws.com/%s/%s", e.opts.Region, e.opts.AccountID, name), err
	case "AWS::SNS::Topic":
		return e.resourceARN(r)
	}
	return e.name(r)
}

func (e *evaluator) resourceARN(r *resource) (string, error) {
	name, err := e.name(r)
	if err != nil {
		return "", err
	}
	switch r.kind {
	case "AWS::SQS::Queue":
		return e.arn("sqs", name), nil
	case "AWS::SNS::Topic":
		return e.arn("sns", name), nil
	case "AWS::DynamoDB::Table":
		return e.arn("dynamodb", "table/"+name), nil
	case "AWS::Serverless::Function", "AWS::Lambda::Function":
		return e.arn("lambda", "function:"+name), nil
	case "AWS::Events::Rule":
		return e.arn("events", "rule/"+name), nil
	case "AWS::Logs::LogGroup":
		return e.arn("logs", "log-group:"+name+":*"), nil
	case "AWS::IAM::Role":
		return "arn:" + e.opts.Partition + ":iam::" + e.opts.AccountID + ":role/" + name, nil
	}
	return "", fmt.Errorf("the ARN of %s, a %s, is not known here", r.logicalID, r.kind)
}

func (e *evaluator) attribute(id, attribute string) (any, error) {
	r, ok := e.resources[id]
	if !ok {
		return nil, fmt.Errorf("there is no resource %s here", id)
	}
	switch attribute {
	case "Arn", "TopicArn":
		return e.resourceARN(r)
	case "QueueName", "TopicName":
		return e.name(r)
	case "QueueUrl":
		return e.refOf(r)
	}
	return nil, fmt.Errorf("attribute %s of %s is not known here", attribute, id)
}
