package localaws_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudformation"
	"sgward/internal/doctor"
	"sgward/internal/functionstest"
	"sgward/localaws"
	"sgward/localaws/dynamodbapi"
	"sgward/localaws/ec2api"
)

// These tests compare what the roles of template.yaml are granted with what was seen on the wire: the requests of the real functions, by the
// key of each, while a stack does all that it can do.

const hookARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:hook"

// ofEverybody lists what Lambda itself does with a function's role, beside its queues, which the stand-in does and counts: no function sends it.
var ofEverybody = []string{
	"logs:CreateLogStream", "logs:PutLogEvents", // https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
}

// inVPC is what Lambda does to put a function into a VPC (https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html).
var inVPC = []string{
	"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface", "ec2:DescribeSubnets",
	"ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
}

// ofChat is what Amazon Q Developer does with the role of a channel to draw an alarm
// (https://docs.aws.amazon.com/chatbot/latest/adminguide/understanding-permissions.html).
var ofChat = []string{"cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics", "cloudwatch:ListMetrics"}

// ofHooks is what CloudFormation does with the role that it takes on to ask a hook
// (https://docs.aws.amazon.com/cloudformation-cli/latest/hooks-userguide/lambda-hooks-create-lambda-function.html).
var ofHooks = []string{"lambda:InvokeFunction"}

// through are the actions that a service takes in KMS for a call, with the caller's permissions, where a customer's key encrypts what the call is
// about. After the name of an action is the service that it is limited to.
var through = map[string][]string{
	// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
	"sqs:SendMessage":    {"kms:GenerateDataKey via sqs", "kms:Decrypt via sqs"},
	"sqs:ReceiveMessage": {"kms:Decrypt via sqs"},
	// https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
	"sns:Publish": {"kms:GenerateDataKey via sns", "kms:Decrypt via sns"},
	// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
	"dynamodb": {"kms:Encrypt via dynamodb", "kms:Decrypt via dynamodb", "kms:ReEncrypt* via dynamodb", "kms:GenerateDataKey* via dynamodb", "kms:DescribeKey via dynamodb"},
	// https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
	"secretsmanager:GetSecretValue": {"kms:Decrypt via secretsmanager"},
}

// permissionOf is the IAM action of a call, where it has another name.
func permissionOf(call string) string {
	switch call {
	case "lambda:Invoke": // https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
		return "lambda:InvokeFunction"
	case "sqs:DeleteMessageBatch", "sqs:SendMessageBatch": // https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
		return strings.TrimSuffix(call, "Batch")
	}
	return call
}

const wholePolicy = `
version: 1
world: {ipv4: 9, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, existing: revoke, ingress: {from: world, ports: [3306/tcp]}}
  - {id: out, severity: low, effect: revoke, egress: {to: world, ports: [9/tcp]}}
  - {id: other, severity: low, effect: alert, ingress: {from: world, ports: [8080/tcp]}}
`

