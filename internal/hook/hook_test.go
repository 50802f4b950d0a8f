package hook_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/hook"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/text"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func judge(tb testing.TB, mode hook.Mode, file string) *hook.Judge {
	tb.Helper()
	data, err := os.ReadFile(file)
	require.NoError(tb, err)
	p, err := policy.Compile(policyyaml.Document("policy.yaml", data))
	require.NoError(tb, err)
	return &hook.Judge{Policy: p, Mode: mode, Region: "eu-central-1", Now: func() time.Time { return now }}
}

// request is one as CloudFormation documents it; previous is "" for a new resource.
func request(kind, properties, previous string) []byte {
	action := "CREATE_PRE_PROVISION"
	if previous == "" {
		previous = "null"
	} else {
		action = "UPDATE_PRE_PROVISION"
	}
	return fmt.Appendf(nil, `{
  "clientRequestToken": "4b90a7e4-b790-456b-a937-0cfdfa211dfe", "awsAccountId": "123456789012", "changeSetId": null,
  "stackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/web/1a2345b6-0000-00a0-a123-00abc0abc000",
  "hookTypeName": "Private::Lambda::SgwardHook", "hookTypeVersion": "00000001",
  "hookModel": {"LambdaFunction": "arn:aws:lambda:eu-central-1:123456789012:function:sgward-hook"},
  "actionInvocationPoint": %q,
  "requestData": {"targetName": %q, "targetType": %q, "targetLogicalId": "Web", "targetModel": {
    "resourceProperties": %s, "previousResourceProperties": %s}},
  "requestContext": {"invocation": 1, "callbackContext": null}}`, action, kind, kind, properties, previous)
}

// inRequest is the token of requests.
const inRequest = "4b90a7e4-b790-456b-a937-0cfdfa211dfe"

const (
	groups = "AWS::EC2::SecurityGroup"
	rules  = "AWS::EC2::SecurityGroupIngress"
	egress = "AWS::EC2::SecurityGroupEgress"
	// noEgress stands for EC2's own rule that lets everything out.
	noEgress = `"GroupDescription": "web", "SecurityGroupEgress": [{"IpProtocol": "-1", "CidrIp": "255.255.255.255/32"}]`
)

// tcp is a rule as CloudFormation hands it on: ports are texts.
func tcp(port int, cidr string) string {
	key := "CidrIp"
	if strings.Contains(cidr, ":") {
		key = "CidrIpv6"
	}
	return fmt.Sprintf(`{"IpProtocol": "tcp", "FromPort": "%d", "ToPort": "%[1]d", %q: %q}`, port, key, cidr)
}

func group(ingress ...string) string {
	return `{` + noEgress + `, "SecurityGroupIngress": [` + strings.Join(ingress, ", ") + `]}`
}

// ingressOf is the request for a new group with any JSON as its SecurityGroupIngress.
func ingressOf(value string) string {
	return string(request(groups, `{`+noEgress+`, "SecurityGroupIngress": `+value+`}`, ""))
}

func rule(of string) string { return `{"GroupId": "sg-0123456789abcdef0", ` + of[1:] }

