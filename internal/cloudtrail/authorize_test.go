package cloudtrail_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/secgroup"
)

// parse reads a record that has to be sound.
func parse(t *testing.T, rec fields) cloudtrail.Call {
	t.Helper()
	c, err := cloudtrail.Parse(rec.JSON(t), cloudtrail.Openings()...)
	require.NoError(t, err)
	return c
}

// said returns what the rules are, one text each, descriptions behind a slash.
func said(rules []secgroup.Rule) []string {
	out := []string{}
	for _, r := range rules {
		s := r.Permission.String()
		if r.Description != "" {
			s += " / " + r.Description
		}
		out = append(out, s)
	}
	return out
}

func cidr(t *testing.T, s string) secgroup.Peer {
	t.Helper()
	p, err := secgroup.ParseCIDRPeer(s)
	require.NoError(t, err)
	return p
}

func TestResponseGivesWhatEC2StoredRatherThanWhatWasTyped(t *testing.T) {
	rec := successful("AuthorizeSecurityGroupIngress",
		asked(`{"ipProtocol":"6","fromPort":3306,"toPort":3306,"ipRanges":{"items":[{"cidrIp":"203.0.113.9/0"}]}}`),
		answered(stored("false", mysql, `"cidrIpv4":"0.0.0.0/0","description":"replica","tags":[{"key":"team","value":"orders"}]`)))
	c := parse(t, rec)
	assert.Equal(t, cloudtrail.RulesFromResponse, c.From)
	assert.Equal(t, cloudtrail.KindAuthorize, c.Kind)
	assert.Equal(t, groupID, c.Group.ID)
	assert.Equal(t, []secgroup.Rule{{
		ID: ruleID, GroupID: groupID, OwnerID: account,
		Permission: secgroup.Permission{
			Direction: secgroup.Ingress, Protocol: secgroup.TCP,
			Ports: secgroup.PortRange{From: 3306, To: 3306}, Peer: cidr(t, "0.0.0.0/0"),
		},
		Description: "replica",
		Tags:        []secgroup.Tag{{Key: "team", Value: "orders"}},
	}}, c.Rules)
}

func TestResponseItemsBecomeOneRuleEach(t *testing.T) {
	const tcp22 = `"ipProtocol":"tcp","fromPort":22,"toPort":22`
	for _, test := range []struct {
		name, item string
		egress     bool
		want       string
	}{
		{"IPv4", stored("false", tcp22, `"cidrIpv4":"0.0.0.0/0"`), false, "ingress tcp 22 from 0.0.0.0/0"},
		{"IPv6", stored("false", tcp22, `"cidrIpv6":"::/0"`), false, "ingress tcp 22 from ::/0"},
		{"IPv4 mapped into IPv6 stays IPv6", stored("false", tcp22, `"cidrIpv6":"::ffff:0:0/96"`), false, "ingress tcp 22 from ::ffff:0.0.0.0/96"},
		{"prefix list", stored("false", tcp22, `"prefixListId":"`+listID+`"`), false, "ingress tcp 22 from " + listID},
		{"group", stored("false", tcp22, `"referencedGroupInfo":{"userId":"111122223333","groupId":"`+otherID+`"}`), false, "ingress tcp 22 from 111122223333/" + otherID},
		{"group without owner", stored("false", tcp22, `"referencedGroupInfo":{"groupId":"`+otherID+`","vpcId":"vpc-0123456789abcdef0"}`), false, "ingress tcp 22 from " + otherID},
		{"members that are null or empty are absent", stored("false", tcp22, `"cidrIpv4":null,"cidrIpv6":"::/0","prefixListId":null,"referencedGroupInfo":null`), false, "ingress tcp 22 from ::/0"},
		{"a referenced group that is empty is absent", stored("false", tcp22, `"cidrIpv6":"::/0","referencedGroupInfo":{}`), false, "ingress tcp 22 from ::/0"},
		{"egress", stored("true", tcp22, `"cidrIpv4":"0.0.0.0/0"`), true, "egress tcp 22 to 0.0.0.0/0"},
		{"direction left out", stored("null", tcp22, `"cidrIpv4":"0.0.0.0/0"`), true, "egress tcp 22 to 0.0.0.0/0"},
		{"all protocols", stored("false", `"ipProtocol":"-1","fromPort":-1,"toPort":-1`, `"cidrIpv4":"0.0.0.0/0"`), false, "ingress all traffic from 0.0.0.0/0"},
		{"all ICMP", stored("false", `"ipProtocol":"icmp","fromPort":-1,"toPort":-1`, `"cidrIpv4":"0.0.0.0/0"`), false, "ingress icmp from 0.0.0.0/0"},
		{"ICMP echo", stored("false", `"ipProtocol":"icmp","fromPort":8,"toPort":0`, `"cidrIpv4":"0.0.0.0/0"`), false, "ingress icmp type 8 code 0 from 0.0.0.0/0"},
		{"ESP", stored("false", `"ipProtocol":"50","fromPort":-1,"toPort":-1`, `"cidrIpv4":"0.0.0.0/0"`), false, "ingress protocol 50 from 0.0.0.0/0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			name := "AuthorizeSecurityGroupIngress"
			if test.egress {
				name = "AuthorizeSecurityGroupEgress"
			}
			c := parse(t, successful(name, `{"groupId":"`+groupID+`"}`, answered(test.item)))
			assert.Equal(t, []string{test.want}, said(c.Rules))
			assert.Equal(t, cloudtrail.RulesFromResponse, c.From)
		})
	}
}

