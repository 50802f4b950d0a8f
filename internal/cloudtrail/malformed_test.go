package cloudtrail_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/secgroup"
)

// requireMalformed checks that err is a *MalformedError, by its very type: Lambda
// reports the outermost one.
func requireMalformed(t *testing.T, err error) *cloudtrail.MalformedError {
	t.Helper()
	malformed, ok := err.(*cloudtrail.MalformedError) //nolint:errorlint // the outermost type is what Lambda reports
	require.True(t, ok, "%T: %v", err, err)
	return malformed
}

func TestMalformedRequestIsNamedByPath(t *testing.T) {
	const perm0 = "requestParameters.ipPermissions.items[0]"
	inList := func(list, item string) string {
		return asked(`{` + mysql + `,"` + list + `":{"items":[` + item + `]}}`)
	}
	withPorts := func(ports string) string {
		return asked(`{"ipProtocol":"tcp",` + ports + `"ipRanges":{"items":[{"cidrIp":"10.0.0.0/8"}]}}`)
	}
	for _, test := range []struct{ name, request, field, problem string }{
		{"request a string", `"{}"`, "requestParameters", "want an object, found a string"},
		{"request a list", `[]`, "requestParameters", "want an object, found a list"},
		{"group a number", `{"groupId":7}`, "requestParameters.groupId", "want a string, found a number"},
		{"omitted a string", `{"omitted":"true"}`, "requestParameters.omitted", "want true or false, found a string"},
		{"permissions a string", `{"ipPermissions":"none"}`, "requestParameters.ipPermissions", `want an object with "items", found a string`},
		{"permissions a bare list", `{"ipPermissions":[` + mysqlWorld + `]}`, "requestParameters.ipPermissions", `want an object with "items", found a list`},
		{"permissions a number", `{"ipPermissions":0}`, "requestParameters.ipPermissions", `want an object with "items", found a number`},
		{"permissions false", `{"ipPermissions":false}`, "requestParameters.ipPermissions", `want an object with "items", found true or false`},
		{"permissions without items", `{"ipPermissions":{"item":[]}}`, "requestParameters.ipPermissions", `want an object with "items", found one without`},
		{"permissions collapsed", `{"ipPermissions":{"items":` + mysqlWorld + `}}`, "requestParameters.ipPermissions.items", "lists of one item collapsed"},
		{"items a string", `{"ipPermissions":{"items":"x"}}`, "requestParameters.ipPermissions.items", "want a list, found a string"},
		{"permission null", asked(`null`), perm0, "want an object, found null"},
		{"second permission a string", asked(mysqlWorld, `"x"`), "requestParameters.ipPermissions.items[1]", "want an object, found a string"},
		{"ranges a bare list", asked(`{` + mysql + `,"ipRanges":["10.0.0.0/8"]}`), perm0 + ".ipRanges", `want an object with "items", found a list`},
		{"range a string", inList("ipRanges", `"10.0.0.0/8"`), perm0 + ".ipRanges.items[0]", "want an object, found a string"},
		{"range without its length", inList("ipRanges", `{"cidrIp":"10.0.0.0/8"},{"cidrIp":"198.51.100.7"}`), perm0 + ".ipRanges.items[1].cidrIp", `want an IPv4 range such as 203.0.113.0/24, found "198.51.100.7"`},
		{"range of the other family", inList("ipRanges", `{"cidrIp":"::/0"}`), perm0 + ".ipRanges.items[0].cidrIp", `found "::/0"`},
		{"IPv6 range of the other family", inList("ipv6Ranges", `{"cidrIpv6":"0.0.0.0/0"}`), perm0 + ".ipv6Ranges.items[0].cidrIpv6", "want an IPv6 range"},
		{"range with the other family's key", inList("ipv6Ranges", `{"cidrIp":"0.0.0.0/0"}`), perm0 + ".ipv6Ranges.items[0].cidrIpv6", "is missing"},
		{"range empty", inList("ipRanges", `{"cidrIp":""}`), perm0 + ".ipRanges.items[0].cidrIp", `found ""`},
		{"range null", inList("ipRanges", `{"cidrIp":null}`), perm0 + ".ipRanges.items[0].cidrIp", "is missing"},
		{"range a list", inList("ipRanges", `{"cidrIp":["10.0.0.0/8"]}`), perm0 + ".ipRanges.items[0].cidrIp", "want a string, found a list"},
		{"description a number", inList("ipRanges", `{"cidrIp":"10.0.0.0/8","description":1}`), perm0 + ".ipRanges.items[0].description", "want a string, found a number"},
		{"prefix list without id", inList("prefixListIds", `{"description":"x"}`), perm0 + ".prefixListIds.items[0].prefixListId", "is missing"},
		{"group without id and name", inList("groups", `{"userId":"123456789012"}`), perm0 + ".groups.items[0].groupId", "is missing, and so is groupName"},
		{"owner a number", inList("groups", `{"groupId":"sg-0fedcba9876543210","userId":123456789012}`), perm0 + ".groups.items[0].userId", "want a string, found a number"},
		{"protocol missing", asked(`{"fromPort":22,"toPort":22,"ipRanges":{"items":[{"cidrIp":"10.0.0.0/8"}]}}`), perm0 + ".ipProtocol", "is missing"},
		{"protocol a number", asked(`{"ipProtocol":6}`), perm0 + ".ipProtocol", "want a string, found a number"},
		{"protocol unknown", asked(`{"ipProtocol":"quic"}`), perm0 + ".ipProtocol", `found "quic"`},
		{"protocol 256", asked(`{"ipProtocol":"256"}`), perm0 + ".ipProtocol", `found "256"`},
		{"port a string", withPorts(`"fromPort":"22","toPort":22,`), perm0 + ".fromPort", "want a whole number from -1 to 65535, found a string"},
		{"port a fraction", withPorts(`"fromPort":22.5,"toPort":22,`), perm0 + ".fromPort", `found "22.5"`},
		{"port with an exponent", withPorts(`"fromPort":22,"toPort":2e3,`), perm0 + ".toPort", `found "2e3"`},
		{"port too high", withPorts(`"fromPort":22,"toPort":65536,`), perm0 + ".toPort", `found "65536"`},
		{"port too low", withPorts(`"fromPort":-2,"toPort":22,`), perm0 + ".fromPort", `found "-2"`},
		{"port beyond any number", withPorts(`"fromPort":1,"toPort":99999999999999999999999,`), perm0 + ".toPort", "want a whole number"},
		{"ports the wrong way round", withPorts(`"fromPort":23,"toPort":22,`), perm0, "23-22"},
		{"one port missing", withPorts(`"fromPort":23,`), perm0 + ".toPort", "is missing"},
		{"the other port missing", withPorts(`"toPort":23,"fromPort":null,`), perm0 + ".fromPort", "is missing"},
		{"ICMP type too high", asked(`{"ipProtocol":"icmp","fromPort":256,"toPort":-1,"ipRanges":{"items":[{"cidrIp":"10.0.0.0/8"}]}}`), perm0, "256"},
		{"protocol twice", asked(`{"ipProtocol":"tcp","ipProtocol":"udp"}`), perm0 + ".ipProtocol", "is given twice"},
		{"ranges twice", asked(`{` + mysql + `,"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]},"ip\u0052anges":{}}`), perm0 + ".ipRanges", "is given twice"},
		{"no group", `{"ipPermissions":{"items":[` + mysqlWorld + `]}}`, "requestParameters.groupId", "is missing, and so is groupName"},
		{"flat range bad", `{"groupId":"` + groupID + `",` + mysql + `,"cidrIp":"anywhere"}`, "requestParameters.cidrIp", `found "anywhere"`},
		{"flat protocol missing", `{"groupId":"` + groupID + `","cidrIp":"10.0.0.0/8"}`, "requestParameters.ipProtocol", "is missing"},
		{"flat source group with ports only", `{"groupId":"` + groupID + `","fromPort":22,"toPort":22,"sourceSecurityGroupName":"web"}`, "requestParameters.ipProtocol", "is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := successful("AuthorizeSecurityGroupIngress", test.request, oldAnswer)
			c, err := cloudtrail.Parse(rec.JSON(t))
			malformed := requireMalformed(t, err)
			assert.Equal(t, test.field, malformed.Field)
			assert.Contains(t, malformed.Problem, test.problem)
			assert.Equal(t, eventID, malformed.EventID)
			if strings.Contains(test.request, groupID) {
				assert.Equal(t, cloudtrail.Call{Event: c.Event, Kind: cloudtrail.KindAuthorize,
					Group: secgroup.Group{ID: groupID}, Fault: malformed.Field + ": " + malformed.Problem}, c, "the group can be read")
			} else {
				assert.Equal(t, cloudtrail.Call{}, c)
			}

			_, err = cloudtrail.Parse(envelope(rec.JSON(t)).JSON(t))
			assert.Equal(t, "detail."+test.field, requireMalformed(t, err).Field)
			assert.Equal(t, eventID, requireMalformed(t, err).EventID)
		})
	}
}

