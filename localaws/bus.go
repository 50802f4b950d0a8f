package localaws

import (
	"encoding/json"
	"errors"
	"fmt"

	"sgward/localaws/samtemplate"
)

// onEC2Event reports a call and passes its record on, as CloudTrail and EventBridge do.
func (s *Stack) onEC2Event(raw []byte) {
	e := eventOf(raw)
	kind := StepCall
	f, byFunction := s.functionOf(e.Detail.UserIdentity.AccessKeyID)
	if byFunction && e.isRevoke() {
		kind = StepRevoked
	}
	step := e.step(kind)
	step.Record = json.RawMessage(raw)
	step.Function = f.LogicalID
	s.emit(step)
	s.ct.Add(raw)
	if s.cfg.Bus != nil {
		s.cfg.Bus(raw)
		return
	}
	s.PutEvent(raw)
}

// PutEvent passes an event to the rules of the template, as the event bus would, and
// returns how many matched it.
func (s *Stack) PutEvent(raw []byte) int {
	e := eventOf(raw)
	matched := 0
	for _, r := range s.rules {
		if e.Region != "" && e.Region != s.cfg.Region {
			continue // a bus sees its own region
		}
		ok, err := r.pattern.Matches(raw)
		if err != nil || !ok {
			continue
		}
		matched++
		step := e.step(StepMatched)
		step.Rule = r.LogicalID
		s.emit(step)
		for _, target := range r.Targets {
			s.handOver(r, target, raw)
		}
	}
	if matched == 0 {
		step := e.step(StepIgnored)
		if e.Region != "" && e.Region != s.cfg.Region {
			step.Reason = "the stack is in " + s.cfg.Region + ", the call was in " + e.Region
		}
		s.emit(step)
	}
	return matched
}

// errHandOver stands for a failure that outlasts a rule's retry policy on AWS.
var errHandOver = errors.New("the target took no events")

// FailHandOvers makes the next n deliveries of events to functions fail, as when a
// target's retry policy is exhausted: they go to the rule's dead-letter queue.
func (s *Stack) FailHandOvers(n int) { s.handOverFaults.Add(int64(n)) }

// handOver invokes a target; events that cannot be delivered go to its dead-letter queue.
func (s *Stack) handOver(r rule, target samtemplate.Target, raw []byte) {
	f, _ := s.template.FunctionByARN(target.ARN) // wireRule has checked it
	err := errHandOver
	if s.handOverFaults.Add(-1) < 0 {
		s.handOverFaults.Add(1)
		err = s.invokeAsync(f.LogicalID, raw)
	}
	if err == nil {
		return
	}
	step := eventOf(raw).step(StepLost)
	step.Rule, step.Function, step.Reason = r.LogicalID, f.LogicalID, err.Error()
	if dead, ok := s.template.QueueByARN(target.DeadLetterARN); ok {
		attributes := map[string]string{"RULE_ARN": r.ARN, "TARGET_ARN": target.ARN, "ERROR_CODE": "INTERNAL_ERROR", "ERROR_MESSAGE": step.Reason}
		if _, err := s.queues[dead.LogicalID].SendWith(string(raw), attributes); err == nil {
			step.Kind, step.Queue = StepDeadLetter, dead.LogicalID
		}
	}
	s.emit(step)
}

// InvokeAsync invokes a function asynchronously, as an operator does to retry an event
// from the dead-letter queue.
func (s *Stack) InvokeAsync(logicalID string, payload []byte) error {
	if _, ok := s.asyncs[logicalID]; !ok {
		return fmt.Errorf("invoking %s: no rule of the template leads to it", logicalID)
	}
	step := eventOf(payload).step(StepInvoked)
	step.Function = logicalID
	s.emit(step)
	return s.invokeAsync(logicalID, payload)
}

func (s *Stack) invokeAsync(logicalID string, payload []byte) error {
	s.busy.Add(1)
	err := s.asyncs[logicalID].Invoke(s.ctx, payload, func() { s.busy.Add(-1) })
	if err != nil {
		s.busy.Add(-1)
	}
	return err
}
