package samtemplate

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"sgward/internal/cloudformation"
)

// collector fills a Template from what a template declares.
type collector struct {
	source *cloudformation.Template
	into   *Template
}

func (c *collector) reader(properties *yaml.Node) *reader {
	return &reader{template: c.source, properties: properties}
}

// collect reads the resources that the package knows, and only the properties in use, so
// that intrinsics in other resources do not matter.
func collect(source *cloudformation.Template) (*Template, error) {
	c := &collector{source, &Template{
		Functions: map[string]Function{},
		Queues:    map[string]Queue{},
		Topics:    map[string]Topic{},
		Tables:    map[string]Table{},
		Roles:     map[string]Role{},
		Rules:     map[string]Rule{},
		StackName: source.Options.StackName,
		Outputs:   map[string]string{},
	}}
	outputs, err := source.Outputs()
	if err != nil {
		return nil, err
	}
	for name, value := range outputs {
		c.into.Outputs[name] = textOf(value)
	}
	for _, r := range source.Resources {
		if err := c.list(r); err != nil {
			return nil, fmt.Errorf("resource %s: %w", r.LogicalID, err)
		}
		var err error
		switch r.Type {
		case "AWS::Serverless::Function":
			err = c.addFunction(r)
		case "AWS::SQS::Queue":
			err = c.addQueue(r)
		case "AWS::SNS::Topic":
			var topic string
			topic, err = arn(source, r)
			c.into.Topics[r.LogicalID] = Topic{LogicalID: r.LogicalID, ARN: topic}
		case "AWS::DynamoDB::Table":
			err = c.addTable(r)
		case "AWS::IAM::Role":
			err = c.addRole(r)
		case "AWS::Events::Rule":
			err = c.addRule(r)
		case "AWS::Lambda::EventSourceMapping":
			err = c.addMapping(r)
		case "AWS::SNS::Subscription":
			err = c.addSubscription(r)
		}
		if err != nil {
			return nil, fmt.Errorf("resource %s: %w", r.LogicalID, err)
		}
	}
	if err := c.addPolicies(); err != nil {
		return nil, err
	}
	return c.into, nil
}

// list adds a resource to those that CloudFormation lists, under the type that SAM makes of
// its own.
func (c *collector) list(r cloudformation.Resource) error {
	id, err := ref(c.source, r)
	if err != nil {
		return err
	}
	kind := r.Type
	if kind == "AWS::Serverless::Function" {
		kind = "AWS::Lambda::Function"
	}
	c.into.Resources = append(c.into.Resources, Resource{LogicalID: r.LogicalID, PhysicalID: fmt.Sprint(id), Type: kind})
	return nil
}

func (c *collector) addFunction(r cloudformation.Resource) error {
	name, err := name(c.source, r)
	if err != nil {
		return err
	}
	arn, err := arn(c.source, r)
	if err != nil {
		return err
	}
	f := Function{LogicalID: r.LogicalID, Name: name, ARN: arn, LogGroup: "/aws/lambda/" + name, Environment: map[string]string{}, MaximumRetryAttempts: 2}
	globals := cloudformation.Child(cloudformation.Child(c.source.Root, "Globals"), "Function")
	timeout, memory := 3, 128
	for _, source := range []*yaml.Node{globals, r.Properties} { // later sources override
		p := c.reader(source)
		p.integer("Timeout", &timeout)
		p.integer("MemorySize", &memory)
		p.text("Role", &f.RoleARN)
		variables := map[string]any{}
		p.object("Environment", &variables)
		if inner, ok := variables["Variables"].(map[string]any); ok {
			for key, v := range inner {
				f.Environment[key] = fmt.Sprint(v)
			}
		}
		var layers []any
		p.list("Layers", &layers)
		for _, layer := range layers { // SAM adds those of Globals and of the function
			f.Layers = append(f.Layers, textOf(layer))
		}
		logging := map[string]any{}
		p.object("LoggingConfig", &logging)
		if group, ok := logging["LogGroup"]; ok {
			f.LogGroup = textOf(group)
		}
		config := map[string]any{}
		p.object("EventInvokeConfig", &config)
		if p.err != nil {
			return p.err
		}
		if err := f.setInvokeConfig(config); err != nil {
			return err
		}
	}
	f.Timeout, f.MemoryMB = time.Duration(timeout)*time.Second, memory
	c.into.Functions[r.LogicalID] = f
	return nil
}

func (f *Function) setInvokeConfig(config map[string]any) error {
	if v, ok := config["MaximumRetryAttempts"]; ok {
		n, err := strconv.Atoi(fmt.Sprint(v))
		if err != nil || n < 0 || n > 2 {
			return fmt.Errorf("MaximumRetryAttempts: want 0 to 2, found %v", v)
		}
		f.MaximumRetryAttempts = n
	}
	destinations, _ := config["DestinationConfig"].(map[string]any)
	if d, ok := destinations["OnSuccess"].(map[string]any); ok {
		f.OnSuccessARN = textOf(d["Destination"])
	}
	if d, ok := destinations["OnFailure"].(map[string]any); ok {
		f.OnFailureARN = textOf(d["Destination"])
	}
	return nil
}

