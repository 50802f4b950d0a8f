package ec2api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/ec2api"
)

// assertPart compares a part of the last record with the JSON it must be, field
// by field. $group and its like stand for ids.
func (s *stage) assertPart(part, want string, ids ...string) {
	s.t.Helper()
	got, err := json.Marshal(s.lastDetail()[part])
	require.NoError(s.t, err)
	assert.JSONEq(s.t, strings.NewReplacer(append(ids, "$request", s.lastDetail()["requestID"].(string))...).Replace(want), string(got))
}

func TestTheEnvelopeAndTheCommonFields(t *testing.T) {
	s := newStage(t, ec2api.WithIdentity(demoKey, ec2api.Identity{User: "alice", SourceIP: "198.51.100.7"}))
	s.newGroup("a", "")
	event := s.lastEvent()
	detail := event["detail"].(map[string]any)
	delete(event, "detail")
	assert.Regexp(t, `^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`, event["id"])
	delete(event, "id")
	assert.Equal(t, map[string]any{"version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.ec2",
		"account": "123456789012", "time": "2026-03-01T10:00:00Z", "region": "us-east-1", "resources": []any{}}, event)

	for _, varying := range []string{"requestID", "eventID", "requestParameters", "responseElements", "userIdentity", "tlsDetails"} {
		assert.NotEmpty(t, detail[varying], varying)
		delete(detail, varying)
	}
	assert.Contains(t, detail["userAgent"], "aws-sdk-go-v2")
	delete(detail, "userAgent")
	assert.Equal(t, map[string]any{"eventVersion": "1.11", "eventTime": "2026-03-01T10:00:00Z", "eventSource": "ec2.amazonaws.com",
		"eventName": "CreateSecurityGroup", "awsRegion": "us-east-1", "sourceIPAddress": "198.51.100.7", "readOnly": false,
		"eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": "123456789012", "eventCategory": "Management"}, detail)
}

func TestReadsLeaveNoEvent(t *testing.T) {
	s := newStage(t)
	_, err := s.client.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{})
	require.NoError(t, err)
	_, err = s.client.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{})
	require.NoError(t, err)
	assert.Zero(t, s.eventCount())
}

func TestIdentitiesHaveTheirShapes(t *testing.T) {
	s := newStage(t,
		ec2api.WithIdentity("AKIAUSER", ec2api.Identity{User: "alice"}),
		ec2api.WithIdentity("ASIAROLE", ec2api.Identity{Role: "Operator", RolePath: "/teams/", Session: "person@example.com"}),
		ec2api.WithIdentity("AKIAROOT", ec2api.Identity{Root: true}),
		ec2api.WithIdentity("AKIACFN", ec2api.Identity{Role: "deploy", Session: "stack", InvokedBy: "cloudformation.amazonaws.com"}))
	identity := func(key string) map[string]any {
		_, _ = s.clientFor(key, "us-east-1").CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
		return s.lastDetail()["userIdentity"].(map[string]any)
	}
	user := identity("AKIAUSER")
	assert.Regexp(t, `^AIDA[A-Z2-7]{17}$`, user["principalId"])
	delete(user, "principalId")
	assert.Equal(t, map[string]any{"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/alice", "accountId": "123456789012",
		"accessKeyId": "AKIAUSER", "userName": "alice"}, user)
	assert.Equal(t, "demo", identity("AKIAANYBODY")["userName"])
	assert.Equal(t, "127.0.0.1", s.lastDetail()["sourceIPAddress"])

	role := identity("ASIAROLE")
	issuer := role["sessionContext"].(map[string]any)["sessionIssuer"].(map[string]any)
	assert.Equal(t, issuer["principalId"].(string)+":person@example.com", role["principalId"])
	assert.Equal(t, "arn:aws:sts::123456789012:assumed-role/Operator/person@example.com", role["arn"])
	delete(issuer, "principalId")
	assert.Equal(t, map[string]any{"type": "Role", "arn": "arn:aws:iam::123456789012:role/teams/Operator",
		"accountId": "123456789012", "userName": "Operator"}, issuer)
	assert.Equal(t, map[string]any{}, role["sessionContext"].(map[string]any)["webIdFederationData"])

	assert.Equal(t, map[string]any{"type": "Root", "principalId": "123456789012", "arn": "arn:aws:iam::123456789012:root",
		"accountId": "123456789012", "accessKeyId": "AKIAROOT"}, identity("AKIAROOT"))

	forwarded := identity("AKIACFN")
	assert.NotContains(t, forwarded, "accessKeyId")
	assert.Equal(t, "cloudformation.amazonaws.com", forwarded["invokedBy"])
	assert.Equal(t, "cloudformation.amazonaws.com", s.lastDetail()["sourceIPAddress"])
	assert.Equal(t, "cloudformation.amazonaws.com", s.lastDetail()["userAgent"])
}

