package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"sgward/internal/awscall"
	"sgward/internal/awsid"
	"sgward/internal/stack"
	"sgward/internal/text"
)

// need is what the role of a function must be allowed, and what is lost without it.
type need struct {
	function string
	actions  []string
	on       func(*examination) []string // ARNs of resources; nil is "*"
	loss     string
	when     func(*stack.Stack) bool // nil is always
}

// needs are the permissions of template.yaml, but those of the VPC and of a key of one's own: Lambda
// tries the former when it makes a function, and checkKeys looks at the latter.
var needs = []need{
	{detectFunction, logging, logGroup("DetectLogGroup"), noLog, nil},
	{detectFunction, []string{"sqs:SendMessage"}, queues("FindingsQueue", "DeadLetterQueue"), "no finding reaches remediate", nil},
	{remediateFunction, logging, logGroup("RemediateLogGroup"), noLog, nil},
	{remediateFunction, []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}, queues("FindingsQueue"), "no finding reaches remediate", nil},
	{remediateFunction, []string{"sqs:SendMessage"}, queues("FindingsQueue", "DeadLetterQueue"), "rules found by reading a group may be reported wrongly after a retry", nil},
	{remediateFunction, []string{"ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules", "ec2:DescribeNetworkInterfaces", "ec2:DescribeManagedPrefixLists",
		"ec2:GetManagedPrefixListEntries"}, nil, "findings that need it are not judged", nil},
	{remediateFunction, []string{"ec2:RevokeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress"}, securityGroups, "nothing is closed", enforces},
	{remediateFunction, publishing, topics, "alerts are not sent", nil},
	{remediateFunction, []string{"dynamodb:UpdateItem"}, tables, "no alert says that an opening came back", enforces},
	{sweepFunction, logging, logGroup("SweepLogGroup"), noLog, nil},
	{sweepFunction, []string{"sqs:SendMessage"}, queues("FindingsQueue", "DeadLetterQueue"), "standing rules are not closed", nil},
	{sweepFunction, []string{"ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules", "ec2:DescribeManagedPrefixLists", "ec2:GetManagedPrefixListEntries",
		"ec2:GetManagedPrefixListAssociations"}, nil, "nothing sweeps", nil},
	{sweepFunction, []string{"logs:FilterLogEvents"}, logGroup("DetectLogGroup"), "openings without an event are not noticed", nil},
	{sweepFunction, []string{"dynamodb:Scan", "dynamodb:BatchWriteItem"}, tables, "each sweep reports everything again", nil},
	{sweepFunction, publishing, topics, "digests are not sent", nil},
	{sweepFunction, []string{"lambda:InvokeFunction"}, outletsARN, "findings that are gone stay open for machines", func(s *stack.Stack) bool { return s.Ref(outletsFunction) != "" }},
	{hookFunction, logging, logGroup("HookLogGroup"), noLog, nil},
	{slackFunction, logging, logGroup("SlackLogGroup"), noLog, nil},
	{slackFunction, []string{"sqs:SendMessage"}, queues("DeadLetterQueue"), "alerts that Slack does not take are lost", nil},
	{slackFunction, []string{"secretsmanager:GetSecretValue"}, webhookSecret, "nothing is posted to Slack", nil},
	{outletsFunction, logging, logGroup("OutletsLogGroup"), noLog, nil},
	{outletsFunction, []string{"sqs:SendMessage"}, queues("DeadLetterQueue"), "alerts that an outlet does not take are lost", nil},
	{outletsFunction, []string{"events:PutEvents"}, eventBus, "no event is put on the bus", func(s *stack.Stack) bool { return s.Parameters["EventBusArn"] != "" }},
	{outletsFunction, []string{"securityhub:BatchImportFindings"}, hubProduct, "no finding reaches Security Hub",
		func(s *stack.Stack) bool { return s.Parameters["SecurityHub"] == "on" }},
}

const noLog = "it writes no log"

var (
	logging    = []string{"logs:CreateLogStream", "logs:PutLogEvents"}
	publishing = []string{"sns:Publish"}
)

// Needs returns the actions that the role of a function must be allowed, by the function's logical id, in
// a stack that enforces.
func Needs() map[string][]string {
	all := map[string][]string{}
	for _, n := range needs {
		all[n.function] = append(all[n.function], n.actions...)
	}
	return all
}

// arn returns an ARN of the account and region.
func (x *examination) arn(service, resource string) string {
	partition, _ := text.PartitionOf(x.region)
	return partition.ARN(service, x.region, x.account, resource)
}

// queueARN returns the ARN of a queue, whose physical id is its URL.
func (x *examination) queueARN(id string) string {
	address := x.stack.Ref(id)
	return x.arn("sqs", address[strings.LastIndexByte(address, '/')+1:])
}

func queues(ids ...string) func(*examination) []string {
	return func(x *examination) (arns []string) {
		for _, id := range ids {
			arns = append(arns, x.queueARN(id))
		}
		return arns
	}
}

func logGroup(id string) func(*examination) []string {
	return func(x *examination) []string { return []string{x.arn("logs", "log-group:"+x.stack.Ref(id)+":*")} }
}

func enforces(s *stack.Stack) bool { return s.Outputs["Mode"] == "enforce" }

func securityGroups(x *examination) []string { return []string{x.arn("ec2", "security-group/*")} }
func topics(x *examination) []string         { return []string{x.topicARN} }
func tables(x *examination) []string {
	return []string{x.arn("dynamodb", "table/"+x.stack.Ref("MemoryTable"))}
}
func webhookSecret(x *examination) []string {
	return []string{x.functions[slackFunction].Configuration.Environment.Variables["WEBHOOK_SECRET_ARN"]}
}

