// Package stage runs a history: the functions' own binaries in the local stack, people and attackers who call EC2, and the
// faults between them all.
package stage

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sgward/drill/history"
	"sgward/drill/oracle"
	"sgward/drill/wire"
	"sgward/internal/crash"
	"sgward/localaws"
	"sgward/localaws/ec2api"
	"sgward/localaws/queue"
	"sgward/localaws/runtimeapi"
)

// Logical ids of template.yaml.
const (
	findingsQueue   = "FindingsQueue"
	deadLetterQueue = "DeadLetterQueue"
	detect          = "DetectFunction"
	remediate       = "RemediateFunction"
	sweep           = "SweepFunction"
)

const (
	// retryAfter takes the place of the minutes that Lambda and SQS wait. It is longer than any read lags.
	retryAfter = time.Second
	maxLag     = history.MaxLagMS * time.Millisecond
	// scenesAtOnce is how many scenes are played at the same time.
	scenesAtOnce = 12
	// backlog is the number of findings that wait from which on no scene begins.
	backlog = 40
	// The token bucket of revokes: a burst, and so many a second.
	revokeBurst, revokesPerSecond = 20, 25
)

// Access keys of those who call.
var keys = map[history.Actor]string{
	history.Alice: "AKIAALICE00000000000", history.Deployer: "ASIADEPLOYER00000000", history.Stranger: "AKIASTRANGER00000000",
}

const strangersAccount = "222233334444"

// Config says where things are.
type Config struct {
	// Root is the module's folder, with template.yaml and drill/policy.yaml.
	Root string
	// Build is what make build has made.
	Build string
	// Undo is how many closings are undone at the end.
	Undo int
	// Patience bounds the time in which everything has to come to an end once the last call is made.
	Patience time.Duration
	// Progress, if not nil, takes lines about how far it is.
	Progress func(format string, args ...any)
	// Log, if not nil, takes the functions' log lines.
	Log func(function, line string)
}

// stage is a run.
type stage struct {
	Config
	history history.History
	faults  *wire.Faults
	stack   atomic.Pointer[localaws.Stack]
	calls   atomic.Int64 // that functions tried to make

	bus     bus
	labels  labels
	tries   tries
	lost    atomic.Int64
	samples []Sample
}

// Run runs a history. An error means that the drill itself failed.
func Run(ctx context.Context, cfg Config, h history.History) (*Result, error) {
	if cfg.Progress == nil {
		cfg.Progress = func(string, ...any) {}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &stage{Config: cfg, history: h, faults: wire.NewFaults(h.Seed, h.Rate, h.Faults)}
	s.bus.stage = s
	s.bus.ops = map[string]plannedOp{}
	s.bus.deliveries = map[string]oracle.Delivery{}
	s.bus.events = map[string][]byte{}
	s.bus.ledger = oracle.NewLedger(actorsByKey())
	for _, scene := range h.Scenes {
		for _, op := range scene.Ops {
			s.bus.ops[op.ID] = plannedOp{scene.Name, op}
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the proxy: %w", err)
	}
	proxy := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: &wire.Proxy{
		Target: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.stack.Load().ServeHTTP(w, r) }),
		Faults: s.faults, MaxLag: maxLag, Label: s.labels.of, Kill: s.kill,
		OnCall: func(wire.Call) { s.calls.Add(1) },
	}}
	var running sync.WaitGroup
	running.Go(func() {
		defer crash.Exit()
		_ = proxy.Serve(listener)
	})
	defer running.Wait()
	defer func() { _ = proxy.Close() }()

	began := time.Now()
	stack, err := localaws.Start(ctx, localaws.Config{
		TemplatePath: filepath.Join(cfg.Root, "template.yaml"), BuildDir: cfg.Build,
		Listen: "127.0.0.1:0", Parameters: map[string]string{"Mode": "enforce"},
		PolicyFile: filepath.Join(cfg.Root, "drill", "policy.yaml"), RetryAfter: retryAfter, Seed: fmt.Sprint(h.Seed),
		Identities: map[string]ec2api.Identity{
			keys[history.Alice]:    {User: "alice"},
			keys[history.Deployer]: {Role: "deployer", Session: "run"},
			keys[history.Stranger]: {Account: strangersAccount, User: "stranger"},
		},
		FunctionEndpoint: "http://" + listener.Addr().String(),
		Bus:              s.bus.take,
		QueueFaults:      s.queueFaults,
		OnInvoke:         s.onInvoke,
		OnStep:           s.onStep,
		Log:              cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	defer stack.Close()
	s.stack.Store(stack)
	stack.EC2().SetReadLag(maxLag)
	if h.Rate > 0 {
		for _, action := range []string{"RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress"} {
			stack.EC2().SetRateLimit(action, revokeBurst, revokesPerSecond)
		}
	}
	measuring, stopMeasuring := context.WithCancel(ctx)
	defer stopMeasuring()
	var measured sync.WaitGroup
	measured.Go(func() {
		defer crash.Exit()
		s.measure(measuring, began)
	})
	if err := s.play(ctx); err != nil {
		return nil, err
	}
	r := &Result{History: h, Openings: h.Openings()}
	s.Progress("every call is made after %s; waiting for the functions", time.Since(began).Round(time.Second))
	if err := s.rest(ctx); err != nil {
		r.Violations = append(r.Violations, s.unfinished(err))
	}
	s.judge(r, true)
	s.faults.Stop()
	s.redrive(ctx, r)
	s.undo(ctx, r)
	stopMeasuring()
	measured.Wait()
	s.report(r, time.Since(began))
	return r, s.bus.broken()
}

func actorsByKey() map[string]string {
	out := map[string]string{accessKeyOf(remediate): oracle.Remediate, undoKey: "undo"}
	for actor, key := range keys {
		out[key] = string(actor)
	}
	return out
}

// accessKeyOf is the access key of a function of the stack.
func accessKeyOf(logicalID string) string {
	return ("ASIA" + strings.ToUpper(logicalID) + strings.Repeat("0", 16))[:20]
}

// rest waits until nothing is on its way.
func (s *stage) rest(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.Patience)
	defer cancel()
	q, _ := s.stack.Load().Queue(findingsQueue)
	for {
		if err := s.bus.wait(ctx); err != nil {
			return err
		}
		step, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := s.stack.Load().WaitIdle(step)
		cancel()
		switch {
		case ctx.Err() != nil:
			return err
		case err != nil:
			d := q.Depth()
			s.Progress("%d messages on the findings queue, %d alerts", d.Visible+d.InFlight, len(s.stack.Load().SNS().Messages()))
		case s.bus.pending.Load() == 0:
			return nil
		}
	}
}

