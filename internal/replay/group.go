package replay

import (
	"net/netip"

	"sgward/internal/cloudtrail"
	"sgward/internal/secgroup"
)

// group is a group's content as the history shows it, call by call.
type group struct {
	byPermission map[secgroup.Permission]*held
	byID         map[string]*held
	// unknown are the fates of rules that their records leave out.
	unknown []*fate
}

// held is a rule that the group holds.
type held struct {
	id         string // "" if no record had it
	permission secgroup.Permission
	// fates are those of the calls that made the rule: one, and one more for each edit
	// that left its values.
	fates []*fate
}

func newGroup() *group {
	return &group{byPermission: map[secgroup.Permission]*held{}, byID: map[string]*held{}}
}

// apply applies a call at a position: it ends the rules that the call ended, and adds
// those that it made.
func (g *group) apply(c *call, at int32) {
	switch c.Kind {
	case cloudtrail.KindCreate:
		g.hold(defaultEgress(), &c.fates[0], at)
	case cloudtrail.KindRevoke:
		g.close(c.Rules, at)
	case cloudtrail.KindDelete:
		g.delete(at)
	default:
		if f := c.missing(); f != nil {
			g.unknown = append(g.unknown, f)
		}
		for i, r := range c.Rules {
			if c.Kind == cloudtrail.KindModify && g.edit(r, &c.fates[i], at) || c.fates[i].harmless {
				continue
			}
			g.hold(r, &c.fates[i], at)
		}
	}
}

// defaultEgress is the egress rule of a new group in a VPC.
func defaultEgress() secgroup.Rule {
	everywhere := secgroup.CIDRPeer(netip.PrefixFrom(netip.IPv4Unspecified(), 0))
	return secgroup.Rule{Permission: secgroup.Permission{
		Direction: secgroup.Egress, Protocol: secgroup.AllProtocols, Peer: everywhere,
	}}
}

// find returns the held rule that r means: by id, else by values.
func (g *group) find(r secgroup.Rule) *held {
	if h := g.byID[r.ID]; h != nil {
		return h
	}
	p := r.Permission.Identity()
	if h := g.byPermission[p]; h != nil {
		return h
	}
	// The direction of an edited rule may be unknown.
	p.Direction = 0
	if h := g.byPermission[p]; h != nil && (h.id == "" || r.ID == "") {
		return h
	}
	return nil
}

// is reports whether r is the held rule with its values unchanged. Either may lack the id,
// and a closing by id may lack the values.
func (h *held) is(r secgroup.Rule) bool {
	if h.id != "" && r.ID != "" && h.id != r.ID {
		return false
	}
	p := r.Permission.Identity()
	if h.permission.Direction == 0 {
		p.Direction = 0
	}
	return p.Peer.Kind() == secgroup.NoPeer || p == h.permission
}

// hold adds a rule. An earlier rule with its values must be gone: EC2 holds no two.
func (g *group) hold(r secgroup.Rule, f *fate, at int32) {
	p := r.Permission.Identity()
	if h := g.byPermission[p]; h != nil {
		g.drop(h, at, false)
	}
	h := &held{id: r.ID, permission: p, fates: []*fate{f}}
	g.byPermission[p] = h
	if r.ID != "" {
		g.byID[r.ID] = h
	}
}

// edit replaces an edited rule, and reports whether its values stayed the same.
func (g *group) edit(r secgroup.Rule, f *fate, at int32) (same bool) {
	h := g.byID[r.ID]
	if h == nil {
		return false
	}
	if h.permission == r.Permission.Identity() {
		h.fates = append(h.fates, f)
		return true
	}
	g.drop(h, at, true)
	return false
}

// close ends the rules that a call closed.
func (g *group) close(rules []secgroup.Rule, at int32) {
	for _, r := range rules {
		if h := g.find(r); h != nil {
			g.drop(h, at, h.is(r))
		}
	}
}

// delete ends all rules of the group.
func (g *group) delete(at int32) {
	for _, h := range g.byPermission {
		h.end(at, true)
	}
	for _, f := range g.unknown {
		f.end(at, true)
	}
	clear(g.byPermission)
	clear(g.byID)
	g.unknown = nil
}

// drop ends a rule. shown says whether the call at the position closed it, or only shows
// that an earlier call has.
func (g *group) drop(h *held, at int32, shown bool) {
	h.end(at, shown)
	delete(g.byPermission, h.permission)
	if h.id != "" {
		delete(g.byID, h.id)
	}
}

func (h *held) end(at int32, shown bool) {
	for _, f := range h.fates {
		f.end(at, shown)
	}
}

func (f *fate) end(at int32, shown bool) { f.gone, f.shown = at, shown }
