package terraform

import (
	"fmt"
	"slices"
	"strings"

	"sgward/internal/planned"
	"sgward/internal/secgroup"
)

// later says of a value that it is unknown, as Terraform does.
const later = "known after apply"

// laterGroup is the id of a referenced group that is known after apply.
const laterGroup = "(" + later + ")"

// addRules adds the rules that are resources of their own, and takes away those that the
// plan destroys: a group still lists them.
func (p *plan) addRules() {
	type addition struct {
		resource *resource
		group    *group
		rules    []planned.Rule
	}
	var additions []addition
	for _, r := range p.resources {
		if r.Kind != ruleKind && r.Kind != ingressKind && r.Kind != egressKind {
			continue
		}
		var before []planned.Rule
		if r.was != nil {
			g := p.byID[str(r.was.GroupID)]
			before = p.rulesOf(r, r.was, g, mark{}, mark{})
			if stands := identities(before); g != nil && r.action != stays {
				g.Rules = slices.DeleteFunc(g.Rules, func(rule planned.Rule) bool { return rule.Standing && stands[rule.Permission.Identity()] })
			}
		}
		if r.will == nil {
			continue
		}
		g := p.groupOf(r)
		rules := p.rulesOf(r, r.will, g, r.unknown, r.sensitive)
		stood := identities(before)
		for i := range rules {
			rules[i].Standing = r.action != made && stood[rules[i].Permission.Identity()]
		}
		additions = append(additions, addition{r, g, rules})
	}
	held := map[*group]map[secgroup.Permission]bool{}
	for _, a := range additions {
		if a.group.gone {
			continue
		}
		if held[a.group] == nil {
			held[a.group] = identities(a.group.Rules)
		}
		for _, rule := range a.rules {
			id := rule.Permission.Identity()
			if rule.Standing && held[a.group][id] {
				continue // the group lists it
			}
			held[a.group][id] = true
			rule.GroupID, rule.OwnerID = a.group.ID, a.group.OwnerID
			a.group.Rules = append(a.group.Rules, rule)
		}
	}
}

// groupOf returns the group that will hold a rule.
func (p *plan) groupOf(r *resource) *group {
	id := str(r.will.GroupID)
	if g := p.byID[id]; g != nil && id != "" {
		return g
	}
	account, region := p.place(r)
	outside := &group{Group: planned.Group{Group: secgroup.Group{ID: id, OwnerID: account, Region: region}}}
	if id != "" {
		p.byID[id] = outside
		p.groups = append(p.groups, outside)
		return outside
	}
	may, of := p.groupsMeant(r, "security_group_id")
	if len(may) == 1 {
		return may[0]
	}
	if len(may) == 0 { // then it may be any that has no id yet
		may = p.groups
	}
	if !of.incomplete {
		of.incomplete = true
		for _, g := range may {
			g.Complete = g.Complete && g.ID != "" && len(of.all) == 0
		}
	}
	p.groups = append(p.groups, outside)
	return outside
}

// attributes are the names of a rule's attributes, and what they mean where a
// configuration refers to other resources.
type attributes struct {
	resource           *resource
	group              *group // nil if it is not known
	protocol           string
	expression         string // of the configuration that names groups and lists; "" for the attribute's own
	direction          secgroup.Direction
	unknown, sensitive mark
	prefix             string // of names in problems and reasons, such as "ingress[0]."
}

// blockRules returns the rules of the blocks of a group.
func (p *plan) blockRules(r *resource, g *group, name string, d secgroup.Direction, blocks []block, unknown, sensitive mark) []planned.Rule {
	var out []planned.Rule
	for i := range blocks {
		a := attributes{
			resource: r, group: g, protocol: "protocol", expression: name, direction: d,
			unknown: unknown.at(i), sensitive: sensitive.at(i), prefix: fmt.Sprintf("%s[%d].", name, i),
		}
		out = append(out, p.blockOf(&a, &blocks[i], nil)...)
	}
	return out
}