func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		request []byte
		verdict policy.Verdict
		refused bool
		said    []string
	}{
		"a group that opens": {request(groups, group(tcp(3306, "0.0.0.0/0"), tcp(443, "0.0.0.0/0")), ""), policy.Revoke, true,
			[]string{"AWS::EC2::SecurityGroup Web: the policy forbids 1 rule. policy.yaml:6 database: tcp 3306 from 0.0.0.0/0 opens 3306/tcp to the world"}},
		"a group that opens nothing":    {request(groups, group(tcp(3306, "10.0.0.0/8"), tcp(443, "0.0.0.0/0")), ""), policy.Compliant, false, []string{"the policy has nothing against it"}},
		"two halves of the world":       {request(groups, group(tcp(3306, "52.0.0.0/10"), tcp(3306, "52.64.0.0/10")), ""), policy.Revoke, true, []string{"forbids 2 rules"}},
		"ports as numbers":              {request(groups, `{`+noEgress+`, "SecurityGroupIngress": [{"IpProtocol": 6, "FromPort": 3306, "ToPort": 3306, "CidrIp": "0.0.0.0/0"}]}`, ""), policy.Revoke, true, nil},
		"what EC2 shows of all traffic": {request(groups, `{"GroupDescription": "a", "SecurityGroupEgress": [{"IpProtocol": "-1", "FromPort": -1, "ToPort": -1, "CidrIp": "10.0.0.0/8"}], "SecurityGroupIngress": [{"IpProtocol": "-1", "FromPort": -1, "ToPort": -1, "CidrIp": "0.0.0.0/0", "CidrIpv6": null}], "GroupId": "sg-0123456789abcdef0"}`, ""), policy.Revoke, true, nil},
		"one rule that is no list":      {request(groups, `{`+noEgress+`, "SecurityGroupIngress": `+tcp(3306, "::/0")+`}`, ""), policy.Revoke, true, nil},
		"an exception":                  {request(groups, group(tcp(3306, "2000::/3")), ""), policy.Exempt, false, []string{"pass by an exception of the policy", "demo"}},
		"an exception that has ended":   {request(rules, rule(tcp(3306, "0.0.0.0/0")), ""), policy.Revoke, true, nil},
		"an alert":                      {request(rules, rule(tcp(9000, "0.0.0.0/0")), ""), policy.Alert, false, []string{"alerts once it is made. policy.yaml:11 other: tcp 9000"}},
		"a rule alone that opens":       {request(rules, rule(tcp(3306, "0.0.0.0/0")), ""), policy.Revoke, true, nil},
		"a rule of a group by its name": {request(rules, `{"GroupName": "web", `+tcp(3306, "0.0.0.0/0")[1:], ""), policy.Revoke, true, nil},
		"an egress rule":                {request(egress, rule(`{"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}`), ""), policy.Revoke, true, []string{"out: "}},
		"half a world, with rules unknown": {request(rules, rule(tcp(3306, "52.0.0.0/10")), ""), policy.Undetermined, false,
			[]string{"can be told only once it is made", "the group's other rules"}},
		"a prefix list":                      {request(rules, rule(`{"IpProtocol": "tcp", "FromPort": "3306", "ToPort": "3306", "SourcePrefixListId": "pl-0123456789abcdef0"}`), ""), policy.Undetermined, false, []string{"the prefix list's entries"}},
		"a rule of a group that is exempt":   {request(rules, rule(tcp(9002, "0.0.0.0/0")), ""), policy.Exempt, false, nil},
		"a rule of another group":            {request(rules, strings.Replace(rule(tcp(9002, "0.0.0.0/0")), "def0", "def1", 1), ""), policy.Revoke, true, nil},
		"a new group, which no policy names": {request(groups, group(tcp(9002, "0.0.0.0/0")), ""), policy.Revoke, true, nil},
		"a group that may be the exempt one": {request(groups, group(tcp(9002, "0.0.0.0/0")), group()), policy.Undetermined, false, []string{"the group's id"}},
		"an actor who may be exempt":         {request(groups, group(tcp(9001, "0.0.0.0/0")), ""), policy.Undetermined, false, []string{"who made the rule"}},
		"a tag that exempts":                 {request(groups, `{"Tags": [{"Key": "role", "Value": "bastion"}], `+group(tcp(22, "0.0.0.0/0"))[1:], ""), policy.Exempt, false, []string{"bastion"}},
		"a tag that the stack may add": {request(groups, `{"Tags": [{"Key": "role", "Value": "web"}], `+group(tcp(22, "0.0.0.0/0"))[1:], ""), policy.Undetermined, false,
			[]string{"the group's tags"}},
		"a clause on account and region":          {request(rules, rule(tcp(8080, "0.0.0.0/0")), ""), policy.Revoke, true, nil},
		"a clause on another region":              {request(rules, rule(tcp(8081, "0.0.0.0/0")), ""), policy.Compliant, false, nil},
		"no egress of its own":                    {request(groups, `{"GroupDescription": "web"}`, ""), policy.Undetermined, false, []string{"sets no SecurityGroupEgress"}},
		"lists in a list":                         {request(groups, `{`+noEgress+`, "SecurityGroupIngress": [[[`+tcp(3306, "0.0.0.0/0")+`]]]}`, ""), policy.Revoke, true, nil},
		"what is resolved later":                  {request(rules, rule(tcp(3306, "{{resolve:ssm:/office}}")), ""), policy.Undetermined, false, []string{"a dynamic reference is resolved by AWS"}},
		"a function that was left in":             {request(rules, rule(`{"IpProtocol": "tcp", "FromPort": "3306", "ToPort": "3306", "CidrIp": {"Fn::ImportValue": "office"}}`), ""), policy.Undetermined, false, nil},
		"a macro that was left in":                {request(groups, `{`+noEgress+`, "Fn::Transform": {"Name": "AWS::Include"}}`, ""), policy.Undetermined, false, nil},
		"an update in other spelling and order":   {request(groups, group(`{"IpProtocol": 6, "FromPort": 3306, "ToPort": 3306.0, "CidrIp": "1.2.3.4/0", "Description": "new"}`, tcp(22, "0:0::/0")), group(tcp(22, "::/0"), tcp(3306, "0.0.0.0/0"), tcp(9000, "0.0.0.0/0"))), policy.Compliant, false, nil},
		"an update that adds":                     {request(groups, group(tcp(3306, "0.0.0.0/0"), tcp(22, "0.0.0.0/0")), group(tcp(22, "0.0.0.0/0"))), policy.Revoke, true, []string{"forbids 1 rule. policy.yaml:6 database"}},
		"an update of what is open already":       {request(groups, `{"Tags": [{"Key": "a", "Value": "b"}], `+group(tcp(3306, "0.0.0.0/0"))[1:], group(tcp(3306, "0.0.0.0/0"))), policy.Compliant, false, nil},
		"an update that adds the second half":     {request(groups, group(tcp(3306, "52.0.0.0/10"), tcp(3306, "52.64.0.0/10")), group(tcp(3306, "52.0.0.0/10"))), policy.Revoke, true, []string{"forbids 1 rule"}},
		"an update that adds less than the world": {request(groups, group(tcp(3306, "52.0.0.0/10"), tcp(3306, "203.0.114.0/24")), group(tcp(3306, "52.0.0.0/10"))), policy.Undetermined, false, nil},
		"an update that takes one half away":      {request(groups, group(tcp(3306, "52.64.0.0/10")), group(tcp(3306, "52.0.0.0/10"))), policy.Undetermined, false, nil},
		"an update of the default egress":         {request(groups, `{"GroupDescription": "a"}`, `{"GroupDescription": "a"}`), policy.Compliant, false, nil},
		"an update that makes the group anew":     {request(groups, `{"GroupName": "b", `+group(tcp(3306, "0.0.0.0/0"))[1:], `{"GroupName": "a", `+group(tcp(3306, "0.0.0.0/0"))[1:]), policy.Revoke, true, nil},
		"an update of what a group is for":        {request(groups, group(tcp(3306, "0.0.0.0/0")), strings.Replace(group(tcp(3306, "0.0.0.0/0")), `"web"`, `"app"`, 1)), policy.Revoke, true, nil},
		"a rule's new description":                {request(rules, rule(`{"Description": "b", `+tcp(3306, "0.0.0.0/0")[1:]), rule(tcp(3306, "0.0.0.0/0"))), policy.Compliant, false, nil},
		"a rule that is widened":                  {request(rules, rule(tcp(3306, "0.0.0.0/0")), rule(tcp(3306, "10.0.0.0/8"))), policy.Revoke, true, nil},
		"a rule that moves":                       {request(rules, rule(tcp(3306, "0.0.0.0/0")), strings.Replace(rule(tcp(3306, "0.0.0.0/0")), "def0", "def1", 1)), policy.Revoke, true, nil},
		"an update of what is resolved later":     {request(rules, rule(tcp(3306, "{{resolve:ssm:/world}}")), rule(tcp(3306, "{{resolve:ssm:/office}}"))), policy.Undetermined, false, nil},
		"an update that moves the group":          {request(groups, `{"VpcId": "vpc-0123456789abcdef1", `+group(tcp(3306, "0.0.0.0/0"))[1:], `{"VpcId": "vpc-0123456789abcdef0", `+group(tcp(3306, "0.0.0.0/0"))[1:]), policy.Revoke, true, nil},
	} {
		for _, mode := range []hook.Mode{hook.Warn, hook.Refuse} {
			t.Run(name+", "+string(mode), func(t *testing.T) {
				a := judge(t, mode, "testdata/policy.yaml").Answer(c.request)
				require.NoError(t, a.Err)
				assert.Equal(t, c.verdict, a.Verdict, a.Response.Message)
				assert.Equal(t, inRequest, a.Response.ClientRequestToken)
				for _, want := range c.said {
					assert.Contains(t, a.Response.Message, want)
				}
				if !c.refused {
					assert.Equal(t, hook.Success, a.Response.Status)
					assert.Empty(t, a.Response.ErrorCode)
					assert.Contains(t, a.Response.Message, "sgward lets AWS::EC2::SecurityGroup")
					return
				}
				assert.Equal(t, hook.Failed, a.Response.Status, "in the mode warn the hook's own mode lets it pass")
				assert.Equal(t, "NonCompliant", a.Response.ErrorCode)
				begins := map[hook.Mode]string{hook.Warn: "sgward would refuse (Prevention is warn) ", hook.Refuse: "sgward refuses "}[mode]
				assert.True(t, strings.HasPrefix(a.Response.Message, begins), a.Response.Message)
			})
		}
	}
}