func TestResponseTagsAreReadInBothSpellings(t *testing.T) {
	want := []secgroup.Tag{{Key: "a", Value: "1"}, {Key: "b"}}
	for _, tags := range []string{
		`"tags":[{"key":"a","value":"1"},{"key":"b"}]`,
		`"tags":{"items":[{"key":"a","value":"1"},{"key":"b","value":null}]}`,
		`"tagSet":{"items":[{"key":"a","value":"1"},{"key":"b","value":""}]}`,
	} {
		c := parse(t, successful("AuthorizeSecurityGroupIngress", `{}`, answered(stored("false", mysql, `"cidrIpv4":"10.0.0.0/8",`+tags))))
		assert.Equal(t, want, c.Rules[0].Tags, tags)
	}
}

func TestResponseNamesTheGroupThatTheRequestNamesByName(t *testing.T) {
	c := parse(t, successful("AuthorizeSecurityGroupIngress",
		`{"groupName":"default","ipPermissions":{"items":[`+mysqlWorld+`]}}`,
		answered(stored("false", mysql, `"cidrIpv4":"0.0.0.0/0"`))))
	assert.Equal(t, groupID, c.Group.ID)
	assert.Equal(t, "default", c.Group.Name)
	assert.Equal(t, groupID, c.Group.String())
}

func TestResponseIsEnoughWhateverTheRequestHolds(t *testing.T) {
	for name, request := range map[string]string{
		"omitted":            `{"omitted":true}`,
		"null":               `null`,
		"empty":              `{}`,
		"of an unknown kind": `{"groupId":"` + groupID + `","ipPermissions":"as one text"}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := parse(t, successful("AuthorizeSecurityGroupIngress", request, answered(stored("false", mysql, `"cidrIpv4":"0.0.0.0/0"`))))
			assert.Equal(t, []string{"ingress tcp 3306 from 0.0.0.0/0"}, said(c.Rules))
			assert.Equal(t, groupID, c.Group.ID)
		})
	}
}

func TestRequestTellsWhereTheResponseHasNoRuleSet(t *testing.T) {
	for name, response := range map[string]string{
		"before rule sets":   oldAnswer,
		"rule set empty":     `{"_return":true,"securityGroupRuleSet":{}}`,
		"rule set null":      `{"_return":true,"securityGroupRuleSet":null}`,
		"items empty":        `{"_return":true,"securityGroupRuleSet":{"items":[]}}`,
		"items null":         `{"_return":true,"securityGroupRuleSet":{"items":null}}`,
		"omitted":            `{"omitted":true}`,
		"omitted in part":    `{"omitted":true,"securityGroupRuleSet":{"items":[` + stored("false", mysql, `"cidrIpv4":"10.0.0.0/8"`) + `]}}`,
		"null":               `null`,
		"no word of success": `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := parse(t, successful("AuthorizeSecurityGroupIngress", asked(mysqlWorld), response))
			assert.Equal(t, cloudtrail.RulesFromRequest, c.From)
			assert.Equal(t, []string{"ingress tcp 3306 from 0.0.0.0/0"}, said(c.Rules))
			assert.Equal(t, groupID, c.Rules[0].GroupID)
			assert.Empty(t, c.Rules[0].ID)
		})
	}
	t.Run("absent", func(t *testing.T) {
		c := parse(t, successful("AuthorizeSecurityGroupIngress", asked(mysqlWorld), `null`).without("responseElements"))
		assert.Equal(t, cloudtrail.RulesFromRequest, c.From)
	})
}

