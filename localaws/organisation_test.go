package localaws_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudformation"
	"sgward/localaws/samtemplate"
)

// These tests are about the parameters that organisations need, in template.yaml and alerts.yaml.

// evaluated is a template of the repository in eu-central-1, where a reference to a topic is its ARN and any
// other is the logical id.
func evaluated(t *testing.T, file string, parameters map[string]string) *cloudformation.Template {
	t.Helper()
	src, err := os.ReadFile("../" + file)
	require.NoError(t, err)
	tmpl, err := cloudformation.Parse(src, cloudformation.Options{
		Region: "eu-central-1", Parameters: parameters,
		Ref: func(t *cloudformation.Template, r cloudformation.Resource) (any, error) {
			if r.Type == "AWS::SNS::Topic" {
				return t.ARN("sns", r.LogicalID), nil
			}
			return r.LogicalID, nil
		},
		Attribute: func(t *cloudformation.Template, r cloudformation.Resource, attribute string) (any, error) {
			return r.LogicalID + "." + attribute, nil
		},
	})
	require.NoError(t, err)
	return tmpl
}

// property evaluates a property of a resource; nil if it has none.
func property(t *testing.T, tmpl *cloudformation.Template, r cloudformation.Resource, name string) any {
	t.Helper()
	node := cloudformation.Child(r.Properties, name)
	if node == nil {
		return nil
	}
	value, err := tmpl.Value(node)
	require.NoError(t, err, "%s: %s", r.LogicalID, name)
	if _, gone := value.(cloudformation.NoValue); gone {
		return nil
	}
	return value
}

// ofType lists the resources of a type.
func ofType(tmpl *cloudformation.Template, kind string) (found []cloudformation.Resource) {
	for _, r := range tmpl.Resources {
		if r.Type == kind {
			found = append(found, r)
		}
	}
	return found
}

// refusals are the descriptions of the assertions of the template's Rules that do not hold: CloudFormation makes
// nothing of such a stack.
func refusals(t *testing.T, file string, parameters map[string]string) (refused []string) {
	t.Helper()
	tmpl := evaluated(t, file, parameters)
	for name, rule := range cloudformation.Pairs(cloudformation.Child(tmpl.Root, "Rules")) {
		if condition := cloudformation.Child(rule, "RuleCondition"); condition != nil {
			applies, err := tmpl.Value(condition)
			require.NoError(t, err, name)
			if applies == false {
				continue
			}
		}
		for _, assertion := range cloudformation.Items(cloudformation.Child(rule, "Assertions")) {
			holds, err := tmpl.Value(cloudformation.Child(assertion, "Assert"))
			require.NoError(t, err, name)
			require.IsType(t, true, holds, name)
			if holds == false {
				refused = append(refused, cloudformation.Child(assertion, "AssertDescription").Value)
			}
		}
	}
	return refused
}

const (
	topicHere  = "arn:aws:sns:eu-central-1:111122223333:security"
	topicThere = "arn:aws:sns:us-east-1:111122223333:security"
)

