package localaws

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"sgward/internal/crash"
	"sgward/internal/finding"
	"sgward/internal/policyfile"
	"sgward/localaws/eventpattern"
	"sgward/localaws/queue"
	"sgward/localaws/runtimeapi"
	"sgward/localaws/samtemplate"
	"sgward/localaws/snsapi"
)

// wire connects the resources of the template. Functions come first, because the rest is
// useless if one does not start.
func (s *Stack) wire() error {
	if err := s.packagePolicy(); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(s.template.Queues)) {
		if _, err := s.queue(id, nil); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.template.Rules)) {
		if err := s.wireRule(s.template.Rules[id]); err != nil {
			return err
		}
	}
	for _, m := range s.template.Mappings {
		if err := s.wireMapping(m); err != nil {
			return err
		}
	}
	for _, sub := range s.template.Subscriptions {
		if err := s.wireSubscription(sub); err != nil {
			return err
		}
	}
	if len(s.rules) == 0 {
		return fmt.Errorf("reading template %s: it has no enabled rule on an event pattern", s.cfg.TemplatePath)
	}
	return s.warm()
}

// warm starts a process of every function at once.
func (s *Stack) warm() error {
	var wg sync.WaitGroup
	failures := make(chan error, len(s.functions))
	for _, f := range s.functions {
		wg.Go(func() {
			defer crash.Exit()
			if err := f.Warm(s.ctx); err != nil {
				failures <- err
			}
		})
	}
	wg.Wait()
	close(failures)
	return <-failures // nil if none failed
}

// queue makes a queue after its dead-letter queue.
func (s *Stack) queue(id string, above []string) (*queue.Queue, error) {
	if q, ok := s.queues[id]; ok {
		return q, nil
	}
	if slices.Contains(above, id) {
		return nil, fmt.Errorf("wiring queue %s: its dead letters come back to it", id)
	}
	t := s.template.Queues[id]
	cfg := queue.Config{
		Name: t.Name, ARN: t.ARN,
		VisibilityTimeout: t.VisibilityTimeout, Retention: t.Retention,
		MaxReceiveCount: t.MaxReceiveCount,
	}
	if s.cfg.QueueFaults != nil {
		cfg.Faults = s.cfg.QueueFaults(id)
	}
	if t.DeadLetterARN != "" {
		dead, ok := s.template.QueueByARN(t.DeadLetterARN)
		if !ok {
			return nil, fmt.Errorf("wiring queue %s: its dead-letter queue %s is not in the template", id, t.DeadLetterARN)
		}
		q, err := s.queue(dead.LogicalID, append(above, id))
		if err != nil {
			return nil, err
		}
		cfg.DeadLetters = q
		cfg.OnDeadLetter = func(m queue.Message) {
			step := messageStep(StepDeadLetter, dead.LogicalID, m)
			step.Reason = fmt.Sprintf("received %d times from %s", m.ReceiveCount, id)
			s.emit(step)
		}
	}
	q := queue.New(cfg)
	s.queues[id] = q
	return q, nil
}

func (s *Stack) wireRule(t samtemplate.Rule) error {
	if !t.Enabled {
		return nil
	}
	pattern, err := eventpattern.Compile(t.Pattern)
	if err != nil {
		return fmt.Errorf("wiring rule %s: %w", t.LogicalID, err)
	}
	for _, target := range t.Targets {
		f, ok := s.template.FunctionByARN(target.ARN)
		if !ok {
			return fmt.Errorf("wiring rule %s: its target %s is no function of the template", t.LogicalID, target.ARN)
		}
		if err := s.wireAsync(f); err != nil {
			return err
		}
	}
	s.rules = append(s.rules, rule{Rule: t, pattern: pattern})
	return nil
}

// wireSubscription readies the function that a topic invokes.
func (s *Stack) wireSubscription(t samtemplate.Subscription) error {
	f, ok := s.template.FunctionByARN(t.FunctionARN)
	if !ok {
		return fmt.Errorf("wiring subscription %s: its endpoint %s is no function of the template", t.LogicalID, t.FunctionARN)
	}
	return s.wireAsync(f)
}

// onPublish passes a message on to the functions that have subscribed to its topic.
func (s *Stack) onPublish(m snsapi.Message) {
	s.emit(alertStep(m))
	for _, sub := range s.template.Subscriptions {
		f, ok := s.template.FunctionByARN(sub.FunctionARN)
		if !ok || sub.TopicARN != m.TopicARN {
			continue
		}
		event, err := json.Marshal(notification(sub, m))
		if err == nil {
			err = s.invokeAsync(f.LogicalID, event)
		}
		if err != nil {
			s.emit(Step{Kind: StepLost, Function: f.LogicalID, Reason: err.Error()})
		}
	}
}