func TestMalformedResponseIsNamedByPath(t *testing.T) {
	const item0 = "responseElements.securityGroupRuleSet.items[0]"
	const tenNet = `"cidrIpv4":"10.0.0.0/8"`
	good := stored("false", mysql, tenNet)
	for _, test := range []struct{ name, response, field, problem string }{
		{"a string", `"ok"`, "responseElements", "want an object, found a string"},
		{"_return a number", `{"_return":1}`, "responseElements._return", "want true or false, found a number"},
		{"rule set a list", `{"securityGroupRuleSet":[]}`, "responseElements.securityGroupRuleSet", `want an object with "items", found a list`},
		{"rule set collapsed", `{"securityGroupRuleSet":{"items":` + good + `}}`, "responseElements.securityGroupRuleSet.items", "collapsed"},
		{"rule null", answered(`null`), item0, "want an object, found null"},
		{"rule of the other direction", answered(good, stored("true", mysql, tenNet)), "responseElements.securityGroupRuleSet.items[1].isEgress", "contradicts eventName, which is of ingress rules"},
		{"direction a string", answered(stored(`"false"`, mysql, tenNet)), item0 + ".isEgress", "want true or false, found a string"},
		{"no peer", answered(stored("false", mysql, `"x":1`)), item0, "found none"},
		{"empty group", answered(stored("false", mysql, `"referencedGroupInfo":{}`)), item0, "found none"},
		{"two peers", answered(stored("false", mysql, tenNet+`,"cidrIpv6":"::/0"`)), item0, "found several"},
		{"group without id", answered(stored("false", mysql, `"referencedGroupInfo":{"userId":"123456789012"}`)), item0 + ".referencedGroupInfo.groupId", "is missing"},
		{"group as text", answered(stored("false", mysql, `"referencedGroupInfo":"sg-0fedcba9876543210"`)), item0 + ".referencedGroupInfo", "want an object, found a string"},
		{"range bad", answered(stored("false", mysql, `"cidrIpv4":"10.0.0.0/33"`)), item0 + ".cidrIpv4", `found "10.0.0.0/33"`},
		{"range of the other family", answered(stored("false", mysql, `"cidrIpv4":"::/0"`)), item0 + ".cidrIpv4", "want an IPv4 range"},
		{"protocol missing", answered(stored("false", `"fromPort":22,"toPort":22`, tenNet)), item0 + ".ipProtocol", "is missing"},
		{"port a string", answered(stored("false", `"ipProtocol":"tcp","fromPort":"22","toPort":22`, tenNet)), item0 + ".fromPort", "found a string"},
		{"port missing", answered(stored("false", `"ipProtocol":"tcp","fromPort":22`, tenNet)), item0 + ".toPort", "is missing"},
		{"group missing", answered(`{` + mysql + `,` + tenNet + `}`), item0 + ".groupId", "is missing"},
		{"group a number", answered(strings.Replace(good, `"`+groupID+`"`, `7`, 1)), item0 + ".groupId", "want a string, found a number"},
		{"two groups", answered(good, strings.Replace(good, groupID, otherID, 1)), "responseElements.securityGroupRuleSet.items[1].groupId", "another group"},
		{"tags as text", answered(stored("false", mysql, tenNet+`,"tags":"a=b"`)), item0 + ".tags", `want an object with "items", found a string`},
		{"tag as text", answered(stored("false", mysql, tenNet+`,"tags":["a"]`)), item0 + ".tags[0]", "want an object, found a string"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := cloudtrail.Parse(successful("AuthorizeSecurityGroupIngress", asked(mysqlWorld), test.response).JSON(t))
			malformed := requireMalformed(t, err)
			assert.Equal(t, test.field, malformed.Field)
			assert.Contains(t, malformed.Problem, test.problem)
		})
	}
	_, err := cloudtrail.Parse(successful("AuthorizeSecurityGroupEgress", asked(mysqlWorld), answered(good)).JSON(t))
	assert.Equal(t, item0+".isEgress", requireMalformed(t, err).Field)
}