func TestWhatGoesTogetherIsRefusedHalfGiven(t *testing.T) {
	for _, sound := range []map[string]string{
		nil,
		{"AlertTopicArn": topicHere},
		{"AlertTopicAccountId": "111122223333", "AlertTopicName": "alerts", "AlarmTopicName": "alarms"},
		{"AlertTopicAccountId": "111122223333", "AlertTopicName": "both", "AlarmTopicName": "both"},
		{"AlertTopicAccountId": "111122223333", "AlertTopicName": "alerts", "AlarmTopicArn": topicHere},
		{"VpcSubnetIds": "subnet-0a,subnet-0b", "VpcSecurityGroupIds": "sg-0a"},
	} {
		assert.Empty(t, refusals(t, "template.yaml", sound), "%v", sound)
	}
	const (
		pair  = "AlertTopicAccountId and AlertTopicName go together"
		alarm = "AlarmTopicName needs AlertTopicAccountId, whose topic it is"
		deaf  = "AlertTopicName needs AlarmTopicName or AlarmTopicArn; a topic that takes alarms too is named twice"
		vpc   = "VpcSubnetIds and VpcSecurityGroupIds go together"
	)
	for _, c := range []struct {
		given map[string]string
		want  []string
	}{
		{map[string]string{"AlertTopicName": "alerts"}, []string{pair, deaf}},
		{map[string]string{"AlertTopicAccountId": "111122223333", "AlertTopicName": "alerts"}, []string{deaf}},
		{map[string]string{"AlertTopicAccountId": "111122223333"}, []string{pair}},
		{map[string]string{"AlertTopicArn": topicHere, "AlertTopicAccountId": "111122223333", "AlertTopicName": "alerts", "AlarmTopicName": "alarms"},
			[]string{"AlertTopicArn or AlertTopicName names the alert topic, not both"}},
		{map[string]string{"AlarmTopicName": "alarms"}, []string{alarm}},
		{map[string]string{"AlertTopicAccountId": "111122223333", "AlertTopicName": "alerts", "AlarmTopicName": "alarms", "AlarmTopicArn": topicHere},
			[]string{"AlarmTopicArn or AlarmTopicName names the alarm topic, not both"}},
		{map[string]string{"PermissionsBoundary": "arn:aws:iam::aws:policy/PowerUserAccess", "PermissionsBoundaryName": "limit"},
			[]string{"PermissionsBoundary or PermissionsBoundaryName names the boundary, not both"}},
		{map[string]string{"VpcSubnetIds": "subnet-0a"}, []string{vpc}},
		{map[string]string{"VpcSecurityGroupIds": "sg-0a"}, []string{vpc}},
	} {
		assert.ElementsMatch(t, c.want, refusals(t, "template.yaml", c.given), "%v", c.given)
	}
}

// Rules have no function that takes an ARN apart.
func TestATopicOfAnotherRegionEndsTheStack(t *testing.T) {
	for _, given := range []map[string]string{nil, {"AlarmTopicArn": topicHere}, {"AlertTopicAccountId": "111122223333", "AlertTopicName": "alerts"}} {
		_, there := evaluated(t, "template.yaml", given).Resource("AlertTopicIsInThisRegion")
		assert.False(t, there, "%v", given)
	}
	for arn, sound := range map[string]bool{topicHere: true, topicThere: false, "arn:aws:sns:eu-central-11:111122223333:x": false} {
		tmpl := evaluated(t, "template.yaml", map[string]string{"AlertTopicArn": arn})
		check, there := tmpl.Resource("AlertTopicIsInThisRegion")
		require.True(t, there, arn)
		matched, err := regexp.MatchString(fmt.Sprint(property(t, tmpl, check, "AllowedPattern")), fmt.Sprint(property(t, tmpl, check, "Value")))
		require.NoError(t, err)
		assert.Equal(t, sound, matched, "Parameter Store takes the value of %s", arn)
	}
}

func TestAlertsAndAlarmsGoWhereTheyShould(t *testing.T) {
	const own, named, alarms = "arn:aws:sns:eu-central-1:123456789012:AlertTopic", "arn:aws:sns:eu-central-1:111122223333:alerts", "arn:aws:sns:eu-central-1:111122223333:alarms"
	for _, c := range []struct {
		given        map[string]string
		alert, alarm string
	}{
		{nil, own, own},
		{map[string]string{"AlertTopicArn": topicHere}, topicHere, topicHere},
		{map[string]string{"AlertTopicAccountId": "111122223333", "AlertTopicName": "alerts", "AlarmTopicName": "alerts"}, named, named},
		{map[string]string{"AlarmTopicArn": topicHere}, own, topicHere},
		{map[string]string{"AlertTopicAccountId": "111122223333", "AlertTopicName": "alerts", "AlarmTopicName": "alarms"}, named, alarms},
		{map[string]string{"AlertTopicAccountId": "111122223333", "AlertTopicName": "alerts", "AlarmTopicArn": topicHere}, named, topicHere},
	} {
		tmpl := evaluated(t, "template.yaml", c.given)
		for _, id := range []string{"RemediateFunction", "SweepFunction"} {
			function, ok := tmpl.Resource(id)
			require.True(t, ok)
			environment := property(t, tmpl, function, "Environment").(map[string]any)["Variables"].(map[string]any)
			assert.Equal(t, c.alert, environment["ALERT_TOPIC_ARN"], "%s of %v", id, c.given)
		}
		found := ofType(tmpl, "AWS::CloudWatch::Alarm")
		require.NotEmpty(t, found)
		for _, alarm := range found {
			assert.Equal(t, []any{c.alarm}, property(t, tmpl, alarm, "AlarmActions"), "%s of %v", alarm.LogicalID, c.given)
			if told := property(t, tmpl, alarm, "InsufficientDataActions"); told != nil {
				assert.Equal(t, []any{c.alarm}, told, "%s of %v", alarm.LogicalID, c.given)
			}
		}
		assert.Equal(t, c.alert == own, len(ofType(tmpl, "AWS::SNS::Topic")) == 1, "a topic is made only where none is given: %v", c.given)
		grants := map[string]bool{}
		for _, role := range ofType(tmpl, "AWS::IAM::Role") {
			for _, statement := range statementsOf(t, tmpl, role) {
				if statement["Action"] == "sns:Publish" {
					grants[fmt.Sprint(statement["Resource"])] = true
				}
			}
		}
		assert.Equal(t, map[string]bool{c.alert: true}, grants, "%v", c.given)
	}
}