func TestAuthorizeRecordsTheRequestAsTypedAndTheResponseAsStored(t *testing.T) {
	s := newStage(t)
	vpc := s.newVPC()
	group, source := s.newGroup("a", vpc), s.newGroup("source", vpc)
	ask := perm("6", p32(5432), p32(5432), "198.51.100.7/0", "2001:DB8::1/32")
	ask.IpRanges[0].Description = aws.String("a <b> & c")
	_, err := s.authorize(group, ask)
	assertCode(t, err, "InvalidParameterValue") // brackets are not for descriptions
	ask.IpRanges[0].Description = aws.String("quick & dirty")
	ask.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: &source, UserId: aws.String("123456789012")}}
	rules := s.mustAuthorize(group, ask, perm("-1", nil, nil, "10.0.0.0/8"))
	ids := []string{"$group", group, "$source", source}
	for i, r := range rules {
		ids = append(ids, fmt.Sprintf("$rule%d", i), *r.SecurityGroupRuleId)
	}
	s.assertPart("requestParameters", `{"groupId":"$group","ipPermissions":{"items":[
		{"ipProtocol":"6","fromPort":5432,"toPort":5432,
		 "groups":{"items":[{"groupId":"$source","userId":"123456789012"}]},
		 "ipRanges":{"items":[{"cidrIp":"198.51.100.7/0","description":"quick & dirty"}]},
		 "ipv6Ranges":{"items":[{"cidrIpv6":"2001:DB8::1/32"}]},"prefixListIds":{}},
		{"ipProtocol":"-1","groups":{},"ipRanges":{"items":[{"cidrIp":"10.0.0.0/8"}]},"ipv6Ranges":{},"prefixListIds":{}}]}}`, ids...)
	common := `"groupOwnerId":"123456789012","groupId":"$group","isEgress":false`
	arn := `"arn:aws:ec2:us-east-1:123456789012:security-group-rule/`
	s.assertPart("responseElements", `{"requestId":"$request","_return":true,"securityGroupRuleSet":{"items":[
		{`+common+`,"securityGroupRuleId":"$rule0","description":"quick & dirty","ipProtocol":"tcp","fromPort":5432,"toPort":5432,"cidrIpv4":"0.0.0.0/0","securityGroupRuleArn":`+arn+`$rule0"},
		{`+common+`,"securityGroupRuleId":"$rule1","ipProtocol":"tcp","fromPort":5432,"toPort":5432,"cidrIpv6":"2001:db8::/32","securityGroupRuleArn":`+arn+`$rule1"},
		{`+common+`,"securityGroupRuleId":"$rule2","ipProtocol":"tcp","fromPort":5432,"toPort":5432,"referencedGroupInfo":{"userId":"123456789012","groupId":"$source"},"securityGroupRuleArn":`+arn+`$rule2"},
		{`+common+`,"securityGroupRuleId":"$rule3","ipProtocol":"-1","fromPort":-1,"toPort":-1,"cidrIpv4":"10.0.0.0/8","securityGroupRuleArn":`+arn+`$rule3"}]}}`, ids...)
	assert.NotContains(t, string(s.events[len(s.events)-1]), `\u0026`, "AWS does not escape for HTML")
}