// rulesOf returns the rules of a rule resource.
func (p *plan) rulesOf(r *resource, v *values, g *group, unknown, sensitive mark) []planned.Rule {
	a := attributes{resource: r, group: g, protocol: "protocol", unknown: unknown, sensitive: sensitive}
	switch r.Kind {
	case ingressKind, egressKind:
		a.protocol, a.direction = "ip_protocol", secgroup.Ingress
		if r.Kind == egressKind {
			a.direction = secgroup.Egress
		}
		return p.singleOf(&a, v)
	}
	direction, err := secgroup.ParseDirection(str(v.Direction))
	if err != nil && !unknown.of("type").any() {
		p.problem(r, "type: %v; it was not judged", err)
		return nil
	}
	a.direction = direction
	return p.blockOf(&a, &v.block, v)
}

// blockOf returns the rules of a block: one for each range, list and group. v is the
// resource if the block is an aws_security_group_rule.
func (p *plan) blockOf(a *attributes, b *block, v *values) []planned.Rule {
	m := p.maker(a, b.Protocol, b.FromPort, b.ToPort)
	if m == nil {
		return nil
	}
	m.description = str(b.Description)
	m.ranges("cidr_blocks", b.CIDRBlocks)
	m.ranges("ipv6_cidr_blocks", b.IPv6CIDRBlocks)
	m.prefixLists("prefix_list_ids", b.PrefixListIDs)
	if v == nil {
		m.groups("security_groups", b.SecurityGroups)
	} else {
		m.description = str(v.Description)
		m.id = str(v.RuleID)
		m.sourceGroup(v)
	}
	if b.Self != nil && *b.Self {
		m.self()
	}
	return m.rules
}

// singleOf returns the rule of a resource that has one peer.
func (p *plan) singleOf(a *attributes, v *values) []planned.Rule {
	m := p.maker(a, v.IPProtocol, v.FromPort, v.ToPort)
	if m == nil {
		return nil
	}
	m.description, m.id = str(v.Description), str(v.RuleID)
	for key, value := range v.Tags {
		m.tags = append(m.tags, secgroup.Tag{Key: key, Value: str(value)})
	}
	slices.SortFunc(m.tags, func(a, b secgroup.Tag) int { return strings.Compare(a.Key, b.Key) })
	for _, peer := range []struct {
		name  string
		value *string
		add   func(string, []*string)
	}{
		{"cidr_ipv4", v.CIDRv4, m.ranges},
		{"cidr_ipv6", v.CIDRv6, m.ranges},
		{"prefix_list_id", v.PrefixListID, m.prefixLists},
		{"referenced_security_group_id", v.ReferencedGroupID, m.groups},
	} {
		switch {
		case peer.value != nil:
			peer.add(peer.name, []*string{peer.value})
		case a.unknown.of(peer.name).any():
			peer.add(peer.name, nil)
		}
	}
	return m.rules
}

// maker makes the rules of one block or resource.
type maker struct {
	*attributes
	plan            *plan
	permission      secgroup.Permission // without its peer
	lacks           []string            // of ports and protocol
	description, id string
	tags            []secgroup.Tag
	rules           []planned.Rule
}

// maker reads protocol and ports. It returns nil if they cannot be judged.
func (p *plan) maker(a *attributes, protocol *string, from, to *int) *maker {
	m := &maker{attributes: a, plan: p}
	why := func(name string, set bool) string {
		if set || !a.unknown.of(name).any() {
			return ""
		}
		return a.prefix + name + " is " + later
	}
	t := planned.Traffic{
		Direction: a.direction, Protocol: protocol, FromPort: from, ToPort: to, UnknownProtocol: why(a.protocol, protocol != nil),
		UnknownFrom: why("from_port", from != nil), UnknownTo: why("to_port", to != nil),
	}
	permission, lacks, field, err := t.Permission()
	if err != nil {
		p.problem(a.resource, "%s%s: %v; it was not judged", a.prefix, []string{a.protocol, "from_port"}[field], err)
		return nil
	}
	if a.direction == 0 {
		lacks = append(lacks, "type is "+later)
	}
	m.permission, m.lacks = permission, lacks
	return m
}

