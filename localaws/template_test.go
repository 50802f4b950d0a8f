package localaws_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudformation"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/policyfile"
	"sgward/localaws/eventpattern"
	"sgward/localaws/samtemplate"
)

// These tests are about template.yaml itself, the one that is deployed.

func template(t *testing.T, mode string) *samtemplate.Template {
	t.Helper()
	tmpl, err := samtemplate.Load("../template.yaml", samtemplate.Options{Parameters: map[string]string{"Mode": mode}})
	require.NoError(t, err)
	return tmpl
}

// A stack that alerts nobody says so where people look after a deployment.
func TestTheOutputsSayWhoIsAlerted(t *testing.T) {
	src, err := os.ReadFile("../template.yaml")
	require.NoError(t, err)
	for want, parameters := range map[string]map[string]string{
		"NOBODY IS SUBSCRIBED YET: deploy again with AlertEmail or a channel, or subscribe: aws sns subscribe --region us-east-1 --topic-arn arn:aws:sns:us-east-1:": nil,
		"ops@example.com (once it confirms the subscription), other subscribers":                                                                                     {"AlertEmail": "ops@example.com"},
		"the Slack channel C0123456789, other subscribers":                                                                                                           {"SlackWorkspaceId": "T0123456789", "SlackChannelId": "C0123456789"},
		"the webhook of Slack, other subscribers":                                                                                                                    {"SlackWebhookSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:hook"},
		"the subscribers of your topic: aws sns list-subscriptions-by-topic --topic-arn arn:aws:sns:us-east-1:123456789012:security":                                 {"AlertTopicArn": "arn:aws:sns:us-east-1:123456789012:security"},
	} {
		tmpl, err := cloudformation.Parse(src, cloudformation.Options{
			Region: "us-east-1", Parameters: parameters,
			Ref: func(t *cloudformation.Template, r cloudformation.Resource) (any, error) {
				return t.ARN("sns", r.LogicalID), nil
			},
		})
		require.NoError(t, err)
		alerts := cloudformation.Child(cloudformation.Child(tmpl.Root, "Outputs"), "Alerts")
		value, err := tmpl.Value(cloudformation.Child(alerts, "Value"))
		require.NoError(t, err)
		assert.Contains(t, value, want)
	}
}

// The functions that judge get the policy of a layer, and where it is, together or not at all.
func TestALayerTakesThePlaceOfThePackedPolicy(t *testing.T) {
	const layer = "arn:aws:lambda:us-east-1:123456789012:layer:sgward-policy:7"
	all := map[string]string{"SlackWebhookSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:hook", "Prevention": "warn", "SecurityHub": "on"}
	packed, err := samtemplate.Load("../template.yaml", samtemplate.Options{Parameters: all})
	require.NoError(t, err)
	all["PolicyLayerArn"] = layer
	layered, err := samtemplate.Load("../template.yaml", samtemplate.Options{Parameters: all})
	require.NoError(t, err)
	require.Len(t, layered.Functions, 6)
	for id, f := range layered.Functions {
		assert.Empty(t, packed.Functions[id].Layers, id)
		assert.NotContains(t, packed.Functions[id].Environment, policyfile.Variable, id)
		if id == "SlackFunction" || id == "OutletsFunction" { // which judge nothing
			assert.Empty(t, f.Layers)
			continue
		}
		assert.Equal(t, []string{layer}, f.Layers, id)
		assert.Equal(t, "/opt/"+policyfile.InLayer, f.Environment[policyfile.Variable], id)
	}
}