// notification is the event of SNS for a function
// (https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html).
func notification(sub samtemplate.Subscription, m snsapi.Message) any {
	attributes := map[string]any{}
	for name, a := range m.Attributes {
		attributes[name] = map[string]string{"Type": a.DataType, "Value": a.Value}
	}
	return map[string]any{"Records": []any{map[string]any{
		"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": sub.TopicARN + ":" + sub.LogicalID,
		"Sns": map[string]any{
			"Type": "Notification", "MessageId": m.ID, "TopicArn": m.TopicARN, "Subject": m.Subject, "Message": m.For("lambda"),
			"Timestamp": m.Published.UTC().Format("2006-01-02T15:04:05.000Z"), "MessageAttributes": attributes,
		},
	}}}
}

// function makes the runtime of a function of the template.
func (s *Stack) function(t samtemplate.Function, concurrency int) (*runtimeapi.Function, error) {
	if f, ok := s.functions[t.LogicalID]; ok {
		return f, nil
	}
	bootstrap, err := s.bootstrapOf(t.LogicalID)
	if err != nil {
		return nil, err
	}
	env := maps.Clone(t.Environment)
	endpoint := cmp.Or(s.cfg.FunctionEndpoint, s.endpoint)
	maps.Copy(env, map[string]string{
		"AWS_ENDPOINT_URL":          endpoint, // so that no call leaves this machine
		"AWS_ENDPOINT_URL_EC2":      endpoint,
		"AWS_ENDPOINT_URL_SNS":      endpoint,
		"AWS_ENDPOINT_URL_SQS":      endpoint,
		"AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID":         accessKeyOf(t.LogicalID),
	})
	if err := s.mountLayers(t, env); err != nil {
		return nil, err
	}
	if s.policy != "" {
		env[policyfile.Variable] = s.policy
	}
	cfg := runtimeapi.Config{
		Name: t.Name, ARN: t.ARN, Bootstrap: bootstrap, Region: s.cfg.Region,
		Timeout: t.Timeout, MemoryMB: t.MemoryMB, MaximumConcurrency: concurrency,
		Environment: env,
	}
	if s.cfg.OnInvoke != nil {
		cfg.OnInvoke = func(p runtimeapi.Process, payload []byte) { s.cfg.OnInvoke(t.LogicalID, p, payload) }
	}
	cfg.Log = func(line string) {
		s.logs.Add(t.LogGroup, line, time.Now())
		if s.cfg.Log != nil {
			s.cfg.Log(t.LogicalID, line)
		}
	}
	f, err := runtimeapi.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("%w: run \"make build\"", err)
	}
	s.functions[t.LogicalID] = f
	return f, nil
}

// wireAsync connects a function with its destinations.
func (s *Stack) wireAsync(t samtemplate.Function) error {
	if _, ok := s.asyncs[t.LogicalID]; ok {
		return nil
	}
	f, err := s.function(t, 0)
	if err != nil {
		return err
	}
	success, err := s.destination(t, t.OnSuccessARN, "")
	if err != nil {
		return err
	}
	failure, err := s.destination(t, t.OnFailureARN, "retries exhausted")
	if err != nil {
		return err
	}
	s.asyncs[t.LogicalID] = runtimeapi.NewAsync(runtimeapi.AsyncConfig{
		Function: f, FunctionARN: t.ARN, MaximumRetryAttempts: t.MaximumRetryAttempts,
		RetryDelay: func(int) time.Duration { return s.cfg.RetryAfter },
		OnSuccess:  success, OnFailure: failure,
		OnAttempt: func(payload []byte, attempt int, result runtimeapi.Result) {
			s.emit(attemptStep(t.LogicalID, payload, attempt, result))
		},
		OnDeliveryFailure: func(payload []byte, err error) {
			step := eventOf(payload).step(StepLost)
			step.Function, step.Reason = t.LogicalID, err.Error()
			s.emit(step)
		},
	})
	return nil
}

// destination returns the sender to a queue; deadLetter, if not empty, is the reason
// under which it is shown.
func (s *Stack) destination(t samtemplate.Function, arn, deadLetter string) (func([]byte) error, error) {
	if arn == "" {
		return nil, nil //nolint:nilnil // no destination is a valid one
	}
	target, ok := s.template.QueueByARN(arn)
	if !ok {
		return nil, fmt.Errorf("wiring %s: its destination %s is no queue of the template", t.LogicalID, arn)
	}
	q := s.queues[target.LogicalID]
	return func(record []byte) error {
		if err := s.byLambda(t, "sqs:SendMessage"); err != nil {
			return err
		}
		if _, err := q.Send(string(record)); err != nil {
			return err
		}
		if deadLetter != "" {
			step := messageStep(StepDeadLetter, target.LogicalID, queue.Message{Body: string(record)})
			step.Function, step.Reason = t.LogicalID, deadLetter
			s.emit(step)
		}
		return nil
	}, nil
}

