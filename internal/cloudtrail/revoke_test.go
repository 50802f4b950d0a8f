package cloudtrail_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/secgroup"
)

// gone returns the responseElements of a Revoke call.
func gone(revoked, unknown string) string {
	return `{"requestId":"1f0e2d3c-4b5a-4697-8877-665544332211","_return":true,
		"revokedSecurityGroupRuleSet":` + revoked + `,"unknownIpPermissionSet":` + unknown + `}`
}

// revokedItem returns an item of a revokedSecurityGroupRuleSet.
func revokedItem(id, peer string) string {
	return `{"securityGroupRuleId":"` + id + `","groupId":"` + groupID + `","isEgress":false,` + mysql + `,` + peer + `}`
}

func TestClosingTellsWhatEC2Revoked(t *testing.T) {
	rec := successful("RevokeSecurityGroupIngress",
		asked(`{"ipProtocol":"6","fromPort":3306,"toPort":3306,"ipRanges":{"items":[{"cidrIp":"203.0.113.9/0"}]}}`),
		gone(`{"items":[`+revokedItem(ruleID, `"cidrIpv4":"0.0.0.0/0","description":"replica"`)+`]}`, `{}`))
	c, err := cloudtrail.Parse(rec.JSON(t))
	require.NoError(t, err)
	assert.Equal(t, cloudtrail.Call{
		Event: cloudtrail.Event{
			EventID: eventID, EventName: "RevokeSecurityGroupIngress", EventTime: time.Date(2026, 11, 3, 9, 15, 42, 0, time.UTC),
			AccountID: account, Region: region, Actor: cloudtrail.Actor{Type: "IAMUser", ARN: aliceARN},
			SourceIPAddress: "198.51.100.7", UserAgent: userAgent,
		},
		Kind: cloudtrail.KindRevoke, Group: secgroup.Group{ID: groupID}, From: cloudtrail.RulesFromResponse,
		Rules: []secgroup.Rule{{
			ID: ruleID, GroupID: groupID, Description: "replica",
			Permission: secgroup.Permission{Direction: secgroup.Ingress, Protocol: secgroup.TCP, Ports: secgroup.PortRange{From: 3306, To: 3306}, Peer: cidr(t, "0.0.0.0/0")},
		}},
	}, c)
	fromEvent, err := cloudtrail.Parse(envelope(rec.JSON(t)).JSON(t))
	require.NoError(t, err)
	assert.Equal(t, c, fromEvent)
}

func TestClosingByEveryForm(t *testing.T) {
	byID := `{"groupId":"` + groupID + `","ipPermissions":{},"securityGroupRuleIds":{"items":[{"tag":1,"securityGroupRuleId":"` + ruleID + `"},{"securityGroupRuleId":"sgr-0fedcba9876543210"}]}}`
	flat := `{"groupName":"default","ipPermissions":{},"ipProtocol":"tcp","fromPort":3306,"toPort":3306,"cidrIp":"0.0.0.0/0"}`
	for _, test := range []struct {
		name, call, request, response string
		want                          []string
		from                          cloudtrail.RulesFrom
	}{
		{"values, old record", "RevokeSecurityGroupIngress", asked(mysqlWorld), oldAnswer, []string{"ingress tcp 3306 from 0.0.0.0/0"}, cloudtrail.RulesFromRequest},
		{"egress", "RevokeSecurityGroupEgress", asked(mysqlWorld), oldAnswer, []string{"egress tcp 3306 to 0.0.0.0/0"}, cloudtrail.RulesFromRequest},
		{"flat form", "RevokeSecurityGroupIngress", flat, oldAnswer, []string{"ingress tcp 3306 from 0.0.0.0/0"}, cloudtrail.RulesFromRequest},
		{"ids, old record", "RevokeSecurityGroupIngress", byID, oldAnswer, []string{"ingress unknown traffic from no peer", "ingress unknown traffic from no peer"}, cloudtrail.RulesFromRequest},
		{"ids, answered", "RevokeSecurityGroupIngress", byID, gone(`{"items":[`+revokedItem(ruleID, `"referencedGroupId":"`+otherID+`"`)+`]}`, `{}`),
			[]string{"ingress tcp 3306 from " + otherID}, cloudtrail.RulesFromResponse},
		{"a peer in the form of Authorize calls", "RevokeSecurityGroupIngress", byID, gone(`{"items":[`+revokedItem(ruleID, `"referencedGroupInfo":{"groupId":"`+otherID+`","userId":"111122223333"}`)+`]}`, `{}`),
			[]string{"ingress tcp 3306 from 111122223333/" + otherID}, cloudtrail.RulesFromResponse},
		{"an answer that leaves out its group", "RevokeSecurityGroupIngress", asked(mysqlWorld), gone(`{"items":[{"securityGroupRuleId":"`+ruleID+`",`+mysql+`,"prefixListId":"`+listID+`"}]}`, `{}`),
			[]string{"ingress tcp 3306 from " + listID}, cloudtrail.RulesFromResponse},
		{"some unknown", "RevokeSecurityGroupIngress", asked(mysqlWorld, `{`+mysql+`,"groups":{"items":[{"groupId":"`+otherID+`"}]}}`),
			gone(`{}`, `{"items":[{`+mysql+`,"groups":{"items":[{"groupId":"`+otherID+`","userId":"`+account+`"}]}}]}`),
			[]string{"ingress tcp 3306 from 0.0.0.0/0"}, cloudtrail.RulesFromRequest},
		{"parameters left out", "RevokeSecurityGroupIngress", `{"omitted":true,"groupId":"` + groupID + `","ipPermissions":{"items":[` + mysqlWorld + `]}}`, `{"omitted":true,"revokedSecurityGroupRuleSet":{"items":[` + revokedItem(ruleID, `"cidrIpv4":"0.0.0.0/0"`) + `]}}`,
			[]string{}, cloudtrail.RulesUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := cloudtrail.Parse(successful(test.call, test.request, test.response).JSON(t))
			require.NoError(t, err)
			assert.Empty(t, c.Skipped)
			assert.Equal(t, test.want, said(c.Rules))
			assert.Equal(t, test.from, c.From)
			assert.Equal(t, cloudtrail.KindRevoke, c.Kind)
			if c.Group.Name != "default" {
				assert.Equal(t, groupID, c.Group.ID)
			}
		})
	}
	c, err := cloudtrail.Parse(successful("RevokeSecurityGroupIngress", byID, oldAnswer).JSON(t))
	require.NoError(t, err)
	assert.Equal(t, []string{ruleID, "sgr-0fedcba9876543210"}, []string{c.Rules[0].ID, c.Rules[1].ID})
}

