package cloudtrail

import (
	"slices"

	"sgward/internal/secgroup"
)

// revoke reads a Revoke call. No record was found that holds
// revokedSecurityGroupRuleSet or unknownIpPermissionSet: they are read as EC2's API
// describes them
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RevokedSecurityGroupRule.html)
// in the spelling of Authorize calls.
func (d *decoder) revoke(c *Call, direction secgroup.Direction) (skipped string) {
	var asked request
	d.value(d.record.request, "requestParameters", func(r *reader) { asked.read(r, direction) })
	c.Group = asked.group
	var answer revoked
	answer.groupID = asked.group.ID
	d.value(d.record.response, "responseElements", func(r *reader) { answer.read(r, direction) })
	switch {
	case answer.refused:
		return answeredFalse
	case len(answer.rules) > 0:
		c.Group.ID, c.Rules, c.From = answer.rules[0].GroupID, answer.rules, RulesFromResponse
	case len(asked.rules)+len(asked.ids) > 0:
		if len(asked.ids) == 0 {
			d.mustName(c.Group)
		}
		c.Rules, c.From = answer.known(asked, direction), RulesFromRequest
		if len(c.Rules) == 0 {
			return "the group held none of the rules"
		}
	}
	return ""
}

// revoked is the responseElements of a Revoke call.
type revoked struct {
	response
	// unknown are requested rules that the group did not hold. Groups of a default VPC
	// answer with this list; others refuse the call.
	unknown []secgroup.Permission
}

func (a *revoked) read(r *reader, direction secgroup.Direction) {
	omitted := a.members(r, "revokedSecurityGroupRuleSet", direction, func(key []byte) bool {
		if string(key) != "unknownIpPermissionSet" {
			return false
		}
		var g grant
		r.list(func() {
			g.reset()
			g.read(r)
			for _, rule := range g.appendRules(r, nil, direction) {
				a.unknown = append(a.unknown, rule.Permission.Identity())
			}
		})
		return true
	})
	if omitted {
		a.rules, a.unknown = nil, nil
	}
}

// known returns the requested rules without those that EC2 reports as unknown.
func (a *revoked) known(asked request, direction secgroup.Direction) []secgroup.Rule {
	rules := slices.DeleteFunc(asked.rules, func(r secgroup.Rule) bool { return slices.Contains(a.unknown, r.Permission.Identity()) })
	for _, id := range asked.ids {
		rules = append(rules, secgroup.Rule{ID: id, GroupID: asked.group.ID, Permission: secgroup.Permission{Direction: direction}})
	}
	return rules
}

// ruleIDs reads the ids by which a Revoke call names rules.
func (r *reader) ruleIDs() (ids []string) {
	r.list(func() {
		id := ""
		r.object(func(key []byte) bool {
			if string(key) != "securityGroupRuleId" {
				return false
			}
			id = r.text()
			return true
		})
		if id == "" {
			r.failAt("securityGroupRuleId", "is missing")
		}
		ids = append(ids, id)
	})
	return ids
}
