package cloudtrail_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The values that the fixtures share.
const (
	account   = "123456789012"
	region    = "us-east-1"
	groupID   = "sg-0123456789abcdef0"
	otherID   = "sg-0fedcba9876543210"
	ruleID    = "sgr-0123456789abcdef0"
	listID    = "pl-0123456789abcdef0"
	eventID   = "4f3c2b1a-0d9e-4c8b-a7f6-e5d4c3b2a190"
	userAgent = "aws-cli/2.31.2 md/command#ec2.authorize-security-group-ingress"
	aliceARN  = "arn:aws:iam::123456789012:user/alice"
)

// fields is a CloudTrail record, or another object, by member; the values are JSON.
type fields map[string]string

// successful returns the record of a successful call with parameters and response.
func successful(eventName, request, response string) fields {
	return fields{
		"eventVersion": `"1.11"`,
		"userIdentity": `{"type":"IAMUser","principalId":"AIDAEXAMPLEALICE00001","arn":"` + aliceARN + `",
			"accountId":"` + account + `","accessKeyId":"AKIAIOSFODNN7EXAMPLE","userName":"alice"}`,
		"eventTime":          `"2026-11-03T09:15:42Z"`,
		"eventSource":        `"ec2.amazonaws.com"`,
		"eventName":          `"` + eventName + `"`,
		"awsRegion":          `"` + region + `"`,
		"sourceIPAddress":    `"198.51.100.7"`,
		"userAgent":          `"` + userAgent + `"`,
		"requestParameters":  request,
		"responseElements":   response,
		"requestID":          `"1f0e2d3c-4b5a-4697-8877-665544332211"`,
		"eventID":            `"` + eventID + `"`,
		"readOnly":           `false`,
		"eventType":          `"AwsApiCall"`,
		"managementEvent":    `true`,
		"recipientAccountId": `"` + account + `"`,
		"eventCategory":      `"Management"`,
		"tlsDetails":         `{"tlsVersion":"TLSv1.3","clientProvidedHostHeader":"ec2.us-east-1.amazonaws.com"}`,
	}
}

// with returns the record with a member set to a JSON value.
func (f fields) with(member, value string) fields {
	out := f.without(member)
	out[member] = value
	return out
}

// without returns the record without members.
func (f fields) without(members ...string) fields {
	out := fields{}
	for k, v := range f {
		out[k] = v
	}
	for _, m := range members {
		delete(out, m)
	}
	return out
}

// JSON returns the record's text, members in order of their names.
func (f fields) JSON(tb testing.TB) []byte {
	tb.Helper()
	raw := map[string]json.RawMessage{}
	for k, v := range f {
		require.True(tb, json.Valid([]byte(v)), "fixture: %s is not JSON: %s", k, v)
		raw[k] = json.RawMessage(v)
	}
	b, err := json.Marshal(raw)
	require.NoError(tb, err)
	return b
}

// envelope returns an EventBridge event around a detail, as it is delivered.
func envelope(detail []byte) fields {
	return fields{
		"version":     `"0"`,
		"id":          `"7bf73129-1428-4cd3-a780-95db273d1602"`,
		"detail-type": `"AWS API Call via CloudTrail"`,
		"source":      `"aws.ec2"`,
		"account":     `"` + account + `"`,
		"time":        `"2026-11-03T09:15:42Z"`,
		"region":      `"` + region + `"`,
		"resources":   `[]`,
		"detail":      string(detail),
	}
}

// asked returns the requestParameters of an Authorize call with ipPermissions.
func asked(permissions ...string) string {
	return `{"groupId":"` + groupID + `","ipPermissions":{"items":[` + strings.Join(permissions, ",") + `]}}`
}

// answered returns the responseElements of an Authorize call with a rule set.
func answered(items ...string) string {
	return `{"requestId":"1f0e2d3c-4b5a-4697-8877-665544332211","_return":true,
		"securityGroupRuleSet":{"items":[` + strings.Join(items, ",") + `]}}`
}

// stored returns an item of a securityGroupRuleSet; traffic and peer are members.
func stored(isEgress, traffic, peer string) string {
	return `{"groupOwnerId":"` + account + `","groupId":"` + groupID + `","securityGroupRuleId":"` + ruleID + `",
		"isEgress":` + isEgress + `,` + traffic + `,` + peer + `,
		"securityGroupRuleArn":"arn:aws:ec2:us-east-1:123456789012:security-group-rule/` + ruleID + `"}`
}

// edited returns the requestParameters of ModifySecurityGroupRules.
func edited(rules string) string {
	return `{"ModifySecurityGroupRulesRequest":{"GroupId":"` + groupID + `","SecurityGroupRule":` + rules + `}}`
}

// oldAnswer is a response from before rule sets.
const oldAnswer = `{"_return":true}`

// editAnswer is the response to an edit.
const editAnswer = `{"ModifySecurityGroupRulesResponse":{"return":true,"requestId":"1f0e2d3c-4b5a-4697-8877-665544332211",
	"xmlns":"http://ec2.amazonaws.com/doc/2016-11-15/"}}`

// Traffic and permissions that many cases use.
const (
	mysql      = `"ipProtocol":"tcp","fromPort":3306,"toPort":3306`
	mysqlWorld = `{` + mysql + `,"groups":{},"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]},"ipv6Ranges":{},"prefixListIds":{}}`
)

// complete returns the event that is judged most: one rule, request and response.
func complete(tb testing.TB) []byte {
	tb.Helper()
	rec := successful("AuthorizeSecurityGroupIngress", asked(mysqlWorld),
		answered(stored("false", mysql, `"cidrIpv4":"0.0.0.0/0","description":"replica"`)))
	rec["userIdentity"] = `{"type":"AssumedRole","principalId":"AROAEXAMPLEDEPLOY0001:deploy-4711",
		"arn":"arn:aws:sts::123456789012:assumed-role/deploy/deploy-4711","accountId":"123456789012",
		"accessKeyId":"ASIAIOSFODNN7EXAMPLE","sessionContext":{"sessionIssuer":{"type":"Role",
		"principalId":"AROAEXAMPLEDEPLOY0001","arn":"arn:aws:iam::123456789012:role/deploy","accountId":"123456789012",
		"userName":"deploy"},"webIdFederationData":{},"attributes":{"creationDate":"2026-11-03T09:10:00Z",
		"mfaAuthenticated":"false"}}}`
	return envelope(rec.JSON(tb)).JSON(tb)
}
