package policy

import (
	"cmp"
	"net/netip"
	"slices"

	"sgward/internal/secgroup"
)

// company is the standing rules that the call's are counted with.
type company uint8

const (
	all     company = iota // as the group is
	staying                // as it will be without what the policy revokes on its own
	nobody                 // the call's rules alone
)

// crossAt says whether the rules that are active at one point of traffic cross the
// line there, and with which standing ones. The answer is yes or no only if it is the
// same however what is not known turns out.
func (e *evaluation) crossAt(active []*member, f family, line count) (crossing, company) {
	fresh := slices.ContainsFunc(active, func(m *member) bool { return m.fresh })
	if !fresh || !mayReach(active, f, line) {
		return crossing{}, nobody
	}
	u := point{e, active, f, line}
	if u.reached(true, nobody, false) {
		return crossing{answer: yes}, nobody
	}
	mayCross := u.reached(true, nobody, true)
	for _, with := range []company{all, staying} {
		// Without what is revoked on its own less is reached: it matters only where the
		// group is at the line already.
		if with == staying && !u.reached(false, all, true) {
			break
		}
		if !u.reached(false, with, true) && u.reached(true, with, false) {
			return crossing{answer: yes}, with
		}
		mayCross = mayCross || !u.reached(false, with, false) && u.reached(true, with, true)
	}
	if !mayCross {
		return crossing{}, nobody
	}
	c := crossing{answer: unknown}
	for _, m := range active {
		c.lacks |= m.lacks | m.doomedLacks
	}
	return c, nobody
}

// point is the rules that are active at one point of traffic, for one family's line.
type point struct {
	*evaluation
	active []*member
	family family
	line   count
}

// reached reports whether rules reach the line: the call's, if fresh, with some of the
// others. Of rules that may count or not, most takes all; else none is taken.
func (p *point) reached(fresh bool, with company, most bool) bool {
	for _, m := range p.active {
		m.counted = false
		if m.fresh && !fresh || !m.fresh && with == nobody {
			continue
		}
		unsure := m.unsure
		if !m.fresh && with == staying {
			doomed := p.isDoomed(m.subject)
			if doomed == yes {
				continue
			}
			unsure = unsure || doomed == unknown
		}
		switch {
		case unsure && !most:
		case !m.reachKnown:
			return true
		case !m.fresh && fresh && !m.reach[p.family].less(p.line):
			// If it counts the group was at the line without the call, if not it adds
			// nothing: either way the call crosses nothing with it.
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
			if !n.less(p.line) {
				return true
			}
		}
	}
	return false
}

// placed is a run of addresses that a member names, and how many of them are public.
// Runs of one family are prefixes: of two, one lies in the other or they share nothing.
type placed struct {
	block
	public count
	of     *member
}

// place lists what the members name of a family by where it begins, the longest first.
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

// mayReach reports whether what members reach, added up, is at or above the line.
// What several of them reach counts several times.
func mayReach(members []*member, f family, line count) bool {
	var n count
	for _, m := range members {
		if !m.reachKnown {
			return true
		}
		n = n.plus(m.reach[f])
	}
	return !n.less(line)
}

// ofStanding is what is lacking of a standing rule, for a verdict on one of the call's.
func (n Needs) ofStanding() Needs {
	if n&NeedActor != 0 {
		n = n&^NeedActor | NeedStandingActor
	}
	return n
}

// isDoomed answers whether the policy revokes a standing rule on its own, and keeps the
// answer: each statement with a union may ask for it.
func (e *evaluation) isDoomed(r *subject) answer {
	if !r.doomedAsked {
		r.doomed, r.doomedLacks = e.revokedAlone(r)
		r.doomedLacks = r.doomedLacks.ofStanding()
		r.doomedAsked = true
	}
	return r.doomed
}

// revokedAlone answers whether a statement revokes the rule whatever others there are,
// and what is lacking to tell.
func (e *evaluation) revokedAlone(r *subject) (answer, Needs) {
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
