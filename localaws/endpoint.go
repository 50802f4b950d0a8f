package localaws

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"

	"sgward/localaws/awswire"
	"sgward/localaws/cloudformationapi"
	"sgward/localaws/cloudtrailapi"
	"sgward/localaws/dynamodbapi"
	"sgward/localaws/ec2api"
	"sgward/localaws/logsapi"
	"sgward/localaws/outletsapi"
	"sgward/localaws/queue"
	"sgward/localaws/samtemplate"
	"sgward/localaws/secretsapi"
	"sgward/localaws/snsapi"
	"sgward/localaws/sqsapi"
	"sgward/localaws/stsapi"
)

// maxRequestBytes is far above the limits of EC2 and SNS.
const maxRequestBytes = 8 << 20

// callCounter counts API calls by caller.
type callCounter struct {
	mu    sync.Mutex
	calls map[string]map[string]int // logical id of the caller -> "ec2:DescribeVpcs" -> n
}

func (c *callCounter) add(owner, action string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls == nil {
		c.calls = map[string]map[string]int{}
	}
	if c.calls[owner] == nil {
		c.calls[owner] = map[string]int{}
	}
	c.calls[owner][action]++
}

// Calls counts the API calls that a function made ("ec2:RevokeSecurityGroupIngress"),
// failed ones included; with an empty id those of all other callers.
func (s *Stack) Calls(logicalID string) map[string]int {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return maps.Clone(s.calls.calls[logicalID])
}

// CallsByLambda counts the calls that Lambda itself made with the role of a function: those
// of its event source mapping and of its destinations.
func (s *Stack) CallsByLambda(logicalID string) map[string]int {
	s.byItself.mu.Lock()
	defer s.byItself.mu.Unlock()
	return maps.Clone(s.byItself.calls[logicalID])
}

// byLambda counts a call that Lambda makes with a function's role, and refuses what the role
// does not allow.
func (s *Stack) byLambda(f samtemplate.Function, action string) error {
	s.byItself.add(f.LogicalID, action)
	if role, ok := s.template.RoleByARN(f.RoleARN); ok && !role.Allows(action) {
		return fmt.Errorf("%s is not authorized to perform: %s", role.ARN, action)
	}
	return nil
}

// startServices makes the stand-ins. A function calls with an access key of its own,
// under the role that the template gives it.
func (s *Stack) startServices() {
	options := []ec2api.Option{ec2api.WithEvents(func(_ context.Context, event []byte) { s.onEC2Event(event) })}
	if s.cfg.Seed != "" {
		options = append(options, ec2api.WithSeed(s.cfg.Seed))
	}
	for key, identity := range s.cfg.Identities {
		options = append(options, ec2api.WithIdentity(key, identity))
	}
	for id, f := range s.template.Functions {
		_, role, _ := strings.Cut(f.RoleARN, ":role/")
		options = append(options, ec2api.WithIdentity(accessKeyOf(id), ec2api.Identity{Role: role, Session: f.Name}))
	}
	s.ec2 = ec2api.New(options...)
	s.ec2.SetAuthorizer(func(action, accessKey string) string {
		if s.mayCall(accessKey, "ec2:"+action) {
			return ""
		}
		return "UnauthorizedOperation"
	})
	s.sts = stsapi.Handler(func(r *http.Request) stsapi.Caller {
		account, arn, userID := s.ec2.Caller(r)
		return stsapi.Caller{Account: account, ARN: arn, UserID: userID}
	})
	s.cfn = cloudformationapi.Handler(s.template, s.cfg.Region, s.began)
	s.ct.Authorize = func(action, accessKey string) bool { return s.mayCall(accessKey, "cloudtrail:"+action) }
	for _, f := range s.template.Functions {
		s.logs.Create(f.LogGroup)
	}
	s.secrets = secretsapi.Server{
		Secrets:   s.cfg.Secrets,
		Authorize: func(action, accessKey string) bool { return s.mayCall(accessKey, "secretsmanager:"+action) },
	}
	s.outlets.Authorize = func(action, accessKey string) bool { return s.mayCall(accessKey, action) }
	s.logs.Authorize = func(action, accessKey string) bool { return s.mayCall(accessKey, "logs:"+action) }
	var tables []dynamodbapi.Table
	for _, t := range s.template.Tables {
		tables = append(tables, dynamodbapi.Table{Name: t.Name, Key: t.Key})
	}
	s.db = dynamodbapi.New(dynamodbapi.Config{
		Tables:    tables,
		Authorize: func(action, accessKey string) bool { return s.mayCall(accessKey, "dynamodb:"+action) },
	})
	s.sqs = sqsapi.Handler(sqsapi.Config{
		Queue:     s.queueAt,
		Authorize: func(action, accessKey string) bool { return s.mayCall(accessKey, sqsPermission(action)) },
		OnReceive: s.onReceive,
		OnSend:    s.onSend,
	})
	topics := make([]string, 0, len(s.template.Topics))
	for _, t := range s.template.Topics {
		topics = append(topics, t.ARN)
	}
	s.sns = snsapi.New(snsapi.Config{
		Region: s.cfg.Region, TopicARNs: topics,
		Authorize: func(action, accessKey string) bool { return s.mayCall(accessKey, "sns:"+action) },
		OnPublish: s.onPublish,
	})
}

