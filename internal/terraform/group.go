package terraform

import (
	"cmp"
	"slices"

	"sgward/internal/planned"
	"sgward/internal/secgroup"
)

// group is a security group of the plan, or one outside that a rule of the plan names.
type group struct {
	planned.Group
	address address
	gone    bool
}

// key names the group in the rules that reference it.
func (g *group) key() string { return cmp.Or(g.ID, g.Address) }

// addGroup adds a group with the rules of its own blocks.
func (p *plan) addGroup(r *resource) {
	v := r.will
	if v == nil {
		v = r.was
	}
	if v == nil {
		return
	}
	g := &group{address: r.address, gone: r.action == gone, Group: planned.Group{
		Address: r.Address, Created: r.action == made && r.Kind == groupKind, Complete: true,
	}}
	g.ID, g.Name, g.VPCID, g.Description = str(v.ID), str(v.Name), str(v.VPCID), str(v.Description)
	g.OwnerID, g.Region = p.place(r)
	g.Tags, g.TagsKnown = p.tags(r, v)
	p.groups = append(p.groups, g)
	if g.ID != "" {
		p.byID[g.ID] = g
	}
	p.byBlock[r.address.block()] = append(p.byBlock[r.address.block()], g)
	if r.action == gone {
		return
	}
	for _, side := range []struct {
		name      string
		direction secgroup.Direction
		of        func(*values) []block
	}{
		{"ingress", secgroup.Ingress, func(v *values) []block { return v.Ingress }},
		{"egress", secgroup.Egress, func(v *values) []block { return v.Egress }},
	} {
		var before []planned.Rule
		if r.was != nil && r.action != made {
			before = p.blockRules(r, g, side.name, side.direction, side.of(r.was), mark{}, mark{})
		}
		unknown := r.unknown.of(side.name)
		after := before
		switch {
		case !unknown.set():
			after = p.blockRules(r, g, side.name, side.direction, side.of(r.will), unknown, r.sensitive.of(side.name))
		case p.sets(r, side.name):
			after = append(slices.Clone(before), planned.Rule{
				Rule:      secgroup.Rule{Permission: secgroup.Permission{Direction: side.direction, Protocol: secgroup.AllProtocols, Peer: secgroup.UnknownPeer(later)}},
				Location:  p.at(r),
				Unknown:   []string{side.name + " is " + later},
				Uncertain: true,
			})
		}
		stood := identities(before)
		for _, rule := range after {
			rule.GroupID, rule.OwnerID = g.ID, g.OwnerID
			rule.Standing = r.action != made && stood[rule.Permission.Identity()] && len(rule.Unknown) == 0
			g.Rules = append(g.Rules, rule)
		}
	}
}

func identities(rules []planned.Rule) map[secgroup.Permission]bool {
	out := map[secgroup.Permission]bool{}
	for i := range rules {
		out[rules[i].Permission.Identity()] = true
	}
	return out
}

// tags returns the tags of a group, and whether they are known.
func (p *plan) tags(r *resource, v *values) (tags []secgroup.Tag, known bool) {
	from := v.TagsAll
	switch {
	case r.unknown.of("tags").any():
		return nil, false
	case r.unknown.of("tags_all").any():
		// The provider makes them of the group's tags and its default tags.
		if p.configuration == nil {
			return nil, false
		}
		if _, ok := p.configuration.Providers[p.blocks[r.address.block()].Provider].Expressions["default_tags"]; ok {
			return nil, false
		}
		from = v.Tags
	case from == nil:
		from = v.Tags
	}
	for key, value := range from {
		tags = append(tags, secgroup.Tag{Key: key, Value: str(value)})
	}
	slices.SortFunc(tags, func(a, b secgroup.Tag) int { return cmp.Compare(a.Key, b.Key) })
	return tags, true
}

// candidates are the groups that an attribute may name in an instance of a module.
type candidates struct {
	all []*group
	// byKey are those that have a key, or are in a module that has it; nil if no reference
	// asks for the resource's own key.
	byKey map[string][]*group
	// incomplete is set once the groups are marked to lack a rule.
	incomplete bool
}

// groupsMeant returns the groups that an attribute of a resource may name.
func (p *plan) groupsMeant(r *resource, attribute string) (may []*group, of *candidates) {
	key := r.address.modulePath() + "\n" + r.address.block() + "\n" + attribute
	c, known := p.candidates[key]
	if !known {
		c = p.findCandidates(r, attribute)
		p.candidates[key] = c
	}
	if same := c.byKey[r.address.key]; len(same) == 1 && r.address.key != "" {
		return same, c
	}
	return c.all, c
}

func (p *plan) findCandidates(r *resource, attribute string) *candidates {
	found := p.meant(r, attribute)
	c := &candidates{}
	seen := map[*group]bool{}
	add := func(g *group) {
		if !seen[g] {
			seen[g] = true
			c.all = append(c.all, g)
		}
	}
	for i := range found.found {
		ref := &found.found[i]
		for _, g := range p.byBlock[ref.block()] {
			if ref.matches(&g.address) {
				add(g)
			}
		}
	}
	if found.local {
		for _, g := range p.groupsNear(r) {
			add(g)
		}
	}
	if found.byKey {
		c.byKey = map[string][]*group{}
		for _, g := range c.all {
			for _, key := range g.address.keys() {
				c.byKey[key] = append(c.byKey[key], g)
			}
		}
	}
	return c
}

// groupsNear returns the groups that a local value of a resource's module may stand for:
// those of the same instance of the module, and those that its caller hands to it.
func (p *plan) groupsNear(r *resource) []*group {
	var out []*group
	for _, g := range p.groups {
		if g.ID == "" && slices.Equal(g.address.modules, r.address.modules) {
			out = append(out, g)
		}
	}
	block, ok := p.blocks[r.address.block()]
	if !ok || block.scope.call == nil {
		return out
	}
	for _, expression := range block.scope.call.Expressions {
		given := &resolver{}
		given.follow(expression, block.scope.call.ForEach, block.scope.parent, r.address.modules[:len(r.address.modules)-1], 1)
		for i := range given.found {
			for _, g := range p.byBlock[given.found[i].block()] {
				if g.ID == "" && given.found[i].matches(&g.address) {
					out = append(out, g)
				}
			}
		}
	}
	return out
}