func TestDeletedGroupIsClosedWhole(t *testing.T) {
	for _, request := range []string{`{"groupId":"` + groupID + `"}`, `{"groupName":"web"}`} {
		c, err := cloudtrail.Parse(successful("DeleteSecurityGroup", request, `{"_return":true,"groupId":"`+groupID+`"}`).JSON(t))
		require.NoError(t, err)
		assert.Equal(t, cloudtrail.KindDelete, c.Kind)
		assert.NotEmpty(t, c.Group.String())
		assert.Empty(t, c.Rules)
	}
}

func TestWhatClosedNothingIsSkipped(t *testing.T) {
	unknown := gone(`{}`, `{"items":[`+mysqlWorld+`]}`)
	for _, test := range []struct {
		name   string
		rec    fields
		why    string
		failed bool
	}{
		{"failed", successful("RevokeSecurityGroupIngress", asked(mysqlWorld), `null`).with("errorCode", `"Client.InvalidPermission.NotFound"`), "the call failed: Client.InvalidPermission.NotFound", true},
		{"refused", successful("DeleteSecurityGroup", `{"groupId":"`+groupID+`"}`, `{"_return":false}`), "the call failed: EC2 answered false", false},
		{"held none", successful("RevokeSecurityGroupIngress", asked(mysqlWorld), unknown), "the group held none of the rules", false},
		{"another call", successful("RunInstances", `{}`, `{}`), "the call is RunInstances, which is not judged", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := cloudtrail.Parse(test.rec.JSON(t))
			require.NoError(t, err)
			assert.Equal(t, test.why, c.Skipped)
			assert.Equal(t, test.failed, c.Failed)
			assert.Empty(t, c.Rules)
			assert.Equal(t, eventID, c.EventID)
		})
	}
}

func TestMalformedClosingIsNamedByPath(t *testing.T) {
	const revoke = "RevokeSecurityGroupIngress"
	item := func(peer string) string { return gone(`{"items":[`+revokedItem(ruleID, peer)+`]}`, `{}`) }
	for _, test := range []struct{ name, call, request, response, field string }{
		{"ids a bare list", revoke, `{"groupId":"` + groupID + `","securityGroupRuleIds":["` + ruleID + `"]}`, oldAnswer, "requestParameters.securityGroupRuleIds"},
		{"an id missing", revoke, `{"securityGroupRuleIds":{"items":[{}]}}`, oldAnswer, "requestParameters.securityGroupRuleIds.items[0].securityGroupRuleId"},
		{"no group", revoke, `{"ipPermissions":{"items":[` + mysqlWorld + `]}}`, oldAnswer, "requestParameters.groupId"},
		{"no group to delete", "DeleteSecurityGroup", `{}`, oldAnswer, "requestParameters.groupId"},
		{"two peers", revoke, asked(mysqlWorld), item(`"cidrIpv4":"0.0.0.0/0","prefixListId":"` + listID + `"`), "responseElements.revokedSecurityGroupRuleSet.items[0]"},
		{"the other direction", "RevokeSecurityGroupEgress", asked(mysqlWorld), item(`"cidrIpv4":"0.0.0.0/0"`), "responseElements.revokedSecurityGroupRuleSet.items[0].isEgress"},
		{"unknown a list", revoke, asked(mysqlWorld), gone(`{}`, `[]`), "responseElements.unknownIpPermissionSet"},
		{"no time", revoke, asked(mysqlWorld), oldAnswer, "eventTime"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rec := successful(test.call, test.request, test.response)
			if test.field == "eventTime" {
				rec = rec.without("eventTime")
			}
			c, err := cloudtrail.Parse(rec.JSON(t))
			assert.Equal(t, test.field, requireMalformed(t, err).Field)
			assert.Equal(t, cloudtrail.Call{}, c)
			_, err = cloudtrail.Parse(envelope(rec.JSON(t)).JSON(t))
			assert.Equal(t, "detail."+test.field, requireMalformed(t, err).Field)
		})
	}
	_, err := cloudtrail.Parse([]byte(`{"eventID":`))
	assert.Error(t, err)
}