// statementsOf lists the statements of a role's inline policies.
func statementsOf(t *testing.T, tmpl *cloudformation.Template, role cloudformation.Resource) (statements []map[string]any) {
	t.Helper()
	policies, _ := property(t, tmpl, role, "Policies").([]any)
	for _, p := range policies {
		if policy, ok := p.(map[string]any); ok {
			for _, s := range policy["PolicyDocument"].(map[string]any)["Statement"].([]any) {
				statements = append(statements, s.(map[string]any))
			}
		}
	}
	return statements
}

// everything makes every role of the template.
var everything = map[string]string{
	"SlackWebhookSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hook", "SlackWorkspaceId": "T0123456789", "SlackChannelId": "C0123456789",
	"Prevention":  "warn",
	"EventBusArn": "arn:aws:events:eu-central-1:123456789012:event-bus/security", "SecurityHub": "on",
}

func with(parameters map[string]string, more ...string) map[string]string {
	all := map[string]string{}
	for k, v := range parameters {
		all[k] = v
	}
	for i := 0; i+1 < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

func TestEveryRoleHasTheBoundaryAndThePath(t *testing.T) {
	for _, c := range []struct {
		arn, name string
		want      any
	}{
		{want: nil},
		{name: "team/boundary", want: "arn:aws:iam::123456789012:policy/team/boundary"},
		{arn: "arn:aws:iam::123456789012:policy/limit", want: "arn:aws:iam::123456789012:policy/limit"},
		{arn: "arn:aws:iam::aws:policy/PowerUserAccess", want: "arn:aws:iam::aws:policy/PowerUserAccess"},
	} {
		tmpl := evaluated(t, "template.yaml", with(everything, "PermissionsBoundary", c.arn, "PermissionsBoundaryName", c.name, "RolePath", "/sgward/"))
		roles := ofType(tmpl, "AWS::IAM::Role")
		require.Len(t, roles, 8)
		for _, role := range roles {
			assert.Equal(t, c.want, property(t, tmpl, role, "PermissionsBoundary"), role.LogicalID)
			assert.Equal(t, "/sgward/", property(t, tmpl, role, "Path"), role.LogicalID)
		}
	}
}

func TestEveryFunctionIsInTheVPCAndOnlyThenItsRoleMayMakeInterfaces(t *testing.T) {
	inVPC := evaluated(t, "template.yaml", with(everything, "VpcSubnetIds", "subnet-0a,subnet-0b", "VpcSecurityGroupIds", "sg-0a"))
	elsewhere := evaluated(t, "template.yaml", everything)
	config := func(tmpl *cloudformation.Template) any {
		value, err := tmpl.Value(cloudformation.Child(cloudformation.Child(cloudformation.Child(tmpl.Root, "Globals"), "Function"), "VpcConfig"))
		require.NoError(t, err)
		return value
	}
	assert.Equal(t, map[string]any{"SubnetIds": []any{"subnet-0a", "subnet-0b"}, "SecurityGroupIds": []any{"sg-0a"}}, config(inVPC))
	assert.Equal(t, cloudformation.NoValue{}, config(elsewhere))

	functions := ofType(inVPC, "AWS::Serverless::Function")
	require.Len(t, functions, 6)
	for _, function := range functions {
		assert.Nil(t, cloudformation.Child(function.Properties, "VpcConfig"), "%s has that of all", function.LogicalID)
		id := strings.TrimSuffix(fmt.Sprint(property(t, inVPC, function, "Role")), ".Arn")
		role, ok := inVPC.Resource(id)
		require.True(t, ok)
		made := 0
		for _, statement := range statementsOf(t, inVPC, role) {
			if !strings.Contains(fmt.Sprint(statement["Action"]), "ec2:CreateNetworkInterface") {
				continue
			}
			made++
			assert.Equal(t, "Allow", statement["Effect"], id)
			assert.Equal(t, map[string]any{"lambda:SourceFunctionArn": "true"}, statement["Condition"].(map[string]any)["Null"],
				"%s: Lambda may make interfaces and the function's code may not", id)
		}
		assert.Equal(t, 1, made, id)

		outside, _ := elsewhere.Resource(id)
		for _, statement := range statementsOf(t, elsewhere, outside) {
			assert.NotContains(t, fmt.Sprint(statement["Action"]), "CreateNetworkInterface", id)
		}
	}
}

// The forms of CloudFormation's console and `make deploy` show them.
func TestEveryParameterIsInAGroupAndHasALabel(t *testing.T) {
	for _, file := range []string{"template.yaml", "alerts.yaml"} {
		tmpl := evaluated(t, file, nil)
		form := cloudformation.Child(cloudformation.Child(tmpl.Root, "Metadata"), "AWS::CloudFormation::Interface")
		var declared, grouped, labelled []string
		for name := range cloudformation.Pairs(cloudformation.Child(tmpl.Root, "Parameters")) {
			declared = append(declared, name)
		}
		for _, group := range cloudformation.Items(cloudformation.Child(form, "ParameterGroups")) {
			for _, name := range cloudformation.Items(cloudformation.Child(group, "Parameters")) {
				grouped = append(grouped, name.Value)
			}
		}
		for name := range cloudformation.Pairs(cloudformation.Child(form, "ParameterLabels")) {
			labelled = append(labelled, name)
		}
		assert.ElementsMatch(t, declared, grouped, file)
		assert.ElementsMatch(t, declared, labelled, file)
	}
}

// What the roles may do does not depend on the organisation's parameters, but for the VPC.
func TestTheFunctionsRolesStayAsNarrow(t *testing.T) {
	plain, err := samtemplate.Load("../template.yaml", samtemplate.Options{})
	require.NoError(t, err)
	bounded, err := samtemplate.Load("../template.yaml", samtemplate.Options{Parameters: map[string]string{
		"PermissionsBoundaryName": "limit", "RolePath": "/sgward/", "AlarmTopicArn": "arn:aws:sns:us-east-1:123456789012:alarms", "Alarms": "essential"}})
	require.NoError(t, err)
	for id, role := range plain.Roles {
		assert.Equal(t, role.Actions, bounded.Roles[id].Actions, id)
	}
}

// AWS allows one configuration of a channel in an account, so only the stack of one region makes it, whatever the region.
func TestTheChannelsAreOfOneRegionsStack(t *testing.T) {
	channels := map[string]string{
		"SlackWorkspaceId": "T0123456789", "SlackChannelId": "C0123456789", "TeamsTeamId": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
		"TeamsTenantId": "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4e", "TeamsChannelId": "19%3A0a1b2c3d%40thread.tacv2", "ChatAlsoTopicArns": topicThere + "," + topicThere + "-alarms",
	}
	here := evaluated(t, "alerts.yaml", with(channels, "ChatRegion", "eu-central-1"))
	for _, kind := range []string{"AWS::Chatbot::SlackChannelConfiguration", "AWS::Chatbot::MicrosoftTeamsChannelConfiguration"} {
		made := ofType(here, kind)
		require.Len(t, made, 1, kind)
		assert.Equal(t, []any{"arn:aws:sns:eu-central-1:123456789012:AlertTopic", "arn:aws:sns:eu-central-1:123456789012:AlarmTopic", topicThere, topicThere + "-alarms"},
			property(t, here, made[0], "SnsTopicArns"), kind)
		assert.Equal(t, []any{"arn:aws:iam::aws:policy/CloudWatchReadOnlyAccess"}, property(t, here, made[0], "GuardrailPolicies"), kind)
	}

	there := evaluated(t, "alerts.yaml", with(channels, "ChatRegion", "us-east-1"))
	assert.Empty(t, refusals(t, "alerts.yaml", with(channels, "ChatRegion", "us-east-1")))
	assert.Len(t, ofType(there, "AWS::SNS::Topic"), 2)
	for _, r := range there.Resources {
		assert.NotContains(t, []string{"SlackChannel", "TeamsChannel", "ChatRole"}, r.LogicalID)
	}

	assert.Equal(t, []string{"a channel of Slack or Teams needs ChatRegion, the one region whose stack has it"}, refusals(t, "alerts.yaml", channels))
	assert.Contains(t, refusals(t, "alerts.yaml", map[string]string{"ChatRegion": "eu-central-1", "SlackChannelId": "C0123456789"}), "SlackWorkspaceId and SlackChannelId go together")
	assert.Contains(t, refusals(t, "alerts.yaml", map[string]string{"ChatRegion": "eu-central-1", "TeamsTeamId": channels["TeamsTeamId"]}),
		"TeamsTeamId, TeamsTenantId and TeamsChannelId go together")
}

// People obey alerts: who else could send one could have something opened.
func TestOnlyTheStacksOfTheOrganisationPublish(t *testing.T) {
	for organization, want := range map[string]map[string]any{
		"o-a1b2c3d4e5": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}, "": {"aws:PrincipalAccount": "123456789012"}} {
		tmpl := evaluated(t, "alerts.yaml", map[string]string{"OrganizationId": organization, "RolePath": "/sgward/", "EncryptTopics": "yes"})
		policies := ofType(tmpl, "AWS::SNS::TopicPolicy")
		require.Len(t, policies, 2)
		for _, policy := range policies {
			for _, s := range property(t, tmpl, policy, "PolicyDocument").(map[string]any)["Statement"].([]any) {
				statement := s.(map[string]any)
				condition, _ := statement["Condition"].(map[string]any)
				switch statement["Sid"] {
				case "TheStacksPublish":
					assert.Equal(t, "AlertTopicPolicy", policy.LogicalID)
					assert.Equal(t, want, condition["StringEquals"])
					assert.Equal(t, stacksRoles(), condition["ArnLike"])
				case "OnlySgwardPublishes":
					assert.Equal(t, "Deny", statement["Effect"])
					assert.Equal(t, map[string]any{"ArnNotLike": stacksRoles()}, condition, "CloudWatch does not either: who creates an alarm writes its text")
				case "OnlyAlarmsPublish":
					assert.Equal(t, map[string]any{"BoolIfExists": map[string]any{"aws:PrincipalIsAWSService": "false"}}, condition)
				case "AlarmsPublish":
					assert.Equal(t, "AlarmTopicPolicy", policy.LogicalID)
					assert.Equal(t, map[string]any{"Service": "cloudwatch.amazonaws.com"}, statement["Principal"])
					assert.Len(t, condition["StringEquals"], 1, "alarms of the organisation or of the account alone")
				default:
					assert.Equal(t, "OnlyOverTLS", statement["Sid"])
				}
			}
		}
	}
}