func TestOnlyAVersionOfALayerIsTaken(t *testing.T) {
	src, err := os.ReadFile("../template.yaml")
	require.NoError(t, err)
	tmpl, err := cloudformation.Parse(src, cloudformation.Options{Region: "us-east-1"})
	require.NoError(t, err)
	parameter := cloudformation.Child(cloudformation.Child(tmpl.Root, "Parameters"), "PolicyLayerArn")
	pattern, err := regexp.Compile(cloudformation.Child(parameter, "AllowedPattern").Value)
	require.NoError(t, err)
	for arn, want := range map[string]bool{
		"": true,
		"arn:aws:lambda:us-east-1:123456789012:layer:sgward-policy:1":             true,
		"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:layer:sgward_policy:42": true,
		"arn:aws:lambda:us-east-1:123456789012:layer:sgward-policy":               false,
		"arn:aws:lambda:us-east-1:123456789012:layer:sgward-policy:$LATEST":       false,
		"arn:aws:lambda:us-east-1:123456789012:layer:sgward-policy:0":             false,
		"arn:aws:lambda:us-east-1:123456789012:function:sgward-policy:1":          false,
		"arn:aws:sns:us-east-1:123456789012:layer:sgward-policy:1":                false,
		"sgward-policy": false,
	} {
		assert.Equal(t, want, pattern.MatchString(arn), arn)
	}
}

// openingsPattern is the pattern of the rule that leads to detect.
func openingsPattern(t *testing.T) *eventpattern.Pattern {
	t.Helper()
	return patternOf(t, "OpeningsRule", "DetectFunction")
}

func TestPatternTakesEveryEventThatCanOpenAndNoOther(t *testing.T) {
	pattern := openingsPattern(t)
	for dir, want := range map[string]bool{"../events": true, "../events/unmatched": false} {
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		require.NoError(t, err)
		require.NotEmpty(t, files, dir)
		for _, file := range files {
			t.Run(filepath.Base(file), func(t *testing.T) {
				event, err := os.ReadFile(file)
				require.NoError(t, err)
				got, err := pattern.Matches(event)
				require.NoError(t, err)
				assert.Equal(t, want, got)
			})
		}
	}
}

