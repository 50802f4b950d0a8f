package policy

import (
	"strings"

	"sgward/internal/secgroup"
)

// Step is one statement's part in the verdict on a rule, or the reason why it has none.
type Step struct {
	ID     string
	File   string
	Line   int
	Effect string // revoke, alert or ignore
	// Part is "applies", "may apply" (a fact is unknown), "excepted" (an exception keeps
	// it from applying) or "does not apply".
	Part string
	Why  string
	// Alone counts the public addresses of a peer that is below the statement's threshold
	// on its own, and Threshold those that the statement is about. Both are empty for
	// other parts.
	Alone, Threshold string
}

// The values of Step.Part.
const (
	PartApplies  = "applies"
	PartUnknown  = "may apply"
	PartExcepted = "excepted"
	PartNone     = "does not apply"
)

// Explain judges as Evaluate does and also returns, for every rule, one Step per statement
// in file order.
func (p *Policy) Explain(req Request) ([]Judgement, [][]Step) {
	e := p.evaluate(&req)
	judgements := make([]Judgement, len(e.rules))
	steps := make([][]Step, len(e.rules))
	for i := range e.rules {
		r := &e.rules[i]
		judgements[i] = e.conclude(r)
		for k := range p.statements {
			steps[i] = append(steps[i], e.step(&p.statements[k], r))
		}
	}
	return judgements, steps
}

func (e *evaluation) step(s *statement, r *subject) Step {
	step := Step{ID: s.id, File: e.policy.file, Line: s.line, Effect: s.effect.String()}
	for i := range r.parts {
		pt := &r.parts[i]
		if pt.statement != s {
			continue
		}
		step.Part, step.Why = PartApplies, pt.text(r)
		if pt.narrow {
			fromIPv6 := r.rule.Permission.Peer.CIDR().Addr().Is6()
			f, note := s.peer.width.familyOf(r.reach, fromIPv6)
			step.Alone, step.Threshold = f.addresses(r.reach[f])+note, s.peer.width[f].String()
		}
		switch {
		case pt.answer == unknown:
			step.Part = PartUnknown
		case pt.answer == no:
			step.Part = PartExcepted
			step.Why += "; " + pt.exception.id + " exempts it until " + EndOf(pt.exception.expires)
		}
		return step
	}
	step.Part, step.Why = PartNone, e.whyNot(s, r)
	return step
}

// whyNot returns the first reason why a statement is not about a rule.
func (e *evaluation) whyNot(s *statement, r *subject) string {
	if d := r.rule.Permission.Direction; d != 0 && d != s.direction {
		return "it is about " + s.direction.String()
	}
	if !s.meets(r) {
		if s.covering {
			return r.rule.Permission.Traffic() + " does not cover " + s.traffic.String()
		}
		return r.rule.Permission.Traffic() + " does not include " + s.traffic.String()
	}
	found, _ := s.peer.match(r, e.req.AccountID)
	switch {
	case found == peerNo && s.peer.kind == widePeer && r.rule.Permission.Peer.Kind() != secgroup.GroupPeerKind:
		return r.rule.Permission.Peer.String() + " reaches no public address"
	case found == peerNo && s.peer.kind == endedPeer:
		if _, tagged := r.endIn(); !tagged {
			return "it is about rules with the tag " + UntilTag
		}
		return "it is about existing rules, and the end in this one's tag " + UntilTag + " is " + r.endWords()
	case found == peerNo:
		return r.rule.Permission.Peer.String() + " is not " + s.peer.words
	case found == peerNarrow && e.req.StandingKnown:
		return r.reach.describe() + " " + r.reach.are() + " below the threshold, with the group's other rules too"
	}
	if in, _ := s.inScope(e.req); in == no {
		return "its when or unless keeps it from this account, region, group or actor"
	}
	return strings.TrimSpace(r.reach.describe() + " " + r.reach.are() + " below the threshold")
}