// mayCall restricts functions to the actions that their roles allow; clients may call
// everything.
func (s *Stack) mayCall(accessKey, action string) bool {
	f, ok := s.functionOf(accessKey)
	if !ok {
		return true
	}
	role, ok := s.template.RoleByARN(f.RoleARN)
	return !ok || role.Allows(action)
}

func (s *Stack) functionOf(accessKey string) (samtemplate.Function, bool) {
	for id, f := range s.template.Functions {
		if accessKeyOf(id) == accessKey {
			return f, true
		}
	}
	return samtemplate.Function{}, false
}

// accessKeyOf generates an access key in the form of temporary ones: ASIA and 16 capitals
// or digits.
func accessKeyOf(logicalID string) string {
	name := strings.ToUpper(logicalID) + strings.Repeat("0", 16)
	return "ASIA" + name[:16]
}

// ServeHTTP routes a call by the service that it was signed for, or, unsigned, by the
// API version that it names.
func (s *Stack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.busy.Add(1)
	defer s.busy.Add(-1)
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "reading the form: "+err.Error(), http.StatusBadRequest)
		return
	}
	accessKey, _, service := awswire.Credential(r)
	switch r.Form.Get("Version") {
	case "2016-11-15":
		service = "ec2"
	case "2010-03-31":
		service = "sns"
	case stsapi.Version:
		service = "sts"
	case cloudformationapi.Version:
		service = "cloudformation"
	}
	owner := ""
	if f, ok := s.functionOf(accessKey); ok {
		owner = f.LogicalID
	}
	action := r.Form.Get("Action")
	if target, ok := dynamodbapi.ActionOf(r); ok {
		service, action = "dynamodb", target
	}
	if target, ok := cloudtrailapi.ActionOf(r); ok {
		service, action = "cloudtrail", target
	}
	if target, ok := logsapi.ActionOf(r); ok {
		service, action = "logs", target
	}
	if target, ok := secretsapi.ActionOf(r); ok {
		service, action = "secretsmanager", target
	}
	if of, name, ok := outletsapi.ActionOf(r); ok {
		service, action = of, name
	}
	if target, ok := sqsapi.ActionOf(r); ok {
		service, action = "sqs", target
	}
	if name, ok := invoked(r); ok {
		s.calls.add(owner, "lambda:Invoke")
		s.serveInvoke(w, r, name)
		return
	}
	s.calls.add(owner, service+":"+action)
	switch service {
	case "ec2":
		s.ec2.ServeHTTP(w, r)
	case "sns":
		s.sns.ServeHTTP(w, r)
	case "sqs":
		s.sqs.ServeHTTP(w, r)
	case "sts":
		s.sts.ServeHTTP(w, r)
	case "dynamodb":
		s.db.ServeHTTP(w, r)
	case "cloudtrail":
		s.ct.ServeHTTP(w, r)
	case "cloudformation":
		s.cfn.ServeHTTP(w, r)
	case "logs":
		s.logs.ServeHTTP(w, r)
	case "secretsmanager":
		s.secrets.ServeHTTP(w, r)
	case "events", "securityhub":
		s.outlets.ServeHTTP(w, r)
	default:
		http.Error(w, fmt.Sprintf("This is sgward's stand-in for AWS. It serves ec2 (security groups), sns, sqs, sts (who calls), dynamodb "+
			"(scan), cloudformation (describe-stacks, list-stack-resources), cloudtrail (lookup-events), logs (filter-log-events), secretsmanager (get-secret-value), events (put-events), securityhub (batch-import-findings) and lambda (invoke), not %q.", service),
			http.StatusNotImplemented)
	}
}