// The pattern must judge nothing but place, names and success: an event reduced to those
// must still match, and any change of one of them must not.
func TestPatternLooksAtPlaceNamesAndSuccessOnly(t *testing.T) {
	pattern := openingsPattern(t)
	base := func() map[string]any {
		return map[string]any{
			"source": "aws.ec2", "detail-type": "AWS API Call via CloudTrail", "account": "123456789012", "region": "us-east-1",
			"detail": map[string]any{"eventSource": "ec2.amazonaws.com", "eventName": "AuthorizeSecurityGroupIngress"},
		}
	}
	tests := []struct {
		name   string
		change func(event, detail map[string]any)
		want   bool
	}{
		{"bare ingress", func(_, _ map[string]any) {}, true},
		{"bare egress", func(_, d map[string]any) { d["eventName"] = "AuthorizeSecurityGroupEgress" }, true},
		{"bare edit", func(_, d map[string]any) { d["eventName"] = "ModifySecurityGroupRules" }, true},
		{"revoke", func(_, d map[string]any) { d["eventName"] = "RevokeSecurityGroupIngress" }, false},
		{"failed call", func(_, d map[string]any) { d["errorCode"] = "Client.UnauthorizedOperation" }, false},
		{"failed call without a code", func(_, d map[string]any) { d["errorCode"] = nil }, false},
		{"forwarded from another account", func(e, _ map[string]any) { e["account"] = "111122223333" }, false},
		{"forwarded from another region", func(e, _ map[string]any) { e["region"] = "eu-west-1" }, false},
		{"other source", func(e, _ map[string]any) { e["source"] = "aws.s3" }, false},
		{"imitation by an application", func(e, _ map[string]any) { e["source"] = "my.ec2" }, false},
		{"other detail type", func(e, _ map[string]any) { e["detail-type"] = "EC2 Instance State-change Notification" }, false},
		{"other service with such a call", func(_, d map[string]any) { d["eventSource"] = "rds.amazonaws.com" }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			event := base()
			tt.change(event, event["detail"].(map[string]any))
			raw, err := json.Marshal(event)
			require.NoError(t, err)
			got, err := pattern.Matches(raw)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

// patternOf is the pattern of a rule, which leads to a function.
func patternOf(t *testing.T, ruleID, function string) *eventpattern.Pattern {
	t.Helper()
	tmpl := template(t, "observe")
	r, ok := tmpl.Rules[ruleID]
	require.True(t, ok)
	require.Len(t, r.Targets, 1)
	assert.Equal(t, tmpl.Functions[function].ARN, r.Targets[0].ARN)
	assert.True(t, r.Enabled)
	pattern, err := eventpattern.Compile(r.Pattern)
	require.NoError(t, err)
	return pattern
}

// matched lists the recorded events that a pattern lets through.
func matched(t *testing.T, pattern *eventpattern.Pattern) []string {
	t.Helper()
	var out []string
	for _, dir := range []string{"../events", "../events/unmatched", "../events/sweep"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.json"))
		require.NoError(t, err)
		require.NotEmpty(t, files, dir)
		for _, file := range files {
			event, err := os.ReadFile(file)
			require.NoError(t, err)
			got, err := pattern.Matches(event)
			require.NoError(t, err)
			if got {
				out = append(out, filepath.Base(file))
			}
		}
	}
	return out
}

func TestACallWhoseParametersAreLeftOutWakesSweepToo(t *testing.T) {
	assert.Len(t, template(t, "observe").Rules, 3, "openings, edits of prefix lists, and these")
	assert.Equal(t, []string{"ingress-mysql-world-request-omitted.json", "ingress-request-and-response-omitted.json"},
		matched(t, patternOf(t, "UnnamedCallsRule", "SweepFunction")))
}

func TestEditsOfPrefixListsWakeAuditAndNothingElseDoes(t *testing.T) {
	pattern := patternOf(t, "PrefixListRule", "SweepFunction")
	assert.Equal(t, []string{"modify-prefix-list-one-entry-world.json", "modify-prefix-list-several-entries.json", "restore-prefix-list-version.json"},
		matched(t, pattern))
	edit, err := os.ReadFile("../events/sweep/modify-prefix-list-one-entry-world.json")
	require.NoError(t, err)
	opens, err := patternOf(t, "OpeningsRule", "DetectFunction").Matches(edit)
	require.NoError(t, err)
	assert.False(t, opens, "detect cannot judge it")
	for name, change := range map[string]func(event, detail map[string]any){
		"denied":          func(_, d map[string]any) { d["errorCode"] = "Client.UnauthorizedOperation" },
		"a new list":      func(_, d map[string]any) { d["eventName"] = "CreateManagedPrefixList" },
		"another place":   func(_, d map[string]any) { d["eventSource"] = "vpc-lattice.amazonaws.com" },
		"an imitation":    func(e, _ map[string]any) { e["source"] = "my.ec2" },
		"another account": func(e, _ map[string]any) { e["account"] = "111122223333" },
		"another region":  func(e, _ map[string]any) { e["region"] = "eu-west-1" },
	} {
		var event map[string]any
		require.NoError(t, json.Unmarshal(edit, &event))
		change(event, event["detail"].(map[string]any))
		raw, err := json.Marshal(event)
		require.NoError(t, err)
		got, err := pattern.Matches(raw)
		require.NoError(t, err)
		assert.False(t, got, name)
	}
}

func TestQueueFilterPassesWhatNeedsWorkAndWhateverHasNoDecision(t *testing.T) {
	tmpl := template(t, "observe")
	var filters []json.RawMessage
	for _, m := range tmpl.Mappings {
		if f, ok := tmpl.FunctionByARN(m.FunctionARN); ok && f.LogicalID == "RemediateFunction" {
			assert.Equal(t, tmpl.Functions["DetectFunction"].OnSuccessARN, m.QueueARN, "remediate empties what detect fills")
			filters = m.Filters
		}
	}
	require.NotEmpty(t, filters)
	matches := func(body string) bool {
		for _, src := range filters {
			pattern, err := eventpattern.Compile(src)
			require.NoError(t, err)
			ok, err := pattern.Matches([]byte(`{"body":` + body + `}`))
			require.NoError(t, err)
			if ok {
				return true
			}
		}
		return false
	}
	for verdict, want := range map[policy.Verdict]bool{
		policy.Revoke: true, policy.Alert: true, policy.Undetermined: true,
		policy.Compliant: false, policy.Exempt: false,
	} {
		body, err := json.Marshal(map[string]any{"responsePayload": finding.Detection{SchemaVersion: finding.SchemaVersion, Verdict: verdict}})
		require.NoError(t, err)
		assert.Equal(t, want, matches(string(body)), "verdict %s", verdict)
	}
	for body, name := range map[string]string{
		`{"decision":"revoke"}`:                         "a Detection that is no invocation record",
		`{"requestPayload":{},"responsePayload":{}}`:    "an answer without a decision",
		`{"responsePayload":"{\"decision\":\"none\"}"}`: "an answer as text",
	} {
		assert.True(t, matches(body), "Lambda deletes what no pattern matches: %s", name)
	}
}

func TestNothingIsLostOnTheWay(t *testing.T) {
	tmpl := template(t, "observe")
	remediate := tmpl.Functions["RemediateFunction"]
	for _, id := range []string{"DetectFunction", "SweepFunction"} {
		f := tmpl.Functions[id]
		assert.Equal(t, tmpl.Queues["FindingsQueue"].ARN, f.OnSuccessARN, "%s hands over to remediate", id)
		assert.Equal(t, tmpl.Queues["DeadLetterQueue"].ARN, f.OnFailureARN, "%s: failures are kept", id)
	}
	assert.Len(t, tmpl.Queues, 2, "one way to remediate, one place for dead letters")
	for _, r := range tmpl.Rules {
		for _, target := range r.Targets {
			assert.Equal(t, tmpl.Queues["DeadLetterQueue"].ARN, target.DeadLetterARN, "%s keeps what it cannot hand over", r.LogicalID)
		}
	}
	for _, m := range tmpl.Mappings {
		q, ok := tmpl.QueueByARN(m.QueueARN)
		require.True(t, ok)
		f, ok := tmpl.FunctionByARN(m.FunctionARN)
		require.True(t, ok)
		assert.True(t, m.ReportBatchItemFailures, "%s: one poison must not fail a batch", m.LogicalID)
		assert.LessOrEqual(t, m.BatchSize, 10, "%s: Lambda takes more with a batching window only, and a lone message waits for that", m.LogicalID)
		assert.GreaterOrEqual(t, q.VisibilityTimeout, 6*f.Timeout, "%s: Lambda asks for six times the function's timeout", m.LogicalID)
		assert.GreaterOrEqual(t, q.MaxReceiveCount, 5, "%s: throttling must not fill the dead letters", q.LogicalID)
		assert.Equal(t, tmpl.Queues["DeadLetterQueue"].ARN, q.DeadLetterARN)
	}
	for _, q := range tmpl.Queues {
		assert.Equal(t, 14*24, int(q.Retention.Hours()), "%s keeps messages for the most that SQS offers", q.LogicalID)
	}
	assert.True(t, strings.HasSuffix(remediate.Environment["FINDINGS_QUEUE_URL"], "/"+tmpl.Queues["FindingsQueue"].Name))
	assert.True(t, strings.HasSuffix(remediate.Environment["DEAD_LETTER_QUEUE_URL"], "/"+tmpl.Queues["DeadLetterQueue"].Name))
	assert.Equal(t, "observe", remediate.Environment["MODE"])
	assert.Equal(t, tmpl.Topics["AlertTopic"].ARN, remediate.Environment["ALERT_TOPIC_ARN"])
}

// The queues' policies deny everybody else, so each sender must be named there too.
func TestTheQueuesPoliciesNameTheRolesThatSend(t *testing.T) {
	text, err := os.ReadFile("../template.yaml")
	require.NoError(t, err)
	for _, queue := range []string{"FindingsQueuePolicy", "DeadLetterQueuePolicy"} {
		_, policy, ok := strings.Cut(string(text), "\n  "+queue+":\n")
		require.True(t, ok, queue)
		policy, _, _ = strings.Cut(policy, "Sid: OnlyOverTLS")
		for _, role := range []string{"DetectRole", "SweepRole", "RemediateRole"} {
			assert.Contains(t, policy, "- !GetAtt "+role+".Arn\n", "%s admits %s", queue, role)
			assert.Contains(t, policy, "assumed-role/${"+role+"}/*", "%s admits %s", queue, role)
		}
	}
}

// Whoever writes into the table can keep a sweep silent: the ids of findings can be computed.
func TestOnlySweepAndRemediateUseTheTableAndEachItsOwnWay(t *testing.T) {
	tmpl := template(t, "observe")
	var policy struct {
		Statement []struct {
			Sid, Effect, Principal string
			Action                 any
			Condition              map[string]map[string]string
		}
	}
	require.NoError(t, json.Unmarshal(tmpl.Tables["MemoryTable"].Policy, &policy))
	denied := map[string]any{}
	for _, s := range policy.Statement {
		assert.Equal(t, "Deny", s.Effect)
		assert.Equal(t, "*", s.Principal)
		denied[s.Sid] = s.Action
	}
	require.Len(t, policy.Statement, 2)
	exempt := func(function string) map[string]map[string]string {
		return map[string]map[string]string{"ArnNotEquals": {"aws:PrincipalArn": tmpl.Functions[function].RoleARN}}
	}
	assert.Equal(t, exempt("SweepFunction"), policy.Statement[0].Condition)
	assert.Equal(t, exempt("RemediateFunction"), policy.Statement[1].Condition)
	assert.ElementsMatch(t, []any{
		"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:ConditionCheckItem",
		"dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem",
		"dynamodb:PartiQLSelect", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PartiQLDelete",
	}, denied["OnlySweepReadsAndWrites"], "items alone: CloudFormation has to manage the table")
	assert.Equal(t, "dynamodb:UpdateItem", denied["OnlyRemediateUpdates"])
}

func TestRolesCanCloseAndNeverOpen(t *testing.T) {
	for mode, mayRevoke := range map[string]bool{"observe": false, "enforce": true} {
		tmpl := template(t, mode)
		remediate, ok := tmpl.RoleByARN(tmpl.Functions["RemediateFunction"].RoleARN)
		require.True(t, ok)
		assert.Equal(t, mayRevoke, remediate.Allows("ec2:RevokeSecurityGroupIngress"), mode)
		assert.Equal(t, mayRevoke, remediate.Allows("ec2:RevokeSecurityGroupEgress"), mode)
		assert.True(t, remediate.Allows("sns:Publish"), mode)
		assert.Equal(t, mayRevoke, remediate.Allows("dynamodb:UpdateItem"), mode)
		sweep, ok := tmpl.RoleByARN(tmpl.Functions["SweepFunction"].RoleARN)
		require.True(t, ok)
		for _, role := range tmpl.Roles {
			if role.LogicalID != remediate.LogicalID {
				assert.False(t, role.Allows("ec2:RevokeSecurityGroupIngress") || role.Allows("ec2:RevokeSecurityGroupEgress"), "%s in %s mode", role.LogicalID, mode)
				assert.False(t, role.Allows("dynamodb:UpdateItem"), "%s in %s mode", role.LogicalID, mode)
			}
		}
		for _, action := range []string{
			"ec2:DescribeSecurityGroupRules", "ec2:DescribeSecurityGroups", "ec2:DescribeManagedPrefixLists",
			"ec2:GetManagedPrefixListEntries", "ec2:GetManagedPrefixListAssociations", "sns:Publish", "sqs:SendMessage",
			"dynamodb:Scan", "dynamodb:BatchWriteItem", "logs:FilterLogEvents",
		} {
			assert.True(t, sweep.Allows(action), "sweep in %s mode: %s", mode, action)
		}
		for _, role := range tmpl.Roles {
			for _, action := range []string{
				"ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress", "ec2:ModifySecurityGroupRules",
				"ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup", "ec2:ModifyManagedPrefixList", "ec2:RestoreManagedPrefixListVersion",
			} {
				assert.False(t, role.Allows(action), "%s in %s mode: %s", role.LogicalID, mode, action)
			}
		}
		for _, action := range []string{"sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
			assert.True(t, remediate.Allows(action), "remediate gathers storms and writes down what it closes: %s", action)
		}
		detect, ok := tmpl.RoleByARN(tmpl.Functions["DetectFunction"].RoleARN)
		require.True(t, ok)
		for _, action := range []string{"ec2:DescribeSecurityGroups", "ec2:RevokeSecurityGroupIngress", "sns:Publish"} {
			assert.False(t, detect.Allows(action), "detect calls no AWS API: %s", action)
		}
	}
}