func TestNothingIsRefusedThatOpensNoGroup(t *testing.T) {
	deletion := strings.Replace(string(request(groups, "null", group(tcp(3306, "0.0.0.0/0")))), "UPDATE_", "DELETE_", 1)
	for name, c := range map[string]struct{ request, want string }{
		"a deletion":     {deletion, "a deletion opens nothing"},
		"a prefix list":  {string(request("AWS::EC2::PrefixList", `{"Entries": [{"Cidr": "0.0.0.0/0"}]}`, "")), "AWS::EC2::PrefixList holds no rules"},
		"another type":   {string(request("AWS::S3::Bucket", `{}`, "")), "AWS::S3::Bucket holds no rules"},
		"a stack":        {`{"clientRequestToken": "t", "requestData": {"targetName": "STACK", "targetType": "STACK", "payload": "https://s3.amazonaws.com/x"}}`, "STACK holds no rules"},
		"a change set":   {`{"clientRequestToken": "t", "requestData": {"targetName": "CHANGE_SET", "payload": "https://s3.amazonaws.com/x"}}`, "CHANGE_SET holds no rules"},
		"unknown fields": {`{"new": [1], "requestData": {"targetName": "STACK", "new": {}}}`, "STACK holds no rules"},
	} {
		a := judge(t, hook.Refuse, "testdata/policy.yaml").Answer([]byte(c.request))
		require.NoError(t, a.Err, name)
		assert.Contains(t, a.Skipped, c.want, name)
		assert.Equal(t, hook.Success, a.Response.Status, name)
		assert.Contains(t, a.Response.Message, "sgward has nothing to judge: "+c.want, name)
	}
}

