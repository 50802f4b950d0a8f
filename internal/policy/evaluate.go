package policy

import (
	"net/netip"
	"slices"

	"sgward/internal/secgroup"
)

// Evaluate judges req.Rules and returns one Judgement each, in the same order. It
// evaluates every statement in file order; the strongest effect decides. The verdict
// depends on the arguments alone, and two spellings of one set of addresses get the same
// verdict.
func (p *Policy) Evaluate(req Request) []Judgement {
	e := p.evaluate(&req)
	out := make([]Judgement, len(e.rules))
	for i := range e.rules {
		out[i] = e.conclude(&e.rules[i])
	}
	return out
}

// evaluate evaluates every statement.
func (p *Policy) evaluate(req *Request) evaluation {
	e := evaluation{policy: p, req: req, rules: make([]subject, len(req.Rules))}
	for i := range req.Rules {
		e.rules[i] = e.subject(&req.Rules[i], req)
	}
	for i := range p.statements {
		e.statement(&p.statements[i])
	}
	return e
}

// evaluation is the state of one Evaluate.
type evaluation struct {
	policy *Policy
	req    *Request
	rules  []subject
	// standing is built on first use: most calls are decided without it.
	standing      []subject
	standingReady bool
	// Scratch space for one statement: the new rules that are public but below its
	// threshold, those whose addresses are unknown, and the members of their union.
	narrow, hidden []*subject
	members        []member
	taking         []*member // all of members
	placed         []placed
	interrupted    bool // by Request.Interrupted
}

// subject is a rule with the properties that every statement asks for.
type subject struct {
	rule       *secgroup.Rule
	req        *Request // how the rule was made, as far as known
	unsound    bool     // not a permission that EC2 could hold: no statement can judge it
	span       span
	reach      reach
	reachKnown bool
	entries    []netip.Prefix // entries of its prefix list
	// untrusted is set for a prefix list that others than this account, AWS and the
	// accounts that the policy trusts may edit, or whose owner is unknown. Its entries
	// can make the rule forbidden, and never safe.
	untrusted bool
	owner     string
	parts     []part // parts of the statements that may apply, in file order
	// Whether the policy revokes the rule on its own, if already evaluated.
	revokedAlone      answer
	revokedAloneNeeds Needs
	revokedAloneKnown bool
}

// part is one statement's contribution to the verdict on one rule.
type part struct {
	statement *statement
	answer    answer // yes: it applies; unknown: it may; no: an exception keeps it from applying
	needs     Needs
	exception *exception
	narrow    bool // public but below the threshold on its own
	union     bool // below the threshold on its own and at it together with others
	with      []secgroup.Rule
}

func (e *evaluation) subject(r *secgroup.Rule, req *Request) subject {
	s := subject{rule: r, req: req, span: spanOf(r.Permission), unsound: !r.Permission.IsValid()}
	switch peer := r.Permission.Peer; peer.Kind() {
	case secgroup.CIDRPeerKind:
		s.reach, s.reachKnown = reachOfOne(peer.CIDR()), true
	case secgroup.PrefixListPeerKind:
		list := e.req.PrefixLists[peer.PrefixList()]
		s.entries, s.reachKnown, s.owner = list.Entries, list.Entries != nil, list.OwnerID
		s.untrusted = !e.policy.trusts(list.OwnerID, req.AccountID)
		if s.reachKnown {
			s.reach = reachOf(s.entries...)
		}
	case secgroup.UnknownPeerKind: // may reach anything
	default: // a referenced group is not a set of addresses: it reaches none
		s.reachKnown = true
	}
	return s
}

// statement evaluates one statement: on every rule alone, then on the rules below its
// threshold together.
func (e *evaluation) statement(s *statement) {
	var scoped answer
	var scopeNeeds Needs
	asked := false
	e.narrow, e.hidden = e.narrow[:0], e.hidden[:0]
	for i := range e.rules {
		r := &e.rules[i]
		if !s.meets(r) {
			continue
		}
		found, needs := s.peer.matchStable(r, e.req.AccountID)
		if found == peerNo {
			continue
		}
		if !asked { // the scope is the same for every rule of the call
			scoped, scopeNeeds = s.inScope(e.req)
			asked = true
		}
		if scoped == no {
			return
		}
		if found == peerNarrow {
			e.narrow = append(e.narrow, r)
			continue
		}
		if !r.reachKnown && s.peer.kind == widePeer {
			e.hidden = append(e.hidden, r)
		}
		pt := part{statement: s, answer: yes, needs: needs | scopeNeeds}
		if found == peerUnknown || scoped == unknown {
			pt.answer = unknown
		}
		e.add(r, pt)
	}
	if len(e.narrow) > 0 {
		e.union(s, scoped, scopeNeeds)
	}
}

// add records a statement's part on a rule, after exceptions and direction are applied.
func (e *evaluation) add(r *subject, pt part) {
	covered, x, needs := e.excepted(r, pt.statement)
	switch covered {
	case yes:
		pt.answer, pt.needs, pt.exception = no, 0, x
	case unknown:
		pt.answer, pt.exception = unknown, x
		pt.needs |= needs
	}
	if r.rule.Permission.Direction == 0 && pt.answer != no {
		pt.answer = unknown
		pt.needs |= NeedDirection
	}
	r.parts = append(r.parts, pt)
}

// inScope answers whether the statement applies to this account, group and actor.
func (s *statement) inScope(req *Request) (answer, Needs) {
	in, needs := s.when.match(req)
	if in == no || s.unless.isEmpty() {
		return in, needs
	}
	out, more := s.unless.match(req)
	switch {
	case out == yes:
		return no, 0
	case out == unknown:
		return unknown, needs | more
	default:
		return in, needs
	}
}

