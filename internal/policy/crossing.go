package policy

import (
	"cmp"
	"net/netip"
	"slices"

	"sgward/internal/secgroup"
)

// others selects which of the group's other rules are counted with the new ones.
type others uint8

const (
	allOthers others = iota // the group as it is
	remaining               // the group after the policy has revoked the rules that it forbids on their own
	noOthers                // the new rules alone
)

// crossAt reports whether the rules that are active at one point of traffic cross the
// threshold there, and with which other rules. It answers yes or no only if unknown facts
// cannot change the answer.
func (e *evaluation) crossAt(active []*member, f family, threshold count) (crossing, others) {
	fresh := slices.ContainsFunc(active, func(m *member) bool { return m.fresh })
	if !fresh || !mayReach(active, f, threshold) {
		return crossing{}, noOthers
	}
	u := point{e, active, f, threshold}
	if u.reached(true, noOthers, false) {
		return crossing{answer: yes}, noOthers
	}
	mayCross := u.reached(true, noOthers, true)
	for _, with := range []others{allOthers, remaining} {
		// Leaving rules out matters only if the group is at the threshold already.
		if with == remaining && !u.reached(false, allOthers, true) {
			break
		}
		if !u.reached(false, with, true) && u.reached(true, with, false) {
			return crossing{answer: yes}, with
		}
		mayCross = mayCross || !u.reached(false, with, false) && u.reached(true, with, true)
	}
	if !mayCross {
		return crossing{}, noOthers
	}
	c := crossing{answer: unknown}
	for _, m := range active {
		c.needs |= m.needs | m.revokedAloneNeeds
	}
	return c, noOthers
}

// point holds the rules that are active at one point of traffic, and the threshold of one
// family.
type point struct {
	*evaluation
	active    []*member
	family    family
	threshold count
}

// reached reports whether the rules reach the threshold: the new ones, if fresh, with the
// selected others. Rules that may or may not count are counted if most is set.
func (p *point) reached(fresh bool, with others, most bool) bool {
	for _, m := range p.active {
		m.counted = false
		if m.fresh && !fresh || !m.fresh && with == noOthers {
			continue
		}
		unsure := m.unsure
		if !m.fresh && with == remaining {
			revoked := p.isRevokedAlone(m.subject)
			if revoked == yes {
				continue
			}
			unsure = unsure || revoked == unknown
		}
		switch {
		case unsure && !most:
		case !m.reachKnown:
			return true
		case !m.fresh && fresh && !m.reach[p.family].less(p.threshold):
			// If it counts, the group was at the threshold before the call; if not, it
			// adds nothing. Either way the call crosses nothing with it.
		default:
			m.counted = true
		}
	}
	var n, end count
	for i := range p.placed {
		b := &p.placed[i]
		switch {
		case !b.of.active || !b.of.counted:
		case n.isZero() || end.less(b.lo): // else it lies in the one before
			n, end = n.plus(b.public), b.hi
			if !n.less(p.threshold) {
				return true
			}
		}
	}
	return false
}

// placed is a block of addresses that a member names, with the number of public ones.
// Blocks of one family are prefixes: of two, one contains the other or they are disjoint.
type placed struct {
	block
	public count
	of     *member
}

// place lists the blocks of one family that the members name, by start, the longest first.
func (e *evaluation) place(f family) {
	e.placed = e.placed[:0]
	add := func(m *member, p netip.Prefix) {
		if b, ok := blockIn(p, f); ok {
			if n := f.public().in(b); !n.isZero() {
				e.placed = append(e.placed, placed{b, n, m})
			}
		}
	}
	for _, m := range e.taking {
		if p := m.rule.Permission.Peer; p.Kind() == secgroup.CIDRPeerKind {
			add(m, p.CIDR())
			continue
		}
		for _, p := range m.entries {
			add(m, p)
		}
	}
	slices.SortFunc(e.placed, func(a, b placed) int { return cmp.Or(a.lo.cmp(b.lo), b.hi.cmp(a.hi)) })
}

// mayReach reports whether the sum of the members' reaches is at or above the threshold.
// Addresses that several members reach are counted several times.
func mayReach(members []*member, f family, threshold count) bool {
	var n count
	for _, m := range members {
		if !m.reachKnown {
			return true
		}
		n = n.plus(m.reach[f])
	}
	return !n.less(threshold)
}

// ofStanding turns the needs of an existing rule into needs of the verdict on a new one.
func (n Needs) ofStanding() Needs {
	if n&NeedActor != 0 {
		n = n&^NeedActor | NeedStandingActor
	}
	return n
}

// isRevokedAlone answers whether the policy revokes an existing rule on its own. It keeps
// the answer, because each statement with a union may ask for it.
func (e *evaluation) isRevokedAlone(r *subject) answer {
	if !r.revokedAloneKnown {
		r.revokedAlone, r.revokedAloneNeeds = e.evaluateAlone(r)
		r.revokedAloneNeeds = r.revokedAloneNeeds.ofStanding()
		r.revokedAloneKnown = true
	}
	return r.revokedAlone
}

// evaluateAlone answers whether a statement revokes the rule whatever the group's other
// rules are, and which facts are missing for the answer.
func (e *evaluation) evaluateAlone(r *subject) (answer, Needs) {
	out, lacks := no, Needs(0)
	for i := range e.policy.statements {
		s := &e.policy.statements[i]
		if s.effect != effectRevoke || !s.meets(r) {
			continue
		}
		found, needs := s.peer.match(r, e.req.AccountID)
		if found == peerNo || found == peerNarrow {
			continue
		}
		scoped, more := s.inScope(r.req)
		covered, _, exceptNeeds := e.excepted(r, s)
		if scoped == no || covered == yes {
			continue
		}
		needs |= more | exceptNeeds
		if r.rule.Permission.Direction == 0 {
			needs |= NeedDirection
		}
		if found == peerYes && scoped == yes && covered == no && r.rule.Permission.Direction != 0 {
			return yes, 0
		}
		out, lacks = unknown, lacks|needs
	}
	return out, lacks
}
