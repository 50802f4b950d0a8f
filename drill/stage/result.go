package stage

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sgward/drill/history"
	"sgward/drill/oracle"
	"sgward/drill/wire"
	"sgward/localaws"
	"sgward/localaws/queue"
)

// callsPerOpening bounds the calls that functions try to make for one opening, whatever fails: each is sent up to four
// times, and each message comes up to five times.
const callsPerOpening = 40

// Result is what a run came to.
type Result struct {
	History    history.History
	Violations []oracle.Violation
	Openings   int
	Events     int // calls of scenes that CloudTrail recorded
	Alerts     int
	Messages   int // on the findings queue
	Dead       int // messages with the dead letters, which were led back
	Undone     int // closings that were undone
	Faults     map[wire.Kind]int
	Fired      []string // the keys of the faults
	// Tries are the deliveries that the messages took, in ascending order.
	Tries []int
	// Calls are those that reached EC2 from remediate, by action, and Attempted all that the functions sent.
	Calls     map[string]int
	Attempted int
	Samples   []Sample
	Took      time.Duration
}

// Percentile returns the tries that p of 100 messages needed at most.
func (r *Result) Percentile(p int) int {
	if len(r.Tries) == 0 {
		return 0
	}
	return r.Tries[min(len(r.Tries)*p/100, len(r.Tries)-1)]
}

// New returns the violations that no known limit explains.
func (r *Result) New() []oracle.Violation {
	return slices.DeleteFunc(slices.Clone(r.Violations), func(v oracle.Violation) bool { return v.Known != "" })
}

// tries counts deliveries of messages.
type tries struct {
	mu   sync.Mutex
	byID map[string]int
}

func (t *tries) note(m queue.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID = map[string]int{}
	}
	t.byID[m.ID] = max(t.byID[m.ID], m.ReceiveCount)
}

func (t *tries) sorted() []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(maps.Values(t.byID))
}

// onStep takes note of records that no destination accepted.
func (s *stage) onStep(step localaws.Step) {
	if step.Kind == localaws.StepLost {
		s.lost.Add(1)
	}
}

// unfinished is the violation that something did not come to an end.
func (s *stage) unfinished(err error) oracle.Violation {
	q, _ := s.stack.Load().Queue(findingsQueue)
	var waiting []string
	for _, m := range q.Messages() {
		waiting = append(waiting, s.labels.inPayload([]byte(m.Body)))
	}
	return oracle.Violation{Invariant: oracle.Lost, Text: fmt.Sprintf("%s; messages of %s are still there", err, strings.Join(waiting, ", "))}
}

// judge has the oracle look at everything so far.
func (s *stage) judge(r *Result, patient bool) {
	stack := s.stack.Load()
	dead, _ := stack.Queue(deadLetterQueue)
	deadEvents := map[string]bool{}
	for _, m := range dead.Messages() {
		for _, found := range anEventID.FindAllStringSubmatch(m.Body, -1) {
			deadEvents[found[1]] = true
		}
	}
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	r.Events = len(s.bus.deliveries)
	e := oracle.Evidence{Ledger: s.bus.ledger, Deliveries: maps.Clone(s.bus.deliveries), Present: map[string]bool{}}
	for id := range deadEvents {
		if d, ok := e.Deliveries[id]; ok {
			d.Dead = true
			e.Deliveries[id] = d
		}
	}
	for _, g := range stack.EC2().Groups() {
		for _, rule := range stack.EC2().Rules(g.ID) {
			e.Present[rule.ID] = true
		}
	}
	for _, m := range stack.SNS().Messages() {
		if a, err := oracle.ReadAlert(m.For("default"), m.Published); err == nil {
			e.Alerts = append(e.Alerts, a)
		}
	}
	for _, v := range oracle.Check(e, patient) {
		if !slices.ContainsFunc(r.Violations, func(o oracle.Violation) bool { return o.Invariant == v.Invariant && o.Op == v.Op }) {
			r.Violations = append(r.Violations, v)
		}
	}
}

// redrive leads the dead letters back through the front door, as an operator does once the cause is gone, and judges again.
func (s *stage) redrive(ctx context.Context, r *Result) {
	stack := s.stack.Load()
	dead, _ := stack.Queue(deadLetterQueue)
	for {
		taken := dead.Receive(10)
		if len(taken) == 0 {
			break
		}
		for _, m := range taken {
			r.Dead++
			dead.Delete(m.ReceiptHandle)
			if err := s.leadBack(m); err != nil {
				r.Violations = append(r.Violations, oracle.Violation{Invariant: oracle.Lost, Text: err.Error()})
			}
		}
	}
	if r.Dead == 0 {
		return
	}
	s.Progress("leading %d dead letters back, without faults", r.Dead)
	if err := s.rest(ctx); err != nil {
		r.Violations = append(r.Violations, s.unfinished(err))
	}
	for _, m := range dead.Messages() {
		label := s.labels.inPayload([]byte(m.Body))
		r.Violations = append(r.Violations, oracle.Violation{Invariant: oracle.DeadAgain, Op: label, Scene: s.bus.ops[label].scene,
			Text: "its message went to the dead letters once more"})
	}
	s.judge(r, false)
}

// undoKey is the access key of the person who undoes.
const undoKey = "AKIAUNDO000000000000"

// report fills in the figures.
func (s *stage) report(r *Result, took time.Duration) {
	stack := s.stack.Load()
	r.Took, r.Faults, r.Fired, r.Tries = took, s.faults.Count(), s.faults.Fired(), s.tries.sorted()
	r.Messages, r.Alerts, r.Calls, r.Attempted = len(r.Tries), len(stack.SNS().Messages()), stack.Calls(remediate), int(s.calls.Load())
	r.Samples = s.samples
	if n := stack.DestinationDeliveryFailures() + int(s.lost.Load()); n > 0 {
		r.Violations = append(r.Violations, oracle.Violation{Invariant: oracle.Lost, Text: fmt.Sprintf("no destination accepted %d records", n)})
	}
	if r.Openings > 50 && r.Attempted > callsPerOpening*r.Openings {
		r.Violations = append(r.Violations, oracle.Violation{Invariant: oracle.TooManyCalls,
			Text: fmt.Sprintf("%d calls for %d openings: want at most %d for each", r.Attempted, r.Openings, callsPerOpening)})
	}
	for i := range r.Violations {
		r.Violations[i].Known = known(r.Violations[i], s.bus.ops, r.Fired)
	}
	slices.SortFunc(r.Violations, func(a, b oracle.Violation) int {
		return strings.Compare(string(a.Invariant)+a.Scene+a.Op, string(b.Invariant)+b.Scene+b.Op)
	})
}
