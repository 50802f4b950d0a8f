package policy

import (
	"cmp"
	"net/netip"
	"slices"

	"go4.org/netipx"

	"sgward/internal/secgroup"
)

// member is a rule that takes part in a union: a new one that is public but below the
// threshold, or any public one that the group held before.
type member struct {
	*subject
	fresh bool // made by the call
	// unsure is set if it is unknown whether the rule counts; needs says which fact is
	// missing. A rule that is unsure and whose reach is unknown may reach anything.
	unsure bool
	needs  Needs
	// At the current point of traffic: active if the rule allows that point, counted if
	// the current question includes the rule.
	active, counted bool
}

// crossing is the result of a union for one new rule.
type crossing struct {
	answer answer
	needs  Needs           // if unknown
	with   []secgroup.Rule // if yes: the existing rules that the union needs
}

// union judges the rules that are public but below the statement's threshold together.
// They cross the threshold at a point of traffic in two cases:
//
//   - they reach it among themselves;
//   - the group is below it without them and at or above it with them.
//
// The second case is tried with the group as it is, and as it will be without the rules
// that the policy revokes on their own: such a rule must not hide a crossing while it
// stands, nor complete one. Exempt rules never count. Rules above the threshold on their
// own are judged already: a partner's /32 beside 0.0.0.0/0 crosses nothing.
func (e *evaluation) union(s *statement, scoped answer, scopeNeeds Needs) {
	e.members = e.members[:0]
	for _, r := range e.narrow {
		if !e.join(s, r, true) {
			e.add(r, part{statement: s, answer: yes, narrow: true}) // recorded as exempt
		}
	}
	fresh := len(e.members)
	if fresh == 0 {
		return
	}
	for _, r := range e.hidden {
		e.join(s, r, true)
	}
	if e.req.StandingKnown {
		e.addOthers(s)
	}
	found := e.cross(s, fresh)
	for i, m := range e.members[:fresh] {
		switch c := found[i]; {
		case c.answer == yes:
			pt := part{statement: s, answer: yes, needs: scopeNeeds, union: true, with: c.with}
			if scoped == unknown {
				pt.answer = unknown
			}
			e.add(m.subject, pt)
		case c.answer == unknown:
			e.add(m.subject, part{statement: s, answer: unknown, needs: scopeNeeds | c.needs, narrow: true})
		case m.untrusted:
			e.add(m.subject, part{statement: s, answer: unknown, needs: scopeNeeds | NeedListOwner})
		}
	}
}

// join adds a rule to the statement's union. It returns false if an exception covers the
// rule.
func (e *evaluation) join(s *statement, r *subject, fresh bool) bool {
	covered, _, lacks := e.excepted(r, s)
	if covered == yes {
		return false
	}
	m := member{subject: r, fresh: fresh, unsure: covered == unknown, needs: lacks}
	if r.rule.Permission.Direction == 0 {
		m.unsure, m.needs = true, m.needs|NeedDirection
	}
	if !r.reachKnown {
		lacks := NeedPrefixList
		if r.rule.Permission.Peer.Kind() == secgroup.UnknownPeerKind {
			lacks = NeedPeer
		}
		m.unsure, m.needs = true, m.needs|lacks
	}
	if !fresh {
		m.needs = m.needs.ofStanding()
	}
	e.members = append(e.members, m)
	return true
}

// addOthers adds to the union the existing rules that could complete it.
func (e *evaluation) addOthers(s *statement) {
	if !e.standingReady {
		old := *e.req
		old.Actor = Actor{} // the caller need not have made these
		e.standing = make([]subject, len(e.req.Standing))
		for i := range e.req.Standing {
			e.standing[i] = e.subject(&e.req.Standing[i], &old)
			// The verdict on the call's rules asks what the others let through now. That
			// they may change is for the verdict on them.
			e.standing[i].untrusted = false
		}
		e.standingReady = true
	}
	for i := range e.standing {
		if r := &e.standing[i]; s.meets(r) && (!r.reachKnown || r.reach.isPublic()) {
			e.join(s, r, false)
		}
	}
}

// cross reports for each of the first n members, the new narrow rules, whether they cross
// the statement's threshold in either family.
func (e *evaluation) cross(s *statement, n int) []crossing {
	found := make([]crossing, n)
	if !e.req.StandingKnown {
		for i := range found {
			found[i] = crossing{answer: unknown, needs: NeedStanding}
		}
	}
	for f := range s.peer.width {
		e.crossIn(s, family(f), found)
	}
	return found
}

// crossIn is cross for one family.
func (e *evaluation) crossIn(s *statement, f family, found []crossing) {
	threshold := s.peer.width[f]
	e.taking = e.taking[:0]
	for i := range e.members {
		e.taking = append(e.taking, &e.members[i])
	}
	// The sum of the reaches is at least their union. If it is below the threshold, as it
	// nearly always is, no sweep is needed.
	if !mayReach(e.taking, f, threshold) {
		return
	}
	e.place(f)
	var taken [2][]span // where the threshold is crossed with the help of existing rules
	sweep(s, e.taking, func(at span, active []*member) {
		if e.isInterrupted() {
			return
		}
		c, by := e.crossAt(active, f, threshold)
		if c.answer == no {
			return
		}
		for i := range found {
			if m := &e.members[i]; m.span.overlaps(at) && !m.reach[f].isZero() {
				found[i].note(c)
			}
		}
		if by != noOthers {
			taken[by] = append(taken[by], at)
		}
	})
	if !e.interrupted {
		e.nameOthers(f, taken, found)
		return
	}
	for i := range found {
		if found[i].answer != yes {
			found[i].note(crossing{answer: unknown, needs: NeedTime})
		}
	}
}

