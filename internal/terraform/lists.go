package terraform

import (
	"net/netip"
	"slices"

	"sgward/internal/planned"
	"sgward/internal/secgroup"
)

// listsOfPlan are the prefix lists that are known, by EC2's id or, for those that the plan
// makes, by address.
type listsOfPlan struct {
	known   map[string]secgroup.PrefixList
	edited  map[string]planned.Edit
	byBlock map[string][]*list
}

// list is a prefix list of the plan.
type list struct {
	key     string
	address address
}

func newLists() listsOfPlan {
	return listsOfPlan{map[string]secgroup.PrefixList{}, map[string]planned.Edit{}, map[string][]*list{}}
}

// readLists reads the prefix lists, and then the entries that are resources of their own.
func (p *plan) readLists() {
	before := map[string]secgroup.PrefixList{}
	for _, r := range p.resources {
		if r.Kind != listKind || r.will == nil {
			continue
		}
		l := &list{key: r.Address, address: r.address}
		if id := str(r.will.ID); id != "" {
			l.key = id
		}
		p.lists.byBlock[r.address.block()] = append(p.lists.byBlock[r.address.block()], l)
		if r.action != made && r.was != nil {
			before[l.key] = secgroup.PrefixList{OwnerID: secgroup.OwnerSelf, Entries: p.entries(r, r.was, mark{})}
		}
		p.lists.known[l.key] = secgroup.PrefixList{OwnerID: secgroup.OwnerSelf, Entries: p.entries(r, r.will, r.unknown.of("entry"))}
		p.noteEdit(l.key, before, r)
	}
	for id, data := range p.lists.known { // of data sources
		if _, ok := before[id]; !ok && data.OwnerID != secgroup.OwnerSelf {
			before[id] = data
		}
	}
	for _, r := range p.resources {
		if r.Kind == entryKind {
			p.readEntry(r, before)
		}
	}
}

// entries returns the entries in a list's own attribute; nil if they are unknown.
func (p *plan) entries(r *resource, v *values, unknown mark) []netip.Prefix {
	out := []netip.Prefix{}
	switch {
	case unknown.set() && p.sets(r, "entry"):
		return nil
	case unknown.set(): // its entries are resources of their own
		return out
	case unknown.any():
		return nil
	}
	for _, e := range v.Entries {
		c, err := netip.ParsePrefix(str(e.CIDR))
		if err != nil {
			p.problem(r, "entry %q is not a CIDR: want one such as 203.0.113.0/24", str(e.CIDR))
			return nil
		}
		out = append(out, c.Masked())
	}
	return out
}

// sets reports whether the configuration sets an attribute of a resource, or may.
func (p *plan) sets(r *resource, attribute string) bool {
	if p.configuration == nil {
		return true
	}
	block, ok := p.blocks[r.address.block()]
	_, set := block.Expressions[attribute]
	return set || !ok
}

// readEntry adds an entry to its list, or removes it.
func (p *plan) readEntry(r *resource, before map[string]secgroup.PrefixList) {
	if r.was != nil && (r.action == gone || r.action == made) {
		if l, ok := p.lists.known[str(r.was.PrefixListID)]; ok && l.Entries != nil {
			old, err := netip.ParsePrefix(str(r.was.CIDR))
			l.Entries = slices.DeleteFunc(slices.Clone(l.Entries), func(e netip.Prefix) bool { return err == nil && e == old.Masked() })
			p.lists.known[str(r.was.PrefixListID)] = l
		}
	}
	if r.will == nil {
		return
	}
	keys := []string{str(r.will.PrefixListID)}
	if r.will.PrefixListID == nil {
		keys = p.listsMeant(r, "prefix_list_id")
	}
	for _, key := range keys {
		l, ok := p.lists.known[key]
		if !ok || l.Entries == nil {
			continue
		}
		entry, err := netip.ParsePrefix(str(r.will.CIDR))
		switch {
		case r.will.CIDR == nil:
			l.Entries = nil
		case err != nil:
			p.problem(r, "cidr %q is not a CIDR: want one such as 203.0.113.0/24", str(r.will.CIDR))
			l.Entries = nil
		case slices.Contains(l.Entries, entry.Masked()):
			continue
		default:
			l.Entries = append(slices.Clone(l.Entries), entry.Masked())
		}
		p.lists.known[key] = l
		p.noteEdit(key, before, r)
	}
}

// noteEdit notes that a resource adds ranges to a list that exists.
func (p *plan) noteEdit(key string, before map[string]secgroup.PrefixList, r *resource) {
	old, ok := before[key]
	now := p.lists.known[key]
	if _, noted := p.lists.edited[key]; !ok || noted || r.action == stays {
		return
	}
	if now.Entries != nil && !slices.ContainsFunc(now.Entries, func(e netip.Prefix) bool { return !slices.Contains(old.Entries, e) }) {
		return
	}
	p.lists.edited[key] = planned.Edit{Before: old, Location: p.at(r)}
}

// listsMeant returns the keys of the lists that an attribute may name.
func (p *plan) listsMeant(r *resource, attribute string) []string {
	found := p.meant(r, attribute)
	var out, same []string
	for i := range found.found {
		for _, l := range p.lists.byBlock[found.found[i].block()] {
			if found.found[i].matches(&l.address) {
				out = append(out, l.key)
				if found.byKey && l.address.hasKey(r.address.key) {
					same = append(same, l.key)
				}
			}
		}
	}
	if len(same) == 1 {
		return same
	}
	return out
}

// meant follows the references of an attribute.
func (p *plan) meant(r *resource, attribute string) *resolver {
	found := &resolver{}
	if block, ok := p.blocks[r.address.block()]; ok {
		found.follow(block.Expressions[attribute], block.ForEach, block.scope, r.address.modules, 0)
	}
	return found
}