// Subscribers read the alerts of all accounts, so only functions of the outlets may be subscribed from elsewhere, and only where it is asked for.
func TestOnlyOutletsSubscribeFromOtherAccounts(t *testing.T) {
	for organization, want := range map[string]map[string]any{
		"o-a1b2c3d4e5": {"aws:PrincipalOrgID": "o-a1b2c3d4e5", "sns:Protocol": "lambda"}, "": {"aws:PrincipalAccount": "123456789012", "sns:Protocol": "lambda"}} {
		for outlets, statements := range map[string]int{"off": 0, "on": 1} {
			tmpl := evaluated(t, "alerts.yaml", map[string]string{"OrganizationId": organization, "RolePath": "/sgward/", "OutletsSubscribe": outlets})
			found := 0
			for _, policy := range ofType(tmpl, "AWS::SNS::TopicPolicy") {
				for _, s := range property(t, tmpl, policy, "PolicyDocument").(map[string]any)["Statement"].([]any) {
					statement := s.(map[string]any)
					if statement["Effect"] != "Allow" || statement["Action"] == "sns:Publish" {
						continue
					}
					found++
					assert.Equal(t, "AlertTopicPolicy", policy.LogicalID)
					assert.Equal(t, "sns:Subscribe", statement["Action"])
					assert.Equal(t, map[string]any{
						"StringEquals": want, "StringLike": map[string]any{"sns:Endpoint": "arn:aws:lambda:eu-central-1:*:function:*-OutletsFunction-*"},
					}, statement["Condition"])
				}
			}
			assert.Equal(t, statements, found, outlets)
		}
	}
}

