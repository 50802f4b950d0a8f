package doctor

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"sgward/internal/text"
)

// point asks an account about a row of docs/LIMITS.md.
type point struct {
	text string
	ask  func(*confirmation, context.Context) (answer string, told bool, err error)
}

// needsTrial is the answer of a point that no reading call answers: how to try it.
func needsTrial(how string) func(*confirmation, context.Context) (string, bool, error) {
	return func(*confirmation, context.Context) (string, bool, error) { return how, false, nil }
}

// points are the rows of the page, in its order. A test holds them against it.
var points = []point{
	{"Amazon Q Developer shows the custom notification, and where its lengths end", needsTrial("only the channel shows it: does an alert look as in docs/SLACK.md, and where does a long one end?")},
	{"how Amazon Q Developer shows the notification in Microsoft Teams", needsTrial("only the channel shows it")},
	{"Lambda takes a message of SNS again after a throttle of reserved concurrency 1, for six hours", (*confirmation).slackThrottles},
	{"the version a prefix list shows while it is being modified, and the record of RestoreManagedPrefixListVersion", (*confirmation).restores},
	{"a consumer of a shared prefix list sees its owner (`OwnerId`)", (*confirmation).sharedLists},
	{"prefix lists accept 0.0.0.0/0 as an entry", (*confirmation).worldEntries},
	{"a revoke of several permissions, one of them absent, revokes nothing in a non-default VPC", needsTrial("it takes a call that changes a group: revoke one permission that exists and one that does not, and describe")},
	{"a trail is needed for events", (*confirmation).trailNeeded},
	{"how old events are when they arrive", (*confirmation).ages},
	{"how a record looks whose parameters were left out (`\"requestParameters\": {\"omitted\": true}`), which `UnnamedCallsRule` waits for", (*confirmation).omitted},
	{"Lambda's log line of a failed invocation has `record.status` other than `success` in JSON logs, so that `FailureAlarm` fires", needsTrial("it takes a trial: invoke detect with `{}`, asynchronously")},
	{"a CloudWatch alarm of a member account may publish to a topic of `alerts.yaml` by `aws:SourceOrgID`", needsTrial("it takes a trial: deploy both with `AlarmTopicName`; `aws cloudwatch set-alarm-state` on one alarm")},
	{"the names that CloudFormation gives the roles of a StackSet's stack still hold `-RemediateRole-` and `-SweepRole-`, which `alerts.yaml` knows them by", needsTrial("it takes a trial: deploy by a StackSet with a long name; look at the roles")},
	{"`update-stack --use-previous-template` with `PolicyLayerArn` gives the functions the layer, and the error of a function that does not start is in the record of its dead letter", needsTrial("it takes a trial: run the commands of `sgward policy package`; publish a zip without a policy and do it again")},
	{"Parameter Store refuses `AlertTopicIsInThisRegion` for a topic of another region, and CloudWatch such a topic for an alarm", needsTrial("it takes a trial: deploy with each")},
	{"`NoSweepAlarm` goes to INSUFFICIENT_DATA after two days without data, and sends that", (*confirmation).noSweep},
	{"CloudWatch makes the metrics of [METRICS.md](METRICS.md) of the lines that the functions log", (*confirmation).metrics},
	{"the searches of `dashboard.yaml` find the stack's queues by the beginning of their names", needsTrial("only the console shows it: deploy `dashboard.yaml`; has its graph of findings a line for each queue?")},
	{"Lambda takes messages from the findings queue as remediate's role, which `OnlyRemediateTakes` spares", (*confirmation).taken},
	{"the shape of invocation records", (*confirmation).records},
	{"the key policy that sweep's table needs with a customer managed key", (*confirmation).tableKey},
	{"the sets in the record of a revoke (`revokedSecurityGroupRuleSet`, `unknownIpPermissionSet`)", (*confirmation).revokeSets},
	{"CloudTrail's event history shows remediate's revokes as `sgward undo` expects them", (*confirmation).ownRevokes},
	{"a table's resource policy may name the role at once when both are created", (*confirmation).tablePolicy},
	{"`UpdateItem` with `dynamodb:LeadingKeys` as its only condition is enough to count closings, and a failed condition returns the item without a right to read it", needsTrial("it takes a forbidden port that is opened twice: the second alert then says \"Closed for the 2nd time\"")},
	{"whether DescribeSecurityGroupRules lists the rules of groups that another account shares", (*confirmation).sharedGroups},
	{"`sgward replay s3://` finds a bucket's region by S3's redirect, and reads it there; emulators do not redirect", needsTrial("it takes a trial: with credentials of another region: `sgward replay --since YESTERDAY s3://YOUR-TRAIL-BUCKET/AWSLogs/`")},
	{"CloudTrail's event history takes the pace of `--account-history`, two calls a second in each region, without throttling", needsTrial("it takes a trial: `time sgward replay --account-history`, while nothing else reads it")},
	{"a Lambda Hook's request has values in place of functions, resolved dynamic references, `clientRequestToken`, and for an update the previous properties", needsTrial("it takes a trial: deploy a group with a parameter, an import and a `{{resolve:ssm:...}}` in its rules; do the lines of hook say inspect?")},
	{"CloudFormation makes a resource with a warning if a hook in the failure mode `WARN` fails, is throttled or times out", needsTrial("it takes a trial: with `Prevention=warn` set the reserved concurrency of `HookFunction` to 0; create a group")},
	{"a Lambda Hook is asked about rollbacks and replacements, and as which action", needsTrial("it takes a trial: with `Prevention=warn` change a group's description, and let an update fail; read the `action` in the lines of hook")},
	{"what AWS charges for an invocation of a Lambda Hook, and whether GovCloud has `AWS::CloudFormation::LambdaHook`", needsTrial("the bill of a month with `Prevention` shows the one, the CloudFormation console in GovCloud the other")},
	{"the StackSet of [ORGANISATION.md](ORGANISATION.md) reaches every account of a unit", needsTrial("it takes a trial: one unit with one account, in observe mode")},
	{"Lambda takes permissions for interfaces that calls of the function's own code do not have (`\"Null\": {\"lambda:SourceFunctionArn\": \"true\"}`)", needsTrial("it takes a trial: deploy with `VpcSubnetIds` and `VpcSecurityGroupIds`")},
	{"IAM's simulation for a role of the stack knows its permissions boundary and the service control policies, for a topic of another account too", needsTrial("it takes a trial: give a role a boundary without `sns:Publish`; `sgward doctor`")},
	{"a service control policy sees in `ec2:CreateAction` the call that tags a new rule, as the one of [SWEEP.md](SWEEP.md#temporary-rules) expects", needsTrial("it takes a trial: attach it; `sgward group allow --for 1h` works, and `aws ec2 create-tags` with `sgward:until` on a rule does not")},
	{"Athena writes a struct that is cast to JSON as an object, and gives `requestparameters` of CloudTrail's table as JSON text ([ATHENA.md](ATHENA.md#what-was-tried))", needsTrial("it takes a trial: `sgward replay --athena TABLE --run` over a day with one change of a group")},
}