func TestRequestIsTakenApartIntoOneRuleForEachSource(t *testing.T) {
	for _, test := range []struct {
		name, request string
		want          []string
	}{
		{
			"every kind of source, described",
			asked(`{` + mysql + `,"groups":{"items":[{"groupId":"` + otherID + `","userId":"111122223333","description":"g"}]},
				"ipRanges":{"items":[{"cidrIp":"0.0.0.0/1","description":"a"},{"cidrIp":"128.0.0.0/1"}]},
				"ipv6Ranges":{"items":[{"cidrIpv6":"2001:DB8::1/32","description":"b"}]},
				"prefixListIds":{"items":[{"prefixListId":"` + listID + `","description":"c"}]}}`),
			[]string{
				"ingress tcp 3306 from 111122223333/" + otherID + " / g",
				"ingress tcp 3306 from 0.0.0.0/1 / a", "ingress tcp 3306 from 128.0.0.0/1",
				"ingress tcp 3306 from 2001:db8::/32 / b",
				"ingress tcp 3306 from " + listID + " / c",
			},
		},
		{
			"several permissions", asked(mysqlWorld, `{"ipProtocol":"udp","fromPort":53,"toPort":54,"ipRanges":{"items":[{"cidrIp":"10.0.0.0/8"}]}}`),
			[]string{"ingress tcp 3306 from 0.0.0.0/0", "ingress udp 53-54 from 10.0.0.0/8"},
		},
		{
			"a permission's ports are not those of the one before",
			asked(mysqlWorld, `{"ipProtocol":"tcp","ipRanges":{"items":[{"cidrIp":"10.0.0.0/8"}]}}`),
			[]string{"ingress tcp 3306 from 0.0.0.0/0", "ingress tcp 0-65535 from 10.0.0.0/8"},
		},
		{
			"keys missing, as in 2017", asked(`{"ipProtocol":"-1","ipRanges":{"items":[{"cidrIp":"10.0.0.0/8"}]}}`),
			[]string{"ingress all traffic from 10.0.0.0/8"},
		},
		{
			"every spelling of an empty list",
			asked(`{` + mysql + `,"groups":null,"prefixListIds":{"items":null},"ipv6Ranges":{"items":[]},"ipRanges":{"items":[{"cidrIp":"10.0.0.0/8"}]}}`),
			[]string{"ingress tcp 3306 from 10.0.0.0/8"},
		},
		{
			"a permission without sources beside one with", asked(`{`+mysql+`,"groups":{},"ipRanges":{}}`, mysqlWorld),
			[]string{"ingress tcp 3306 from 0.0.0.0/0"},
		},
		{
			"group known by name", asked(`{` + mysql + `,"groups":{"items":[{"groupName":"web","userId":"` + account + `"}]}}`),
			[]string{"ingress tcp 3306 from 123456789012/web"},
		},
		{
			"unknown members",
			asked(`{` + mysql + `,"later":{"deep":[1,{"x":null}]},"ipRanges":{"items":[{"cidrIp":"10.0.0.0/8","more":1.5e3}],"nextToken":"x"},
				"groups":{"items":[{"groupId":"` + otherID + `","peeringStatus":"active"}]},"prefixListIds":{"items":[{"prefixListId":"` + listID + `","more":{}}]}}`),
			[]string{"ingress tcp 3306 from 10.0.0.0/8", "ingress tcp 3306 from " + otherID, "ingress tcp 3306 from " + listID},
		},
		{
			"flat", `{"groupId":"` + groupID + `","ipPermissions":{},"ipProtocol":"tcp","fromPort":22,"toPort":22,"cidrIp":"0.0.0.0/0"}`,
			[]string{"ingress tcp 22 from 0.0.0.0/0"},
		},
		{
			"flat without ipPermissions", `{"groupId":"` + groupID + `","cidrIp":"0.0.0.0/0","ipProtocol":"-1"}`,
			[]string{"ingress all traffic from 0.0.0.0/0"},
		},
		{
			"nested and flat add up",
			`{"groupId":"` + groupID + `","ipPermissions":{"items":[` + mysqlWorld + `]},"ipProtocol":"tcp","fromPort":22,"toPort":22,"cidrIp":"10.0.0.0/8"}`,
			[]string{"ingress tcp 3306 from 0.0.0.0/0", "ingress tcp 22 from 10.0.0.0/8"},
		},
		{
			"flat, a source group by name opens ICMP, UDP and TCP",
			`{"groupId":"` + groupID + `","ipPermissions":{},"sourceSecurityGroupName":"web","sourceSecurityGroupOwnerId":"111122223333"}`,
			[]string{"ingress icmp from 111122223333/web", "ingress udp 0-65535 from 111122223333/web", "ingress tcp 0-65535 from 111122223333/web"},
		},
		{
			"flat, a source group by name with a protocol",
			`{"groupId":"` + groupID + `",` + mysql + `,"cidrIp":"10.0.0.0/8","sourceSecurityGroupName":"web"}`,
			[]string{"ingress tcp 3306 from 10.0.0.0/8", "ingress tcp 3306 from web"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := parse(t, successful("AuthorizeSecurityGroupIngress", test.request, oldAnswer))
			assert.Equal(t, cloudtrail.RulesFromRequest, c.From)
			assert.Equal(t, test.want, said(c.Rules))
		})
	}
}