// A permission in a form that nobody knows must not hide what the same call opened beside it.
func TestARecordWithAFaultNamesItsGroupWhereItCan(t *testing.T) {
	newPeer := asked(mysqlWorld, `{`+mysql+`,"`+"ipv7Ranges"+`":{"items":[]},"ipRanges":{"items":[{"cidrIpv7":"x"}]}}`)
	answer := answered(stored("false", mysql, `"cidrIpv7":"x"`))
	editedPeer := edited(`{"SecurityGroupRuleId":"` + ruleID + `","SecurityGroupRule":{"IpProtocol":"tcp","FromPort":1,"ToPort":1,"CidrIpv7":"x"}}`)
	sound := successful("AuthorizeSecurityGroupIngress", newPeer, oldAnswer)
	for name, test := range map[string]struct {
		rec   []byte
		kind  cloudtrail.Kind
		group secgroup.Group
	}{
		"a new kind of peer in the request": {sound.JSON(t), cloudtrail.KindAuthorize, secgroup.Group{ID: groupID}},
		"a new kind of peer in the answer":  {successful("AuthorizeSecurityGroupIngress", asked(mysqlWorld), answer).JSON(t), cloudtrail.KindAuthorize, secgroup.Group{ID: groupID}},
		"a new kind of peer in an edit":     {successful("ModifySecurityGroupRules", editedPeer, editAnswer).JSON(t), cloudtrail.KindModify, secgroup.Group{ID: groupID}},
		"a group that is named":             {successful("AuthorizeSecurityGroupIngress", `{"groupName":"web","ipPermissions":[]}`, oldAnswer).JSON(t), cloudtrail.KindAuthorize, secgroup.Group{Name: "web"}},
		"no group":                          {successful("AuthorizeSecurityGroupIngress", `{"ipPermissions":[]}`, oldAnswer).JSON(t), 0, secgroup.Group{}},
		"a call that closes":                {successful("RevokeSecurityGroupIngress", newPeer, oldAnswer).JSON(t), 0, secgroup.Group{}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := cloudtrail.Parse(test.rec)
			malformed := requireMalformed(t, err)
			assert.Equal(t, test.kind, c.Kind)
			assert.Equal(t, test.group, c.Group)
			if test.kind == 0 {
				assert.Equal(t, cloudtrail.Call{}, c)
				return
			}
			assert.Equal(t, malformed.Field+": "+malformed.Problem, c.Fault)
			assert.Equal(t, eventID, c.EventID)
			assert.Equal(t, account, c.AccountID)
			assert.True(t, c.RulesMissing())
		})
	}
	for _, member := range []string{"eventID", "eventTime", "awsRegion", "eventName"} {
		c, err := cloudtrail.Parse(sound.with(member, `7`).JSON(t))
		require.Error(t, err, member)
		assert.Equal(t, cloudtrail.Call{}, c, member)
	}
}

