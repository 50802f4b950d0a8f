package cloudtrail_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"sgward/internal/cloudtrail"
	"sgward/internal/secgroup"
)

const (
	editToWorld    = `{"SecurityGroupRuleId":"sgr-0aaaaaaaaaaaaaaa1","tag":1,"SecurityGroupRule":{"IpProtocol":"tcp","FromPort":3306,"ToPort":3306,"CidrIpv4":"0.0.0.0/0","Description":"office"}}`
	editToGroup    = `{"SecurityGroupRuleId":"sgr-0aaaaaaaaaaaaaaa2","tag":2,"SecurityGroupRule":{"IpProtocol":"-1","ReferencedGroupId":"sg-0fedcba9876543210"}}`
	editsOnlyText  = `{"SecurityGroupRuleId":"sgr-0aaaaaaaaaaaaaaa3","tag":3,"SecurityGroupRule":{"Description":"exempt"}}`
	worldWasEdited = "unknown tcp 3306 from 0.0.0.0/0 / office"
	groupWasEdited = "unknown all traffic from sg-0fedcba9876543210"
)

func TestEditGivesRulesByIDWithoutDirection(t *testing.T) {
	c := parse(t, successful("ModifySecurityGroupRules", edited(editToWorld), editAnswer))
	assert.Equal(t, cloudtrail.KindModify, c.Kind)
	assert.Equal(t, groupID, c.Group.ID)
	assert.Equal(t, cloudtrail.RulesFromRequest, c.From)
	assert.Equal(t, []secgroup.Rule{{
		ID: "sgr-0aaaaaaaaaaaaaaa1", GroupID: groupID,
		Permission: secgroup.Permission{
			Protocol: secgroup.TCP, Ports: secgroup.PortRange{From: 3306, To: 3306}, Peer: cidr(t, "0.0.0.0/0"),
		},
		Description: "office",
	}}, c.Rules)
}

func TestEditIsReadInEverySpelling(t *testing.T) {
	rule := func(inner string) string {
		return `{"SecurityGroupRuleId":"` + ruleID + `","SecurityGroupRule":` + inner + `}`
	}
	for _, test := range []struct {
		name, rules string
		want        []string
	}{
		{"one", editToWorld, []string{worldWasEdited}},
		{"a list of one", `[` + editToWorld + `]`, []string{worldWasEdited}},
		{"a list of several", `[` + editToWorld + `,` + editToGroup + `]`, []string{worldWasEdited, groupWasEdited}},
		{"items", `{"items":[` + editToGroup + `,` + editToWorld + `]}`, []string{groupWasEdited, worldWasEdited}},
		{"a text edit among others", `[` + editsOnlyText + `,` + editToWorld + `]`, []string{worldWasEdited}},
		{"ports as strings", rule(`{"IpProtocol":"tcp","FromPort":"22","ToPort":"23","CidrIpv6":"::/0"}`), []string{"unknown tcp 22-23 from ::/0"}},
		{"protocol as a number", rule(`{"IpProtocol":6,"FromPort":22,"ToPort":22,"CidrIpv6":"::/0"}`), []string{"unknown tcp 22 from ::/0"}},
		{"all protocols as a number", rule(`{"IpProtocol":-1,"FromPort":-1,"ToPort":-1,"CidrIpv6":"::/0"}`), []string{"unknown all traffic from ::/0"}},
		{"description as a number", rule(`{"IpProtocol":"udp","FromPort":53,"ToPort":53,"CidrIpv4":"10.0.0.0/8","Description":4711}`), []string{"unknown udp 53 from 10.0.0.0/8 / 4711"}},
		{"position as a string", `{"tag":"1","SecurityGroupRuleId":"` + ruleID + `","SecurityGroupRule":{"IpProtocol":"tcp","CidrIpv4":"0.0.0.0/0"}}`, []string{"unknown tcp 0-65535 from 0.0.0.0/0"}},
		{"unknown members", rule(`{"IpProtocol":"-1","CidrIpv4":"10.0.0.0/8","Later":[{}]}`), []string{"unknown all traffic from 10.0.0.0/8"}},
		{"prefix list", rule(`{"IpProtocol":"tcp","FromPort":22,"ToPort":22,"PrefixListId":"` + listID + `","CidrIpv4":null}`), []string{"unknown tcp 22 from " + listID}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := parse(t, successful("ModifySecurityGroupRules", edited(test.rules), editAnswer))
			assert.Equal(t, test.want, said(c.Rules))
		})
	}
}

func TestEditOfTextAloneIsSkipped(t *testing.T) {
	for name, rules := range map[string]string{
		"one":               editsOnlyText,
		"several":           `[` + editsOnlyText + `,` + editsOnlyText + `]`,
		"to no description": `{"SecurityGroupRuleId":"` + ruleID + `","SecurityGroupRule":{"Description":""}}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := parse(t, successful("ModifySecurityGroupRules", edited(rules), editAnswer))
			assert.Equal(t, "only descriptions were edited", c.Skipped)
			assert.Empty(t, c.Rules)
			assert.Empty(t, c.Group.ID)
			assert.Equal(t, eventID, c.EventID)
		})
	}
}

func TestEditThatDoesNotTellTheRulesSaysSo(t *testing.T) {
	for _, test := range []struct{ name, request, group string }{
		{"omitted", `{"omitted":true}`, ""},
		{"omitted in part", `{"omitted":true,"ModifySecurityGroupRulesRequest":{"GroupId":"` + groupID + `","SecurityGroupRule":` + editsOnlyText + `}}`, groupID},
		{"empty", `{}`, ""},
		{"null", `null`, ""},
		{"no rules", `{"ModifySecurityGroupRulesRequest":{"GroupId":"` + groupID + `","DryRun":false}}`, groupID},
		{"rules null", edited(`null`), groupID},
		{"rules an empty list", edited(`[]`), groupID},
		{"rules an empty object", edited(`{}`), groupID},
		{"items empty", edited(`{"items":[]}`), groupID},
		{"items null", edited(`{"items":null}`), groupID},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := parse(t, successful("ModifySecurityGroupRules", test.request, editAnswer))
			assert.Equal(t, cloudtrail.RulesUnknown, c.From)
			assert.Empty(t, c.Rules)
			assert.Empty(t, c.Skipped)
			assert.Equal(t, cloudtrail.KindModify, c.Kind)
			assert.Equal(t, test.group, c.Group.ID)
		})
	}
}

func TestEditThatEC2RefusedIsSkipped(t *testing.T) {
	for answer, skipped := range map[string]bool{`true`: false, `"true"`: false, `null`: false, `false`: true, `"false"`: true} {
		c := parse(t, successful("ModifySecurityGroupRules", edited(editToWorld), `{"ModifySecurityGroupRulesResponse":{"return":`+answer+`}}`))
		assert.Equal(t, skipped, c.Skipped != "", answer)
	}
	for _, response := range []string{`null`, `{}`, `{"omitted":true}`, `{"ModifySecurityGroupRulesResponse":null}`} {
		c := parse(t, successful("ModifySecurityGroupRules", edited(editToWorld), response))
		assert.Len(t, c.Rules, 1, response)
	}
}