func TestRequestOddities(t *testing.T) {
	const world = `"ipRanges":{"items":[{"cidrIp":"0.0.0.0/0"}]}`
	for _, test := range []struct{ name, traffic, want string }{
		{"all protocols without ports", `"ipProtocol":"-1"`, "egress all traffic to 0.0.0.0/0"},
		{"all protocols, ports null", `"ipProtocol":"-1","fromPort":null,"toPort":null`, "egress all traffic to 0.0.0.0/0"},
		{"all protocols, ports 0 and 0", `"ipProtocol":"-1","fromPort":0,"toPort":0`, "egress all traffic to 0.0.0.0/0"},
		{"all protocols, ports 0 and 65535", `"ipProtocol":"-1","fromPort":0,"toPort":65535`, "egress all traffic to 0.0.0.0/0"},
		{"all protocols, ports 22 and 22", `"ipProtocol":"-1","fromPort":22,"toPort":22`, "egress all traffic to 0.0.0.0/0"},
		{"port 0 is port 0", `"ipProtocol":"tcp","fromPort":0,"toPort":0`, "egress tcp 0 to 0.0.0.0/0"},
		{"every TCP port", `"ipProtocol":"tcp","fromPort":0,"toPort":65535`, "egress tcp 0-65535 to 0.0.0.0/0"},
		{"TCP without ports", `"ipProtocol":"tcp"`, "egress tcp 0-65535 to 0.0.0.0/0"},
		{"protocol in capitals", `"ipProtocol":"TCP","fromPort":22,"toPort":22`, "egress tcp 22 to 0.0.0.0/0"},
		{"protocol 6", `"ipProtocol":"6","fromPort":22,"toPort":22`, "egress tcp 22 to 0.0.0.0/0"},
		{"protocol 58", `"ipProtocol":"58","fromPort":-1,"toPort":-1`, "egress icmpv6 to 0.0.0.0/0"},
		{"ICMP type and code", `"ipProtocol":"icmp","fromPort":3,"toPort":4`, "egress icmp type 3 code 4 to 0.0.0.0/0"},
		{"ICMP type, every code", `"ipProtocol":"icmp","fromPort":8,"toPort":-1`, "egress icmp type 8 to 0.0.0.0/0"},
		{"GRE with ports that say nothing", `"ipProtocol":"47","fromPort":22,"toPort":22`, "egress protocol 47 to 0.0.0.0/0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := parse(t, successful("AuthorizeSecurityGroupEgress", asked(`{`+test.traffic+`,`+world+`}`), oldAnswer))
			assert.Equal(t, []string{test.want}, said(c.Rules))
		})
	}
	for name, test := range map[string]struct{ typed, want string }{
		"host bits":               {"203.0.113.9/0", "0.0.0.0/0"},
		"no world, though zeros":  {"0.0.0.0/32", "0.0.0.0/32"},
		"half of nothing":         {"0.0.0.0/16", "0.0.0.0/16"},
		"host bits below a range": {"198.51.100.7/24", "198.51.100.0/24"},
	} {
		t.Run(name, func(t *testing.T) {
			c := parse(t, successful("AuthorizeSecurityGroupIngress", asked(`{`+mysql+`,"ipRanges":{"items":[{"cidrIp":"`+test.typed+`"}]}}`), oldAnswer))
			assert.Equal(t, []string{"ingress tcp 3306 from " + test.want}, said(c.Rules))
		})
	}
}