// A topic of many accounts brings the alerts of all; each stack's outlets take their own.
func TestOutletsSubscribeToTheirOwnAlerts(t *testing.T) {
	for name, c := range map[string]struct {
		parameters map[string]string
		want       string
	}{
		"own topic": {map[string]string{"SecurityHub": "on"}, "arn:aws:sns:eu-central-1:123456789012:AlertTopic"},
		"by ARN":    {map[string]string{"SecurityHub": "on", "AlertTopicArn": topicHere}, topicHere},
		"by name": {map[string]string{"EventBusArn": "arn:aws:events:eu-central-1:123456789012:event-bus/b", "AlertTopicAccountId": "111122223333", "AlertTopicName": "alerts"},
			"arn:aws:sns:eu-central-1:111122223333:alerts"},
	} {
		tmpl := evaluated(t, "template.yaml", c.parameters)
		subscription, ok := tmpl.Resource("OutletsSubscription")
		require.True(t, ok, name)
		assert.Equal(t, c.want, property(t, tmpl, subscription, "TopicArn"), name)
		assert.Equal(t, map[string]any{"accountId": []any{"123456789012"}, "region": []any{"eu-central-1"}}, property(t, tmpl, subscription, "FilterPolicy"), name)
		permission, _ := tmpl.Resource("OutletsPermission")
		assert.Equal(t, c.want, property(t, tmpl, permission, "SourceArn"), name)
	}
}