func TestMalformedEditIsNamedByPath(t *testing.T) {
	const wrapper = "requestParameters.ModifySecurityGroupRulesRequest"
	rule := func(inner string) string {
		return edited(`{"SecurityGroupRuleId":"` + ruleID + `","SecurityGroupRule":` + inner + `}`)
	}
	const inner = wrapper + ".SecurityGroupRule.SecurityGroupRule"
	for _, test := range []struct{ name, request, field, problem string }{
		{"not wrapped", `{"groupId":"` + groupID + `","securityGroupRules":[]}`, wrapper, "is missing"},
		{"wrapper a string", `{"ModifySecurityGroupRulesRequest":"x"}`, wrapper, "want an object, found a string"},
		{"rules a string", edited(`"x"`), wrapper + ".SecurityGroupRule", "want an object or a list of objects, found a string"},
		{"rule null", edited(`[` + editToWorld + `,null]`), wrapper + ".SecurityGroupRule[1]", "want an object, found null"},
		{"rule a list", edited(`[[]]`), wrapper + ".SecurityGroupRule[0]", "want an object, found a list"},
		{"rule empty", edited(`[{}]`), wrapper + ".SecurityGroupRule[0].SecurityGroupRuleId", "is missing"},
		{"list in a list", edited(`[{"items":[` + editToWorld + `]}]`), wrapper + ".SecurityGroupRule[0].SecurityGroupRuleId", "is missing"},
		{"items collapsed", edited(`{"items":` + editToWorld + `}`), wrapper + ".SecurityGroupRule.items", "want a list, found an object"},
		{"rule in items without id", edited(`{"items":[` + editToWorld + `,{"SecurityGroupRule":{}}]}`), wrapper + ".SecurityGroupRule.items[1].SecurityGroupRuleId", "is missing"},
		{"id missing", edited(`{"SecurityGroupRule":{"IpProtocol":"-1","CidrIpv4":"0.0.0.0/0"}}`), wrapper + ".SecurityGroupRule.SecurityGroupRuleId", "is missing"},
		{"group missing", `{"ModifySecurityGroupRulesRequest":{"SecurityGroupRule":` + editToWorld + `}}`, wrapper + ".GroupId", "is missing"},
		{"says nothing", rule(`{}`), inner, "says nothing"},
		{"says null", rule(`null`), inner, "says nothing"},
		{"peer missing", rule(`{"IpProtocol":"tcp","FromPort":22,"ToPort":22,"Description":"x"}`), inner, "found none"},
		{"ports alone", rule(`{"FromPort":22,"ToPort":22,"Description":"x"}`), inner, "found none"},
		{"two peers", rule(`{"IpProtocol":"tcp","CidrIpv4":"10.0.0.0/8","PrefixListId":"` + listID + `"}`), inner, "found several"},
		{"protocol missing", rule(`{"CidrIpv4":"10.0.0.0/8"}`), inner + ".IpProtocol", "is missing"},
		{"protocol unknown", rule(`{"IpProtocol":6.0,"CidrIpv4":"10.0.0.0/8"}`), inner + ".IpProtocol", `found "6.0"`},
		{"port no number", rule(`{"IpProtocol":"tcp","FromPort":"http","ToPort":80,"CidrIpv4":"10.0.0.0/8"}`), inner + ".FromPort", `found "http"`},
		{"port empty", rule(`{"IpProtocol":"tcp","FromPort":"","ToPort":80,"CidrIpv4":"10.0.0.0/8"}`), inner + ".FromPort", `found ""`},
		{"port true", rule(`{"IpProtocol":"tcp","FromPort":true,"CidrIpv4":"10.0.0.0/8"}`), inner + ".FromPort", "found true or false"},
		{"port missing", rule(`{"IpProtocol":"tcp","FromPort":80,"CidrIpv4":"10.0.0.0/8"}`), inner + ".ToPort", "is missing"},
		{"range bad", rule(`{"IpProtocol":"tcp","CidrIpv6":"::"}`), inner + ".CidrIpv6", "want an IPv6 range"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := cloudtrail.Parse(successful("ModifySecurityGroupRules", test.request, editAnswer).JSON(t))
			malformed := requireMalformed(t, err)
			assert.Equal(t, test.field, malformed.Field)
			assert.Contains(t, malformed.Problem, test.problem)
		})
	}
	_, err := cloudtrail.Parse(successful("ModifySecurityGroupRules", edited(editToWorld), `{"ModifySecurityGroupRulesResponse":{"return":[]}}`).JSON(t))
	assert.Equal(t, "responseElements.ModifySecurityGroupRulesResponse.return", requireMalformed(t, err).Field)
}

