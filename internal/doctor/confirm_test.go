package doctor

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every row of the page is a point, and every point a row, in one order.
func TestThePointsAreThoseOfThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/LIMITS.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "## To confirm on live AWS")
	require.True(t, found)
	var rows, asked []string
	for _, row := range regexp.MustCompile(`(?m)^\| (.*) \| .* \|$`).FindAllStringSubmatch(section, -1)[2:] {
		rows = append(rows, row[1])
	}
	for _, p := range points {
		asked = append(asked, p.text)
	}
	assert.Equal(t, rows, asked)
}

func events(records ...string) object {
	out := []object{}
	for _, r := range records {
		out = append(out, object{"EventId": "e", "CloudTrailEvent": r})
	}
	return object{"Events": out}
}

// richAccount is one whose history and resources answer what can be answered.
func richAccount(t *testing.T) *account {
	t.Helper()
	a := soundAccount(t)
	a.set("cloudtrail:LookupEvents", events())
	a.set("cloudtrail:LookupEvents:AuthorizeSecurityGroupIngress", events(
		`{"eventID":"e1","eventTime":"2026-11-28T11:58:50Z","requestParameters":{"omitted":true},"responseElements":{"_return":true}}`))
	a.set("logs:FilterLogEvents:sgward-DetectLogGroup", object{"events": []object{{"timestamp": now.Add(-time.Minute).UnixMilli(), "message": `{"message":"judged","eventId":"e1"}`}}})
	own := `{"eventVersion":"1.11","eventSource":"ec2.amazonaws.com","eventName":"RevokeSecurityGroupIngress","awsRegion":"us-east-1","recipientAccountId":"123456789012","eventTime":"2026-11-28T11:59:00Z","eventID":"e2",
"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/sgward-RemediateRole-X/s","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::123456789012:role/sgward-RemediateRole-X"}}},
"userAgent":"aws-sdk-go-v2 app/sgward","requestParameters":{"groupId":"sg-0123456789abcdef0","ipPermissions":{"items":[]}},"responseElements":{"_return":true,"revokedSecurityGroupRuleSet":{"items":[]},"unknownIpPermissionSet":{}}}`
	require.True(t, json.Valid([]byte(own)))
	a.set("cloudtrail:LookupEvents:RevokeSecurityGroupIngress", events(own))
	a.set("logs:FilterLogEvents:sgward-RemediateLogGroup", object{"events": []object{{"timestamp": now.Add(-time.Hour).UnixMilli(), "message": `{"message":"alert published"}`}}})
	a.set("ec2:DescribeManagedPrefixLists", `<prefixListSet><item><prefixListId>pl-0123456789abcdef0</prefixListId><prefixListArn>arn:aws:ec2:us-east-1:210987654321:prefix-list/pl-0123456789abcdef0</prefixListArn><ownerId>210987654321</ownerId><version>1</version></item></prefixListSet>`)
	a.set("ec2:GetManagedPrefixListEntries", `<entrySet><item><cidr>0.0.0.0/0</cidr></item></entrySet>`)
	a.set("ec2:DescribeSecurityGroups", `<securityGroupInfo><item><groupId>sg-0fedcba9876543210</groupId><ownerId>210987654321</ownerId><ipPermissions><item><ipProtocol>tcp</ipProtocol></item></ipPermissions></item></securityGroupInfo>`)
	a.set("ec2:DescribeSecurityGroupRules", `<securityGroupRuleSet><item><securityGroupRuleId>sgr-1</securityGroupRuleId></item></securityGroupRuleSet>`)
	a.set("monitoring:GetMetricStatistics:EventAge", "<Datapoints><member><Maximum>9</Maximum></member><member><Maximum>8</Maximum></member></Datapoints>")
	a.set("monitoring:DescribeAlarmHistory", `<AlarmHistoryItems><member><HistoryItemType>StateUpdate</HistoryItemType><HistorySummary>Alarm updated from OK to INSUFFICIENT_DATA</HistorySummary></member>
<member><HistoryItemType>Action</HistoryItemType><HistorySummary>Successfully executed action arn:aws:sns:us-east-1:210987654321:t</HistorySummary></member></AlarmHistoryItems>`)
	return a
}