// wholeRun runs a stack through everything that a function has a call for, and returns the calls by the logical id of their function.
func wholeRun(t *testing.T, mode string) map[string][]string {
	t.Helper()
	dir := functionstest.Build(t, nil, functionstest.All(t)...)
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(policy, []byte(wholePolicy), 0o600))
	stack, err := localaws.Start(t.Context(), localaws.Config{
		TemplatePath: "../template.yaml", BuildDir: dir, Listen: "127.0.0.1:0", PolicyFile: policy, RetryAfter: time.Millisecond,
		Parameters: map[string]string{"Mode": mode, "SlackWebhookSecretArn": hookARN, "SecurityHub": "on",
			"EventBusArn": "arn:aws:events:us-east-1:123456789012:event-bus/security"},
		Secrets: map[string]string{hookARN: "this is no address, so that alerts end with the dead letters"},
	})
	require.NoError(t, err)
	t.Cleanup(stack.Close)
	client := clientOf(stack.Endpoint(), "us-east-1")
	rest := func() { require.NoError(t, stack.WaitIdle(t.Context())) }
	group := func(name string) *string {
		made, err := client.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: aws.String(name), Description: aws.String(name)})
		require.NoError(t, err)
		return made.GroupId
	}
	open := func(group *string, ports ...int32) {
		in := &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group}
		for _, port := range ports {
			in.IpPermissions = append(in.IpPermissions, types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(port), ToPort: aws.Int32(port),
				IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}})
		}
		_, err := client.AuthorizeSecurityGroupIngress(t.Context(), in)
		require.NoError(t, err)
	}
	sweep := func() { require.NoError(t, stack.InvokeAsync("SweepFunction", []byte(`{"sgward":"sweep"}`))); rest() }

	// An opening, in use; one outwards; one that an edit makes.
	data := group("data")
	_, err = stack.EC2().AddNetworkInterface(ec2api.NetworkInterface{GroupIDs: []string{*data}})
	require.NoError(t, err)
	open(data, 3306)
	rest()
	_, err = client.AuthorizeSecurityGroupEgress(t.Context(), &ec2.AuthorizeSecurityGroupEgressInput{GroupId: data, IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(9), ToPort: aws.Int32(9), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}}})
	require.NoError(t, err)
	rest()
	edited := group("edited")
	harmless, err := client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: edited,
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306), ToPort: aws.Int32(3306), CidrIp: aws.String("10.0.0.0/8")})
	require.NoError(t, err)
	_, err = client.ModifySecurityGroupRules(t.Context(), &ec2.ModifySecurityGroupRulesInput{GroupId: edited, SecurityGroupRules: []types.SecurityGroupRuleUpdate{{
		SecurityGroupRuleId: harmless.SecurityGroupRules[0].SecurityGroupRuleId, SecurityGroupRule: &types.SecurityGroupRuleRequest{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306), ToPort: aws.Int32(3306), CidrIpv4: aws.String("0.0.0.0/0")}}}})
	require.NoError(t, err)
	rest()

	// A prefix list with the world, in a new rule, and in an edit of the list.
	list, err := client.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{PrefixListName: aws.String("partners"), AddressFamily: aws.String("IPv4"),
		MaxEntries: aws.Int32(5), Entries: []types.AddPrefixListEntry{{Cidr: aws.String("198.51.100.0/24")}}})
	require.NoError(t, err)
	_, err = client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: group("partners"), IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(3306), ToPort: aws.Int32(3306), PrefixListIds: []types.PrefixListId{{PrefixListId: list.PrefixList.PrefixListId}}}}})
	require.NoError(t, err)
	rest()
	sweep()
	_, err = client.ModifyManagedPrefixList(t.Context(), &ec2.ModifyManagedPrefixListInput{PrefixListId: list.PrefixList.PrefixListId, CurrentVersion: aws.Int64(1),
		AddEntries: []types.AddPrefixListEntry{{Cidr: aws.String("0.0.0.0/0")}}})
	require.NoError(t, err)
	rest()

	// A storm, and a message of nobody.
	var all sync.WaitGroup
	for i := range 60 {
		target := group(fmt.Sprintf("storm-%d", i))
		all.Go(func() { open(target, 3306) })
	}
	all.Wait()
	findings, ok := stack.Queue("FindingsQueue")
	require.True(t, ok)
	_, err = findings.Send(`{"responsePayload":{"no":"decision"}}`)
	require.NoError(t, err)
	rest()

	// An alert that no outlet takes.
	require.NoError(t, stack.InvokeAsync("OutletsFunction", []byte(`{"Records":[{"Sns":{"Message":"{\"schemaVersion\":\"0\",\"findings\":[]}"}}]}`)))
	rest()

	// An opening that a sweep has noted, and whose event the next one looks for an hour later.
	web := group("web")
	open(web, 8080)
	rest()
	sweep()
	table, before := stack.Template().Tables["MemoryTable"].Name, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	for _, item := range stack.DynamoDB().Items(table) {
		if strings.HasPrefix(*item["id"].S, "pending-") {
			item["firstSeen"] = dynamodbapi.Value{S: &before}
			stack.DynamoDB().Put(table, item)
		}
	}
	sweep()

	// What a digest has reported, and is gone.
	_, err = client.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: web, IpProtocol: aws.String("tcp"), FromPort: aws.Int32(8080),
		ToPort: aws.Int32(8080), CidrIp: aws.String("0.0.0.0/0")})
	require.NoError(t, err)
	sweep()

	seen := map[string][]string{}
	for id := range stack.Template().Functions {
		for _, calls := range []map[string]int{stack.Calls(id), stack.CallsByLambda(id)} {
			for call := range calls {
				seen[id] = append(seen[id], permissionOf(call))
			}
		}
	}
	return seen
}

