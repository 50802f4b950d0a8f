// Package samtemplate reads the parts of an AWS SAM template that decide the way
// of an event: rules with their patterns and targets, functions with their
// timeouts, environment and destinations, queues with their redrive, and event
// source mappings with their filters.
//
// It finds resources by type and by what refers to them, never by position, and
// evaluates parameters, conditions and the intrinsic functions that such
// templates use. What it cannot evaluate is an error naming the place: a tour that
// ran on a guess would show something that the template does not do.
package samtemplate

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"sgward/internal/cloudformation"
)

// Options are the settings of the evaluation; this package supplies the values of
// references.
type Options = cloudformation.Options

// Template holds the resources on an event's way, by logical id. Resources whose condition
// is false are absent.
type Template struct {
	Functions map[string]Function
	Queues    map[string]Queue
	Topics    map[string]Topic
	Tables    map[string]Table
	Roles     map[string]Role
	Rules     map[string]Rule
	Mappings  []Mapping // in the order of the template
	// Subscriptions are those of functions to topics, in the order of the template.
	Subscriptions []Subscription
	// StackName is the name of the stack, Resources are all of its resources, and Outputs its
	// outputs by name, as CloudFormation lists them.
	StackName string
	Resources []Resource
	Outputs   map[string]string
}

// Resource is a resource of any type.
type Resource struct{ LogicalID, PhysicalID, Type string }

// Function is a Lambda function.
type Function struct {
	LogicalID   string
	Name        string
	ARN         string
	RoleARN     string        // empty when the template gives none
	Timeout     time.Duration // default 3 s, as on Lambda
	MemoryMB    int           // default 128
	LogGroup    string        // default /aws/lambda/<name>
	Environment map[string]string
	Layers      []string // the ARNs of its layers' versions

	// What follows an asynchronous invocation.
	MaximumRetryAttempts int    // default 2
	OnSuccessARN         string // empty: nowhere
	OnFailureARN         string // empty: nowhere
}

// Queue is a standard SQS queue.
type Queue struct {
	LogicalID         string
	Name              string
	ARN               string
	VisibilityTimeout time.Duration // default 30 s
	Retention         time.Duration // default 4 days
	MaxReceiveCount   int           // 0: no redrive
	DeadLetterARN     string        // empty: no redrive
}

// Topic is an SNS topic.
type Topic struct {
	LogicalID string
	ARN       string
}

// Table is a DynamoDB table with a partition key only.
type Table struct {
	LogicalID string
	Name      string
	Key       string // the name of its partition key
	TTL       string // the attribute of its time to live; empty: items stay
	// Policy is the document of its resource policy, nil without one. It binds nobody here.
	Policy json.RawMessage
}

// Role is an IAM role with the actions that its inline policies, and AWS::IAM::Policy
// resources for it, allow. Resources,
// conditions, denials and managed policies are left out: the role may do no more
// than this.
type Role struct {
	LogicalID string
	ARN       string
	Actions   []string // as written: "ec2:RevokeSecurityGroupIngress", "sqs:*"
}

// Allows reports whether an action such as "sns:Publish" is among those allowed.
func (r Role) Allows(action string) bool {
	return slices.ContainsFunc(r.Actions, func(allowed string) bool {
		if prefix, ok := strings.CutSuffix(allowed, "*"); ok {
			return len(action) >= len(prefix) && strings.EqualFold(action[:len(prefix)], prefix)
		}
		return strings.EqualFold(action, allowed)
	})
}

// Rule is an EventBridge rule on an event pattern. Schedules are left out.
type Rule struct {
	LogicalID string
	ARN       string
	Enabled   bool
	Pattern   json.RawMessage
	Targets   []Target
}

// Target is a target of a rule.
type Target struct {
	ARN           string
	DeadLetterARN string // empty: a failed delivery is lost
}

// Subscription has a function invoked with the messages of a topic.
type Subscription struct {
	LogicalID   string
	TopicARN    string
	FunctionARN string
}

// Mapping is an event source mapping of a queue to a function.
type Mapping struct {
	LogicalID               string
	Enabled                 bool
	QueueARN                string
	FunctionARN             string
	BatchSize               int               // default 10
	Filters                 []json.RawMessage // any may match; none: everything passes
	ReportBatchItemFailures bool
	MaximumConcurrency      int // 0: no cap
}

// Load reads the template in the file at path.
func Load(path string, opts Options) (*Template, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading template: %w", err)
	}
	t, err := Parse(src, opts)
	if err != nil {
		return nil, fmt.Errorf("reading template %s: %w", path, err)
	}
	return t, nil
}

// Parse reads a template from its YAML text.
func Parse(src []byte, opts Options) (*Template, error) {
	opts.Ref, opts.Attribute = ref, attribute
	evaluated, err := cloudformation.Parse(src, opts)
	if err != nil {
		return nil, err
	}
	return collect(evaluated)
}

// FunctionByARN returns the function with the given ARN or name, as event source
// mappings and targets name either.
func (t *Template) FunctionByARN(ref string) (Function, bool) {
	for _, f := range t.Functions {
		if ref != "" && (f.ARN == ref || f.Name == ref) {
			return f, true
		}
	}
	return Function{}, false
}

// RoleByARN returns the role with the given ARN.
func (t *Template) RoleByARN(arn string) (Role, bool) {
	for _, r := range t.Roles {
		if arn != "" && r.ARN == arn {
			return r, true
		}
	}
	return Role{}, false
}

// QueueByARN returns the queue with the given ARN.
func (t *Template) QueueByARN(arn string) (Queue, bool) {
	for _, q := range t.Queues {
		if arn != "" && q.ARN == arn {
			return q, true
		}
	}
	return Queue{}, false
}