func TestTheFlatFormIsRecordedWithAnEmptyIpPermissions(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("by-name", "")
	out, err := s.client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &group, IpProtocol: aws.String("tcp"), FromPort: p32(22), ToPort: p32(22), CidrIp: aws.String("0.0.0.0/0"),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroupRule,
			Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}}}})
	require.NoError(t, err)
	s.assertPart("requestParameters", `{"groupId":"$group","ipPermissions":{},"ipProtocol":"tcp","fromPort":22,"toPort":22,"cidrIp":"0.0.0.0/0",
		"tagSpecificationSet":{"items":[{"resourceType":"security-group-rule","tags":[{"key":"k","value":"v"}]}]}}`, "$group", group)
	set := s.lastDetail()["responseElements"].(map[string]any)["securityGroupRuleSet"].(map[string]any)["items"].([]any)
	assert.Equal(t, *out.SecurityGroupRules[0].SecurityGroupRuleId, set[0].(map[string]any)["securityGroupRuleId"])
	assert.Equal(t, []any{map[string]any{"key": "k", "value": "v"}}, set[0].(map[string]any)["tags"])

	_, err = s.client.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{
		GroupName: aws.String("by-name"), IpProtocol: aws.String("tcp"), FromPort: p32(22), ToPort: p32(22), CidrIp: aws.String("0.0.0.0/0")})
	require.NoError(t, err)
	s.assertPart("requestParameters", `{"groupName":"by-name","ipPermissions":{},"ipProtocol":"tcp","fromPort":22,"toPort":22,"cidrIp":"0.0.0.0/0"}`)
}

func TestRevokeRecordsWhatWentAndWhatWasUnknown(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", "")
	rules := s.mustAuthorize(group, tcp(22, "0.0.0.0/0"), tcp(23, "0.0.0.0/0"))
	_, err := s.revoke(group, tcp(22, "0.0.0.0/0"), tcp(24, "::/0"))
	require.NoError(t, err)
	s.assertPart("responseElements", `{"requestId":"$request","_return":true,
		"revokedSecurityGroupRuleSet":{"items":[{"securityGroupRuleId":"$rule","groupId":"$group","isEgress":false,"ipProtocol":"tcp",
			"fromPort":22,"toPort":22,"cidrIpv4":"0.0.0.0/0"}]},
		"unknownIpPermissionSet":{"items":[{"ipProtocol":"tcp","fromPort":24,"toPort":24,"groups":{},"ipRanges":{},
			"ipv6Ranges":{"items":[{"cidrIpv6":"::/0"}]},"prefixListIds":{}}]}}`, "$rule", *rules[0].SecurityGroupRuleId, "$group", group)

	_, err = s.client.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group,
		SecurityGroupRuleIds: []string{*rules[1].SecurityGroupRuleId}})
	require.NoError(t, err)
	s.assertPart("requestParameters", `{"groupId":"$group","ipPermissions":{},"securityGroupRuleIds":{"items":[{"securityGroupRuleId":"$rule"}]}}`,
		"$rule", *rules[1].SecurityGroupRuleId, "$group", group)
	assert.Equal(t, map[string]any{}, s.lastDetail()["responseElements"].(map[string]any)["unknownIpPermissionSet"])
}

func TestAFailedCallIsRecordedWithItsParametersAndNoResponse(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", s.newVPC())
	_, err := s.revoke(group, perm("-1", p32(0), p32(0), "::/0"))
	assertCode(t, err, "InvalidPermission.NotFound")
	detail := s.lastDetail()
	assert.Equal(t, "Client.InvalidPermission.NotFound", detail["errorCode"])
	assert.Equal(t, "The specified rule does not exist in this security group.", detail["errorMessage"])
	assert.Contains(t, detail, "responseElements")
	assert.Nil(t, detail["responseElements"])
	s.assertPart("requestParameters", `{"groupId":"$group","ipPermissions":{"items":[{"ipProtocol":"-1","fromPort":0,"toPort":0,
		"groups":{},"ipRanges":{},"ipv6Ranges":{"items":[{"cidrIpv6":"::/0"}]},"prefixListIds":{}}]}}`, "$group", group)

	s.FailNext("AuthorizeSecurityGroupIngress", 1, "InternalError")
	_, err = s.authorize(group, tcp(22, "0.0.0.0/0"))
	assertCode(t, err, "InternalError")
	assert.Equal(t, "Server.InternalError", s.lastDetail()["errorCode"])
}

