package localaws

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"sgward/internal/crash"
	"sgward/internal/policypackage"
	"sgward/localaws/cloudtrailapi"
	"sgward/localaws/dynamodbapi"
	"sgward/localaws/ec2api"
	"sgward/localaws/eventpattern"
	"sgward/localaws/logsapi"
	"sgward/localaws/outletsapi"
	"sgward/localaws/queue"
	"sgward/localaws/runtimeapi"
	"sgward/localaws/samtemplate"
	"sgward/localaws/secretsapi"
	"sgward/localaws/snsapi"
)

const (
	// DefaultListen is where a stack serves AWS clients unless told otherwise.
	DefaultListen = "127.0.0.1:4566"
	// DefaultRetryAfter replaces the minutes that AWS waits between tries.
	DefaultRetryAfter = time.Second
)

// Config describes a stack. TemplatePath and BuildDir are required.
type Config struct {
	TemplatePath string
	// BuildDir holds BuildDir/<LogicalId>/bootstrap, as `make build` lays it out.
	BuildDir string
	// Listen is the address to serve at; empty is DefaultListen. Port 0 lets the
	// kernel choose.
	Listen string
	// Parameters are the template's ("Mode": "enforce").
	Parameters map[string]string
	// PolicyFile replaces the policy that is packed with the functions.
	PolicyFile string
	// Layers are the archives of the layers that functions have, by the ARNs of their
	// versions.
	Layers map[string]string
	// Secrets are the texts of the secrets that Secrets Manager holds, by ARN.
	Secrets map[string]string
	// RetryAfter is the wait before a failed invocation or message is retried, in place of
	// a minute or two (Lambda) and the visibility timeout (SQS). Zero is
	// DefaultRetryAfter.
	RetryAfter time.Duration
	// Seed makes the ids of groups, rules and events the same in every run; empty
	// draws them.
	Seed string
	// Region is the region of the stack; empty is us-east-1.
	Region string
	// Identities are the owners of access keys; any other key is the IAM user "demo".
	Identities map[string]ec2api.Identity
	// OnStep is called for every step, one at a time. It must be quick and must not call
	// the stack.
	OnStep func(Step)
	// Log takes each log line of a function; nil drops them.
	Log func(function, line string)

	// FunctionEndpoint is where functions send their calls, such as a proxy that passes them
	// on to the Stack's ServeHTTP; empty is the stack itself.
	FunctionEndpoint string
	// Bus takes the CloudTrail records in place of the event bus, and passes them on with
	// PutEvent, when and as often as it likes; nil passes each on at once.
	Bus func(event []byte)
	// QueueFaults returns the faults of the queue with a logical id; nil means none.
	QueueFaults func(logicalID string) queue.Faults
	// OnInvoke is called before a process of a function, by logical id, gets an invocation.
	OnInvoke func(function string, p runtimeapi.Process, payload []byte)
}

// Stack is a running pipeline. Stacks come from Start and end with Close.
type Stack struct {
	cfg      Config
	template *samtemplate.Template
	endpoint string
	began    time.Time

	ec2 *ec2api.Server
	sns *snsapi.Server
	sts http.Handler
	sqs http.Handler
	cfn http.Handler
	db  *dynamodbapi.Server
	ct  cloudtrailapi.Server
	// logs holds each line of the functions, under their log groups.
	logs    logsapi.Server
	secrets secretsapi.Server
	outlets outletsapi.Server

	functions map[string]*runtimeapi.Function // by logical id
	asyncs    map[string]*runtimeapi.Async    // by logical id
	queues    map[string]*queue.Queue         // by logical id
	rules     []rule
	sources   []*queue.Queue // queues that a mapping empties
	policy    string         // the packaged Config.PolicyFile, "" if there is none
	temporary string         // a folder of the stack's own, "" until it is needed

	server  *http.Server
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	busy           atomic.Int64 // requests and invocations in hand
	handOverFaults atomic.Int64 // hand-overs still to fail
	stepMu         sync.Mutex
	receivedMu     sync.Mutex
	received       map[string]*receivedBy // by the logical id of a function
	calls          callCounter
	byItself       callCounter // Lambda's own calls, with the role of a function
}

// rule is an event rule of the template, ready to match.
type rule struct {
	samtemplate.Rule
	pattern *eventpattern.Pattern
}

