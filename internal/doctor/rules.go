package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"sgward/internal/awscall"
)

// ruleTargets names the function that each rule of template.yaml leads to, and what its loss
// means.
var ruleTargets = []struct{ rule, function, loss string }{
	{"OpeningsRule", "DetectFunction", "no new opening is seen before the next sweep"},
	{"PrefixListRule", "SweepFunction", "edits of prefix lists are not seen before the next sweep"},
	{"UnnamedCallsRule", "SweepFunction", "calls that name no group are not seen before the next sweep"},
	{"ScheduleRule", "SweepFunction", "nothing sweeps"},
}

func (x *examination) checkRules(ctx context.Context) []Line {
	var out []Line
	sound := 0
	for _, r := range ruleTargets {
		lines := x.examineRule(ctx, r.rule, r.function, r.loss)
		if len(lines) == 0 {
			sound++
		}
		out = append(out, lines...)
	}
	if sound == len(ruleTargets) {
		return append(out, ok("%d rules are enabled and lead to their functions", sound))
	}
	return out
}

// examineRule returns nothing for a sound rule.
func (x *examination) examineRule(ctx context.Context, logicalID, function, loss string) (out []Line) {
	name := x.stack.Ref(logicalID)
	if name == "" {
		return []Line{failure(deploy, "%s is not in the stack: %s", logicalID, loss)}
	}
	var rule struct{ State, EventPattern string }
	if err := x.call(ctx, awscall.EventBridge, "DescribeRule", map[string]any{"Name": name}, &rule); err != nil {
		if missing(err) {
			return []Line{failure(deploy, "%s is gone: %s", logicalID, loss)}
		}
		return []Line{unknown(err, "the state of %s", logicalID)}
	}
	if !strings.HasPrefix(rule.State, "ENABLED") {
		out = append(out, failure(x.command("events enable-rule --name %s", name), "%s is %s: %s", logicalID, strings.ToLower(rule.State), loss))
	}
	if logicalID == "OpeningsRule" {
		out = append(out, x.examinePattern(ctx, logicalID, rule.EventPattern)...)
	}
	var targets struct {
		Targets []struct {
			ARN         string `json:"Arn"`
			DeadLetters *struct {
				ARN string `json:"Arn"`
			} `json:"DeadLetterConfig"`
		}
	}
	if err := x.call(ctx, awscall.EventBridge, "ListTargetsByRule", map[string]any{"Rule": name}, &targets); err != nil {
		return append(out, unknown(err, "the targets of %s", logicalID))
	}
	for _, t := range targets.Targets {
		if !strings.HasSuffix(t.ARN, ":function:"+x.stack.Ref(function)) {
			continue
		}
		if t.DeadLetters == nil {
			out = append(out, warning(deploy, "%s has no dead-letter queue: an event that cannot be delivered is lost", logicalID))
		}
		return out
	}
	return append(out, failure(deploy, "%s does not lead to %s: %s", logicalID, function, loss))
}

// examinePattern puts an event to the rule's pattern.
func (x *examination) examinePattern(ctx context.Context, logicalID, pattern string) []Line {
	event, err := json.Marshal(map[string]any{
		"id": "00000000-0000-4000-8000-000000000000", "account": x.account, "region": x.region, "time": "2026-11-28T10:00:00Z",
		"source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail", "resources": []string{},
		"detail": map[string]any{"eventSource": "ec2.amazonaws.com", "eventName": "AuthorizeSecurityGroupIngress", "awsRegion": x.region},
	})
	if err != nil {
		return []Line{unknown(fmt.Errorf("writing an event: %w", err), "whether %s matches", logicalID)}
	}
	var answer struct{ Result bool }
	if err := x.call(ctx, awscall.EventBridge, "TestEventPattern", map[string]any{"EventPattern": pattern, "Event": string(event)}, &answer); err != nil {
		return []Line{unknown(err, "whether the pattern of %s matches an opening", logicalID)}
	}
	if !answer.Result {
		return []Line{failure(deploy, "the pattern of %s does not match AuthorizeSecurityGroupIngress in this account: somebody changed it", logicalID)}
	}
	return nil
}