// What cannot be judged fails a deployment in the mode refuse alone, and says why.
func TestWhatCannotBeJudgedPassesWithAWarningOrIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ request, token, want string }{
		"nothing":             {"", "", "the request of the hook is not JSON"},
		"a list":              {"[]", "", "is not as AWS documents it: it is a list"},
		"another shape":       {`{"requestData": 7, "clientRequestToken": "t"}`, "t", "is not as AWS documents it: /requestData is a number"},
		"a number as account": {`{"clientRequestToken": "t", "awsAccountId": 123456789012}`, "t", "/awsAccountId is a number"},
		"an empty object":     {`{}`, "", "names no resource type: want requestData.targetName"},
		"cut off":             {`{"clientRequestToken": "t"`, "", "is not JSON"},
		"no properties": {`{"clientRequestToken": "t", "requestData": {"targetName": "AWS::EC2::SecurityGroup", "targetModel": null}}`, "t",
			"holds no properties of AWS::EC2::SecurityGroup: want the object requestData.targetModel.resourceProperties"},
		"a port in words":          {string(request(rules, rule(`{"IpProtocol": "tcp", "FromPort": "ssh", "ToPort": "22", "CidrIp": "10.0.0.0/8"}`), "")), inRequest, `Web: FromPort: "ssh" is not a number`},
		"no peer":                  {string(request(rules, rule(`{"IpProtocol": "tcp", "FromPort": "22", "ToPort": "22"}`), "")), inRequest, "Web: has no peer"},
		"a group of no id":         {string(request(rules, tcp(22, "0.0.0.0/0"), "")), inRequest, "has no group: want GroupId or GroupName"},
		"a text in place of rules": {ingressOf(`"[{\"CidrIp\": \"0.0.0.0/0\"}]"`), inRequest, "Web: SecurityGroupIngress: want a list of rules, found"},
		"a text among rules":       {ingressOf(`["tcp"]`), inRequest, `SecurityGroupIngress: want a list of rules, found "tcp"`},
		"rules by number":          {ingressOf(`{"0": ` + tcp(3306, "0.0.0.0/0") + `}`), inRequest, `IpProtocol: parsing protocol ""`},
		"a list as port":           {ingressOf(`[{"IpProtocol": "tcp", "FromPort": ["3306"], "ToPort": "3306", "CidrIp": "0.0.0.0/0"}]`), inRequest, "FromPort: want one value"},
		"a list as protocol":       {ingressOf(`[{"IpProtocol": ["-1"], "CidrIp": "0.0.0.0/0"}]`), inRequest, "IpProtocol: want one value"},
		"a list as prefix list":    {ingressOf(`[{"IpProtocol": "-1", "SourcePrefixListId": ["pl-0123456789abcdef0"]}]`), inRequest, "SourcePrefixListId: want one value"},
		"a property twice":         {ingressOf(`[{"IpProtocol": "-1", "CidrIp": "10.0.0.0/8", "CidrIp": "0.0.0.0/0"}]`), inRequest, "a property of AWS::EC2::SecurityGroup is there twice"},
		"previous of no kind":      {string(request(groups, group(), "7")), inRequest, "the previous properties: want an object"},
	} {
		for _, mode := range []hook.Mode{hook.Warn, hook.Refuse} {
			t.Run(name+", "+string(mode), func(t *testing.T) {
				a := judge(t, mode, "testdata/policy.yaml").Answer([]byte(c.request))
				require.ErrorContains(t, a.Err, c.want)
				assert.Equal(t, policy.Undetermined, a.Verdict)
				assert.Equal(t, c.token, a.Response.ClientRequestToken)
				assert.Contains(t, a.Response.Message, c.want)
				if mode == hook.Warn {
					assert.Equal(t, hook.Success, a.Response.Status)
					assert.Empty(t, a.Response.ErrorCode)
					return
				}
				assert.Equal(t, hook.Failed, a.Response.Status)
				assert.Equal(t, "InternalFailure", a.Response.ErrorCode)
				assert.Contains(t, a.Response.Message, "Where it has to pass, disable the hook or deploy sgward with Prevention=warn")
			})
		}
	}
	// What is forbidden stays so, whatever stands beside it.
	a := judge(t, hook.Refuse, "testdata/policy.yaml").Answer(request(groups, group(tcp(3306, "0.0.0.0/0"), tcp(22, "nowhere")), ""))
	require.Error(t, a.Err)
	assert.Equal(t, policy.Revoke, a.Verdict)
	assert.Equal(t, "NonCompliant", a.Response.ErrorCode)
}