func TestCreateGroupAndTagsAreRecorded(t *testing.T) {
	s := newStage(t)
	vpc := s.newVPC()
	out, err := s.client.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("web"), Description: aws.String("web servers"), VpcId: &vpc,
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup,
			Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("web")}}}}})
	require.NoError(t, err)
	s.assertPart("requestParameters", `{"groupName":"web","groupDescription":"web servers","vpcId":"$vpc","tagSpecificationSet":{"items":[
		{"resourceType":"security-group","tags":[{"key":"Name","value":"web"}]}]}}`, "$vpc", vpc)
	s.assertPart("responseElements", `{"requestId":"$request","_return":true,"groupId":"$group","tagSet":{"items":[{"key":"Name","value":"web"}]},
		"securityGroupArn":"arn:aws:ec2:us-east-1:123456789012:security-group/$group"}`, "$group", *out.GroupId)

	_, err = s.client.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{*out.GroupId}, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	require.NoError(t, err)
	s.assertPart("requestParameters", `{"resourcesSet":{"items":[{"resourceId":"$group"}]},"tagSet":{"items":[{"key":"k","value":"v"}]}}`, "$group", *out.GroupId)
	_, err = s.client.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: out.GroupId})
	require.NoError(t, err)
	s.assertPart("requestParameters", `{"groupId":"$group"}`, "$group", *out.GroupId)
}

func TestModifyIsRecordedAsOneObjectOrAsAnArray(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", "")
	rules := s.mustAuthorize(group, tcp(1, "10.0.0.0/8"), tcp(2, "10.0.0.0/8"))
	ids := []string{"$group", group, "$rule0", *rules[0].SecurityGroupRuleId, "$rule1", *rules[1].SecurityGroupRuleId}

	require.NoError(t, s.modify(group, update(ids[3], 22, "198.51.100.7/0", "open")))
	s.assertPart("requestParameters", `{"ModifySecurityGroupRulesRequest":{"GroupId":"$group","SecurityGroupRule":
		{"SecurityGroupRuleId":"$rule0","tag":1,"SecurityGroupRule":{"IpProtocol":"tcp","FromPort":22,"ToPort":22,"CidrIpv4":"198.51.100.7/0","Description":"open"}}}}`, ids...)
	s.assertPart("responseElements", `{"ModifySecurityGroupRulesResponse":{"return":true,"requestId":"$request","xmlns":"http://ec2.amazonaws.com/doc/2016-11-15/"}}`)

	require.NoError(t, s.modify(group, update(ids[3], 23, "0.0.0.0/0", ""), update(ids[5], 24, "0.0.0.0/0", "")))
	s.assertPart("requestParameters", `{"ModifySecurityGroupRulesRequest":{"GroupId":"$group","SecurityGroupRule":[
		{"SecurityGroupRuleId":"$rule0","tag":1,"SecurityGroupRule":{"IpProtocol":"tcp","FromPort":23,"ToPort":23,"CidrIpv4":"0.0.0.0/0"}},
		{"SecurityGroupRuleId":"$rule1","tag":2,"SecurityGroupRule":{"IpProtocol":"tcp","FromPort":24,"ToPort":24,"CidrIpv4":"0.0.0.0/0"}}]}}`, ids...)

	ask := tcp(23, "0.0.0.0/0")
	ask.IpRanges[0].Description = aws.String("exempt")
	_, err := s.client.UpdateSecurityGroupRuleDescriptionsIngress(t.Context(), &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{
		GroupId: &group, IpPermissions: []types.IpPermission{ask}})
	require.NoError(t, err)
	s.assertPart("requestParameters", `{"UpdateSecurityGroupRuleDescriptionsIngressRequest":{"GroupId":"$group","IpPermissions":
		{"tag":1,"IpProtocol":"tcp","FromPort":23,"ToPort":23,"IpRanges":{"tag":1,"CidrIp":"0.0.0.0/0","Description":"exempt"}}}}`, ids...)
}