func TestMalformedRecordIsNamedByPath(t *testing.T) {
	for _, test := range []struct {
		name           string
		rec            fields
		field, problem string
	}{
		{"id missing", opening().without("eventID"), "eventID", "is missing"},
		{"id empty", opening().with("eventID", `""`), "eventID", "is missing"},
		{"id a number", opening().with("eventID", `1`), "eventID", "want a string, found a number"},
		{"name missing", opening().without("eventName"), "eventName", "is missing"},
		{"name a list", opening().with("eventName", `["AuthorizeSecurityGroupIngress"]`), "eventName", "want a string, found a list"},
		{"source a number", opening().with("eventSource", `1`), "eventSource", "want a string, found a number"},
		{"type an object", opening().with("eventType", `{}`), "eventType", "want a string, found an object"},
		{"time missing", opening().without("eventTime"), "eventTime", "is missing"},
		{"time a number", opening().with("eventTime", `1793697342`), "eventTime", "want a string, found a number"},
		{"time unreadable", opening().with("eventTime", `"2026-11-03 09:15:42"`), "eventTime", `found "2026-11-03 09:15:42"`},
		{"time before all times", opening().with("eventTime", `"0000-01-01T00:00:00+01:00"`), "eventTime", "want a time"},
		{"time after all times", opening().with("eventTime", `"9999-12-31T23:59:59-01:00"`), "eventTime", "want a time"},
		{"region missing", opening().without("awsRegion"), "awsRegion", "is missing"},
		{"region a number", opening().with("awsRegion", `1`), "awsRegion", "want a string, found a number"},
		{"account a number", opening().with("recipientAccountId", `123456789012`), "recipientAccountId", "want a string, found a number"},
		{"address a list", opening().with("sourceIPAddress", `[]`), "sourceIPAddress", "want a string, found a list"},
		{"agent a number", opening().with("userAgent", `1`), "userAgent", "want a string, found a number"},
		{"identity a string", opening().with("userIdentity", `"root"`), "userIdentity", "want an object, found a string"},
		{"actor a number", opening().with("userIdentity", `{"arn":1}`), "userIdentity.arn", "want a string, found a number"},
		{"issuer a string", opening().with("userIdentity", `{"sessionContext":{"sessionIssuer":"x"}}`), "userIdentity.sessionContext.sessionIssuer", "want an object, found a string"},
		{"issuer's ARN a list", opening().with("userIdentity", `{"sessionContext":{"sessionIssuer":{"arn":[]}}}`), "userIdentity.sessionContext.sessionIssuer.arn", "want a string, found a list"},
		{
			"account nowhere",
			successful("AuthorizeSecurityGroupIngress", asked(mysqlWorld), oldAnswer).without("recipientAccountId", "userIdentity"),
			"recipientAccountId", "nothing else names the account",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := cloudtrail.Parse(test.rec.JSON(t))
			malformed := requireMalformed(t, err)
			assert.Equal(t, test.field, malformed.Field)
			assert.Contains(t, malformed.Problem, test.problem)
		})
	}
}

