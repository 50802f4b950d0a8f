package alert

import "sgward/internal/finding"

// retriedText says how an opening ended of which an earlier try, a lost answer or another
// edit is part of the story. It is "" for all others.
func (o *opening) retriedText() string {
	switch {
	case o.Outcome == finding.OutcomeRevoked && o.AnswerLost:
		return "Only this rule was removed (EC2's answer was lost): it is gone."
	case o.Outcome == finding.OutcomeRevoked && o.MaybeEarlier:
		return "An earlier try removed the rule, unless someone else did in between: it is gone."
	case o.EditedBack:
		return "Someone edited the rule again: it no longer has these values."
	default:
		return ""
	}
}

// withdrawn says that the policy allows a rule of which an earlier alert warned.
func (o *opening) withdrawn() string {
	out := "Compliant after all: the rules of the call"
	if o.Rule != nil {
		_, who := peer(o.Rule.Permission.Peer, o.accountID)
		_, _, what := traffic(o.Rule.Permission)
		out = "Compliant after all: " + what + ", " + who
	}
	return out + ", in " + group(o.GroupID, o.GroupName) + ". The policy allows it; an earlier alert of this event could not tell."
}

// needsNothing reports that the policy allows the rule.
func (o *opening) needsNothing() bool {
	return o.Outcome == finding.OutcomeExempt || o.Outcome == finding.OutcomeCompliant
}