// meets reports whether the statement is about the rule's direction and traffic.
func (s *statement) meets(r *subject) bool {
	if d := r.rule.Permission.Direction; d != s.direction && d != 0 {
		return false
	}
	if s.covering {
		return s.traffic.coveredBy(r.span)
	}
	return s.traffic.overlaps(r.span)
}

// peerAnswer is the result of matching a peer against a statement.
type peerAnswer uint8

const (
	peerNo peerAnswer = iota
	peerUnknown
	peerNarrow // public, but below the threshold: with others it may reach it
	peerYes
)

func (m *peerMatcher) match(r *subject, account string) (peerAnswer, Needs) {
	peer := r.rule.Permission.Peer
	kind := peer.Kind()
	if kind == secgroup.UnknownPeerKind && m.kind != anyPeer && m.kind != endedPeer {
		return peerUnknown, NeedPeer
	}
	switch m.kind {
	case anyPeer:
		return peerYes, 0
	case endedPeer:
		return r.ended(), 0
	case widePeer:
		switch {
		case !r.reachKnown:
			return peerUnknown, NeedPrefixList
		case m.width.reached(r.reach):
			return peerYes, 0
		case r.reach.isPublic():
			return peerNarrow, 0
		}
	case insidePeer, outsidePeer:
		switch {
		case kind == secgroup.PrefixListPeerKind && !r.reachKnown:
			return peerUnknown, NeedPrefixList
		case r.hasNoAddresses(): // neither inside a list nor outside
		case r.insideOf(m.list) == (m.kind == insidePeer):
			return peerYes, 0
		}
	case prefixListPeer:
		if slices.Contains(m.ids, peer.PrefixList()) {
			return peerYes, 0
		}
	case groupPeer:
		if id, _ := peer.Group(); slices.Contains(m.ids, id) {
			return peerYes, 0
		}
	case foreignGroupPeer:
		switch _, owner := peer.Group(); {
		case kind != secgroup.GroupPeerKind:
		case owner == "" || account == "":
			return peerUnknown, NeedPeerOwner
		case owner != account:
			return peerYes, 0
		}
	}
	return peerNo, 0
}

// matchStable is match, except that no becomes unknown if an untrusted owner can change the
// list.
func (m *peerMatcher) matchStable(r *subject, account string) (peerAnswer, Needs) {
	found, needs := m.match(r, account)
	switch {
	case r.untrusted && found == peerNo && m.asksForAddresses():
		return peerUnknown, NeedListOwner
	case r.untrusted && r.owner != "" && needs&NeedPrefixList != 0: // otherwise one read shows both
		return peerUnknown, needs | NeedListOwner
	}
	return found, needs
}

// asksForAddresses reports whether the matcher's answer for a prefix list rests on its
// entries.
func (m *peerMatcher) asksForAddresses() bool {
	return m.kind == widePeer || m.kind == insidePeer || m.kind == outsidePeer
}

// trusts reports whether what a prefix list of an owner holds counts in an account.
func (p *Policy) trusts(owner, account string) bool {
	return owner != "" && (owner == account || owner == secgroup.OwnerAWS || owner == secgroup.OwnerSelf || slices.Contains(p.trusted, owner))
}

// excepted answers whether an exception keeps the statement from applying to the
// rule, and which.
func (e *evaluation) excepted(r *subject, s *statement) (answer, *exception, Needs) {
	out, found, needs := no, (*exception)(nil), Needs(0)
	for i := range e.policy.exceptions {
		x := &e.policy.exceptions[i]
		if !e.req.Time.Before(x.ends) {
			continue
		}
		a, n := e.covers(x, r, s)
		if a == yes && e.req.Time.IsZero() {
			a = unknown // whether it still applies depends on the time
		}
		switch {
		case a == yes:
			return yes, x, 0
		case a == unknown && out == no:
			out, found, needs = unknown, x, n
		}
	}
	return out, found, needs
}

// covers answers whether every part of the exception covers all of the rule: an
// exception for one port does not cover a rule for a range.
func (e *evaluation) covers(x *exception, r *subject, s *statement) (answer, Needs) {
	if len(x.statements) > 0 && !slices.Contains(x.statements, s.id) {
		return no, 0
	}
	direction := r.rule.Permission.Direction
	if x.direction != 0 && direction != 0 && x.direction != direction {
		return no, 0
	}
	if x.traffic != nil && !x.traffic.covers(r.span) {
		return no, 0
	}
	out, needs := x.scope.match(r.req)
	if out == no {
		return no, 0
	}
	if x.direction != 0 && direction == 0 {
		out, needs = unknown, needs|NeedDirection
	}
	if !x.namesPeers() {
		return out, needs
	}
	peer := r.rule.Permission.Peer
	switch peer.Kind() {
	case secgroup.UnknownPeerKind:
		return unknown, needs | NeedPeer
	case secgroup.GroupPeerKind:
		if id, _ := peer.Group(); !slices.Contains(x.groups, id) {
			return no, 0
		}
	case secgroup.PrefixListPeerKind:
		if slices.Contains(x.prefixLists, peer.PrefixList()) {
			break
		}
		if x.peers == nil {
			return no, 0
		}
		if !r.reachKnown {
			return unknown, needs | NeedPrefixList
		}
		if !r.insideOf(x.peers) {
			return no, 0
		}
		if r.untrusted {
			return unknown, needs | NeedListOwner
		}
	default:
		if !r.insideOf(x.peers) {
			return no, 0
		}
	}
	return out, needs
}
