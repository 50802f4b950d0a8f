package doctor

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/ec2rules"
	"sgward/internal/policy"
	"sgward/internal/policypackage"
	"sgward/internal/policyyaml"
	"sgward/internal/stack"
)

func TestASoundStackIsWell(t *testing.T) {
	a := soundAccount(t)
	assert.Empty(t, a.lines())
	r := Examine(t.Context(), Config{AWS: a.config(), StackName: "sgward", Now: func() time.Time { return now }})
	require.NoError(t, r.Err)
	seen := map[string]bool{}
	for _, l := range r.Lines {
		seen[l.Check] = true
	}
	for _, c := range checks {
		assert.True(t, seen[c.name], c.name)
	}
}

// What is broken, in one way each, and the only line that is not OK then.
func TestEachBrokenPartIsOneLineWithItsRemedy(t *testing.T) {
	dead := "sqs:GetQueueAttributes:sgward-DeadLetterQueue"
	kms := "arn:aws:kms:us-east-1:123456789012:key/k"
	withKey := func(a *account, statements string) {
		a.set("sns:GetTopicAttributes", attributesOf(topicPolicy, kms))
		a.set("kms:DescribeKey", object{"KeyMetadata": object{"Arn": kms, "KeyState": "Enabled"}})
		a.set("kms:GetKeyPolicy", object{"Policy": `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*"}` + statements + `]}`})
	}
	for name, tt := range map[string]struct {
		breakIt  func(a *account)
		status   Status
		check    string
		text     string
		fix      string
		moreThan bool // other lines follow from it
	}{
		"no trail": {func(a *account) { a.set("cloudtrail:DescribeTrails", object{"trailList": []object{}}) }, Failure, "trail", "no trail logs this region", "create-trail", false},
		"a trail of another region": {func(a *account) {
			a.set("cloudtrail:DescribeTrails", object{"trailList": []object{{"Name": "all", "TrailARN": trailARN, "HomeRegion": "eu-west-1", "IsMultiRegionTrail": false}}})
		}, Failure, "trail", "no trail logs this region", "", false},
		"a stopped trail": {func(a *account) { a.set("cloudtrail:GetTrailStatus", object{"IsLogging": false}) }, Failure, "trail", "trail all is stopped", "aws cloudtrail start-logging --name " + trailARN + " --region us-east-1", false},
		"a trail of data events": {func(a *account) {
			a.set("cloudtrail:GetEventSelectors", object{"EventSelectors": []object{{"ReadWriteType": "All", "IncludeManagementEvents": false}}})
		}, Failure, "trail", "logs no management events that write", "put-event-selectors", false},
		"a trail of reading calls": {func(a *account) {
			a.set("cloudtrail:GetEventSelectors", object{"EventSelectors": []object{{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": true}}})
		}, Failure, "trail", "logs no management events that write", "", false},
		"an advanced selector without EC2": {func(a *account) {
			a.set("cloudtrail:GetEventSelectors", selectors(object{"Field": "eventSource", "NotEquals": []string{"ec2.amazonaws.com"}}))
		}, Failure, "trail", "logs no management events that write", "", false},
		"an advanced selector of some calls": {func(a *account) {
			a.set("cloudtrail:GetEventSelectors", selectors(object{"Field": "eventName", "Equals": []string{"AuthorizeSecurityGroupIngress"}}))
		}, Warning, "trail", "logs some management events only, chosen by eventName", "", false},
		"an organization's trail that delivers nothing": {func(a *account) {
			a.set("cloudtrail:DescribeTrails", object{"trailList": []object{{"Name": "org", "TrailARN": trailARN, "HomeRegion": "us-east-1", "IsMultiRegionTrail": true, "IsOrganizationTrail": true}}})
			a.set("cloudtrail:GetTrailStatus", object{"IsLogging": true, "LatestDeliveryError": "NoSuchBucket"})
		}, Warning, "trail", "the organization's trail org logs management events that write, but cannot deliver to its bucket (NoSuchBucket)", "", false},
		"a disabled rule":               {func(a *account) { a.disable("OpeningsRule") }, Failure, "rules", "OpeningsRule is disabled: no new opening is seen", "aws events enable-rule --name sgward-OpeningsRule --region us-east-1", false},
		"a rule that waits for nothing": {func(a *account) { a.set("events:TestEventPattern", object{"Result": false}) }, Failure, "rules", "the pattern of OpeningsRule does not match AuthorizeSecurityGroupIngress, AuthorizeSecurityGroupEgress, ModifySecurityGroupRules in this account", deploy, true},
		"a rule without egress": {func(a *account) { a.rulePattern("OpeningsRule", `"AuthorizeSecurityGroupEgress",`, "") },
			Failure, "rules", "the pattern of OpeningsRule does not match AuthorizeSecurityGroupEgress in this account: it was changed outside the stack", deploy, false},
		"a rule without edits": {func(a *account) { a.rulePattern("OpeningsRule", `,"ModifySecurityGroupRules"`, "") },
			Failure, "rules", "the pattern of OpeningsRule does not match ModifySecurityGroupRules in this account", deploy, false},
		"a rule that spares somebody": {func(a *account) {
			a.rulePattern("OpeningsRule", `"eventSource"`, `"userIdentity":{"arn":["x"]},"eventSource"`)
		}, Failure, "rules", "the pattern of OpeningsRule does not match AuthorizeSecurityGroupIngress, ", deploy, false},
		"a rule of another account": {func(a *account) { a.rulePattern("PrefixListRule", "123456789012", "111122223333") },
			Failure, "rules", "the pattern of PrefixListRule does not match ModifyManagedPrefixList, RestoreManagedPrefixListVersion in this account", deploy, false},
		"a rule without restored prefix lists": {func(a *account) { a.rulePattern("PrefixListRule", "RestoreManagedPrefixListVersion", "Nothing") },
			Failure, "rules", "the pattern of PrefixListRule does not match RestoreManagedPrefixListVersion in this account", deploy, false},
		"a rule of calls that are left out nowhere": {func(a *account) { a.rulePattern("UnnamedCallsRule", `"omitted"`, `"gone"`) },
			Failure, "rules", "the pattern of UnnamedCallsRule does not match AuthorizeSecurityGroupIngress, ", deploy, false},
		"a rule without pattern": {func(a *account) {
			a.set("events:DescribeRule:sgward-OpeningsRule", object{"State": "ENABLED", "ScheduleExpression": "rate(1 hour)"})
		}, Failure, "rules", "OpeningsRule has no pattern", deploy, false},
		"another schedule": {func(a *account) {
			a.set("events:DescribeRule:sgward-ScheduleRule", object{"State": "ENABLED", "ScheduleExpression": "cron(0 0 1 1 ? 2099)"})
		}, Failure, "rules", "ScheduleRule runs at cron(0 0 1 1 ? 2099), the stack says rate(1 hour)", deploy, false},
		"no schedule": {func(a *account) {
			a.set("events:DescribeRule:sgward-ScheduleRule", object{"State": "ENABLED", "EventPattern": "{}"})
		}, Failure, "rules", "ScheduleRule has no schedule: nothing sweeps", deploy, false},
		"a stack without the parameter of the schedule": {func(a *account) { a.change("SweepSchedule", "Other") },
			Unknown, "rules", "whether rate(1 hour) is the schedule of the stack", "", false},
		"a target with a constant for input": {func(a *account) { a.target("OpeningsRule", "Detect", "Input", "{}") },
			Failure, "rules", "the target of OpeningsRule replaces events by an input of its own: no new opening is seen", deploy, false},
		"a target with a part of the event": {func(a *account) { a.target("PrefixListRule", "Sweep", "InputPath", "$.time") },
			Failure, "rules", "the target of PrefixListRule replaces events", deploy, false},
		"a target that rewrites events": {func(a *account) {
			a.target("UnnamedCallsRule", "Sweep", "InputTransformer", object{"InputTemplate": "{}"})
		}, Failure, "rules", "the target of UnnamedCallsRule replaces events", deploy, false},
		"a rule without target": {func(a *account) { a.set("events:ListTargetsByRule:sgward-ScheduleRule", object{}) }, Failure, "rules", "ScheduleRule does not lead to SweepFunction: nothing sweeps", deploy, false},
		"a function that failed": {func(a *account) {
			a.set("lambda:GetFunction:sgward-DetectFunction", a.function("sgward-DetectFunction", object{"State": "Failed", "StateReason": "no such role"}))
		}, Failure, "functions", "DetectFunction is Failed: no such role", "", false},
		"a function that is stopped": {func(a *account) {
			f := a.function("sgward-SweepFunction", nil)
			f["Concurrency"] = object{"ReservedConcurrentExecutions": 0}
			a.set("lambda:GetFunction:sgward-SweepFunction", f)
		}, Failure, "functions", "SweepFunction is stopped: its reserved concurrency is 0", "aws lambda delete-function-concurrency --function-name sgward-SweepFunction --region us-east-1", false},
		"a function changed by hand": {func(a *account) {
			a.set("lambda:GetFunction:sgward-SweepFunction", a.function("sgward-SweepFunction", object{"LastModified": "2026-11-20T10:00:00.000+0000"}))
		}, Warning, "functions", "SweepFunction was changed 2026-11-20 10:00:00 UTC, and the stack changed it last 2026-11-01 10:02:05 UTC", "AttributeValue=sgward-SweepFunction --region us-east-1", false},
		"a function changed by hand right after the deployment": {func(a *account) {
			a.set("lambda:GetFunction:sgward-DetectFunction", a.function("sgward-DetectFunction", object{"LastModified": "2026-11-01T10:03:06.000+0000"}))
		}, Warning, "functions", "DetectFunction was changed 2026-11-01 10:03:06 UTC", "lookup-events", false},
		"a function changed by hand before a deployment that left it so": {func(a *account) {
			a.change("<LastUpdatedTime>2026-11-01", "<LastUpdatedTime>2026-11-25")
			a.set("lambda:GetFunction:sgward-RemediateFunction", a.function("sgward-RemediateFunction", object{"LastModified": "2026-11-20T10:00:00.000+0000"}))
		}, Warning, "functions", "RemediateFunction was changed 2026-11-20 10:00:00 UTC, and the stack changed it last 2026-11-01 10:02:05 UTC", "lookup-events", false},
		"a function without time": {func(a *account) {
			a.set("lambda:GetFunction:sgward-SweepFunction", a.function("sgward-SweepFunction", object{"LastModified": ""}))
		}, Unknown, "functions", "whether SweepFunction is as the last deployment left it", "", false},
		"a mode changed by hand": {func(a *account) {
			a.set("lambda:GetFunction:sgward-RemediateFunction", a.function("sgward-RemediateFunction", object{"Environment": object{"Variables": object{"MODE": "observe"}}}))
		}, Failure, "functions", `RemediateFunction runs in mode "observe", the stack says enforce`, "", false},
		"a function that is gone": {func(a *account) {
			delete(a.answers, "lambda:GetFunction:sgward-SweepFunction")
		}, Failure, "functions", "SweepFunction is gone", deploy, false},
		"another policy in one function": {func(a *account) {
			a.archives["sgward-SweepFunction"] = archiveOf(a.TB, []byte("version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n  - {id: a, severity: low, effect: alert, ingress: {from: world, ports: [9/tcp]}}\n"), "policy.yaml")
		}, Failure, "policy", "the functions hold different policies", deploy, false},
		"a disabled mapping": {func(a *account) { a.mapping(object{"State": "Disabled"}) }, Failure, "mapping", "it is disabled: no finding reaches remediate", "update-event-source-mapping --uuid sgward-FindingsMapping --enabled", false},
		"a mapping of another queue": {func(a *account) {
			a.mapping(object{"EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:of-somebody-else"})
		}, Failure, "mapping", "it reads arn:aws:sqs:us-east-1:123456789012:of-somebody-else, and not the findings queue", deploy, false},
		"a filter that drops findings": {func(a *account) {
			a.mapping(object{"FilterCriteria": object{"Filters": []object{{"Pattern": `{"body":{"responsePayload":{"decision":["alert","inspect"]}}}`}}}})
		}, Failure, "mapping", "its filter deletes findings with the decision revoke, none at all", deploy, false},
		"a boundary that forbids closing": {func(a *account) {
			a.set("iam:SimulatePrincipalPolicy", a.simulate(map[string]string{"ec2:RevokeSecurityGroupIngress": "<EvalDecision>implicitDeny</EvalDecision>" +
				"<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>false</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>" +
				"<OrganizationsDecisionDetail><AllowedByOrganizations>true</AllowedByOrganizations></OrganizationsDecisionDetail>"}))
		}, Failure, "permissions", "the role of RemediateFunction lacks ec2:RevokeSecurityGroupIngress: nothing is closed (its permissions boundary does not allow it)", "docs/PARAMETERS.md", false},
		"a service control policy against alerts": {func(a *account) {
			a.set("iam:SimulatePrincipalPolicy", a.simulate(map[string]string{"sns:Publish": "<EvalDecision>explicitDeny</EvalDecision>" +
				"<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations></OrganizationsDecisionDetail>"}))
		}, Failure, "permissions", "the role of RemediateFunction lacks sns:Publish: alerts are not sent (a service control policy", "docs/ORGANISATION.md", true},
		"a policy that somebody removed": {func(a *account) {
			a.set("iam:SimulatePrincipalPolicy", a.simulate(map[string]string{"dynamodb:Scan": "<EvalDecision>implicitDeny</EvalDecision>"}))
		}, Failure, "permissions", "the role of SweepFunction lacks dynamodb:Scan: each sweep reports everything again (no policy of the role allows it)", deploy, false},
		"a denial that somebody added": {func(a *account) {
			a.set("iam:SimulatePrincipalPolicy", a.simulate(map[string]string{"logs:FilterLogEvents": "<EvalDecision>explicitDeny</EvalDecision>"}))
		}, Failure, "permissions", "(a policy of the role denies it)", deploy, false},
		"dead letters":         {func(a *account) { a.set(dead, queueOf("DeadLetterQueue", 3)) }, Failure, "dead letters", "3 messages: openings may exist", "sgward redrive --stack sgward --region us-east-1", false},
		"no dead-letter queue": {func(a *account) { delete(a.answers, dead) }, Failure, "dead letters", "the dead-letter queue is gone", deploy, false},
		"throttled invocations": {func(a *account) {
			a.set("monitoring:GetMetricStatistics:Throttles", "<Datapoints><member><Sum>7</Sum></member></Datapoints>")
		}, Warning, "throttles", "Lambda throttled DetectFunction 7 times in 24 hours", "get-account-settings", true},
		"findings that wait": {func(a *account) {
			a.set("sqs:GetQueueAttributes:sgward-FindingsQueue", queueOf("FindingsQueue", 5))
			a.set("monitoring:GetMetricStatistics:ApproximateAgeOfOldestMessage", "<Datapoints><member><Maximum>60</Maximum><Timestamp>2026-11-28T11:50:00Z</Timestamp></member><member><Maximum>1200</Maximum><Timestamp>2026-11-28T11:58:00Z</Timestamp></member></Datapoints>")
		}, Warning, "queue", "5 findings wait, the oldest for 20 min", "aws logs tail sgward-RemediateLogGroup", false},
		"a topic that is gone": {func(a *account) { delete(a.answers, "sns:GetTopicAttributes") }, Failure, "topic", "is gone: alerts are not sent", deploy, false},
		"a topic open to everybody": {func(a *account) {
			a.set("sns:GetTopicAttributes", attributesOf(`{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"SNS:Publish"}}`, ""))
		}, Warning, "topic", "can send a forged alert", "OnlySgwardAndAlarmsPublish", false},
		"a topic closed to alarms": {func(a *account) {
			a.set("sns:GetTopicAttributes", attributesOf(strings.ReplaceAll(topicPolicy, "cloudwatch", "s3"), ""))
		}, Warning, "topic", "alarms are silent", "AlarmsPublish", false},
		"nobody subscribed": {func(a *account) { a.set("sns:ListSubscriptionsByTopic", "") }, Failure, "subscribers", "the topic has no subscription", "aws sns subscribe --topic-arn " + topicARN, false},
		"an address not confirmed": {func(a *account) {
			a.set("sns:ListSubscriptionsByTopic", subscriptionsOf("email", "alice@example.com", "PendingConfirmation"))
		}, Warning, "subscribers", "not confirmed: email alice@example.com", "confirm", true},
		"a topic with SNS's own key": {func(a *account) { a.set("sns:GetTopicAttributes", attributesOf(topicPolicy, "alias/aws/sns")) }, Failure, "keys", "CloudWatch cannot use it", "KmsKeyArn", false},
		"a key that lets no alarm through": {func(a *account) {
			withKey(a, `,{"Effect":"Allow","Principal":{"Service":"cloudwatch.amazonaws.com"},"Action":["kms:GenerateDataKey*"]}`)
		},
			Failure, "keys", "does not let cloudwatch.amazonaws.com use kms:Decrypt", "", false},
		"a disabled key": {func(a *account) {
			withKey(a, "")
			a.set("kms:DescribeKey", object{"KeyMetadata": object{"Arn": kms, "KeyState": "Disabled"}})
		}, Failure, "keys", "the key of the topic is Disabled", "aws kms enable-key", false},
		"a disabled key of a queue": {func(a *account) {
			a.set(dead, queueOf("DeadLetterQueue", 0, kms))
			a.set("kms:DescribeKey", object{"KeyMetadata": object{"Arn": kms, "KeyState": "Disabled"}})
			a.set("kms:GetKeyPolicy", object{"Policy": `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*"},` +
				`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":["kms:GenerateDataKey","kms:Decrypt"]}]}`})
		}, Failure, "keys", "the key of DeadLetterQueue is Disabled", "aws kms enable-key", false},
		"an alarm that is on":   {func(a *account) { a.set("monitoring:DescribeAlarms", alarmsOf("ALARM", "OK")) }, Failure, "alarms", "DeadLetterAlarm is on since 2026-11-28 11:00:00 UTC: because", "", false},
		"an alarm that is gone": {func(a *account) { a.set("monitoring:DescribeAlarms", "") }, Warning, "alarms", "alarms are gone: DeadLetterAlarm, NoSweepAlarm", deploy, false},
		"an alarm without data": {func(a *account) { a.set("monitoring:DescribeAlarms", alarmsOf("INSUFFICIENT_DATA", "OK")) }, Warning, "alarms", "alarms without data yet: DeadLetterAlarm", "", false},
		"no event in 14 days":   {func(a *account) { a.set("logs:FilterLogEvents:sgward-DetectLogGroup", object{}) }, Warning, "events", "no event in 14 days", "--self-test", false},
		"no log of detect":      {func(a *account) { delete(a.answers, "logs:FilterLogEvents:sgward-DetectLogGroup") }, Failure, "events", "the log group of detect is gone", deploy, false},
		"a sweep of three days ago": {func(a *account) {
			a.set("logs:FilterLogEvents:sgward-SweepLogGroup", object{"events": []object{{"timestamp": now.Add(-72 * time.Hour).UnixMilli(), "message": "{}"}}})
		}, Failure, "sweep", "the last sweep completed 3 d ago", `"sgward":"sweep"`, false},
		"a stack under way": {func(a *account) {
			a.change("UPDATE_COMPLETE", "UPDATE_IN_PROGRESS")
			a.set("lambda:GetFunction:sgward-SweepFunction", a.function("sgward-SweepFunction", object{"LastModified": "2026-11-28T11:59:00.000+0000"}))
		}, Warning, "stack", "it is being updated (UPDATE_IN_PROGRESS)", "", false},
		"a deployment rolled back": {func(a *account) { a.change("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE") }, Warning, "stack", "an older release runs", "describe-stack-events", false},
		"a deployment that failed": {func(a *account) { a.change("UPDATE_COMPLETE", "UPDATE_ROLLBACK_FAILED") }, Failure, "stack", "the last deployment failed", "describe-stack-events", false},
		"a topic of another region": {func(a *account) {
			a.change("<OutputValue>"+topicARN, "<OutputValue>"+strings.Replace(topicARN, "us-east-1", "eu-west-1", 1))
		}, Failure, "topic", "the alert topic is in eu-west-1", "AlertTopicArn of us-east-1", false},
		"deliveries that failed": {func(a *account) {
			a.set("monitoring:GetMetricStatistics:FailedInvocations", "<Datapoints><member><Sum>2</Sum></member></Datapoints>")
		}, Failure, "throttles", "OpeningsRule could not deliver 2 events to DetectFunction in 24 hours", deploy, true},
		"a hook that is gone": {func(a *account) { a.prevent("refuse", "") }, Failure, "prevention", "Private::Lambda::SgwardHook is gone: CloudFormation and Cloud Control do not ask the policy", deploy, false},
		"a hook that is disabled": {func(a *account) { a.prevent("refuse", hookOf("DISABLED", "FAIL")) },
			Warning, "prevention", "Private::Lambda::SgwardHook is DISABLED", "console under CloudFormation, Hooks", false},
		"a hook that only warns": {func(a *account) { a.prevent("refuse", hookOf("ENABLED", "WARN")) },
			Warning, "prevention", "the failure mode of Private::Lambda::SgwardHook is WARN, and Prevention=refuse wants FAIL", "Prevention", false},
		"a hook that refuses unasked": {func(a *account) { a.prevent("warn", hookOf("ENABLED", "FAIL")) }, Warning, "prevention", "is FAIL, and Prevention=warn wants WARN", "", false},
		"a hook without a sound configuration": {func(a *account) {
			a.prevent("warn", "<TypeConfigurations><member><Configuration>no</Configuration></member></TypeConfigurations>")
		},
			Unknown, "prevention", "whether CloudFormation asks hook", "", false},
		"another policy in hook": {func(a *account) {
			a.prevent("refuse", hookOf("ENABLED", "FAIL"))
			a.archives["sgward-HookFunction"] = archiveOf(a.TB, []byte("version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n  - {id: a, severity: low, effect: alert, ingress: {from: world, ports: [9/tcp]}}\n"), "policy.yaml")
		}, Failure, "policy", "in HookFunction", deploy, false},
		"findings that fail to pass": {func(a *account) {
			a.mapping(object{"LastProcessingResult": "PROBLEM: Function call failed"})
		}, Warning, "mapping", "PROBLEM: Function call failed", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			a := soundAccount(t)
			tt.breakIt(a)
			lines := a.lines()
			require.NotEmpty(t, lines)
			if !tt.moreThan {
				require.Len(t, lines, 1, "%+v", lines)
			}
			assert.Equal(t, tt.status, lines[0].Status, lines[0].Text)
			assert.Equal(t, tt.check, lines[0].Check)
			assert.Contains(t, lines[0].Text, tt.text)
			assert.Contains(t, lines[0].Fix, tt.fix)
			assert.NoError(t, lines[0].Err)
		})
	}
}

// prevent gives the stack a hook; "" as its configuration is a hook that is gone.
func (a *account) prevent(mode, configuration string) {
	a.change("</Outputs>", "<member><OutputKey>Prevention</OutputKey><OutputValue>"+mode+"</OutputValue></member></Outputs>")
	a.add("HookFunction", nil)
	a.set("cloudformation:BatchDescribeTypeConfigurations", cmp.Or(configuration, "<TypeConfigurations/>"))
}

// add gives the stack one more function.
func (a *account) add(id string, change object) {
	name := "sgward-" + id
	resources := a.answers["cloudformation:ListStackResources"].(string)
	a.set("cloudformation:ListStackResources", strings.Replace(resources, "<StackResourceSummaries>", "<StackResourceSummaries><member><LogicalResourceId>"+id+"</LogicalResourceId><PhysicalResourceId>"+
		name+"</PhysicalResourceId><ResourceType>AWS::Lambda::Function</ResourceType><ResourceStatus>CREATE_COMPLETE</ResourceStatus><LastUpdatedTimestamp>"+resourceChanged+"</LastUpdatedTimestamp></member>", 1))
	a.archives[name] = a.archives["sgward-DetectFunction"]
	a.set("lambda:GetFunction:"+name, a.function(name, change))
}

func TestOutletsSubscribeAndAreNoPerson(t *testing.T) {
	a := soundAccount(t)
	a.add("OutletsFunction", nil)
	lines := a.lines()
	require.Len(t, lines, 1)
	assert.Contains(t, lines[0].Text, "OutletsFunction does not subscribe to the topic: nothing reaches EventBridge and Security Hub")

	const function = "arn:aws:lambda:us-east-1:123456789012:function:sgward-OutletsFunction"
	email := a.answers["sns:ListSubscriptionsByTopic"].(string)
	outlets := subscriptionsOf("lambda", function, topicARN+":2")
	a.set("sns:ListSubscriptionsByTopic", strings.Replace(email, "</Subscriptions>", strings.TrimPrefix(outlets, "<Subscriptions>"), 1))
	assert.Empty(t, a.lines())
	a.set("sns:ListSubscriptionsByTopic", outlets)
	lines = a.lines()
	require.Len(t, lines, 1)
	assert.Contains(t, lines[0].Text, "the topic has no subscription", "machines do not count")

	// What its role must be allowed depends on the outlets that there are.
	a.set("sns:ListSubscriptionsByTopic", strings.Replace(email, "</Subscriptions>", strings.TrimPrefix(outlets, "<Subscriptions>"), 1))
	const denied = "<EvalDecision>implicitDeny</EvalDecision>"
	a.set("iam:SimulatePrincipalPolicy", a.simulate(map[string]string{"securityhub:BatchImportFindings": denied, "events:PutEvents": denied}))
	assert.Empty(t, a.lines())
	a.change("<Parameters>", "<Parameters><member><ParameterKey>SecurityHub</ParameterKey><ParameterValue>on</ParameterValue></member>")
	lines = a.lines()
	require.Len(t, lines, 1)
	assert.Contains(t, lines[0].Text, "the role of OutletsFunction lacks securityhub:BatchImportFindings: no finding reaches Security Hub")
}

func hookOf(status, mode string) string {
	return "<TypeConfigurations><member><TypeName>Private::Lambda::SgwardHook</TypeName><Configuration>" +
		`{&quot;CloudFormationConfiguration&quot;:{&quot;HookConfiguration&quot;:{&quot;HookInvocationStatus&quot;:&quot;` + status + `&quot;,&quot;FailureMode&quot;:&quot;` + mode +
		`&quot;,&quot;TargetOperations&quot;:[&quot;RESOURCE&quot;],&quot;Properties&quot;:{&quot;LambdaFunction&quot;:&quot;x&quot;}}}}` + "</Configuration></member></TypeConfigurations>"
}

func TestAHookThatAsksIsWell(t *testing.T) {
	for mode, failureMode := range map[string]string{"warn": "WARN", "refuse": "FAIL"} {
		a := soundAccount(t)
		a.prevent(mode, hookOf("ENABLED", failureMode))
		assert.Empty(t, a.lines())
		r := Examine(t.Context(), Config{AWS: a.config(), StackName: "sgward", Now: func() time.Time { return now }})
		require.NoError(t, r.Err)
		assert.Contains(t, r.Lines, Line{Check: "prevention", Status: OK, Text: mode + ": CloudFormation and Cloud Control ask the policy"})
		assert.Contains(t, r.Lines, Line{Check: "functions", Status: OK, Text: "4 functions are active, and as the last deployment left them"})
	}
}

// selectors are advanced ones: of management events that write, narrowed by a field.
func selectors(field object) object {
	return object{"AdvancedEventSelectors": []object{{"FieldSelectors": []object{
		{"Field": "eventCategory", "Equals": []string{"Management"}}, {"Field": "readOnly", "Equals": []string{"false"}}, field,
	}}}}
}

// change replaces a text in the description of the stack.
func (a *account) change(was, is string) {
	a.Helper()
	before := a.answers["cloudformation:DescribeStacks"].(string)
	require.Contains(a, before, was)
	a.set("cloudformation:DescribeStacks", strings.ReplaceAll(before, was, is))
}

// The topic of alerts.yaml refuses alarms.
func TestATopicWithoutAlarmsIsWellIfAlarmsHaveTheirOwn(t *testing.T) {
	for _, parameter := range []string{"AlarmTopicArn", "AlarmTopicName"} {
		a := soundAccount(t)
		a.set("sns:GetTopicAttributes", attributesOf(strings.ReplaceAll(topicPolicy, "cloudwatch", "s3"), ""))
		require.Len(t, a.lines(), 1)
		a.change("<Outputs>", "<Parameters><member><ParameterKey>"+parameter+"</ParameterKey><ParameterValue>alarms</ParameterValue></member></Parameters><Outputs>")
		assert.Empty(t, a.lines(), parameter)
	}
}

func TestTheReleaseOfAStackIsNamed(t *testing.T) {
	a := soundAccount(t)
	a.change("</Outputs>", "<member><OutputKey>Release</OutputKey><OutputValue>v1.2.3</OutputValue></member></Outputs>")
	r := Examine(t.Context(), Config{AWS: a.config(), StackName: "sgward", Now: func() time.Time { return now }})
	require.NoError(t, r.Err)
	assert.Equal(t, Line{Check: "stack", Status: OK, Text: "UPDATE_COMPLETE, deployed 2026-11-01 10:00:00 UTC, release v1.2.3, enforce mode: openings are closed"}, r.Lines[0])
}

func TestAdvancedSelectorsOfAllThatWritesAreEnough(t *testing.T) {
	for _, field := range []object{
		{"Field": "eventSource", "NotEquals": []string{"kms.amazonaws.com"}},
		{"Field": "eventName", "NotStartsWith": []string{"Describe", "List"}},
		{"Field": "eventSource", "Equals": []string{"ec2.amazonaws.com"}},
	} {
		a := soundAccount(t)
		a.set("cloudtrail:GetEventSelectors", selectors(field))
		assert.Empty(t, a.lines(), field)
	}
}

// Without the permission for one call the check says which, and the others go on.
func TestWhatIsNotPermittedIsSaidAndTheRestGoesOn(t *testing.T) {
	a := soundAccount(t)
	a.lines()
	needed := 0
	for _, operation := range a.operations() {
		if strings.HasPrefix(operation, "cloudformation:") || strings.HasPrefix(operation, "sts:") {
			continue // without them there is nothing to examine
		}
		needed++
		t.Run(operation, func(t *testing.T) {
			a := soundAccount(t)
			a.refused[operation] = true
			lines := a.lines()
			require.NotEmpty(t, lines)
			for _, l := range lines {
				assert.Equal(t, Unknown, l.Status, "%s: %s", l.Check, l.Text)
				assert.Equal(t, "AccessDenied", ec2rules.ErrorCode(l.Err), l.Text)
			}
			assert.Less(t, len(lines), 5)
		})
	}
	assert.Equal(t, 15, needed, a.operations())
}

func TestThePolicyIsReadWithoutTheBinaryWhereTheServerKnowsRanges(t *testing.T) {
	held, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	want, err := policy.Compile(policyyaml.Document("policy.yaml", held))
	require.NoError(t, err)
	for name, ranges := range map[string]bool{"ranges": true, "no ranges": false} {
		t.Run(name, func(t *testing.T) {
			a := soundAccount(t)
			a.ranges = ranges
			s, err := stack.Find(t.Context(), newClient(a), "us-east-1", "sgward")
			require.NoError(t, err)
			got, err := Deployed(t.Context(), a.config(), s)
			require.NoError(t, err)
			assert.Equal(t, want.Digest(), got.Digest())
		})
	}
	t.Run("before the binary", func(t *testing.T) {
		a := soundAccount(t)
		var b bytes.Buffer // the policy is far from the end
		b.Write(archiveFirst(t, held))
		a.archives["sgward-DetectFunction"] = b.Bytes()
		assert.Empty(t, a.lines())
	})
	t.Run("in a layer", func(t *testing.T) {
		a := soundAccount(t)
		const layer = "arn:aws:lambda:us-east-1:123456789012:layer:policy:3"
		a.archives["layer"] = archiveOf(t, held, "policy.yaml")
		a.set("lambda:GetLayerVersion:"+layer, object{"Content": object{"Location": a.url + "/archives/layer"}})
		a.set("lambda:GetFunction:sgward-DetectFunction", a.function("sgward-DetectFunction", object{
			"Layers": []object{{"Arn": layer}}, "Environment": object{"Variables": object{"POLICY_FILE": "/opt/policy.yaml"}},
		}))
		assert.Empty(t, a.lines())
	})
	t.Run("unreadable", func(t *testing.T) {
		a := soundAccount(t)
		a.archives["sgward-DetectFunction"] = []byte("no archive")
		lines := a.lines()
		require.Len(t, lines, 1)
		assert.Equal(t, Unknown, lines[0].Status)
		assert.NotContains(t, lines[0].Err.Error(), "secret", "the address of an archive is a key to it")
	})
}

// What people review in the function must be what it applies.
func TestAFunctionThatAppliesAnotherPolicyThanItShowsIsAFailure(t *testing.T) {
	shown, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	lax, err := policypackage.Form("policy.yaml", bytes.Replace(shown, []byte("effect: revoke"), []byte("effect: alert"), 1))
	require.NoError(t, err)
	a := soundAccount(t)
	a.archives["sgward-RemediateFunction"] = archiveWith(t, "policy.yaml", shown, lax)
	lines := a.lines()
	require.Len(t, lines, 1)
	assert.Equal(t, Failure, lines[0].Status)
	assert.Equal(t, `RemediateFunction: policy.yaml.json: it differs from the one that "sgward policy package" of this release makes of the policy beside it`, lines[0].Text)

	a = soundAccount(t)
	a.archives["sgward-RemediateFunction"] = archiveWith(t, "policy.yaml", shown)
	lines = a.lines()
	require.Len(t, lines, 1)
	assert.Equal(t, Failure, lines[0].Status)
	assert.Contains(t, lines[0].Text, "RemediateFunction: policy.yaml.json: there is none: functions of this release do not start without it")
}

func TestThePolicyIsComparedWithTheOneAtHand(t *testing.T) {
	a := soundAccount(t)
	other, err := policy.Compile(policyyaml.Document("mine.yaml", []byte("version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n  - {id: a, severity: low, effect: alert, ingress: {from: world, ports: [9/tcp]}}\n")))
	require.NoError(t, err)
	r := Examine(t.Context(), Config{AWS: a.config(), StackName: "sgward", Policy: other, Now: func() time.Time { return now }})
	require.NoError(t, r.Err)
	assert.Equal(t, 1, r.Count(Warning))
	for _, l := range r.Lines {
		if l.Status == Warning {
			assert.Contains(t, l.Text, "mine.yaml is sha256:")
		}
	}
}

func TestReportsAreForPeopleAndForPrograms(t *testing.T) {
	r := &Report{AccountID: "123456789012", Region: "us-east-1", Lines: []Line{
		{Check: "trail", Status: OK, Text: "it logs"}, {Check: "rules", Status: Failure, Text: "x\x1b[2J", Fix: "mend it"},
		{Check: "keys", Text: "who may use it", Err: os.ErrPermission},
	}}
	var out bytes.Buffer
	p := Printer{Out: &out, ErrorText: func(err error) string { return "why: " + err.Error() }}
	require.NoError(t, p.Print(r, "sgward"))
	assert.NotContains(t, out.String(), "\x1b")
	assert.Equal(t, `Stack sgward in account 123456789012, us-east-1
  ok       trail         it logs
  FAILURE  rules         x[U+001B][2J
                         mend it
  unknown  keys          who may use it: why: permission denied
1 failure, 1 unknown, 1 ok
`, out.String())
	out.Reset()
	p.JSON = true
	require.NoError(t, p.Print(r, "sgward"))
	assert.Equal(t, 3, strings.Count(out.String(), "\n"))
	assert.Contains(t, out.String(), `"check":"rules","status":"failure"`)
	assert.Contains(t, out.String(), `"status":"unknown","text":"who may use it","error":"why: permission denied"`)
}

func TestUntrustedTextsAreEscapedInJSON(t *testing.T) {
	var out strings.Builder
	p := Printer{Out: &out, JSON: true}
	require.NoError(t, p.Print(&Report{Lines: []Line{{Check: "topic", Text: "x\u009b2J\u202ey"}}}, "sgward"))
	assert.Contains(t, out.String(), `x\u009b2J\u202ey`)
}

// For a topic of another account IAM's decision needs the topic's policy, which a simulation for a role has not.
func TestOnlyBoundaryAndOrganizationCountForATopicOfAnotherAccount(t *testing.T) {
	a := soundAccount(t)
	a.change("<OutputValue>"+topicARN, "<OutputValue>"+strings.Replace(topicARN, "123456789012", "111122223333", 1))
	const denied, boundary = "<EvalDecision>implicitDeny</EvalDecision>", "<PermissionsBoundaryDecisionDetail><AllowedByPermissionsBoundary>%t</AllowedByPermissionsBoundary></PermissionsBoundaryDecisionDetail>"
	of := func(details string) (found []string) {
		a.set("iam:SimulatePrincipalPolicy", a.simulate(map[string]string{"sns:Publish": details}))
		for _, l := range a.lines() {
			if l.Check == "permissions" {
				found = append(found, l.Text)
			}
		}
		return found
	}
	assert.Empty(t, of(denied))
	assert.Empty(t, of(denied+fmt.Sprintf(boundary, true)))
	assert.Len(t, of(denied+fmt.Sprintf(boundary, false)), 2, "of remediate and of sweep")
}

func TestRolesThatNobodyCouldAskForAreNotCalledSound(t *testing.T) {
	a := soundAccount(t)
	for _, id := range judges {
		delete(a.answers, "lambda:GetFunction:sgward-"+id)
	}
	r := Examine(t.Context(), Config{AWS: a.config(), StackName: "sgward", Now: func() time.Time { return now }})
	require.NoError(t, r.Err)
	checked := map[string]Status{}
	for _, l := range r.Lines {
		checked[l.Check] = l.Status
	}
	assert.NotEqual(t, OK, checked["functions"])
	assert.NotContains(t, checked, "permissions")
}

func TestAStackThatObservesNeedsNoPermissionToClose(t *testing.T) {
	a := soundAccount(t)
	a.change("<OutputValue>enforce", "<OutputValue>observe")
	for _, id := range judges {
		a.set("lambda:GetFunction:sgward-"+id, a.function("sgward-"+id, object{"Environment": object{"Variables": object{"MODE": "observe"}}}))
	}
	a.set("iam:SimulatePrincipalPolicy", a.simulate(map[string]string{"ec2:RevokeSecurityGroupIngress": "<EvalDecision>implicitDeny</EvalDecision>"}))
	assert.Empty(t, a.lines())
}
