package ec2api

import (
	"cmp"
	"slices"
	"strings"
)

func describeVpcs(c *call) (response, error) {
	filters, err := c.filters("vpc-id", "is-default", "isDefault", "cidr", "owner-id", "state", "tag-key", "tag:*")
	if err != nil {
		return nil, err
	}
	limit, after, err := c.window(5, 1000)
	if err != nil {
		return nil, err
	}
	found := c.region.vpcs
	if ids := c.strings("VpcId"); len(ids) > 0 {
		found = nil
		for _, id := range ids {
			v := c.region.vpc(id)
			if v == nil {
				return nil, fail("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
			}
			found = append(found, v)
		}
		slices.SortFunc(found, func(a, b *vpc) int { return cmp.Compare(a.seq, b.seq) })
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	var kept []*vpc
	for _, v := range found {
		x := c.xmlVPC(v)
		isDefault := map[bool]string{true: "true", false: "false"}[v.isDefault]
		attrs := map[string]string{"vpc-id": v.id, "is-default": isDefault, "isDefault": isDefault, "cidr": v.cidr,
			"owner-id": c.region.account, "state": x.State}
		if matches(filters, v.tags, func(name string) string { return attrs[name] }) {
			kept = append(kept, v)
		}
	}
	kept, token := page(c, kept, limit, after, func(v *vpc) uint64 { return v.seq })
	out := &vpcsReply{NextToken: token}
	for _, v := range kept {
		out.VPCs.Items = append(out.VPCs.Items, c.xmlVPC(v))
	}
	return out, nil
}

func (c *call) xmlVPC(v *vpc) xmlVPC {
	return xmlVPC{ID: v.id, OwnerID: c.region.account, State: "available", CIDR: v.cidr, Tenancy: "default",
		IsDefault: v.isDefault, Tags: optional(v.tags)}
}

func createVpc(c *call) (response, error) {
	cidr, err := parseCIDR(c.str("CidrBlock"), false)
	if err != nil {
		return nil, err
	}
	if bits := cidr.Bits(); bits < 16 || bits > 28 {
		return nil, fail("InvalidVpc.Range", "The CIDR '%s' is invalid.", c.str("CidrBlock"))
	}
	tags, err := c.tagSpecification("vpc")
	if err != nil {
		return nil, err
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	v := c.srv.addVPC(c.region, cidr.String(), false, c.flag("AmazonProvidedIpv6CidrBlock"), tags)
	c.elements = object{{"requestId", c.requestID}, {"vpc", object{
		{"vpcId", v.id}, {"state", "pending"}, {"ownerId", c.region.account}, {"cidrBlock", v.cidr},
		{"instanceTenancy", "default"}, {"tagSet", tagItems(tags)}, {"isDefault", false},
	}}}
	return &createVPCReply{VPC: c.xmlVPC(v)}, nil
}

func createSecurityGroup(c *call) (response, error) {
	name, description := c.str("GroupName"), c.str("GroupDescription")
	switch {
	case name == "":
		return nil, missing("GroupName")
	case description == "":
		return nil, missing("GroupDescription")
	case name == "default":
		return nil, fail("InvalidParameterValue", "Cannot use reserved security group name: %s", name)
	case strings.HasPrefix(name, "sg-"):
		return nil, fail("InvalidParameterValue", "Invalid value '%s' for groupName. Group names may not be in the format sg-*.", name)
	case !validText(name):
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter GroupName is invalid. "+
			"Character sets beyond ASCII are not supported.", name)
	case !validText(description):
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter GroupDescription is invalid. "+
			"Character sets beyond ASCII are not supported.", description)
	}
	v := c.region.defaultVPC
	if id := c.str("VpcId"); id != "" {
		if v = c.region.vpc(id); v == nil {
			return nil, fail("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
		}
	}
	if c.region.groupNames[groupName{v.id, name}] != nil {
		return nil, fail("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", name, v.id)
	}
	tags, err := c.tagSpecification("security-group")
	if err != nil {
		return nil, err
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	g := c.srv.addGroup(c.region, v, name, description, tags, c.now)
	arn := c.region.arn("security-group/" + g.id)
	c.elements = object{{"requestId", c.requestID}, {"_return", true}, {"groupId", g.id}}
	if len(tags) > 0 {
		c.elements = append(c.elements, field{"tagSet", tagItems(tags)})
	}
	c.elements = append(c.elements, field{"securityGroupArn", arn})
	return &createGroupReply{returnReply: returnReply{Return: true}, GroupID: g.id, Tags: optional(tags), ARN: arn}, nil
}

func deleteSecurityGroup(c *call) (response, error) {
	g, err := c.targetGroup()
	if err != nil {
		return nil, err
	}
	if g.name == "default" {
		return nil, fail("CannotDelete", "the specified group: \"%s\" name: \"%s\" cannot be deleted by a user", g.id, g.name)
	}
	inUse := slices.ContainsFunc(c.region.interfaces, func(n NetworkInterface) bool { return slices.Contains(n.GroupIDs, g.id) })
	if inUse || c.region.references[g.id] > 0 {
		return nil, fail("DependencyViolation", "resource %s has a dependent object", g.id)
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	c.srv.removeGroup(g)
	c.elements = object{{"requestId", c.requestID}, {"_return", true}, {"groupId", g.id}}
	return &deleteGroupReply{returnReply: returnReply{Return: true}, GroupID: g.id}, nil
}

// targetGroup is the group that a call is about. A name is looked up in the
// default VPC only.
func (c *call) targetGroup() (*group, error) {
	id, name := c.str("GroupId"), c.str("GroupName")
	switch {
	case id != "":
		return c.groupByID(id)
	case name != "":
		g := c.region.groupNames[groupName{c.region.defaultVPC.id, name}]
		if g == nil {
			return nil, fail("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", name, c.region.defaultVPC.id)
		}
		return g, nil
	default:
		return nil, missing("groupName or groupId")
	}
}

func (c *call) groupByID(id string) (*group, error) {
	if !wellFormedID(id, "sg") {
		return nil, fail("InvalidGroupId.Malformed", "Invalid id: \"%s\" (expecting \"sg-...\")", id)
	}
	g := c.region.groups[id]
	if g == nil {
		return nil, fail("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
	}
	return g, nil
}

func describeSecurityGroups(c *call) (response, error) {
	filters, err := c.filters("group-id", "group-name", "vpc-id", "owner-id", "description", "tag-key", "tag:*")
	if err != nil {
		return nil, err
	}
	limit, after, err := c.window(5, 1000)
	if err != nil {
		return nil, err
	}
	groups, err := c.namedGroups(filters)
	if err != nil {
		return nil, err
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	groups = slices.DeleteFunc(slices.Clone(groups), func(g *group) bool {
		_, visible := c.srv.view(g, c.visible)
		return !visible || !matches(filters, g.tags, func(name string) string { return c.groupAttribute(g, name) })
	})
	groups, token := page(c, groups, limit, after, func(g *group) uint64 { return g.seq })
	out := &groupsReply{NextToken: token}
	for _, g := range groups {
		out.Groups.Items = append(out.Groups.Items, c.xmlGroup(g))
	}
	return out, nil
}

func (c *call) groupAttribute(g *group, name string) string {
	switch name {
	case "group-id":
		return g.id
	case "group-name":
		return g.name
	case "vpc-id":
		return g.vpc.id
	case "owner-id":
		return c.region.account
	default:
		return g.description
	}
}

// namedGroups are the groups that ids and names of the request point at, or that
// an index can find for its filters; all groups if it names none.
func (c *call) namedGroups(filters []filter) ([]*group, error) {
	ids, names := c.strings("GroupId"), c.strings("GroupName")
	if len(ids) == 0 && len(names) == 0 {
		return c.indexedGroups(filters), nil
	}
	found := make(map[*group]bool)
	for _, id := range ids {
		g, err := c.groupByID(id)
		if err != nil {
			return nil, err
		}
		if _, visible := c.srv.view(g, c.visible); !visible {
			return nil, fail("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
		}
		found[g] = true
	}
	for _, name := range names {
		g := c.region.groupNames[groupName{c.region.defaultVPC.id, name}]
		if g == nil {
			return nil, fail("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", name, c.region.defaultVPC.id)
		}
		found[g] = true
	}
	return inOrder(found), nil
}

// indexedGroups are all groups, or those of a plain group-id filter.
func (c *call) indexedGroups(filters []filter) []*group {
	ids, plain := exact(filters, "group-id")
	if !plain {
		return c.region.groupOrder
	}
	found := make(map[*group]bool)
	for _, id := range ids {
		if g := c.region.groups[id]; g != nil {
			found[g] = true
		}
	}
	return inOrder(found)
}

func inOrder(found map[*group]bool) []*group {
	out := make([]*group, 0, len(found))
	for g := range found {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *group) int { return cmp.Compare(a.seq, b.seq) })
	return out
}

func (c *call) xmlGroup(g *group) xmlGroup {
	rules, _ := c.srv.view(g, c.visible)
	ingress := slices.DeleteFunc(slices.Clone(rules), func(r *rule) bool { return r.perm.egress })
	egress := slices.DeleteFunc(slices.Clone(rules), func(r *rule) bool { return !r.perm.egress })
	return xmlGroup{
		OwnerID: c.region.account, GroupID: g.id, Name: g.name, Description: g.description, VPCID: g.vpc.id,
		Ingress: listOf(aggregate(ingress)), Egress: listOf(aggregate(egress)),
		Tags: optional(g.tags), ARN: c.region.arn("security-group/" + g.id),
	}
}

// aggregate puts the peers of rules with equal protocol and ports into one
// IpPermission, as EC2 shows them; protocols without ports have none there.
func aggregate(rules []*rule) []xmlPermission {
	type key struct {
		protocol string
		from, to int
	}
	index := make(map[key]int)
	var out []xmlPermission
	for _, r := range rules {
		p := r.perm
		k := key{p.protocol, p.from, p.to}
		at, known := index[k]
		if !known {
			at = len(out)
			index[k] = at
			x := xmlPermission{Protocol: p.protocol}
			if p.hasPorts() {
				x.FromPort, x.ToPort = &p.from, &p.to
			}
			out = append(out, x)
		}
		out[at].add(p.peer, r.description)
	}
	return out
}

func (p permission) hasPorts() bool {
	switch p.protocol {
	case "tcp", "udp", "icmp", "icmpv6":
		return true
	default:
		return false
	}
}

func (x *xmlPermission) add(p peer, description string) {
	switch {
	case p.listID != "":
		x.PrefixLists.Items = append(x.PrefixLists.Items, xmlListID{p.listID, description})
	case p.group != "":
		x.Groups.Items = append(x.Groups.Items, xmlGroupPair{p.owner, p.group, description})
	case p.cidr.Addr().Is4():
		x.IPRanges.Items = append(x.IPRanges.Items, xmlRange{p.cidr.String(), description})
	default:
		x.IPv6Ranges.Items = append(x.IPv6Ranges.Items, xmlRange6{p.cidr.String(), description})
	}
}