// kill ends the process with a session token, whichever function it is of.
func (s *stage) kill(token string) {
	for _, id := range []string{detect, remediate, sweep} {
		if f, ok := s.stack.Load().Function(id); ok && f.Kill(token) {
			return
		}
	}
}

// onInvoke decides whether a process ends within its invocation, and when.
func (s *stage) onInvoke(function string, p runtimeapi.Process, payload []byte) {
	subject := strings.TrimSuffix(function, "Function") + " " + s.labels.inPayload(payload)
	if !s.faults.Happens(wire.Killed, subject) {
		return
	}
	within := 60 * time.Millisecond
	if function == detect {
		within = 2 * time.Millisecond
	}
	delay := time.Duration(wire.Fraction(s.history.Seed, "when "+subject) * float64(within))
	time.AfterFunc(delay, func() {
		defer crash.Exit()
		s.kill(p.SessionToken)
	})
}

// queueFaults makes the findings queue repeat and delay messages, and makes them older at each retry.
func (s *stage) queueFaults(logicalID string) queue.Faults {
	if logicalID != findingsQueue {
		return queue.Faults{}
	}
	return queue.Faults{
		Copies: func(m queue.Message) []time.Duration {
			subject := s.labels.inPayload([]byte(m.Body))
			hidden := []time.Duration{0}
			if s.faults.Happens(wire.MessageDelayed, subject) {
				hidden[0] = time.Duration(wire.Fraction(s.history.Seed, "delay "+subject) * float64(1500*time.Millisecond))
			}
			if s.faults.Happens(wire.MessageCopied, subject) {
				at := wire.Fraction(s.history.Seed, "copy "+subject)
				hidden = append(hidden, hidden[0]+time.Duration(at*at*float64(2*time.Second)))
			}
			return hidden
		},
		Receive: func(m *queue.Message) {
			s.tries.note(*m)
			s.age(m)
		},
	}
}

// age makes a message that is delivered again as old as it would be on AWS, where the visibility timeout passes between two
// deliveries: the functions know no time but that of messages against their clock.
func (s *stage) age(m *queue.Message) {
	if m.ReceiveCount < 2 {
		return
	}
	wait := s.stack.Load().Template().Queues[findingsQueue].VisibilityTimeout
	by := time.Duration(m.ReceiveCount-1) * (wait - retryAfter)
	m.Sent, m.FirstReceived = m.Sent.Add(-by), m.FirstReceived.Add(-by)
	m.Body = string(aged([]byte(m.Body), by))
}