// Alarms with a topic of their own would else reach nobody in Slack.
func TestTheWebhookGetsTheAlarmsToo(t *testing.T) {
	const hook, alarms = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:hook", "arn:aws:sns:eu-central-1:123456789012:alarms"
	for name, c := range map[string]struct {
		parameters map[string]string
		topics     []any
	}{
		"one topic":          {map[string]string{"SlackWebhookSecretArn": hook}, []any{"arn:aws:sns:eu-central-1:123456789012:AlertTopic"}},
		"by ARN":             {map[string]string{"SlackWebhookSecretArn": hook, "AlertTopicArn": topicHere, "AlarmTopicArn": alarms}, []any{topicHere, alarms}},
		"the same ARN twice": {map[string]string{"SlackWebhookSecretArn": hook, "AlertTopicArn": topicHere, "AlarmTopicArn": topicHere}, []any{topicHere}},
		"by name": {map[string]string{"SlackWebhookSecretArn": hook, "AlertTopicAccountId": "123456789012", "AlertTopicName": "alerts", "AlarmTopicName": "alarms"},
			[]any{"arn:aws:sns:eu-central-1:123456789012:alerts", alarms}},
		"the same name twice": {map[string]string{"SlackWebhookSecretArn": hook, "AlertTopicAccountId": "123456789012", "AlertTopicName": "alarms", "AlarmTopicName": "alarms"}, []any{alarms}},
		"no webhook":          {map[string]string{"AlarmTopicArn": alarms}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tmpl := evaluated(t, "template.yaml", c.parameters)
			var subscribed, permitted []any
			for _, r := range ofType(tmpl, "AWS::SNS::Subscription") {
				assert.Equal(t, "SlackFunction.Arn", property(t, tmpl, r, "Endpoint"))
				subscribed = append(subscribed, property(t, tmpl, r, "TopicArn"))
			}
			for _, r := range ofType(tmpl, "AWS::Lambda::Permission") {
				if property(t, tmpl, r, "FunctionName") == "SlackFunction" {
					permitted = append(permitted, property(t, tmpl, r, "SourceArn"))
				}
			}
			assert.ElementsMatch(t, c.topics, subscribed)
			assert.ElementsMatch(t, c.topics, permitted)
		})
	}
}