func TestPrefixListEditsAreRecordedInTheirWrapper(t *testing.T) {
	s := newStage(t)
	list, err := s.client.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("offices"), AddressFamily: aws.String("IPv4"), MaxEntries: p32(5), ClientToken: aws.String("token")})
	require.NoError(t, err)
	id := list.PrefixList.PrefixListId
	s.assertPart("requestParameters", `{"CreateManagedPrefixListRequest":{"PrefixListName":"offices","AddressFamily":"IPv4","MaxEntries":5,"ClientToken":"token"}}`)
	_, err = s.client.ModifyManagedPrefixList(t.Context(), &ec2.ModifyManagedPrefixListInput{PrefixListId: id, CurrentVersion: aws.Int64(1),
		AddEntries: []types.AddPrefixListEntry{{Cidr: aws.String("203.0.113.9/0"), Description: aws.String("oops")}}})
	require.NoError(t, err)
	s.assertPart("requestParameters", `{"ModifyManagedPrefixListRequest":{"PrefixListId":"$list","CurrentVersion":1,
		"AddEntry":{"Cidr":"203.0.113.9/0","Description":"oops","tag":1}}}`, "$list", *id)
	s.assertPart("responseElements", `{"ModifyManagedPrefixListResponse":{"requestId":"$request","xmlns":"http://ec2.amazonaws.com/doc/2016-11-15/",
		"prefixList":{"prefixListId":"$list","addressFamily":"IPv4","state":"modify-complete","prefixListArn":"arn:aws:ec2:us-east-1:123456789012:prefix-list/$list",
		"prefixListName":"offices","maxEntries":5,"version":2,"ownerId":"123456789012"}}}`, "$list", *id)
}

func TestPartsThatAreTooLargeAreLeftOut(t *testing.T) {
	s := newStage(t)
	s.SetRuleQuota(1000)
	group := s.newGroup("a", s.newVPC())
	ask := tcp(22)
	for i := range 700 {
		ask.IpRanges = append(ask.IpRanges, types.IpRange{CidrIp: aws.String(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256)),
			Description: aws.String(strings.Repeat("x", 200))})
	}
	assert.Len(t, s.mustAuthorize(group, ask), 700)
	for _, part := range []string{"requestParameters", "responseElements"} {
		omitted := s.lastDetail()[part].(map[string]any)
		assert.Equal(t, true, omitted["omitted"], part)
		assert.NotContains(t, omitted, "groupId")
	}
}

func TestAReceiverMayCallTheAPIAndEventsStayInOrder(t *testing.T) {
	var names []string
	var server *ec2api.Server
	var client *ec2.Client
	server = ec2api.New(ec2api.WithEvents(func(ctx context.Context, event []byte) {
		var e struct {
			Detail struct {
				EventName         string
				RequestParameters struct{ GroupID string }
			}
		}
		if err := json.Unmarshal(event, &e); err != nil {
			panic(err)
		}
		names = append(names, e.Detail.EventName)
		defer func() { names = append(names, "handed over") }()
		if e.Detail.EventName == "AuthorizeSecurityGroupIngress" {
			_, err := client.RevokeSecurityGroupIngress(ctx, &ec2.RevokeSecurityGroupIngressInput{
				GroupId: &e.Detail.RequestParameters.GroupID, IpPermissions: []types.IpPermission{tcp(22, "0.0.0.0/0")}})
			assert.NoError(t, err)
		}
	}))
	web := httptest.NewServer(server)
	defer web.Close()
	s := &stage{Server: server, t: t, url: web.URL}
	client = s.clientFor(demoKey, "us-east-1")
	s.client = client
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	group := s.newGroup("a", "")
	_, err := client.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group,
		IpPermissions: []types.IpPermission{tcp(22, "0.0.0.0/0")}})
	require.NoError(t, err)
	assert.Equal(t, []string{"CreateSecurityGroup", "handed over", "AuthorizeSecurityGroupIngress", "handed over",
		"RevokeSecurityGroupIngress", "handed over"}, names, "one at a time, in the order of the changes")
	assert.Empty(t, s.ingress(group))
}
