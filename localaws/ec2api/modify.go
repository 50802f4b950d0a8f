package ec2api

func modifySecurityGroupRules(c *call) (response, error) {
	if c.str("GroupId") == "" {
		return nil, missing("GroupId")
	}
	g, err := c.groupByID(c.str("GroupId"))
	if err != nil {
		return nil, err
	}
	updates := c.list("SecurityGroupRule")
	if len(updates) == 0 {
		return nil, missing("SecurityGroupRule")
	}
	ids := make([]string, len(updates))
	for i, u := range updates {
		ids[i] = u.str("SecurityGroupRuleId")
	}
	olds, err := g.byIDs(ids, nil)
	if err != nil {
		return nil, err
	}
	edits := make(map[*rule]*rule, len(olds))
	for i, old := range olds {
		edited, err := c.edit(old, updates[i].kid("SecurityGroupRule"))
		if err != nil {
			return nil, err
		}
		edits[old] = edited
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	if err := c.checkEdits(g, edits); err != nil {
		return nil, err
	}
	c.srv.beforeChange(g, c.now)
	g.replaceRules(edits)
	return &returnReply{Return: true}, nil
}

// edit returns the rule that replaces old: everything is new but id, direction and tags. A
// missing description is removed.
func (c *call) edit(old *rule, p *params) (*rule, error) {
	if p == nil {
		return nil, missing("SecurityGroupRule")
	}
	perm, err := basePermission(p, old.perm.egress)
	if err != nil {
		return nil, err
	}
	if perm.peer, err = c.onePeer(old.group, p); err != nil {
		return nil, err
	}
	description := p.str("Description")
	if err := checkDescription(description); err != nil {
		return nil, err
	}
	edited := *old
	edited.perm, edited.description = perm, description
	return &edited, nil
}

// onePeer reads the peer of a SecurityGroupRuleRequest, which has exactly one.
func (c *call) onePeer(g *group, p *params) (peer, error) {
	given := 0
	for _, name := range []string{"CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId"} {
		if p.str(name) != "" {
			given++
		}
	}
	switch {
	case given == 0:
		return peer{}, fail("MissingParameter", "Missing source specification: include source security group or CIDR information")
	case given > 1:
		return peer{}, fail("InvalidParameterCombination", "Only one of cidrIpv4, cidrIpv6, prefixListId, and referencedGroupId can be specified.")
	case p.str("CidrIpv4") != "":
		cidr, err := parseCIDR(p.str("CidrIpv4"), false)
		return peer{cidr: cidr}, err
	case p.str("CidrIpv6") != "":
		cidr, err := parseCIDR(p.str("CidrIpv6"), true)
		return peer{cidr: cidr}, err
	case p.str("PrefixListId") != "":
		return peer{listID: p.str("PrefixListId")}, c.checkList(p.str("PrefixListId"), true)
	default:
		return c.groupPeer(g, p.str("ReferencedGroupId"), "", "", true)
	}
}

// checkEdits checks the group as it would be after the call.
func (c *call) checkEdits(g *group, edits map[*rule]*rule) error {
	seen := make(map[permission]bool, len(edits))
	for _, old := range g.rules { // in the order of the group, for one error and not any
		edited := edits[old]
		if edited == nil {
			continue
		}
		standing := g.byKey[edited.perm]
		if seen[edited.perm] || standing != nil && edits[standing] == nil {
			return duplicate(edited.perm)
		}
		seen[edited.perm] = true
	}
	return c.srv.withinQuota(c.region, func(yield func(permission) bool) {
		for _, r := range g.rules {
			if edited := edits[r]; edited != nil {
				r = edited
			}
			if !yield(r.perm) {
				return
			}
		}
	})
}

func updateDescriptionsIngress(c *call) (response, error) { return updateDescriptions(c, false) }
func updateDescriptionsEgress(c *call) (response, error)  { return updateDescriptions(c, true) }

// updateDescriptions changes texts only; a missing description is removed.
func updateDescriptions(c *call, egress bool) (response, error) {
	g, err := c.targetGroup()
	if err != nil {
		return nil, err
	}
	edits := make(map[*rule]*rule)
	describe := func(old *rule, text string) error {
		edited := *old
		edited.description = text
		edits[old] = &edited
		return checkDescription(text)
	}
	byID := c.list("SecurityGroupRuleDescription")
	switch {
	case len(byID) > 0 && c.has("IpPermissions"):
		return nil, fail("InvalidParameterCombination", "The parameter 'securityGroupRuleDescriptions' may not be used in combination with 'ipPermissions'")
	case len(byID) > 0:
		ids := make([]string, len(byID))
		for i, d := range byID {
			ids[i] = d.str("SecurityGroupRuleId")
		}
		olds, err := g.byIDs(ids, &egress)
		if err != nil {
			return nil, err
		}
		for i, old := range olds {
			if err := describe(old, byID[i].str("Description")); err != nil {
				return nil, err
			}
		}
	default:
		all, err := c.permissionsOf(g, egress, false)
		if err != nil {
			return nil, err
		}
		for _, w := range all {
			old := g.byKey[w.perm]
			if old == nil {
				return nil, notHeld()
			}
			if err := describe(old, w.description); err != nil {
				return nil, err
			}
		}
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	c.srv.beforeChange(g, c.now)
	g.replaceRules(edits)
	return &returnReply{Return: true}, nil
}