func (s *Stack) wireMapping(t samtemplate.Mapping) error {
	if !t.Enabled {
		return nil
	}
	source, ok := s.template.QueueByARN(t.QueueARN)
	if !ok {
		return fmt.Errorf("wiring mapping %s: its source %s is no queue of the template", t.LogicalID, t.QueueARN)
	}
	target, ok := s.template.FunctionByARN(t.FunctionARN)
	if !ok {
		return fmt.Errorf("wiring mapping %s: its function %s is not in the template", t.LogicalID, t.FunctionARN)
	}
	// Lambda tries them when it makes the mapping.
	for _, action := range []string{"sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:DeleteMessage"} {
		if err := s.byLambda(target, action); err != nil {
			return fmt.Errorf("wiring mapping %s: %w", t.LogicalID, err)
		}
	}
	f, err := s.function(target, t.MaximumConcurrency)
	if err != nil {
		return err
	}
	q := s.queues[source.LogicalID]
	m, err := queue.NewMapping(queue.MappingConfig{
		Queue: q, Region: s.cfg.Region,
		BatchSize: t.BatchSize, Filters: t.Filters,
		ReportBatchItemFailures: t.ReportBatchItemFailures,
		MaximumConcurrency:      t.MaximumConcurrency,
		RetryAfter:              s.cfg.RetryAfter,
		Invoke: func(ctx context.Context, payload []byte) (queue.Response, error) {
			defer s.invoking(target.LogicalID)()
			result, err := f.Invoke(ctx, payload)
			if err == nil && result.FunctionError != "" {
				s.emit(Step{Kind: StepFunctionFailed, Function: target.LogicalID, Duration: result.Duration, Reason: string(result.Payload)})
			} else if err == nil {
				s.emitHandled(target.LogicalID, source.LogicalID, payload, result.Payload)
			}
			return queue.Response{Payload: result.Payload, FunctionError: result.FunctionError}, err
		},
		OnFiltered: func(m queue.Message) { s.emit(messageStep(StepFiltered, source.LogicalID, m)) },
		OnBatch: func(batch []queue.Message) {
			step := messageStep(StepDelivered, source.LogicalID, batch[0])
			step.Function, step.Messages = target.LogicalID, len(batch)
			s.emit(step)
		},
		OnFailed: func(m queue.Message, reason string) {
			step := messageStep(StepReturned, source.LogicalID, m)
			step.Function, step.Reason = target.LogicalID, reason
			s.emit(step)
		},
	})
	if err != nil {
		return fmt.Errorf("wiring mapping %s: %w", t.LogicalID, err)
	}
	s.sources = append(s.sources, q)
	s.running.Go(func() {
		defer crash.Exit()
		m.Run(s.ctx)
	})
	return nil
}

// emitHandled reports the messages of a batch that the answer does not return.
func (s *Stack) emitHandled(function, queueID string, batch, answer []byte) {
	var sent struct {
		Records []struct {
			MessageID string `json:"messageId"`
			Body      string `json:"body"`
		}
	}
	var got struct {
		BatchItemFailures []struct {
			ItemIdentifier string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	_, _ = json.Unmarshal(batch, &sent), json.Unmarshal(answer, &got) // what cannot be read is not reported
	for _, m := range sent.Records {
		returned := false
		for _, f := range got.BatchItemFailures {
			returned = returned || f.ItemIdentifier == m.MessageID
		}
		if !returned {
			step := messageStep(StepHandled, queueID, queue.Message{Body: m.Body})
			step.Function = function
			s.emit(step)
		}
	}
}

// messageStep labels a message with the event inside its invocation record.
func messageStep(kind StepKind, queueID string, m queue.Message) Step {
	var record struct {
		RequestPayload json.RawMessage `json:"requestPayload"`
	}
	_ = json.Unmarshal([]byte(m.Body), &record) // not every message is a record
	step := eventOf(record.RequestPayload).step(kind)
	step.Queue = queueID
	return step
}

// detectionIn returns the Detection of a message that is an invocation record, or nil.
func detectionIn(body string) *finding.Detection {
	var record struct {
		ResponsePayload json.RawMessage `json:"responsePayload"`
	}
	_ = json.Unmarshal([]byte(body), &record) // not every message is a record
	return readDetection(record.ResponsePayload)
}

// readDetection returns nil for what is no Detection.
func readDetection(answer []byte) *finding.Detection {
	var detection finding.Detection
	if json.Unmarshal(answer, &detection) != nil || detection.SchemaVersion == "" {
		return nil
	}
	return &detection
}

func attemptStep(function string, payload []byte, attempt int, result runtimeapi.Result) Step {
	step := eventOf(payload).step(StepDetected)
	step.Function, step.Duration = function, result.Duration
	if result.FunctionError != "" {
		step.Kind = StepFunctionFailed
		step.Reason = fmt.Sprintf("try %d: %s", attempt, result.Payload)
		return step
	}
	step.Detection = readDetection(result.Payload)
	return step
}

func alertStep(m snsapi.Message) Step {
	step := Step{Kind: StepAlerted, Message: &m}
	if alert, ok := step.Alert(); ok {
		step.EventID, step.EventName = alert.Event.EventID, alert.Event.EventName
	}
	return step
}