// granted lists the actions that a role's policies allow, those of KMS with the service that they are limited to.
func granted(t *testing.T, tmpl *cloudformation.Template, role cloudformation.Resource) (actions []string) {
	t.Helper()
	statements := statementsOf(t, tmpl, role)
	for _, r := range ofType(tmpl, "AWS::IAM::Policy") {
		if slices.Contains(property(t, tmpl, r, "Roles").([]any), any(role.LogicalID)) {
			for _, s := range property(t, tmpl, r, "PolicyDocument").(map[string]any)["Statement"].([]any) {
				statements = append(statements, s.(map[string]any))
			}
		}
	}
	for _, statement := range statements {
		require.Equal(t, "Allow", statement["Effect"])
		encoded, err := json.Marshal(statement["Condition"])
		require.NoError(t, err)
		var condition struct {
			StringEquals struct {
				Via any `json:"kms:ViaService"`
			}
		}
		require.NoError(t, json.Unmarshal(encoded, &condition))
		for _, action := range listed(statement["Action"]) {
			if !strings.HasPrefix(action, "kms:") {
				actions = append(actions, action)
				continue
			}
			services := listed(condition.StringEquals.Via)
			require.NotEmpty(t, services, "%s: a key is used through a service", role.LogicalID)
			for _, service := range services {
				service, _, _ = strings.Cut(service, ".")
				actions = append(actions, action+" via "+service)
			}
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

func listed(value any) (texts []string) {
	switch v := value.(type) {
	case []any:
		for _, each := range v {
			texts = append(texts, fmt.Sprint(each))
		}
	case nil:
	default:
		texts = append(texts, fmt.Sprint(v))
	}
	return texts
}

// needed is what a function's role needs: what was seen, what Lambda does, and what services do in KMS for it.
func needed(seen []string, key, foreignTopic, vpc, secret bool) []string {
	out := append(slices.Clone(seen), ofEverybody...)
	if vpc {
		out = append(out, inVPC...)
	}
	for _, action := range seen {
		service, _, _ := strings.Cut(action, ":")
		used := through[action]
		if used == nil {
			used = through[service]
		}
		if key || service == "secretsmanager" && secret || service == "sns" && foreignTopic { // a secret and the topic of another stack may have any key
			out = append(out, used...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestEachRoleIsGrantedWhatWasSeenAndNothingElse(t *testing.T) {
	for _, mode := range []string{"observe", "enforce"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			seen := wholeRun(t, mode)
			if mode == "enforce" { // which is when doctor asks for all
				seen["HookFunction"] = nil // it sends nothing
				for id, calls := range seen {
					assert.ElementsMatch(t, needed(calls, false, false, false, false), slices.Compact(slices.Sorted(slices.Values(doctor.Needs()[id]))), "%s: what doctor asks IAM for", id)
				}
			}
			for _, more := range []map[string]string{
				nil,
				{"KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/k"},
				{"AlertTopicArn": "arn:aws:sns:us-east-1:111122223333:alerts"},
				{"AlertTopicAccountId": "111122223333", "AlertTopicName": "alerts", "AlarmTopicName": "alarms", "KmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/k"},
				{"VpcSubnetIds": "subnet-0a", "VpcSecurityGroupIds": "sg-0a"},
			} {
				compareGrants(t, seen, mode, more)
			}
		})
	}
	t.Run("alerts.yaml", func(t *testing.T) {
		alerts := evaluated(t, "alerts.yaml", map[string]string{"ChatRegion": "eu-central-1", "SlackWorkspaceId": "T1", "SlackChannelId": "C1"})
		roles := ofType(alerts, "AWS::IAM::Role")
		require.Len(t, roles, 1)
		assert.Equal(t, ofChat, granted(t, alerts, roles[0]))
	})
}

// compareGrants compares every role of a stack with more parameters than everything.
func compareGrants(t *testing.T, seen map[string][]string, mode string, more map[string]string) {
	t.Helper()
	parameters := with(everything, "Mode", mode)
	for name, value := range more {
		parameters[name] = value
	}
	tmpl := evaluated(t, "template.yaml", parameters)
	functions := 0
	for _, role := range ofType(tmpl, "AWS::IAM::Role") {
		want := ofChat
		if role.LogicalID == "HookInvokerRole" {
			want = ofHooks
		}
		if id, isFunctions := functionOf(t, tmpl, role); isFunctions {
			functions++
			if id != "HookFunction" { // it links no AWS SDK (layout_test.go), and the stand-in has no CloudFormation that would ask it
				require.NotEmpty(t, seen[id], id)
			}
			want = needed(seen[id], more["KmsKeyArn"] != "", more["AlertTopicArn"]+more["AlertTopicName"] != "", more["VpcSubnetIds"] != "", true)
		}
		assert.Equal(t, want, granted(t, tmpl, role), "%s, %s with %v: what was seen, and what is granted", role.LogicalID, mode, more)
	}
	assert.Len(t, ofType(tmpl, "AWS::Serverless::Function"), functions)
}

// functionOf returns the function that has a role.
func functionOf(t *testing.T, tmpl *cloudformation.Template, role cloudformation.Resource) (id string, ok bool) {
	t.Helper()
	for _, f := range ofType(tmpl, "AWS::Serverless::Function") {
		if property(t, tmpl, f, "Role") == role.LogicalID+".Arn" {
			return f.LogicalID, true
		}
	}
	return "", false
}
