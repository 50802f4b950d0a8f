package ec2api

import "slices"

func authorizeIngress(c *call) (response, error) { return authorize(c, false) }
func authorizeEgress(c *call) (response, error)  { return authorize(c, true) }

// authorize adds all permissions of a call or, if one of them may not be, none.
func authorize(c *call, egress bool) (response, error) {
	g, err := c.targetGroup()
	if err != nil {
		return nil, err
	}
	all, err := c.permissionsOf(g, egress, true)
	if err != nil {
		return nil, err
	}
	tags, err := c.tagSpecification("security-group-rule")
	if err != nil {
		return nil, err
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	for _, w := range all {
		if g.byKey[w.perm] != nil {
			return nil, duplicate(w.perm)
		}
	}
	err = c.srv.withinQuota(c.region, func(yield func(permission) bool) {
		for _, r := range g.rules {
			if !yield(r.perm) {
				return
			}
		}
		for _, w := range all {
			if !yield(w.perm) {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}

	c.srv.beforeChange(g, c.now)
	added := make([]*rule, len(all))
	out := &authorizeReply{returnReply: returnReply{Return: true}}
	for i, w := range all {
		added[i] = c.srv.addRule(g, w.perm, w.description, slices.Clone(tags))
		out.Rules.Items = append(out.Rules.Items, added[i].xml())
	}
	c.elements = object{{"requestId", c.requestID}, {"_return", true}, {"securityGroupRuleSet", ruleSet(added)}}
	return out, nil
}

func duplicate(p permission) *apiError {
	return fail("InvalidPermission.Duplicate", "the specified rule \"%s\" already exists", p.sentence())
}