// Start reads the template, starts its functions and serves EC2 and SNS. It fails if
// a function does not come up. The stack ends with Close, or when ctx does.
func Start(ctx context.Context, cfg Config) (*Stack, error) {
	if cfg.Listen == "" {
		cfg.Listen = DefaultListen
	}
	if cfg.RetryAfter <= 0 {
		cfg.RetryAfter = DefaultRetryAfter
	}
	if cfg.Region == "" {
		cfg.Region = ec2api.DefaultRegion
	}
	template, err := samtemplate.Load(cfg.TemplatePath, samtemplate.Options{Region: cfg.Region, Parameters: cfg.Parameters})
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: run this in a checkout of sgward, or name the file with --template", err)
	}
	if err != nil {
		return nil, err
	}
	s := &Stack{
		cfg: cfg, template: template, began: time.Now(),
		functions: map[string]*runtimeapi.Function{},
		asyncs:    map[string]*runtimeapi.Async{},
		queues:    map[string]*queue.Queue{},
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	if err := s.start(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Stack) start() error {
	listener, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listening at %s: %w", s.cfg.Listen, err)
	}
	s.endpoint = "http://" + listener.Addr().String()
	s.startServices()
	if err := s.wire(); err != nil {
		_ = listener.Close()
		return err
	}
	// Only now, so that no call reaches a stack that is half wired; early ones wait.
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	s.running.Go(func() { // ends with the context
		defer crash.Exit()
		_ = s.server.Serve(listener)
	})
	s.running.Go(func() {
		defer crash.Exit()
		<-s.ctx.Done()
		_ = s.server.Close()
	})
	return nil
}

// Endpoint returns the address that AWS clients use, such as http://127.0.0.1:4566.
func (s *Stack) Endpoint() string { return s.endpoint }

// EC2 returns the EC2 stand-in, for snapshots and faults.
func (s *Stack) EC2() *ec2api.Server { return s.ec2 }

// SNS returns the SNS stand-in, for published messages and faults.
func (s *Stack) SNS() *snsapi.Server { return s.sns }

// DynamoDB returns the DynamoDB stand-in, for what its tables hold and for faults.
func (s *Stack) DynamoDB() *dynamodbapi.Server { return s.db }

// Logs returns the CloudWatch Logs stand-in, for what the functions have logged.
func (s *Stack) Logs() *logsapi.Server { return &s.logs }

// Template returns the evaluated template.
func (s *Stack) Template() *samtemplate.Template { return s.template }

// Queue returns the queue with a logical id of the template.
func (s *Stack) Queue(logicalID string) (*queue.Queue, bool) {
	q, ok := s.queues[logicalID]
	return q, ok
}

// Function returns the function with a logical id of the template.
func (s *Stack) Function(logicalID string) (*runtimeapi.Function, bool) {
	f, ok := s.functions[logicalID]
	return f, ok
}

// DestinationDeliveryFailures counts the records that no destination accepted.
func (s *Stack) DestinationDeliveryFailures() int {
	total := 0
	for _, a := range s.asyncs {
		total += a.DeliveryFailures()
	}
	return total
}

// WaitIdle returns when nothing is in progress: no request, no invocation, and no message
// in a queue that a function empties. Dead-letter queues may hold messages.
func (s *Stack) WaitIdle(ctx context.Context) error {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for !s.idle() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the stack to come to rest: %w", ctx.Err())
		}
	}
	return nil
}

// idle checks in the order in which work moves, so that none is missed.
func (s *Stack) idle() bool {
	if s.busy.Load() != 0 {
		return false
	}
	for _, q := range s.sources {
		if d := q.Depth(); d.Visible+d.InFlight > 0 {
			return false
		}
	}
	return s.busy.Load() == 0
}

// Close ends the functions and the server and waits for both.
func (s *Stack) Close() {
	s.cancel()
	for _, f := range s.functions {
		f.Close()
	}
	s.running.Wait()
	for _, a := range s.asyncs {
		a.Wait()
	}
	if s.temporary != "" {
		_ = os.RemoveAll(s.temporary)
	}
}

// folder returns the path of a folder that Close removes. It need not exist.
func (s *Stack) folder(name string) (string, error) {
	if s.temporary == "" {
		var err error
		if s.temporary, err = os.MkdirTemp("", "sgward-local"); err != nil {
			return "", fmt.Errorf("making a folder for the functions: %w", err)
		}
		// The functions run in folders of their own.
		if s.temporary, err = filepath.Abs(s.temporary); err != nil {
			return "", fmt.Errorf("resolving the folder for the functions: %w", err)
		}
	}
	return filepath.Join(s.temporary, name), nil
}

// packagePolicy packages Config.PolicyFile as the build packages a policy for the functions,
// if it is set.
func (s *Stack) packagePolicy() error {
	if s.cfg.PolicyFile == "" {
		return nil
	}
	data, err := os.ReadFile(s.cfg.PolicyFile)
	if err != nil {
		return fmt.Errorf("reading policy: %w", err)
	}
	folder, err := s.folder("policy")
	if err != nil {
		return err
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		return fmt.Errorf("making a folder for the policy: %w", err)
	}
	name := filepath.Base(s.cfg.PolicyFile)
	if err := policypackage.Write(folder, name, data); err != nil {
		return fmt.Errorf("reading policy %s:\n%w", s.cfg.PolicyFile, err)
	}
	s.policy = filepath.Join(folder, name)
	return nil
}

// bootstrapOf finds the build of a function.
func (s *Stack) bootstrapOf(logicalID string) (string, error) {
	path := filepath.Join(s.cfg.BuildDir, logicalID, "bootstrap")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("looking for the build of %s: %w: run \"make build\"", logicalID, err)
	}
	return path, nil
}