func TestACrashIsAnAnswerToo(t *testing.T) {
	for mode, want := range map[hook.Mode]hook.Status{hook.Warn: hook.Success, hook.Refuse: hook.Failed} {
		j := judge(t, mode, "testdata/policy.yaml")
		j.Now = func() time.Time { panic("no clock") }
		a := j.Answer(request(rules, rule(tcp(3306, "0.0.0.0/0")), ""))
		require.EqualError(t, a.Err, "sgward crashed, which is a bug in it: no clock")
		assert.Contains(t, string(a.Stack), "hook_test.go")
		assert.Equal(t, want, a.Response.Status)
		assert.Equal(t, inRequest, a.Response.ClientRequestToken)
		assert.Contains(t, a.Response.Message, "no clock")
	}
}

// CloudFormation cuts messages after 4,096 characters, Cloud Control after 1,024.
func TestLongMessagesNameTheStrongestFirstAndSayThatThereAreMore(t *testing.T) {
	ingress := []string{tcp(9000, "0.0.0.0/0")}
	for i := range 60 {
		ingress = append(ingress, tcp(3306, fmt.Sprintf("%d.0.0.0/8", 12+i)))
	}
	whole := request(groups, group(ingress...), "")
	control := strings.Replace(string(whole), "arn:aws:cloudformation:eu-central-1:123456789012:stack/web/1a2345b6-0000-00a0-a123-00abc0abc000", "", 1)
	for _, c := range []struct {
		request string
		limit   int
	}{{string(whole), 4096}, {control, 1024}} {
		m := judge(t, hook.Refuse, "testdata/policy.yaml").Answer([]byte(c.request)).Response.Message
		assert.LessOrEqual(t, text.Units(m), c.limit)
		assert.Greater(t, text.Units(m), c.limit-600)
		assert.Contains(t, m, "the policy forbids 60 rules. policy.yaml:6 database: ")
		assert.Regexp(t, `\. And \d+ more\.$`, m)
		assert.NotContains(t, m, "policy.yaml:11 other")
	}
}