func TestMalformedEventIsNamedByPath(t *testing.T) {
	rec := opening().JSON(t)
	for _, test := range []struct{ name, event, field, problem string }{
		{"nothing", ``, "event", "is not JSON: ends too early"},
		{"white space", " \n", "event", "is not JSON: ends too early"},
		{"a NUL byte", "\x00", "event", "is not JSON: invalid character"},
		{"null", `null`, "event", "want an object, found null"},
		{"a list", `[` + string(rec) + `]`, "event", "want an object, found a list"},
		{"a string", `"{}"`, "event", "want an object, found a string"},
		{"text", `hello`, "event", "is not JSON: invalid character 'h' at start of value (at byte 0)"},
		{"an empty object", `{}`, "detail", "is missing"},
		{"two events", string(envelope(rec).JSON(t)) + `{}`, "event", "more follows after the value"},
		{"detail missing", string(envelope(rec).without("detail").JSON(t)), "detail", "is missing"},
		{"detail null", string(envelope([]byte(`null`)).JSON(t)), "detail", "is missing"},
		{"detail a string", string(envelope([]byte(`"{}"`)).JSON(t)), "detail", "want an object: the CloudTrail record, found a string"},
		{"detail-type a number", string(envelope(rec).with("detail-type", `1`).JSON(t)), "detail-type", "want a string, found a number"},
		{"account a number", string(envelope(rec).with("account", `123456789012`).JSON(t)), "account", "want a string, found a number"},
		{"region a list", string(envelope(rec).with("region", `[]`).JSON(t)), "region", "want a string, found a list"},
		{"detail twice", `{"detail":{},"detail-type":"AWS API Call via CloudTrail","detail":` + string(rec) + `}`, "detail", "is given twice"},
		{"name twice", `{"detail":{"eventName":"RunInstances","eventName":"AuthorizeSecurityGroupIngress"}}`, "detail.eventName", "is given twice"},
		{"half a value", `{"detail":{"requestParameters":{"a":[1,{"b":"x`, "detail.requestParameters.a[1].b", "is not JSON: ends too early (at byte 46)"},
		{"a key that is none", `{"detail":{"x\ny":[tru]}}`, `detail."x\ny"[0]`, "is not JSON: invalid character ']' in literal true (expecting 'e')"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := cloudtrail.Parse([]byte(test.event))
			malformed := requireMalformed(t, err)
			assert.Equal(t, test.field, malformed.Field)
			assert.Contains(t, malformed.Problem, test.problem)
			assert.Equal(t, cloudtrail.Call{}, c)
		})
	}
	for _, s := range []string{``, `null`, `[]`, `7`, `{"eventID":`, string(rec) + `{}`, string(rec) + `,`} {
		_, err := cloudtrail.Parse([]byte(s))
		_ = requireMalformed(t, err)
	}
}

