package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"net/url"

	"sgward/internal/awscall"
)

// hookName is the Alias of PreventionHook.
const hookName = "Private::Lambda::SgwardHook"

// hookConfiguration is the part of a hook's configuration that doctor looks at
// (https://docs.aws.amazon.com/cloudformation-cli/latest/hooks-userguide/hook-configuration-schema.html).
type hookConfiguration struct {
	CloudFormationConfiguration struct {
		HookConfiguration struct {
			HookInvocationStatus, FailureMode string
		}
	}
}

// checkPrevention compares the hook with the stack's parameter: whoever may call
// SetTypeConfiguration can disable it.
func (x *examination) checkPrevention(ctx context.Context) []Line {
	mode := x.stack.Outputs["Prevention"]
	want, on := map[string]string{"warn": "WARN", "refuse": "FAIL"}[mode]
	if !on {
		return []Line{ok("off: CloudFormation and Cloud Control do not ask the policy")}
	}
	var out struct {
		Configurations []struct {
			Configuration string
		} `xml:"TypeConfigurations>member"`
	}
	err := x.aws.Query(ctx, awscall.CloudFormation, "BatchDescribeTypeConfigurations", url.Values{
		"TypeConfigurationIdentifiers.member.1.Type": {"HOOK"}, "TypeConfigurationIdentifiers.member.1.TypeName": {hookName},
	}, &out)
	if err != nil && !missing(err) {
		return []Line{unknown(err, "whether CloudFormation asks hook")}
	}
	if len(out.Configurations) == 0 {
		return []Line{failure(deploy, "%s is gone: CloudFormation and Cloud Control do not ask the policy", hookName)}
	}
	var c hookConfiguration
	if err := json.Unmarshal([]byte(out.Configurations[0].Configuration), &c); err != nil {
		return []Line{unknown(nil, "whether CloudFormation asks hook: its configuration cannot be read")}
	}
	h := c.CloudFormationConfiguration.HookConfiguration
	const fix = "enable it in the console under CloudFormation, Hooks, or deploy another value of Prevention and then this one"
	switch {
	case h.HookInvocationStatus != "ENABLED":
		return []Line{warning(fix, "%s is %s: CloudFormation and Cloud Control do not ask the policy", hookName, cmp.Or(h.HookInvocationStatus, "not enabled"))}
	case h.FailureMode != want:
		return []Line{warning(fix, "the failure mode of %s is %s, and Prevention=%s wants %s", hookName, cmp.Or(h.FailureMode, "not set"), mode, want)}
	}
	return []Line{ok("%s: CloudFormation and Cloud Control ask the policy", mode)}
}
