package doctor

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"sgward/internal/awscall"
	"sgward/internal/ec2rules"
	"sgward/internal/text"
)

const (
	detectFunction    = "DetectFunction"
	remediateFunction = "RemediateFunction"
	sweepFunction     = "SweepFunction"
	slackFunction     = "SlackFunction"
	outletsFunction   = "OutletsFunction"
	hookFunction      = "HookFunction"
)

// judges are the functions that hold the policy in every stack, by logical id.
var judges = []string{detectFunction, remediateFunction, sweepFunction}

// judges are the stack's functions that hold the policy.
func (x *examination) judges() []string {
	if x.stack.Ref(hookFunction) == "" {
		return judges
	}
	return append(slices.Clone(judges), hookFunction)
}

// function is a function's state and configuration, from Lambda.
type function struct {
	Configuration struct {
		FunctionName           string
		Role                   string
		State                  string
		StateReason            string
		LastUpdateStatus       string
		LastUpdateStatusReason string
		LastModified           string
		Environment            struct{ Variables map[string]string }
		Layers                 []struct {
			ARN string `json:"Arn"`
		}
	}
	Code        struct{ Location string }
	Concurrency struct{ ReservedConcurrentExecutions *int }
	err         error
}

// missing reports whether an error says that something does not exist.
func missing(err error) bool {
	if errors.Is(err, errNoResource) {
		return true
	}
	switch ec2rules.ErrorCode(err) {
	case "ResourceNotFoundException", "NotFoundException", "ResourceNotFound", "NotFound", "NonExistentQueue",
		"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "TypeConfigurationNotFoundException":
		return true
	default:
		return false
	}
}

// names are the stack's functions.
func (x *examination) names() []string {
	names := slices.Clone(x.judges())
	for _, optional := range []string{slackFunction, outletsFunction} {
		if x.stack.Ref(optional) != "" {
			names = append(names, optional)
		}
	}
	return names
}

func (x *examination) readFunctions(ctx context.Context) {
	x.functions = map[string]function{}
	for _, id := range x.names() {
		var f function
		name := x.stack.Ref(id)
		if name == "" {
			f.err = errNoResource
		} else {
			f.err = x.aws.REST(ctx, awscall.Lambda, "GetFunction", http.MethodGet, "/functions/"+url.PathEscape(name), nil, nil, &f)
		}
		x.functions[id] = f
	}
}

// clockSkew is how far the clocks of Lambda and CloudFormation may be apart.
const clockSkew = time.Minute

func (x *examination) checkFunctions(context.Context) []Line {
	var out []Line
	sound := 0
	for _, id := range x.names() {
		lines := x.examineFunction(id)
		if len(lines) == 0 {
			sound++
		}
		out = append(out, lines...)
	}
	if sound == len(x.names()) {
		return append(out, ok("%d functions are active, and as the last deployment left them", sound))
	}
	return out
}

// examineFunction returns nothing for a sound function.
func (x *examination) examineFunction(id string) (out []Line) {
	f := x.functions[id]
	c := f.Configuration
	switch {
	case missing(f.err):
		return []Line{failure(deploy, "%s is gone", id)}
	case f.err != nil:
		return []Line{unknown(f.err, "the state of %s", id)}
	}
	if c.State != "" && c.State != "Active" && c.State != "Inactive" { // an inactive one becomes active when it is invoked
		out = append(out, failure(x.command("lambda get-function-configuration --function-name %s", c.FunctionName), "%s is %s: %s", id, c.State, cmp.Or(c.StateReason, "no reason is given")))
	}
	switch c.LastUpdateStatus {
	case "", "Successful":
	case "InProgress":
		out = append(out, warning("run doctor again in a minute", "%s is being updated", id))
	default:
		out = append(out, failure(deploy, "the last update of %s failed: %s", id, cmp.Or(c.LastUpdateStatusReason, c.LastUpdateStatus)))
	}
	if n := f.Concurrency.ReservedConcurrentExecutions; n != nil && *n == 0 {
		out = append(out, failure(x.command("lambda delete-function-concurrency --function-name %s", c.FunctionName), "%s is stopped: its reserved concurrency is 0", id))
	}
	out = append(out, x.examineChange(id, c.FunctionName, c.LastModified)...)
	if id == remediateFunction {
		if mode, want := c.Environment.Variables["MODE"], x.stack.Outputs["Mode"]; mode != want && want != "" {
			out = append(out, failure(deploy, "%s runs in mode %q, the stack says %s", id, mode, want))
		}
	}
	return out
}

// lastModified is the form of Lambda's times.
const lastModified = "2006-01-02T15:04:05.000-0700"

// examineChange compares the last change of a function with the last one that CloudFormation
// made. One deployment brings code of one version to all functions; a function that was
// changed since may run another.
func (x *examination) examineChange(id, name, modified string) []Line {
	deployed := x.stack.Resources[id].Changed
	at, err := time.Parse(lastModified, modified)
	switch {
	case x.stack.Changing():
		return nil // checkStack says so
	case err != nil || deployed.IsZero():
		return []Line{unknown(nil, "whether %s is as the last deployment left it: its time, or the deployment's, is unknown", id)}
	case at.After(deployed.Add(clockSkew)):
		// CloudFormation leaves a function alone whose template and archive are as before.
		who := x.command("cloudtrail lookup-events --lookup-attributes AttributeKey=ResourceName,AttributeValue=%s", name)
		return []Line{warning(who+"   # who changed it; then deploy another version: the same one changes nothing", "%s was changed %s, and the stack changed it last %s: it was changed outside the stack, and its code may be of another version", id, text.Time(at), text.Time(deployed))}
	}
	return nil
}

