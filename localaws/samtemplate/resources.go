package samtemplate

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// template collects the resources that the package knows. Only their properties
// that matter are evaluated, so an intrinsic in a dashboard does no harm.
func (e *evaluator) template() (*Template, error) {
	t := &Template{
		Functions: map[string]Function{},
		Queues:    map[string]Queue{},
		Topics:    map[string]Topic{},
		Tables:    map[string]Table{},
		Roles:     map[string]Role{},
		Rules:     map[string]Rule{},
	}
	invokeConfigs := []*resource{}
	for _, id := range e.order {
		r := e.resources[id]
		var err error
		switch r.kind {
		case "AWS::Serverless::Function", "AWS::Lambda::Function":
			err = e.addFunction(t, r)
		case "AWS::SQS::Queue":
			err = e.addQueue(t, r)
		case "AWS::SNS::Topic":
			var arn string
			arn, err = e.resourceARN(r)
			t.Topics[id] = Topic{LogicalID: id, ARN: arn}
		case "AWS::DynamoDB::Table":
			err = e.addTable(t, r)
		case "AWS::IAM::Role":
			err = e.addRole(t, r)
		case "AWS::Events::Rule":
			err = e.addRule(t, r)
		case "AWS::Lambda::EventSourceMapping":
			err = e.addMapping(t, r)
		case "AWS::Lambda::EventInvokeConfig":
			invokeConfigs = append(invokeConfigs, r)
		}
		if err != nil {
			return nil, fmt.Errorf("resource %s: %w", id, err)
		}
	}
	for _, r := range invokeConfigs { // after the functions that they configure
		if err := e.addInvokeConfig(t, r); err != nil {
			return nil, fmt.Errorf("resource %s: %w", r.logicalID, err)
		}
	}
	return t, nil
}