func TestErrorNamesEventFieldAndProblem(t *testing.T) {
	_, err := cloudtrail.Parse(envelope(opening().without("eventTime").JSON(t)).JSON(t))
	require.EqualError(t, err, "reading CloudTrail record "+eventID+": detail.eventTime: is missing")
	_, err = cloudtrail.Parse([]byte(`{}`))
	require.EqualError(t, err, "reading CloudTrail record: detail: is missing: want an EventBridge event around the CloudTrail record")
}

func TestErrorRepeatsLittleUntrustedText(t *testing.T) {
	long := "x" + strings.Repeat("é", 10_000) // a cut after 64 bytes would split one
	for _, rec := range []fields{
		opening().with("eventTime", `"`+long+`"`),
		opening().with("responseElements", `{"securityGroupRuleSet":{"items":[{"cidrIpv4":"`+long+`"}]}}`),
	} {
		_, err := cloudtrail.Parse(rec.JSON(t))
		assert.Less(t, len(requireMalformed(t, err).Error()), 400)
		assert.Contains(t, err.Error(), `é"...`)
	}
	_, err := cloudtrail.Parse([]byte(strings.Repeat(`{"`+long+`":`, 900)))
	assert.Less(t, len(requireMalformed(t, err).Error()), 4000)
	c := parse(t, opening().with("eventName", `"`+long+`"`))
	assert.Less(t, len(c.Skipped), 200)
}

func TestHalfAnEventIsAlwaysMalformed(t *testing.T) {
	event := complete(t)
	for n := range event {
		c, err := cloudtrail.Parse(event[:n])
		_ = requireMalformed(t, err)
		require.Equal(t, cloudtrail.Call{}, c)
	}
}

func TestRecordWithAnyOneValueReplacedIsNeverSilentlyEmpty(t *testing.T) {
	values := []string{`null`, `{}`, `[]`, `""`, `"x"`, `7`, `true`, `false`, `{"items":[]}`, `{"items":{}}`, `[{}]`, `{"items":[{}]}`, `{"omitted":true}`}
	records := map[string]fields{
		"whole":     opening(),
		"old":       successful("AuthorizeSecurityGroupIngress", asked(mysqlWorld), oldAnswer),
		"two perms": successful("AuthorizeSecurityGroupEgress", asked(mysqlWorld, mysqlWorld), `null`),
		"edit":      successful("ModifySecurityGroupRules", edited(`[`+editToWorld+`,`+editToGroup+`]`), editAnswer),
	}
	tried := 0
	for name, rec := range records {
		whole := string(rec.JSON(t))
		for _, old := range []string{
			`"0.0.0.0/0"`, `"tcp"`, `3306`, `"` + groupID + `"`, `{"cidrIp":"0.0.0.0/0"}`, `[{"cidrIp":"0.0.0.0/0"}]`,
			`{"items":[{"cidrIp":"0.0.0.0/0"}]}`, `"` + ruleID + `"`, `"sgr-0aaaaaaaaaaaaaaa1"`, rec["eventName"], rec["eventID"],
		} {
			at := strings.Index(whole, old)
			if at < 0 {
				continue
			}
			for _, value := range values {
				tried++
				mutant := whole[:at] + value + whole[at+len(old):]
				c, err := cloudtrail.Parse([]byte(mutant))
				if err != nil {
					_ = requireMalformed(t, err)
					continue
				}
				told := c.Skipped != "" || len(c.Rules) > 0 || c.From == cloudtrail.RulesUnknown
				assert.True(t, told, "%s: %s for %s", name, value, old)
			}
		}
	}
	assert.Greater(t, tried, 200)
}

func TestDeepNestingIsAFault(t *testing.T) {
	for _, open := range []string{`[`, `{"a":`, `[{"a":`} {
		_, err := cloudtrail.Parse([]byte(`{"x":` + strings.Repeat(open, 1_000_000)))
		assert.Contains(t, requireMalformed(t, err).Problem, "is not JSON: exceeded max depth")
	}
	deep := strings.Repeat(`[`, 900) + strings.Repeat(`]`, 900)
	assert.Len(t, parse(t, opening().with("additionalEventData", deep)).Rules, 1)
}