// checkMapping looks at what leads from the findings queue to remediate.
func (x *examination) checkMapping(ctx context.Context) []Line {
	id := x.stack.Ref("FindingsMapping")
	if id == "" {
		return []Line{failure(deploy, "FindingsMapping is not in the stack: nothing is closed")}
	}
	var m struct {
		State, StateTransitionReason, LastProcessingResult, EventSourceArn string
		FilterCriteria                                                     struct{ Filters []struct{ Pattern string } }
	}
	if err := x.aws.REST(ctx, awscall.Lambda, "GetEventSourceMapping", http.MethodGet, "/event-source-mappings/"+url.PathEscape(id), nil, nil, &m); err != nil {
		if missing(err) {
			return []Line{failure(deploy, "FindingsMapping is gone: nothing is closed")}
		}
		return []Line{unknown(err, "whether findings reach remediate")}
	}
	if queue := x.queueARN("FindingsQueue"); !strings.HasSuffix(queue, ":"+m.EventSourceArn[strings.LastIndexByte(m.EventSourceArn, ':')+1:]) {
		return []Line{failure(deploy, "it reads %s, and not the findings queue: nothing is closed", cmp.Or(m.EventSourceArn, "no queue"))}
	}
	patterns := make([]string, len(m.FilterCriteria.Filters))
	for i, f := range m.FilterCriteria.Filters {
		patterns[i] = f.Pattern
	}
	if lines := x.examineFilter(ctx, patterns); len(lines) > 0 {
		return lines
	}
	enable := x.command("lambda update-event-source-mapping --uuid %s --enabled", id)
	switch m.State {
	case "Enabled":
		// Lambda documents no values. Some say more after the OK.
		if result := m.LastProcessingResult; result != "" && !strings.HasPrefix(result, "OK") && result != "No records processed" {
			return []Line{warning(x.command("logs tail %s", x.stack.Ref("RemediateLogGroup")), "findings reach remediate; the last batch ended with: %s", result)}
		}
		return []Line{ok("findings reach remediate")}
	case "Disabled", "Disabling":
		return []Line{failure(enable, "it is %s: no finding reaches remediate, and nothing is closed", strings.ToLower(m.State))}
	default:
		return []Line{warning("run doctor again in a minute", "it is %s (%s)", m.State, cmp.Or(m.StateTransitionReason, "no reason is given"))}
	}
}

// examineFilter tests the filter of the mapping with each message that remediate must get: Lambda
// deletes messages that no pattern matches. Without patterns all pass.
func (x *examination) examineFilter(ctx context.Context, patterns []string) []Line {
	if len(patterns) == 0 {
		return nil
	}
	var dropped []string
	for _, decision := range []string{"revoke", "alert", "inspect", ""} {
		response, name := map[string]any{"decision": decision}, decision
		if decision == "" {
			response, name = map[string]any{}, "none at all" // remediate refuses such a message, and the dead letters keep it
		}
		passes := false
		for _, pattern := range patterns {
			var err error
			if passes, err = x.matches(ctx, pattern, map[string]any{"body": map[string]any{"responsePayload": response}}); err != nil {
				return []Line{unknown(err, "whether the mapping lets findings pass")}
			}
			if passes {
				break
			}
		}
		if !passes {
			dropped = append(dropped, name)
		}
	}
	if len(dropped) > 0 {
		return []Line{failure(deploy, "its filter deletes findings with the decision %s: it was changed outside the stack", strings.Join(dropped, ", "))}
	}
	return nil
}

// checkThrottles looks for invocations that Lambda refused, and deliveries that failed.
func (x *examination) checkThrottles(ctx context.Context) []Line {
	var out []Line
	for _, id := range x.judges() {
		name := x.stack.Ref(id)
		if name == "" {
			continue
		}
		throttles, err := x.sum(ctx, "AWS/Lambda", "Throttles", "FunctionName", name)
		if err != nil {
			return append(out, unknown(err, "whether functions are throttled"))
		}
		if throttles > 0 {
			out = append(out, warning(x.command("lambda get-account-settings")+"   # ask for a higher quota of concurrent executions",
				"Lambda throttled %s %s times in 24 hours: it tries again, later", id, text.Thousands(int(throttles))))
		}
	}
	for _, r := range rulesOfTheStack {
		name := x.stack.Ref(r.id)
		if name == "" {
			continue
		}
		failed, err := x.sum(ctx, "AWS/Events", "FailedInvocations", "RuleName", name)
		if err != nil {
			return append(out, unknown(err, "whether events reach the functions"))
		}
		if failed > 0 {
			out = append(out, failure(deploy, "%s could not deliver %s to %s in 24 hours: it may lack the permission to invoke the function", r.id, text.Plural(int(failed), "event"), r.function))
		}
	}
	if len(out) == 0 {
		out = append(out, ok("no invocation was throttled and no delivery failed in 24 hours"))
	}
	return out
}