func TestCreationNamesTheGroupAndItsVPC(t *testing.T) {
	const asked = `{"groupName":"web","groupDescription":"web","vpcId":"vpc-0123456789abcdef0"}`
	rec := successful("CreateSecurityGroup", asked, `{"_return":true,"groupId":"`+groupID+`","tagSet":{}}`)
	c, err := cloudtrail.Parse(rec.JSON(t))
	require.NoError(t, err)
	assert.Equal(t, []string{groupID, "vpc-0123456789abcdef0", account, eventID}, []string{c.Group.ID, c.Group.VPCID, c.AccountID, c.EventID})
	fromEvent, err := cloudtrail.Parse(envelope(rec.JSON(t)).JSON(t))
	require.NoError(t, err)
	assert.Equal(t, c, fromEvent)

	failed, err := cloudtrail.Parse(rec.with("errorCode", `"Client.InvalidGroup.Duplicate"`).JSON(t))
	require.NoError(t, err)
	assert.True(t, failed.Failed)
	tooLarge, err := cloudtrail.Parse(successful("CreateSecurityGroup", asked, `{"omitted":true}`).JSON(t))
	require.NoError(t, err)
	assert.Empty(t, tooLarge.Group.ID)
	_, err = cloudtrail.Parse(successful("CreateSecurityGroup", asked, oldAnswer).JSON(t))
	assert.Equal(t, "responseElements.groupId", requireMalformed(t, err).Field)
}

func FuzzParseClosing(f *testing.F) {
	const group = `"groupId":"sg-1"`
	for _, s := range []shape{
		{"RevokeSecurityGroupIngress", `{` + group + `,"ipPermissions":{"items":[` + mysqlWorld + `]}}`, oldAnswer},
		{"RevokeSecurityGroupIngress", `{` + group + `,"ipPermissions":{},"securityGroupRuleIds":{"items":[{"securityGroupRuleId":"sgr-1"}]}}`, oldAnswer},
		{"RevokeSecurityGroupEgress", `{` + group + `}`, `{"revokedSecurityGroupRuleSet":{"items":[{"securityGroupRuleId":"sgr-1","isEgress":true,` + mysql + `,"referencedGroupId":"sg-2"}]}}`},
		{"RevokeSecurityGroupIngress", `{` + group + `,` + mysql + `,"cidrIp":"0.0.0.0/0"}`, `{"unknownIpPermissionSet":{"items":[` + mysqlWorld + `]}}`},
		{"DeleteSecurityGroup", `{"groupName":"web"}`, `{"_return":true}`},
	} {
		f.Add(s.record())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := cloudtrail.Parse(data, cloudtrail.KindRevoke, cloudtrail.KindDelete)
		var malformed *cloudtrail.MalformedError
		switch {
		case err != nil:
			require.ErrorAs(t, err, &malformed)
			require.NotEmpty(t, malformed.Field)
			require.Equal(t, cloudtrail.Call{}, c)
			return
		case c.Skipped != "":
			require.Empty(t, c.Rules)
			require.Empty(t, c.Group.String())
			return
		}
		require.NotEmpty(t, c.EventID)
		require.NotEmpty(t, c.AccountID)
		require.Equal(t, len(c.Rules) == 0, c.From == cloudtrail.RulesUnknown)
		for _, r := range c.Rules {
			require.NotZero(t, r.Permission.Direction)
			require.Equal(t, r.Permission.Peer.Kind() == secgroup.NoPeer, r.Permission.Protocol == "")
			require.True(t, r.ID != "" || r.Permission.Protocol != "", "names no rule: %+v", r)
		}
		if !isBare(data) {
			return
		}
		event := append(append([]byte(`{"detail-type":"AWS API Call via CloudTrail","detail":`), data...), '}')
		inside, err := cloudtrail.Parse(event)
		require.NoError(t, err)
		require.Equal(t, c, inside)
	})
}