func (c *collector) addQueue(r cloudformation.Resource) error {
	name, err := name(c.source, r)
	if err != nil {
		return err
	}
	arn, err := arn(c.source, r)
	if err != nil {
		return err
	}
	visibility, retention := 30, 4*24*60*60
	var redrive map[string]any
	p := c.reader(r.Properties)
	p.integer("VisibilityTimeout", &visibility)
	p.integer("MessageRetentionPeriod", &retention)
	p.object("RedrivePolicy", &redrive)
	if p.err != nil {
		return p.err
	}
	q := Queue{
		LogicalID: r.LogicalID, Name: name, ARN: arn,
		VisibilityTimeout: time.Duration(visibility) * time.Second,
		Retention:         time.Duration(retention) * time.Second,
	}
	if redrive != nil {
		q.DeadLetterARN = textOf(redrive["deadLetterTargetArn"])
		if q.MaxReceiveCount, err = strconv.Atoi(fmt.Sprint(redrive["maxReceiveCount"])); err != nil {
			return fmt.Errorf("RedrivePolicy: maxReceiveCount: %w", err)
		}
	}
	c.into.Queues[r.LogicalID] = q
	return nil
}

func (c *collector) addTable(r cloudformation.Resource) error {
	name, err := name(c.source, r)
	if err != nil {
		return err
	}
	var keys []any
	var ttl map[string]any
	p := c.reader(r.Properties)
	p.list("KeySchema", &keys)
	p.object("TimeToLiveSpecification", &ttl)
	var own map[string]any
	p.object("ResourcePolicy", &own)
	if p.err != nil {
		return p.err
	}
	if len(keys) != 1 {
		return fmt.Errorf("KeySchema: want one key, found %d", len(keys))
	}
	key, _ := keys[0].(map[string]any)
	table := Table{LogicalID: r.LogicalID, Name: name, Key: textOf(key["AttributeName"])}
	if fmt.Sprint(ttl["Enabled"]) == "true" {
		table.TTL = textOf(ttl["AttributeName"])
	}
	if document, ok := own["PolicyDocument"]; ok {
		encoded, err := json.Marshal(document)
		if err != nil {
			return fmt.Errorf("ResourcePolicy: %w", err)
		}
		table.Policy = encoded
	}
	c.into.Tables[r.LogicalID] = table
	return nil
}

func (c *collector) addRule(r cloudformation.Resource) error {
	if cloudformation.Child(r.Properties, "EventPattern") == nil {
		return nil
	}
	arn, err := arn(c.source, r)
	if err != nil {
		return err
	}
	rule := Rule{LogicalID: r.LogicalID, ARN: arn}
	state := "ENABLED"
	p := c.reader(r.Properties)
	p.document("EventPattern", &rule.Pattern)
	p.text("State", &state)
	if p.err != nil {
		return p.err
	}
	rule.Enabled = strings.HasPrefix(state, "ENABLED")
	v, err := c.source.Value(cloudformation.Child(r.Properties, "Targets"))
	if err != nil {
		return err
	}
	targets, _ := v.([]any)
	for _, item := range targets {
		object, _ := item.(map[string]any)
		dlq, _ := object["DeadLetterConfig"].(map[string]any)
		rule.Targets = append(rule.Targets, Target{ARN: textOf(object["Arn"]), DeadLetterARN: textOf(dlq["Arn"])})
	}
	c.into.Rules[r.LogicalID] = rule
	return nil
}

// addSubscription leaves out those of people and of other protocols.
func (c *collector) addSubscription(r cloudformation.Resource) error {
	s := Subscription{LogicalID: r.LogicalID}
	var protocol string
	p := c.reader(r.Properties)
	p.text("Protocol", &protocol)
	p.text("TopicArn", &s.TopicARN)
	p.text("Endpoint", &s.FunctionARN)
	if p.err == nil && protocol == "lambda" {
		c.into.Subscriptions = append(c.into.Subscriptions, s)
	}
	return p.err
}

func (c *collector) addMapping(r cloudformation.Resource) error {
	m := Mapping{LogicalID: r.LogicalID, Enabled: true, BatchSize: 10}
	var window int
	var filters, scaling map[string]any
	var responses []any
	p := c.reader(r.Properties)
	p.text("FunctionName", &m.FunctionARN)
	p.text("EventSourceArn", &m.QueueARN)
	p.integer("BatchSize", &m.BatchSize)
	p.integer("MaximumBatchingWindowInSeconds", &window)
	p.object("FilterCriteria", &filters)
	p.object("ScalingConfig", &scaling)
	p.list("FunctionResponseTypes", &responses)
	if enabled := p.get("Enabled"); enabled != nil {
		m.Enabled = fmt.Sprint(enabled) == "true"
	}
	if p.err != nil {
		return p.err
	}
	if window != 0 {
		return fmt.Errorf("MaximumBatchingWindowInSeconds is %d: a message is handed over at once here", window)
	}
	for _, response := range responses {
		m.ReportBatchItemFailures = m.ReportBatchItemFailures || response == "ReportBatchItemFailures"
	}
	if v, ok := scaling["MaximumConcurrency"]; ok {
		n, err := strconv.Atoi(fmt.Sprint(v))
		if err != nil {
			return fmt.Errorf("ScalingConfig: MaximumConcurrency: %w", err)
		}
		m.MaximumConcurrency = n
	}
	list, _ := filters["Filters"].([]any)
	for _, item := range list {
		object, _ := item.(map[string]any)
		pattern := textOf(object["Pattern"])
		if !json.Valid([]byte(pattern)) {
			return fmt.Errorf("FilterCriteria: the pattern %q is not JSON", pattern)
		}
		m.Filters = append(m.Filters, json.RawMessage(pattern))
	}
	c.into.Mappings = append(c.into.Mappings, m)
	return nil
}
