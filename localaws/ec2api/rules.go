package ec2api

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

const defaultRuleQuota = 60

func describeSecurityGroupRules(c *call) (response, error) {
	filters, err := c.filters("group-id", "security-group-rule-id", "tag-key", "tag:*")
	if err != nil {
		return nil, err
	}
	limit, after, err := c.window(5, 1000)
	if err != nil {
		return nil, err
	}
	named, all, err := c.namedRules(filters)
	if err != nil {
		return nil, err
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	wants := func(r *rule) bool {
		return matches(filters, r.tags, func(name string) string {
			if name == "group-id" {
				return r.group.id
			}
			return r.id
		})
	}
	var found []*rule
	token := ""
	// take collects one rule and says whether there is room for more.
	take := func(r *rule) bool {
		if !wants(r) {
			return true
		}
		if limit > 0 && len(found) == limit {
			last := found[limit-1]
			token = c.token(cursor{last.group.seq, last.seq})
			return false
		}
		found = append(found, r)
		return true
	}
	if all {
		c.walkRules(c.indexedGroups(filters), after, take)
	} else {
		walkNamed(named, after, take)
	}
	out := &rulesReply{NextToken: token}
	out.Rules.Items = make([]xmlRule, len(found))
	for i, r := range found {
		out.Rules.Items[i] = r.xml()
	}
	return out, nil
}

// namedRules are the rules that ids of the request, or a plain filter on ids,
// point at; all is true if there are none such.
func (c *call) namedRules(filters []filter) (named []*rule, all bool, err error) {
	ids := c.strings("SecurityGroupRuleId")
	strict := len(ids) > 0
	if !strict {
		var plain bool
		if ids, plain = exact(filters, "security-group-rule-id"); !plain {
			return nil, true, nil
		}
	}
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if strict && !wellFormedID(id, "sgr") {
			return nil, false, fail("InvalidSecurityGroupRuleId.Malformed", "Invalid id: \"%s\" (expecting \"sgr-...\")", id)
		}
		r := c.srv.visibleRule(c.region, id, c.visible)
		if r == nil && strict {
			return nil, false, unknownRule(id)
		}
		if r != nil && !seen[id] {
			seen[id] = true
			named = append(named, r)
		}
	}
	slices.SortFunc(named, func(a, b *rule) int {
		return cmp.Or(cmp.Compare(a.group.seq, b.group.seq), cmp.Compare(a.seq, b.seq))
	})
	return named, false, nil
}

func unknownRule(id string) *apiError {
	return fail("InvalidSecurityGroupRuleId.NotFound", "The security group rule ID '%s' does not exist", id)
}

// walkRules shows the rules of the groups from the place after the cursor on,
// until take has enough. It finds that place by search, so that the last of a
// thousand pages costs no more than the first.
func (c *call) walkRules(groups []*group, after cursor, take func(*rule) bool) {
	first, _ := slices.BinarySearchFunc(groups, after.major, func(g *group, seq uint64) int { return cmp.Compare(g.seq, seq) })
	for _, g := range groups[first:] {
		rules, _ := c.srv.view(g, c.visible)
		if g.seq == after.major {
			from, _ := slices.BinarySearchFunc(rules, after.minor+1, func(r *rule, seq uint64) int { return cmp.Compare(r.seq, seq) })
			rules = rules[from:]
		}
		for _, r := range rules {
			if !take(r) {
				return
			}
		}
	}
}

func walkNamed(rules []*rule, after cursor, take func(*rule) bool) {
	for _, r := range rules {
		if r.group.seq < after.major || r.group.seq == after.major && r.seq <= after.minor {
			continue
		}
		if !take(r) {
			return
		}
	}
}

func (r *rule) arn() string { return r.group.region.arn("security-group-rule/" + r.id) }

func (r *rule) xml() xmlRule {
	p := r.perm
	x := xmlRule{
		ID: r.id, ARN: r.arn(), GroupID: r.group.id, GroupOwnerID: r.group.region.account, IsEgress: p.egress,
		Protocol: p.protocol, FromPort: p.from, ToPort: p.to, PrefixListID: p.peer.listID,
		Description: r.description, Tags: listOf(r.tags),
	}
	x.CIDRIPv4, x.CIDRIPv6 = p.peer.cidrs()
	if p.peer.group != "" {
		x.ReferencedGroup = &xmlReferencedGroup{GroupID: p.peer.group, UserID: p.peer.owner}
	}
	return x
}