// isInterrupted reports whether the judgement is to end, and stays true.
func (e *evaluation) isInterrupted() bool {
	e.interrupted = e.interrupted || e.req.Interrupted != nil && e.req.Interrupted()
	return e.interrupted
}

// note keeps the stronger of two results for one rule.
func (c *crossing) note(o crossing) {
	switch {
	case o.answer > c.answer:
		c.answer, c.needs = o.answer, o.needs
	case o.answer == c.answer:
		c.needs |= o.needs
	}
}

// nameOthers lists, for each rule that crosses the threshold with the help of existing
// ones, which they are. Rules with the same span share a list.
func (e *evaluation) nameOthers(f family, taken [2][]span, found []crossing) {
	if len(taken[allOthers])+len(taken[remaining]) == 0 {
		return
	}
	lists := map[span][]secgroup.Rule{}
	for i := range found {
		m := &e.members[i]
		if found[i].answer != yes || m.reach[f].isZero() {
			continue
		}
		list, made := lists[m.span]
		if !made {
			for _, o := range e.members {
				if o.fresh || o.reach[f].isZero() {
					continue
				}
				lo, hi := max(m.span.lo, o.span.lo), min(m.span.hi, o.span.hi)
				if anyIn(taken[allOthers], lo, hi) || o.revokedAlone != yes && anyIn(taken[remaining], lo, hi) {
					list = append(list, *o.rule)
				}
			}
			lists[m.span] = list
		}
		found[i].with = appendNew(found[i].with, list)
	}
}

// anyIn reports whether one of the sorted spans lies in lo to hi. Spans from sweep are cut
// at the borders of every rule, so each lies wholly inside or wholly outside a rule.
func anyIn(spans []span, lo, hi uint32) bool {
	i, _ := slices.BinarySearchFunc(spans, lo, func(s span, at uint32) int { return cmp.Compare(s.lo, at) })
	return i < len(spans) && spans[i].hi <= hi
}

// appendNew appends the rules that list does not hold yet.
func appendNew(list, rules []secgroup.Rule) []secgroup.Rule {
	if len(list) == 0 {
		return rules
	}
	out := slices.Clip(list)
	for _, r := range rules {
		if !slices.ContainsFunc(list, func(w secgroup.Rule) bool { return w.ID == r.ID && w.Permission == r.Permission }) {
			out = append(out, r)
		}
	}
	return out
}

// sweep visits the statement's traffic in order, cut at every border of the members, so
// that the same members are active at every point of a span. If the statement requires a
// rule to cover all of its traffic, the traffic is one span.
func sweep(s *statement, members []*member, visit func(at span, active []*member)) {
	if s.covering {
		for _, m := range members {
			m.active = true
		}
		visit(span{s.traffic[0].lo, s.traffic[len(s.traffic)-1].hi}, members)
		return
	}
	coming := slices.Clone(members)
	slices.SortStableFunc(coming, func(a, b *member) int { return cmp.Compare(a.span.lo, b.span.lo) })
	cuts := make([]uint32, 0, 2*len(members))
	for _, m := range members {
		m.active = false
		cuts = append(cuts, m.span.lo, m.span.hi+1)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var active []*member
	for _, t := range s.traffic {
		for lo := t.lo; lo <= t.hi; {
			at := span{lo, t.hi}
			if i, _ := slices.BinarySearch(cuts, lo+1); i < len(cuts) {
				at.hi = min(t.hi, cuts[i]-1)
			}
			active = slices.DeleteFunc(active, func(m *member) bool {
				m.active = m.span.hi >= at.lo
				return !m.active
			})
			for len(coming) > 0 && coming[0].span.lo <= at.lo {
				if m := coming[0]; m.span.hi >= at.lo {
					m.active = true
					active = append(active, m)
				}
				coming = coming[1:]
			}
			if len(active) > 0 {
				visit(at, active)
			}
			lo = at.hi + 1
		}
	}
}

// hasNoAddresses reports whether the peer is known to name no addresses: a referenced
// group or an empty prefix list.
func (r *subject) hasNoAddresses() bool {
	switch r.rule.Permission.Peer.Kind() {
	case secgroup.GroupPeerKind:
		return true
	case secgroup.PrefixListPeerKind:
		return r.reachKnown && len(r.entries) == 0
	default:
		return false
	}
}

// insideOf reports whether set holds every address that the rule's peer names. A peer
// without addresses is inside nothing. IPv4 embedded in IPv6 is inside if its IPv4
// addresses are.
func (r *subject) insideOf(set *netipx.IPSet) bool {
	if set == nil || r.hasNoAddresses() {
		return false
	}
	inside := func(p netip.Prefix) bool {
		p = p.Masked()
		if set.ContainsPrefix(p) {
			return true
		}
		v4, ok := embeddedIPv4(p)
		return ok && set.ContainsPrefix(v4)
	}
	if p := r.rule.Permission.Peer; p.Kind() == secgroup.CIDRPeerKind {
		return inside(p.CIDR())
	}
	return !slices.ContainsFunc(r.entries, func(p netip.Prefix) bool { return !inside(p) })
}