// sqsPermission is the permission that a call of SQS needs: batches have none of their own.
func sqsPermission(action string) string { return "sqs:" + strings.TrimSuffix(action, "Batch") }

// queueAt returns the queue with a URL as the template's Ref has it: account and name.
func (s *Stack) queueAt(url string) (*queue.Queue, bool) {
	for id, t := range s.template.Queues {
		if strings.HasSuffix(url, "/"+t.Name) {
			return s.queues[id], true
		}
	}
	return nil, false
}

// onReceive remembers the messages that a function has received itself: what it leaves
// is retried after RetryAfter, and not after the visibility timeout.
func (s *Stack) onReceive(accessKey string, q *queue.Queue, received []queue.Message) {
	f, ok := s.functionOf(accessKey)
	if !ok {
		return
	}
	s.receivedMu.Lock()
	defer s.receivedMu.Unlock()
	by := s.receivedBy(f.LogicalID)
	for _, m := range received {
		by.messages = append(by.messages, receivedMessage{q, m.ReceiptHandle})
	}
}

// onSend reports a message that a function sends to a queue of the template by itself.
func (s *Stack) onSend(accessKey string, q *queue.Queue, m queue.Message) {
	f, ok := s.functionOf(accessKey)
	if !ok {
		return
	}
	step := messageStep(StepSent, s.logicalIDOf(q), m)
	step.Function, step.Detection = f.LogicalID, detectionIn(m.Body)
	for _, t := range s.template.Queues {
		if t.DeadLetterARN == q.ARN() {
			step.Kind, step.Detection, step.Reason = StepDeadLetter, nil, m.Attributes["reason"]
		}
	}
	s.emit(step)
}

func (s *Stack) logicalIDOf(q *queue.Queue) string {
	for id, other := range s.queues {
		if other == q {
			return id
		}
	}
	return ""
}

// receivedBy is what a function has received itself, and how many invocations of it run.
type receivedBy struct {
	running  int
	messages []receivedMessage
}

type receivedMessage struct {
	queue  *queue.Queue
	handle string
}

// receivedBy requires the lock.
func (s *Stack) receivedBy(logicalID string) *receivedBy {
	if s.received == nil {
		s.received = map[string]*receivedBy{}
	}
	if s.received[logicalID] == nil {
		s.received[logicalID] = &receivedBy{}
	}
	return s.received[logicalID]
}

// invoking counts an invocation of a function that a queue feeds. The returned function
// ends it: after the last one that runs, the messages it has left become visible.
func (s *Stack) invoking(logicalID string) (end func()) {
	s.receivedMu.Lock()
	defer s.receivedMu.Unlock()
	by := s.receivedBy(logicalID)
	by.running++
	return func() {
		s.receivedMu.Lock()
		defer s.receivedMu.Unlock()
		if by.running--; by.running > 0 {
			return
		}
		for _, m := range by.messages {
			m.queue.ChangeVisibility(m.handle, s.cfg.RetryAfter) // of those that are not deleted
		}
		by.messages = nil
	}
}