// add adds a rule.
func (m *maker) add(name string, peer secgroup.Peer, why ...string) {
	permission := m.permission
	permission.Peer = peer
	sensitive := m.sensitive.of(name).any() && peer.Kind() == secgroup.CIDRPeerKind
	m.rules = append(m.rules, planned.Rule{
		Rule:     secgroup.Rule{ID: m.id, Permission: permission, Description: m.description, Tags: m.tags},
		Location: m.plan.at(m.resource), Unknown: append(slices.Clone(m.lacks), why...),
		Uncertain: len(m.lacks) > 0, Sensitive: sensitive,
	})
}

// later adds a rule whose peer is known after apply.
func (m *maker) later(name string) {
	m.add(name, secgroup.UnknownPeer(later), m.prefix+name+" is "+later)
}

// ranges adds a rule for each address range.
func (m *maker) ranges(name string, cidrs []*string) {
	if m.attributes.unknown.of(name).set() {
		m.later(name)
		return
	}
	for i, c := range cidrs {
		if c == nil {
			m.later(name)
			continue
		}
		peer, err := secgroup.ParseCIDRPeer(*c)
		if err != nil {
			m.plan.problem(m.resource, "%s%s[%d]: %v; it was not judged", m.prefix, name, i, err)
			continue
		}
		m.add(name, peer)
	}
}

// expressionOf is the attribute of the configuration that names a peer.
func (m *maker) expressionOf(name string) string {
	if m.expression != "" {
		return m.expression
	}
	return name
}

// prefixLists adds a rule for each prefix list.
func (m *maker) prefixLists(name string, ids []*string) {
	open := m.attributes.unknown.of(name).set()
	for _, id := range ids {
		if id == nil {
			open = true
			continue
		}
		m.add(name, secgroup.PrefixListPeer(*id))
	}
	if !open {
		return
	}
	keys := m.plan.listsMeant(m.resource, m.expressionOf(name))
	if len(keys) == 0 || m.expression != "" && len(keys) > 1 {
		m.later(name)
		return
	}
	// Which of them it is does not matter if all are judged.
	for _, key := range keys {
		if len(keys) == 1 {
			m.add(name, secgroup.PrefixListPeer(key))
			continue
		}
		m.add(name, secgroup.PrefixListPeer(key), m.prefix+name+" is "+later+", and may be another list")
		m.rules[len(m.rules)-1].Uncertain = true
	}
}

// groups adds a rule for each referenced group. A group opens no addresses, so which one it
// is matters to few policies.
func (m *maker) groups(name string, ids []*string) {
	open := m.attributes.unknown.of(name).set()
	for _, id := range ids {
		if id == nil {
			open = true
			continue
		}
		owner, group, ok := strings.Cut(*id, "/")
		if !ok {
			owner, group = m.ownerOf(*id), *id
		}
		m.add(name, secgroup.GroupPeer(group, owner))
	}
	if !open {
		return
	}
	if may, _ := m.plan.groupsMeant(m.resource, m.expressionOf(name)); len(may) == 1 {
		m.add(name, secgroup.GroupPeer(may[0].key(), may[0].OwnerID))
		return
	}
	m.add(name, secgroup.GroupPeer(laterGroup, ""))
}

// ownerOf returns the account of a group of the plan; "" for another.
func (m *maker) ownerOf(id string) string {
	if g := m.plan.byID[id]; g != nil {
		return g.OwnerID
	}
	return ""
}

// sourceGroup adds the rule for source_security_group_id, which is unknown in every new
// resource, whether it is set or not.
func (m *maker) sourceGroup(v *values) {
	const name = "source_security_group_id"
	switch {
	case v.SourceGroupID != nil && *v.SourceGroupID != "":
		m.groups(name, []*string{v.SourceGroupID})
	case v.SourceGroupID != nil || !m.attributes.unknown.of(name).any():
	case m.plan.configuration != nil && m.plan.sets(m.resource, name), len(m.rules) == 0 && (v.Self == nil || !*v.Self):
		m.groups(name, nil)
	}
}

// self adds the rule for the group itself.
func (m *maker) self() {
	id, owner := laterGroup, ""
	if m.group != nil && m.group.key() != "" {
		id, owner = m.group.key(), m.group.OwnerID
	}
	m.add("self", secgroup.GroupPeer(id, owner))
}