func TestAnOrganisationIsGivenTogetherWithAPath(t *testing.T) {
	const organization = "o-a1b2c3d4e5"
	assert.Empty(t, refusals(t, "alerts.yaml", map[string]string{"OrganizationId": organization, "RolePath": "/sgward/"}))
	assert.Empty(t, refusals(t, "alerts.yaml", nil))
	refused := refusals(t, "alerts.yaml", map[string]string{"OrganizationId": organization})
	require.Len(t, refused, 1)
	assert.Contains(t, refused[0], "OrganizationId needs a RolePath other than /")
}

func stacksRoles() map[string]any {
	return map[string]any{"aws:PrincipalArn": []any{
		"arn:aws:iam::*:role/sgward/*-RemediateRole-*", "arn:aws:iam::*:role/sgward/*-SweepRole-*"}}
}

// What alerts.yaml puts out is what template.yaml takes.
func TestTheStacksFindTheTopicsOfAlertsYAML(t *testing.T) {
	alerts := evaluated(t, "alerts.yaml", nil)
	out, err := alerts.Value(cloudformation.Child(cloudformation.Child(cloudformation.Child(alerts.Root, "Outputs"), "Parameters"), "Value"))
	require.NoError(t, err)
	parameters := map[string]string{}
	for _, each := range strings.Fields(fmt.Sprint(out)) {
		name, value, _ := strings.Cut(each, "=")
		parameters[name] = value
	}
	require.Empty(t, refusals(t, "template.yaml", parameters))
	tmpl := evaluated(t, "template.yaml", parameters)
	remediate, _ := tmpl.Resource("RemediateFunction")
	environment := property(t, tmpl, remediate, "Environment").(map[string]any)["Variables"].(map[string]any)
	assert.Equal(t, "arn:aws:sns:eu-central-1:123456789012:sgward-alerts", environment["ALERT_TOPIC_ARN"])
	for _, alarm := range ofType(tmpl, "AWS::CloudWatch::Alarm") {
		assert.Equal(t, []any{"arn:aws:sns:eu-central-1:123456789012:sgward-alarms"}, property(t, tmpl, alarm, "AlarmActions"))
	}
}

// docs/PARAMETERS.md has a row for every parameter of template.yaml, and none for what is none.
func TestThePageHasEveryParameter(t *testing.T) {
	document, err := cloudformation.Parse([]byte(read(t, "../template.yaml")), cloudformation.Options{Partial: true})
	require.NoError(t, err)
	var want, got []string
	for name := range cloudformation.Pairs(cloudformation.Child(document.Root, "Parameters")) {
		want = append(want, name)
	}
	_, table, _ := strings.Cut(read(t, "../docs/PARAMETERS.md"), "| --- |")
	table, _, _ = strings.Cut(table, "\n\n")
	for row := range strings.Lines(table) {
		names, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, m := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(names, -1) {
			got = append(got, m[1])
		}
	}
	assert.ElementsMatch(t, want, got)
}

// docs/PARAMETERS.md lists what a boundary has to allow: everything that the roles are granted, and nothing else.
func TestThePageListsWhatABoundaryMustAllow(t *testing.T) {
	_, text, _ := strings.Cut(read(t, "../docs/PARAMETERS.md"), "```json\n")
	text, _, _ = strings.Cut(text, "```")
	var boundary struct{ Statement []struct{ Action []string } }
	require.NoError(t, json.Unmarshal([]byte(text), &boundary))
	require.Len(t, boundary.Statement, 1)

	granted := map[string]bool{}
	tmpl, err := samtemplate.Load("../template.yaml", samtemplate.Options{Parameters: with(everything, "Mode", "enforce",
		"KmsKeyArn", "arn:aws:kms:us-east-1:123456789012:key/k", "VpcSubnetIds", "subnet-0a", "VpcSecurityGroupIds", "sg-0a")})
	require.NoError(t, err)
	for _, role := range tmpl.Roles {
		for _, action := range role.Actions {
			granted[action] = true
		}
	}
	delete(granted, "kms:GenerateDataKey") // kms:GenerateDataKey* covers it
	assert.ElementsMatch(t, slices.Collect(maps.Keys(granted)), boundary.Statement[0].Action)
}