func (e *evaluator) addFunction(t *Template, r *resource) error {
	name, err := e.name(r)
	if err != nil {
		return err
	}
	arn, err := e.resourceARN(r)
	if err != nil {
		return err
	}
	f := Function{LogicalID: r.logicalID, Name: name, ARN: arn, Environment: map[string]string{}, MaximumRetryAttempts: 2}
	sources := []*yaml.Node{r.properties}
	if r.kind == "AWS::Serverless::Function" {
		sources = []*yaml.Node{e.globals, r.properties}
	}
	timeout, memory := 3, 128
	for _, source := range sources { // what comes later wins
		p := e.reader(source)
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
	t.Functions[r.logicalID] = f
	if r.kind != "AWS::Serverless::Function" {
		return nil
	}
	for event, node := range pairs(child(r.properties, "Events")) {
		if err := e.addFunctionEvent(t, f, event, node); err != nil {
			return fmt.Errorf("event %s: %w", event, err)
		}
	}
	return nil
}

// addFunctionEvent reads SAM's own spelling of a rule or a mapping.
func (e *evaluator) addFunctionEvent(t *Template, f Function, event string, node *yaml.Node) error {
	kind := child(node, "Type")
	if kind == nil {
		return fmt.Errorf("it has no Type")
	}
	properties := child(node, "Properties")
	id := f.LogicalID + event
	switch kind.Value {
	case "SQS":
		return e.readMapping(t, id, f.ARN, "Queue", properties)
	case "EventBridgeRule", "CloudWatchEvent":
		p := e.reader(properties)
		rule := Rule{LogicalID: id, ARN: e.arn("events", "rule/"+e.opts.StackName+"-"+id), Enabled: true}
		var dlq map[string]any
		state := "ENABLED"
		p.document("Pattern", &rule.Pattern)
		p.object("DeadLetterConfig", &dlq)
		p.text("State", &state)
		rule.Enabled = strings.HasPrefix(state, "ENABLED")
		rule.Targets = []Target{{ARN: f.ARN, DeadLetterARN: textOf(dlq["Arn"])}}
		t.Rules[id] = rule
		return p.err
	}
	return nil // schedules and the like are no way of an event
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

func (e *evaluator) addInvokeConfig(t *Template, r *resource) error {
	v, err := e.value(r.properties)
	if err != nil {
		return err
	}
	config, _ := v.(map[string]any)
	f, ok := t.FunctionByARN(textOf(config["FunctionName"]))
	if !ok {
		return fmt.Errorf("its function %v is not in the template", config["FunctionName"])
	}
	if err := f.setInvokeConfig(config); err != nil {
		return err
	}
	t.Functions[f.LogicalID] = f
	return nil
}

func (e *evaluator) addQueue(t *Template, r *resource) error {
	name, err := e.name(r)
	if err != nil {
		return err
	}
	arn, err := e.resourceARN(r)
	if err != nil {
		return err
	}
	visibility, retention := 30, 4*24*60*60
	var redrive map[string]any
	p := e.reader(r.properties)
	p.integer("VisibilityTimeout", &visibility)
	p.integer("MessageRetentionPeriod", &retention)
	p.object("RedrivePolicy", &redrive)
	if p.err != nil {
		return p.err
	}
	q := Queue{
		LogicalID: r.logicalID, Name: name, ARN: arn,
		VisibilityTimeout: time.Duration(visibility) * time.Second,
		Retention:         time.Duration(retention) * time.Second,
	}
	if redrive != nil {
		q.DeadLetterARN = textOf(redrive["deadLetterTargetArn"])
		if q.MaxReceiveCount, err = strconv.Atoi(fmt.Sprint(redrive["maxReceiveCount"])); err != nil {
			return fmt.Errorf("RedrivePolicy: maxReceiveCount: %w", err)
		}
	}
	t.Queues[r.logicalID] = q
	return nil
}

func (e *evaluator) addTable(t *Template, r *resource) error {
	name, err := e.name(r)
	if err != nil {
		return err
	}
	var keys []any
	var ttl map[string]any
	p := e.reader(r.properties)
	p.list("KeySchema", &keys)
	p.object("TimeToLiveSpecification", &ttl)
	if p.err != nil {
		return p.err
	}
	if len(keys) != 1 {
		return fmt.Errorf("KeySchema: want one key, found %d", len(keys))
	}
	key, _ := keys[0].(map[string]any)
	table := Table{LogicalID: r.logicalID, Name: name, Key: textOf(key["AttributeName"])}
	if fmt.Sprint(ttl["Enabled"]) == "true" {
		table.TTL = textOf(ttl["AttributeName"])
	}
	t.Tables[r.logicalID] = table
	return nil
}

func (e *evaluator) addRule(t *Template, r *resource) error {
	if child(r.properties, "EventPattern") == nil {
		return nil
	}
	arn, err := e.resourceARN(r)
	if err != nil {
		return err
	}
	rule := Rule{LogicalID: r.logicalID, ARN: arn}
	state := "ENABLED"
	p := e.reader(r.properties)
	p.document("EventPattern", &rule.Pattern)
	p.text("State", &state)
	if p.err != nil {
		return p.err
	}
	rule.Enabled = strings.HasPrefix(state, "ENABLED")
	v, err := e.value(child(r.properties, "Targets"))
	if err != nil {
		return err
	}
	targets, _ := v.([]any)
	for _, item := range targets {
		object, _ := item.(map[string]any)
		dlq, _ := object["DeadLetterConfig"].(map[string]any)
		rule.Targets = append(rule.Targets, Target{ARN: textOf(object["Arn"]), DeadLetterARN: textOf(dlq["Arn"])})
	}
	t.Rules[r.logicalID] = rule
	return nil
}

func (e *evaluator) addMapping(t *Template, r *resource) error {
	v, err := e.value(child(r.properties, "FunctionName"))
	if err != nil {
		return err
	}
	return e.readMapping(t, r.logicalID, textOf(v), "EventSourceArn", r.properties)
}

func (e *evaluator) readMapping(t *Template, id, function, queueKey string, properties *yaml.Node) error {
	m := Mapping{LogicalID: id, Enabled: true, FunctionARN: function, BatchSize: 10}
	var window int
	var filters, scaling map[string]any
	var responses []any
	p := e.reader(properties)
	p.text(queueKey, &m.QueueARN)
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
	t.Mappings = append(t.Mappings, m)
	return nil
}
