package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"sgward/internal/awscall"
	"sgward/internal/cloudtrail"
)

// leftOut is how CloudTrail writes the parameters of a call that are too long.
var leftOut = map[string]any{"omitted": true}

// rulesOfTheStack are the rules of template.yaml: the function that each leads to, what its
// loss means, and the calls that its pattern must match. A rule without calls is on a
// schedule.
var rulesOfTheStack = []eventRule{
	{"OpeningsRule", detectFunction, "no new opening is seen before the next sweep", openings(), nil},
	{"PrefixListRule", sweepFunction, "edits of prefix lists are not seen before the next sweep", cloudtrail.Names(cloudtrail.KindEditList), nil},
	{"UnnamedCallsRule", sweepFunction, "calls that name no group are not seen before the next sweep", openings(), leftOut},
	{"ScheduleRule", sweepFunction, "nothing sweeps", nil, nil},
}

type eventRule struct {
	id, function, loss string
	calls              []string
	parameters         map[string]any // requestParameters of the calls, nil if the pattern does not look at them
}

// ruleTarget is a target of a rule. The functions read events as they are: each of the three
// inputs replaces the event.
type ruleTarget struct {
	ARN              string `json:"Arn"`
	Input, InputPath string
	InputTransformer *struct{}
	DeadLetters      *struct {
		ARN string `json:"Arn"`
	} `json:"DeadLetterConfig"`
}

func (t *ruleTarget) replaces() bool {
	return t.Input != "" || t.InputPath != "" || t.InputTransformer != nil
}

func (x *examination) checkRules(ctx context.Context) []Line {
	var out []Line
	sound := 0
	for _, r := range rulesOfTheStack {
		lines := x.examineRule(ctx, r)
		if len(lines) == 0 {
			sound++
		}
		out = append(out, lines...)
	}
	if sound == len(rulesOfTheStack) {
		return append(out, ok("%d rules are enabled, match what they should, and lead to their functions", sound))
	}
	return out
}

// examineRule returns nothing for a sound rule.
func (x *examination) examineRule(ctx context.Context, r eventRule) (out []Line) {
	name := x.stack.Ref(r.id)
	if name == "" {
		return []Line{failure(deploy, "%s is not in the stack: %s", r.id, r.loss)}
	}
	var rule struct{ State, EventPattern, ScheduleExpression string }
	if err := x.aws.JSON(ctx, awscall.EventBridge, "DescribeRule", map[string]any{"Name": name}, &rule); err != nil {
		if missing(err) {
			return []Line{failure(deploy, "%s is gone: %s", r.id, r.loss)}
		}
		return []Line{unknown(err, "the state of %s", r.id)}
	}
	if !strings.HasPrefix(rule.State, "ENABLED") {
		out = append(out, failure(x.command("events enable-rule --name %s", name), "%s is %s: %s", r.id, strings.ToLower(rule.State), r.loss))
	}
	if len(r.calls) == 0 {
		out = append(out, x.examineSchedule(r, rule.ScheduleExpression)...)
	} else {
		out = append(out, x.examinePattern(ctx, r, rule.EventPattern)...)
	}
	return append(out, x.examineTargets(ctx, r, name)...)
}

// examineTargets looks for a target that gives the function the whole event.
func (x *examination) examineTargets(ctx context.Context, r eventRule, name string) []Line {
	var targets struct{ Targets []ruleTarget }
	if err := x.aws.JSON(ctx, awscall.EventBridge, "ListTargetsByRule", map[string]any{"Rule": name}, &targets); err != nil {
		return []Line{unknown(err, "the targets of %s", r.id)}
	}
	replaced := false
	for _, t := range targets.Targets {
		switch {
		case !strings.HasSuffix(t.ARN, ":function:"+x.stack.Ref(r.function)):
		case t.replaces():
			replaced = true
		case t.DeadLetters == nil:
			return []Line{warning(deploy, "%s has no dead-letter queue: an event that cannot be delivered is lost", r.id)}
		default:
			return nil
		}
	}
	if replaced {
		return []Line{failure(deploy, "the target of %s replaces events by an input of its own: %s", r.id, r.loss)}
	}
	return []Line{failure(deploy, "%s does not lead to %s: %s", r.id, r.function, r.loss)}
}

// examineSchedule compares a rule's schedule with the stack's.
func (x *examination) examineSchedule(r eventRule, schedule string) []Line {
	want := x.stack.Parameters["SweepSchedule"]
	switch {
	case schedule == "":
		return []Line{failure(deploy, "%s has no schedule: %s", r.id, r.loss)}
	case want == "":
		return []Line{unknown(nil, "whether %s is the schedule of the stack: it has no parameter SweepSchedule", schedule)}
	case schedule != want:
		return []Line{failure(deploy, "%s runs at %s, the stack says %s: it was changed outside the stack", r.id, schedule, want)}
	}
	return nil
}

// examinePattern tests the rule's pattern with an event of each call. The events have only the
// members that the pattern of template.yaml reads, so a condition on another one is noticed.
func (x *examination) examinePattern(ctx context.Context, r eventRule, pattern string) []Line {
	if pattern == "" {
		return []Line{failure(deploy, "%s has no pattern: %s", r.id, r.loss)}
	}
	var unmatched []string
	for _, call := range r.calls {
		detail := map[string]any{"eventSource": "ec2.amazonaws.com", "eventName": call, "awsRegion": x.region}
		if r.parameters != nil {
			detail["requestParameters"] = r.parameters
		}
		matched, err := x.matches(ctx, pattern, map[string]any{"source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail", "detail": detail})
		if err != nil {
			return []Line{unknown(err, "whether the pattern of %s matches %s", r.id, call)}
		}
		if !matched {
			unmatched = append(unmatched, call)
		}
	}
	if len(unmatched) > 0 {
		return []Line{failure(deploy, "the pattern of %s does not match %s in this account: it was changed outside the stack", r.id, strings.Join(unmatched, ", "))}
	}
	return nil
}

// matches asks EventBridge whether a pattern matches an event of this account. members are
// added to those that every event has.
func (x *examination) matches(ctx context.Context, pattern string, members map[string]any) (bool, error) {
	event := map[string]any{
		"id": "00000000-0000-4000-8000-000000000000", "account": x.account, "region": x.region, "time": "2026-11-28T10:00:00Z",
		"source": "sgward", "detail-type": "doctor", "resources": []string{}, "detail": map[string]any{},
	}
	maps.Copy(event, members)
	encoded, err := json.Marshal(event)
	if err != nil {
		return false, fmt.Errorf("writing an event: %w", err)
	}
	var answer struct{ Result bool }
	err = x.aws.JSON(ctx, awscall.EventBridge, "TestEventPattern", map[string]any{"EventPattern": pattern, "Event": string(encoded)}, &answer)
	return answer.Result, err
}
