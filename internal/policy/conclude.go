package policy

import (
	"slices"
	"strings"

	"sgward/internal/secgroup"
)

// conclude merges the statements' parts into one verdict.
func (e *evaluation) conclude(r *subject) Judgement {
	var j Judgement
	var applies, mayApply, exempted *part
	for i := range r.parts {
		pt := &r.parts[i]
		if pt.statement.effect == effectIgnore {
			continue
		}
		switch pt.answer {
		case yes:
			// A rule that is forbidden on its own is closed without a union.
			if applies == nil || pt.outranks(applies) {
				applies = pt
			}
		case unknown:
			if mayApply == nil || pt.statement.effect > mayApply.statement.effect {
				mayApply = pt
			}
		case no:
			if exempted == nil || pt.exemptsBefore(exempted) {
				exempted = pt
			}
		}
	}
	decides := applies
	switch {
	case r.unsound || len(e.policy.statements) == 0:
		decides = nil
		j.Verdict = Undetermined
	case mayApply != nil && (applies == nil || mayApply.statement.effect > applies.statement.effect):
		decides = mayApply
		j.Verdict = Undetermined
		for i := range r.parts {
			if r.parts[i].answer == unknown && r.parts[i].statement.effect != effectIgnore {
				j.Needs |= r.parts[i].needs
			}
		}
	case applies == nil && exempted != nil:
		decides = exempted
		j.Verdict = Exempt
		j.Exception = exempted.exception.ref()
	case applies == nil:
		j.Verdict = Compliant
	case applies.statement.effect == effectRevoke:
		j.Verdict = Revoke
	default:
		j.Verdict = Alert
	}
	if decides != nil {
		j.Severity, j.StatementID = decides.statement.severity, decides.statement.id
		j.Union, j.With = decides.union, decides.with
	}
	if j.Verdict == Revoke && slices.ContainsFunc(r.parts, func(pt part) bool {
		return pt.answer == yes && pt.union == j.Union && pt.statement.existing == ExistingRevoke
	}) {
		j.Existing = ExistingRevoke
	}
	j.Reasons = e.reasons(r)
	return j
}

// ownersWill says to whom a rule opens that uses an untrusted owner's prefix list.
func (r *subject) ownersWill() string {
	out := "whatever the prefix list is made to hold: who owns it is not known"
	if r.owner != "" {
		out = "whatever account " + r.owner + " puts into the prefix list"
	}
	if r.reachKnown {
		out += " (now " + r.reach.describe() + ")"
	}
	return out
}

// outranks orders parts that apply: the stronger effect, then one that needs no
// other rule, then file order.
func (p *part) outranks(o *part) bool {
	if p.statement.effect != o.statement.effect {
		return p.statement.effect > o.statement.effect
	}
	return o.union && !p.union
}

// exemptsBefore orders parts that an exception keeps from applying: exemptions by tag
// first, because they are reported, then the stronger effect, then file order.
func (p *part) exemptsBefore(o *part) bool {
	if byTag := p.exception.byTag(); byTag != o.exception.byTag() {
		return byTag
	}
	return p.statement.effect > o.statement.effect
}

func (x *exception) byTag() bool { return len(x.scope.tags) > 0 }

func (x *exception) ref() *ExceptionRef {
	return &ExceptionRef{ID: x.id, Owner: x.owner, Reason: x.reason, Expires: x.expires, Line: x.line, ByTag: x.byTag()}
}

// reasons lists the reason of each part, in file order.
func (e *evaluation) reasons(r *subject) []Reason {
	var out []Reason
	for i := range r.parts {
		pt := &r.parts[i]
		out = append(out, Reason{pt.statement.id, e.policy.file, pt.statement.line, pt.text(r)})
		if pt.exception != nil {
			x := pt.exception
			word := "exempts from "
			if pt.answer == unknown {
				word = "may exempt from "
			}
			out = append(out, Reason{x.id, e.policy.file, x.line, word + pt.statement.id + " until " + EndOf(x.expires) + ": " + x.reason + " (" + x.owner + ")"})
		}
	}
	return out
}

// text returns the part's reason, such as "tcp 3306 from 0.0.0.0/0 opens 3306/tcp to the
// world (3,702,258,432 public IPv4 addresses; the threshold is 8,388,608): revoke".
func (p *part) text(r *subject) string {
	var b strings.Builder
	b.Grow(200)
	perm := r.rule.Permission
	b.WriteString(perm.Traffic())
	switch perm.Direction {
	case secgroup.Ingress:
		b.WriteString(" from ")
	case secgroup.Egress:
		b.WriteString(" to ")
	default:
		b.WriteString(" from or to ")
	}
	b.WriteString(perm.Peer.String())
	b.WriteString(" opens ")
	var words [80]byte
	b.Write(p.statement.traffic.appendWithin(words[:0], r.span))
	b.WriteString(" to ")
	switch m := p.statement.peer; {
	case p.answer == unknown && p.needs&NeedListOwner != 0 && !p.narrow:
		b.WriteString(r.ownersWill())
	case p.narrow:
		b.WriteString("less than " + m.words + " (" + m.width.describe(r.reach, r.rule.Permission.Peer.CIDR().Addr().Is6()) + ") unless other rules add to it")
	case p.union:
		b.WriteString(m.words + " together with other rules (of its own " + m.width.describe(r.reach, r.rule.Permission.Peer.CIDR().Addr().Is6()) + ")")
	case m.kind == widePeer && r.reachKnown:
		b.WriteString(m.words + " (" + m.width.describe(r.reach, r.rule.Permission.Peer.CIDR().Addr().Is6()) + ")")
	case m.kind == endedPeer:
		b.WriteString(m.words + ", which is " + r.endWords())
	default:
		b.WriteString(m.words)
	}
	if p.answer == unknown && p.needs != 0 {
		b.WriteString("; not known: " + p.needs.String())
	}
	effect := p.statement.effect.String()
	switch {
	case p.narrow:
		b.WriteString(": would " + effect + " if they do")
	case p.answer == unknown:
		b.WriteString(": may " + effect)
	case p.answer == no:
		b.WriteString(": would " + effect)
	default:
		b.WriteString(": " + effect)
	}
	return b.String()
}