func (a *account) confirmed() map[string]Point {
	a.Helper()
	answers, mode, err := Confirm(a.Context(), Config{AWS: a.config(), StackName: "sgward", Now: func() time.Time { return now }})
	require.NoError(a, err)
	assert.Equal(a, "enforce", mode)
	out := map[string]Point{}
	for _, p := range answers {
		require.NoError(a, p.Err, p.Text)
		if p.Told {
			out[p.Text] = p
		}
	}
	return out
}

func TestAnAccountAnswersWhatItShows(t *testing.T) {
	a := richAccount(t)
	a.change("<Outputs>", "<Parameters><member><ParameterKey>KmsKeyArn</ParameterKey><ParameterValue>arn:k</ParameterValue></member></Parameters><Outputs>")
	// "memory failed" has the same answer as "sweep completed" in this account.
	told := a.confirmed()
	for text, want := range map[string]string{
		"a consumer of a shared prefix list sees its owner (`OwnerId`)":                                                                        "yes: the OwnerId",
		"prefix lists accept 0.0.0.0/0 as an entry":                                                                                            "yes: a list has an entry that is all addresses",
		"how old events are when they arrive":                                                                                                  "of 1 event, from the call (whole seconds) to the verdict: 10.0 s at least",
		"`NoSweepAlarm` goes to INSUFFICIENT_DATA after two days without data, and sends that":                                                 "1 times, and took 1 action",
		"CloudWatch makes the metrics of [METRICS.md](METRICS.md) of the lines that the functions log":                                         "yes: EventAge has data of 2 days",
		"Lambda takes messages from the findings queue as remediate's role, which `OnlyRemediateTakes` spares":                                 "yes: remediate published an alert",
		"the sets in the record of a revoke (`revokedSecurityGroupRuleSet`, `unknownIpPermissionSet`)":                                         "{_return, revokedSecurityGroupRuleSet, unknownIpPermissionSet} in 1",
		"CloudTrail's event history shows remediate's revokes as `sgward undo` expects them":                                                   "yes: 1 revoke by a RemediateRole can be read, 1 with app/sgward",
		"whether DescribeSecurityGroupRules lists the rules of groups that another account shares":                                             "yes: it lists 1 rule",
		"how a record looks whose parameters were left out (`\"requestParameters\": {\"omitted\": true}`), which `UnnamedCallsRule` waits for": "requestParameters {omitted}",
		"the key policy that sweep's table needs with a customer managed key":                                                                  "no: sweep could not use its table",
	} {
		assert.Contains(t, told[text].Answer, want, text)
	}
}

func TestAnEmptyAccountSaysWhatItWouldTake(t *testing.T) {
	a := soundAccount(t)
	for operation, answer := range map[string]any{
		"cloudtrail:LookupEvents": events(), "ec2:DescribeManagedPrefixLists": "", "ec2:DescribeSecurityGroups": "", "monitoring:DescribeAlarmHistory": "",
		"logs:FilterLogEvents:sgward-RemediateLogGroup": object{}, "logs:FilterLogEvents:sgward-SweepLogGroup": object{}, "logs:FilterLogEvents:sgward-DetectLogGroup": object{},
	} {
		a.set(operation, answer)
	}
	assert.Empty(t, a.confirmed())
}

func TestThePageHoldsNothingOfTheAccount(t *testing.T) {
	secret := "account 210987654321, sg-0123456789abcdef0, sgr-0123456789abcdef0, pl-01234567, AKIAIOSFODNN7REALKEY, alice@corp.example, 198.51.100.7 |"
	page := Page([]Point{{Text: "a", Told: true, Answer: redact(secret)}, {Text: "b", Err: os.ErrPermission}}, "us-east-1", "", "v1", now, func(error) string { return secret })
	for _, word := range []string{"210987654321", "0123456789abcdef0", "01234567,", "IOSFODNN7REALKEY", "alice", "198.51.100.7"} {
		assert.NotContains(t, page, word)
	}
	assert.Contains(t, page, "1 of 2 points are answered")
	assert.Equal(t, 2, strings.Count(page, `\|`), "a bar ends no cell")
}