func TestGroupByNameAloneIsKept(t *testing.T) {
	c := parse(t, successful("AuthorizeSecurityGroupIngress", `{"groupName":"default","ipPermissions":{"items":[`+mysqlWorld+`]}}`, oldAnswer))
	assert.Empty(t, c.Group.ID)
	assert.Equal(t, "default", c.Group.String())
	assert.Len(t, c.Rules, 1)
	assert.Empty(t, c.Rules[0].GroupID)
}

func TestRecordThatDoesNotTellTheRulesSaysSo(t *testing.T) {
	const group = `"groupId":"` + groupID + `"`
	for _, test := range []struct {
		name, request, response string
		group                   string
	}{
		{"both omitted", `{"omitted":true}`, `{"omitted":true}`, ""},
		{"request omitted, no rule set", `{"omitted":true,"reason":"too large"}`, oldAnswer, ""},
		{"request omitted in part", `{` + group + `,"omitted":true,"ipPermissions":{"items":[` + mysqlWorld + `]}}`, oldAnswer, groupID},
		{"request empty", `{}`, oldAnswer, ""},
		{"request null", `null`, `null`, ""},
		{"no permissions", `{` + group + `}`, oldAnswer, groupID},
		{"permissions empty", `{` + group + `,"ipPermissions":{}}`, oldAnswer, groupID},
		{"permissions null", `{` + group + `,"ipPermissions":null}`, oldAnswer, groupID},
		{"items empty", `{` + group + `,"ipPermissions":{"items":[]}}`, `{"omitted":true}`, groupID},
		{"permission without sources", asked(`{` + mysql + `,"groups":{},"ipRanges":{},"ipv6Ranges":{},"prefixListIds":{}}`), oldAnswer, groupID},
		{"flat without a source", `{` + group + `,"ipPermissions":{},` + mysql + `}`, oldAnswer, groupID},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := parse(t, successful("AuthorizeSecurityGroupIngress", test.request, test.response))
			assert.Equal(t, cloudtrail.RulesUnknown, c.From)
			assert.Empty(t, c.Rules)
			assert.Empty(t, c.Skipped)
			assert.Equal(t, test.group, c.Group.ID)
			assert.Equal(t, eventID, c.EventID)
		})
	}
}