// secrets are the texts that the page must not hold: account ids, access keys, addresses, ids
// of resources.
var secrets = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`\b(AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b`), "$1EXAMPLE"},
	{regexp.MustCompile(`\b\d{12}\b`), "123456789012"},
	{regexp.MustCompile(`\b(sgr?|pl|vpc|eni|i|subnet)-[0-9a-f]{8,17}\b`), "$1-EXAMPLE"},
	{regexp.MustCompile(`\b(\d{1,3}\.){3}\d{1,3}\b`), "203.0.113.1"},
	{regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`), "someone@example.com"},
}

func redact(s string) string {
	for _, secret := range secrets {
		s = secret.pattern.ReplaceAllString(s, secret.instead)
	}
	return s
}

// Page writes the points as a page for the maintainers of sgward. It holds no id of the
// account.
func Page(points []Point, region, mode, version string, at time.Time, errorText func(error) string) string {
	var b strings.Builder
	told := 0
	for _, p := range points {
		if p.Told {
			told++
		}
	}
	fmt.Fprintf(&b, "# sgward on live AWS\n\nsgward %s, %s, %s mode, %s. %d of %d points are answered.\n\n| point | answer |\n| --- | --- |\n",
		version, region, cmp.Or(mode, "unknown"), at.UTC().Format(time.DateOnly), told, len(points))
	for _, p := range points {
		answer := p.Answer
		switch {
		case p.Err != nil:
			answer = "not read: " + redact(errorText(p.Err))
		case !p.Told:
			answer = "not answered: " + answer
		}
		fmt.Fprintf(&b, "| %s | %s |\n", p.Text, strings.ReplaceAll(text.Shown(text.Visible(answer), longest), "|", `\|`))
	}
	return b.String()
}