func eventBus(x *examination) []string {
	return []string{x.functions[outletsFunction].Configuration.Environment.Variables["EVENT_BUS_ARN"]}
}
func outletsARN(x *examination) []string {
	return []string{x.arn("lambda", "function:"+x.stack.Ref(outletsFunction))}
}
func hubProduct(x *examination) []string {
	return []string{x.arn("securityhub", "product/"+x.account+"/default")}
}

// simulated is IAM's answer for one action and resource
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_EvaluationResult.html). The last two are nil where
// the role has no boundary, and the account no organization.
type simulated struct {
	EvalActionName, EvalDecision string
	Boundary                     *struct{ AllowedByPermissionsBoundary bool } `xml:"PermissionsBoundaryDecisionDetail"`
	Organization                 *struct{ AllowedByOrganizations bool }       `xml:"OrganizationsDecisionDetail"`
}

// limited reports whether the boundary or the organization denies.
func (s *simulated) limited() bool {
	return s.Boundary != nil && !s.Boundary.AllowedByPermissionsBoundary || s.Organization != nil && !s.Organization.AllowedByOrganizations
}

// foreign reports whether a resource is of another account. Then its own policy counts, which no simulation
// for a role takes into account, and the decision says nothing; checkTopic reads that policy.
func (x *examination) foreign(arns []string) bool {
	return slices.ContainsFunc(arns, func(arn string) bool {
		a, _ := awsid.ParseARN(arn)
		return a.Account != "" && a.Account != x.account
	})
}

// by says in words what denies.
func (s *simulated) by() (who, fix string) {
	switch {
	case s.Boundary != nil && !s.Boundary.AllowedByPermissionsBoundary:
		return "its permissions boundary does not allow it", "widen the boundary: docs/PARAMETERS.md has the actions"
	case s.Organization != nil && !s.Organization.AllowedByOrganizations:
		return "a service control policy of the organization does not allow it", "exempt the role from that policy: docs/ORGANISATION.md"
	case s.EvalDecision == "explicitDeny":
		return "a policy of the role denies it", deploy
	}
	return "no policy of the role allows it", deploy
}

// checkPermissions has IAM evaluate what the functions' roles may do, with their boundaries and the
// service control policies of the organization. It calls nothing with the roles.
func (x *examination) checkPermissions(ctx context.Context) (out []Line) {
	roles := 0
	for _, id := range x.names() {
		role := x.functions[id].Configuration.Role
		if role == "" {
			if x.functions[id].err == nil {
				out = append(out, unknown(nil, "what %s may do: Lambda does not tell its role", id))
			}
			continue // checkFunctions says why there is no function
		}
		roles++
		for _, n := range needs {
			if n.function != id || n.when != nil && !n.when(x.stack) {
				continue
			}
			denied, err := x.denied(ctx, role, n)
			if err != nil {
				return append(out, unknown(err, "whether the roles are allowed what they need"))
			}
			out = append(out, denied...)
		}
	}
	if len(out) == 0 && roles > 0 { // without any, checkFunctions has said why
		out = append(out, ok("%s allowed what their functions call", text.Plural(roles, "role")+" "+text.Agree(roles, "is", "are")))
	}
	return out
}

// denied returns a line for each cause that keeps a role from what it needs.
func (x *examination) denied(ctx context.Context, role string, n need) (out []Line, err error) {
	form := url.Values{
		"PolicySourceArn": {role},
		// A condition on a key that the simulation does not give would count as unmet.
		"ContextEntries.member.1.ContextKeyName": {"aws:RequestedRegion"}, "ContextEntries.member.1.ContextKeyType": {"string"},
		"ContextEntries.member.1.ContextKeyValues.member.1": {x.region},
		"ContextEntries.member.2.ContextKeyName":            {"dynamodb:LeadingKeys"}, "ContextEntries.member.2.ContextKeyType": {"stringList"},
		"ContextEntries.member.2.ContextKeyValues.member.1": {"repeat/0"}, // of remediate's items
	}
	for i, action := range n.actions {
		form.Set(fmt.Sprintf("ActionNames.member.%d", i+1), action)
	}
	resources := []string{"*"}
	if n.on != nil {
		resources = n.on(x)
	}
	for i, arn := range resources {
		form.Set(fmt.Sprintf("ResourceArns.member.%d", i+1), arn)
	}
	var answer struct {
		Results []simulated `xml:"EvaluationResults>member"`
	}
	if err := x.aws.Query(ctx, awscall.IAM, "SimulatePrincipalPolicy", form, &answer); err != nil {
		return nil, err
	}
	if len(answer.Results) == 0 {
		return nil, errors.New("IAM has evaluated nothing")
	}
	causes := map[string][]string{} // actions by what denies them
	fixes := map[string]string{}
	for _, r := range answer.Results {
		if r.EvalDecision == "allowed" || x.foreign(resources) && !r.limited() {
			continue
		}
		who, fix := r.by()
		fixes[who] = fix
		if !slices.Contains(causes[who], r.EvalActionName) {
			causes[who] = append(causes[who], r.EvalActionName)
		}
	}
	for _, who := range slices.Sorted(maps.Keys(causes)) {
		out = append(out, failure(fixes[who], "the role of %s lacks %s: %s (%s)", n.function, strings.Join(causes[who], ", "), n.loss, who))
	}
	return out, nil
}