func TestResponseThatListsFewerRulesThanAskedForIsIncomplete(t *testing.T) {
	const tenNet = `{` + mysql + `,"ipRanges":{"items":[{"cidrIp":"10.0.0.0/8"}]}}`
	everySource := asked(`{` + mysql + `,"groups":{"items":[{"groupId":"` + otherID + `"}]},"ipRanges":{"items":[{"cidrIp":"10.0.0.0/8"},{"cidrIp":"10.1.0.0/16"}]},
		"ipv6Ranges":{"items":[{"cidrIpv6":"2001:db8::/32"}]},"prefixListIds":{"items":[{"prefixListId":"` + listID + `"}]}}`)
	one := stored("false", mysql, `"cidrIpv4":"10.0.0.0/8"`)
	for _, test := range []struct {
		name, request string
		answered      int
		want          bool
	}{
		{"one of two permissions", asked(mysqlWorld, tenNet), 1, true},
		{"two of two permissions", asked(mysqlWorld, tenNet), 2, false},
		{"four of one permission's five sources", everySource, 4, true},
		{"five of one permission's five sources", everySource, 5, false},
		{"more than asked for", asked(tenNet), 2, false},
		{"flat", `{"groupId":"` + groupID + `","ipPermissions":{},` + mysql + `,"cidrIp":"10.0.0.0/8"}`, 1, false},
		{"flat and nested, one listed", `{"groupId":"` + groupID + `","ipPermissions":{"items":[` + mysqlWorld + `]},` + mysql + `,"cidrIp":"10.0.0.0/8"}`, 1, true},
		{"flat group, whose protocols EC2 may fold into one", `{"groupId":"` + groupID + `","sourceSecurityGroupName":"web","cidrIp":null}`, 1, false},
		{"permission without sources", asked(tenNet, `{`+mysql+`,"groups":{}}`), 1, false},
		{"request omitted in part", `{"groupId":"` + groupID + `","omitted":true,"ipPermissions":{"items":[` + mysqlWorld + `,` + tenNet + `]}}`, 1, false},
		{"permissions of an unknown kind", `{"groupId":"` + groupID + `","ipPermissions":[` + mysqlWorld + `,` + mysqlWorld + `]}`, 1, false},
		{"items of unknown kinds", `{"groupId":"` + groupID + `","ipPermissions":{"items":["x",{"ipRanges":[{},{}]},{"ipRanges":{"items":{}}}]}}`, 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			items := make([]string, test.answered)
			for i := range items {
				items[i] = one
			}
			c := parse(t, successful("AuthorizeSecurityGroupIngress", test.request, answered(items...)))
			assert.Equal(t, test.want, c.Incomplete)
			assert.Len(t, c.Rules, test.answered)
			assert.Equal(t, cloudtrail.RulesFromResponse, c.From)
		})
	}
}

func TestReturnIsSuccessUnlessItSaysFalse(t *testing.T) {
	for answer, skipped := range map[string]bool{
		`true`: false, `"true"`: false, `"True"`: false, `"TRUE"`: false, `""`: false, `"yes"`: false, `null`: false,
		`false`: true, `"false"`: true, `"False"`: true,
	} {
		c := parse(t, successful("AuthorizeSecurityGroupIngress", asked(mysqlWorld), `{"_return":`+answer+`}`))
		assert.Equal(t, skipped, c.Skipped != "", "authorize: %s", answer)
		c = parse(t, successful("ModifySecurityGroupRules", edited(editToWorld), `{"ModifySecurityGroupRulesResponse":{"return":`+answer+`}}`))
		assert.Equal(t, skipped, c.Skipped != "", "modify: %s", answer)
		closing, err := cloudtrail.Parse(successful("RevokeSecurityGroupIngress", asked(mysqlWorld), `{"_return":`+answer+`}`).JSON(t))
		assert.NoError(t, err)
		assert.Equal(t, skipped, closing.Skipped != "", "revoke: %s", answer)
	}
}