func TestModesAreTwo(t *testing.T) {
	for _, word := range []string{"warn", "refuse"} {
		m, err := hook.ParseMode(word)
		require.NoError(t, err)
		assert.Equal(t, hook.Mode(word), m)
	}
	for _, word := range []string{"", "off", "false", "Refuse", "fail"} {
		_, err := hook.ParseMode(word)
		assert.EqualError(t, err, fmt.Sprintf(`%q: want "warn" or "refuse"`, word))
	}
}

// The shape of an answer (see Response).
func TestTheAnswerHasTheDocumentedShape(t *testing.T) {
	shape := func(payload []byte) map[string]any {
		a := judge(t, hook.Refuse, "testdata/policy.yaml").Answer(payload)
		encoded, err := a.Response.JSON()
		require.NoError(t, err)
		var out map[string]any
		require.NoError(t, json.Unmarshal(encoded, &out))
		assert.NotEmpty(t, out["message"])
		delete(out, "message")
		return out
	}
	assert.Equal(t, map[string]any{"hookStatus": "SUCCESS", "clientRequestToken": inRequest}, shape(request(groups, group(), "")))
	assert.Equal(t, map[string]any{"hookStatus": "FAILED", "errorCode": "NonCompliant", "clientRequestToken": inRequest}, shape(request(groups, group(tcp(3306, "0.0.0.0/0")), "")))
	assert.Equal(t, map[string]any{"hookStatus": "FAILED", "errorCode": "InternalFailure", "clientRequestToken": ""}, shape(nil))
}
