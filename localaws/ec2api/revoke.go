package ec2api

import (
	"cmp"
	"slices"
)

func revokeIngress(c *call) (response, error) { return revoke(c, false) }
func revokeEgress(c *call) (response, error)  { return revoke(c, true) }

// revoke removes rules by id or by properties. A missing rule fails the whole call, except
// by properties in the default VPC: there the rest is removed and the answer lists the
// unknown ones.
func revoke(c *call, egress bool) (response, error) {
	g, err := c.targetGroup()
	if err != nil {
		return nil, err
	}
	var gone []*rule
	var unknown []*rule // not stored: the shape of a rule that the group did not hold
	if ids := c.strings("SecurityGroupRuleId"); len(ids) > 0 {
		if c.hasAny("IpPermissions", "IpProtocol", "FromPort", "ToPort", "CidrIp", "SourceSecurityGroupName") {
			return nil, fail("InvalidParameterCombination", "The parameter 'securityGroupRuleIds' may not be used in combination with 'ipPermissions'")
		}
		gone, err = g.byIDs(ids, &egress)
	} else {
		gone, unknown, err = c.byProperties(g, egress)
	}
	if err != nil {
		return nil, err
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}

	c.srv.beforeChange(g, c.now)
	set := make(map[*rule]bool, len(gone))
	out := &revokeReply{returnReply: returnReply{Return: true}, Unknown: listOf(aggregate(unknown))}
	for _, r := range gone {
		set[r] = true
		out.Revoked.Items = append(out.Revoked.Items, r.revokedXML())
	}
	c.srv.removeRules(g, set)
	c.elements = object{
		{"requestId", c.requestID}, {"_return", true},
		{"revokedSecurityGroupRuleSet", revokedSet(gone)},
		{"unknownIpPermissionSet", recordedPermissions(out.Unknown.Items)},
	}
	return out, nil
}

// byIDs finds rules of the group. An id that is unknown, of another group or of the other
// direction rejects all. A nil direction accepts both.
func (g *group) byIDs(ids []string, egress *bool) ([]*rule, error) {
	found := make([]*rule, 0, len(ids))
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if !wellFormedID(id, "sgr") {
			return nil, fail("InvalidSecurityGroupRuleId.Malformed", "Invalid id: \"%s\" (expecting \"sgr-...\")", id)
		}
		r := g.region.rules[id]
		if r == nil || r.group != g || egress != nil && r.perm.egress != *egress {
			return nil, unknownRule(id)
		}
		if seen[id] {
			return nil, fail("InvalidParameterValue", "The same security group rule ID must not appear multiple times")
		}
		seen[id] = true
		found = append(found, r)
	}
	return found, nil
}

func (c *call) byProperties(g *group, egress bool) (gone, unknown []*rule, err error) {
	all, err := c.permissionsOf(g, egress, false)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range all {
		if r := g.byKey[w.perm]; r != nil {
			gone = append(gone, r)
			continue
		}
		if !g.vpc.isDefault {
			return nil, nil, notHeld()
		}
		unknown = append(unknown, &rule{perm: w.perm, description: w.description})
	}
	slices.SortFunc(gone, func(a, b *rule) int { return cmp.Compare(a.seq, b.seq) })
	return gone, unknown, nil
}

func notHeld() *apiError {
	return fail("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
}

func revokedSet(rules []*rule) object {
	return each(rules, func(r *rule) object {
		x := r.revokedXML()
		o := object{{"securityGroupRuleId", x.ID}, {"groupId", x.GroupID}, {"isEgress", x.IsEgress},
			{"ipProtocol", x.Protocol}, {"fromPort", x.FromPort}, {"toPort", x.ToPort}}
		return o.text("cidrIpv4", x.CIDRIPv4).text("cidrIpv6", x.CIDRIPv6).text("prefixListId", x.PrefixListID).
			text("referencedGroupId", x.ReferencedGroupID).text("description", x.Description)
	})
}