func (r *rule) revokedXML() xmlRevokedRule {
	p := r.perm
	x := xmlRevokedRule{
		ID: r.id, GroupID: r.group.id, IsEgress: p.egress, Protocol: p.protocol, FromPort: p.from, ToPort: p.to,
		PrefixListID: p.peer.listID, ReferencedGroupID: p.peer.group, Description: r.description,
	}
	x.CIDRIPv4, x.CIDRIPv6 = p.peer.cidrs()
	return x
}

// cidrs gives the peer's range in the place of its family.
func (p peer) cidrs() (ipv4, ipv6 string) {
	switch {
	case !p.cidr.IsValid():
		return "", ""
	case p.cidr.Addr().Is4():
		return p.cidr.String(), ""
	default:
		return "", p.cidr.String()
	}
}

// withinQuota counts as EC2 does: per direction, IPv4 and IPv6 apart; a rule
// that names a group counts in both, one that names a prefix list counts with
// the list's size in both
// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html).
func (s *Server) withinQuota(r *region, perms func(yield func(permission) bool)) error {
	var used [2][2]int
	for p := range perms {
		direction := 0
		if p.egress {
			direction = 1
		}
		ipv4, ipv6 := r.weight(p.peer)
		used[direction][0] += ipv4
		used[direction][1] += ipv6
	}
	for _, families := range used {
		if families[0] > s.ruleQuota || families[1] > s.ruleQuota {
			return fail("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
		}
	}
	return nil
}

func (r *region) weight(p peer) (ipv4, ipv6 int) {
	switch {
	case p.listID != "":
		if l := r.lists[p.listID]; l != nil {
			return l.maxEntries, l.maxEntries
		}
		return 1, 1
	case p.group != "":
		return 1, 1
	case p.cidr.Addr().Is4():
		return 1, 0
	default:
		return 0, 1
	}
}

// ruleSet is the rules as CloudTrail's responseElements carries them.
func ruleSet(rules []*rule) object {
	out := make([]object, len(rules))
	for i, r := range rules {
		x := r.xml()
		o := object{{"groupOwnerId", x.GroupOwnerID}, {"groupId", x.GroupID}, {"securityGroupRuleId", x.ID}}
		o = o.text("description", x.Description)
		o = append(o, field{"isEgress", x.IsEgress}, field{"ipProtocol", x.Protocol},
			field{"fromPort", x.FromPort}, field{"toPort", x.ToPort})
		o = o.text("cidrIpv4", x.CIDRIPv4).text("cidrIpv6", x.CIDRIPv6).text("prefixListId", x.PrefixListID)
		if x.ReferencedGroup != nil {
			o = append(o, field{"referencedGroupInfo", object{
				{"userId", x.ReferencedGroup.UserID}, {"groupId", x.ReferencedGroup.GroupID},
			}})
		}
		o = append(o, field{"securityGroupRuleArn", x.ARN})
		if len(r.tags) > 0 {
			o = append(o, field{"tags", tagPlainList(r.tags)})
		}
		out[i] = o
	}
	return items(out)
}

func recordedPermissions(perms []xmlPermission) object {
	out := make([]object, len(perms))
	for i, p := range perms {
		o := object{{"ipProtocol", p.Protocol}}
		if p.FromPort != nil && p.ToPort != nil {
			o = append(o, field{"fromPort", *p.FromPort}, field{"toPort", *p.ToPort})
		}
		out[i] = append(o,
			field{"groups", each(p.Groups.Items, func(g xmlGroupPair) object {
				return object{{"groupId", g.GroupID}, {"userId", g.UserID}}
			})},
			field{"ipRanges", each(p.IPRanges.Items, func(r xmlRange) object { return object{{"cidrIp", r.CIDR}} })},
			field{"ipv6Ranges", each(p.IPv6Ranges.Items, func(r xmlRange6) object { return object{{"cidrIpv6", r.CIDR}} })},
			field{"prefixListIds", each(p.PrefixLists.Items, func(l xmlListID) object { return object{{"prefixListId", l.ID}} })})
	}
	return items(out)
}

// sentence describes a permission in the words of EC2's error messages.
func (p permission) sentence() string {
	to := p.peer.cidr.String()
	switch {
	case p.peer.listID != "":
		to = p.peer.listID
	case p.peer.group != "":
		to = p.peer.group
	}
	text := "peer: " + to + ", "
	switch {
	case p.protocol == "-1":
		text += "ALL, "
	case p.hasPorts() && p.protocol != "icmp" && p.protocol != "icmpv6":
		text += strings.ToUpper(p.protocol) + ", from port: " + strconv.Itoa(p.from) + ", to port: " + strconv.Itoa(p.to) + ", "
	default:
		text += strings.ToUpper(p.protocol) + ", type: " + strconv.Itoa(p.from) + ", code: " + strconv.Itoa(p.to) + ", "
	}
	return text + "ALLOW"
}
