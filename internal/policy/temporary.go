package policy

import (
	"time"

	"sgward/internal/secgroup"
)

// UntilTag is the key of the tag that names the end of a temporary rule, such as
// 2027-03-01T18:00Z.
const UntilTag = "sgward:until"

// EndTag returns the tag of a rule that is to end at a time.
func EndTag(end time.Time) secgroup.Tag {
	return secgroup.Tag{Key: UntilTag, Value: ShownEnd(end.UTC().Format(time.RFC3339))}
}

// ReportsEnds reports whether a statement is about temporary rules of a direction that
// have ended.
func (p *Policy) ReportsEnds(d secgroup.Direction) bool {
	for i := range p.statements {
		if s := &p.statements[i]; s.peer.kind == endedPeer && s.direction == d && s.effect != effectIgnore {
			return true
		}
	}
	return false
}

// endIn returns the value of the tag for the end.
func (r *subject) endIn() (value string, ok bool) {
	return secgroup.TagValue(r.rule.Tags, UntilTag)
}

// ended answers whether the rule's tag names an end that has passed. A tag without a time
// is unknown: it is reported and ends nothing.
func (r *subject) ended() peerAnswer {
	value, ok := r.endIn()
	if !ok || !r.req.RulesRead {
		return peerNo
	}
	end, isMoment := ParseMoment(value)
	switch {
	case !isMoment, r.req.Time.IsZero():
		return peerUnknown
	case r.req.Time.Before(end):
		return peerNo
	default:
		return peerYes
	}
}

// endWords says what the rule's tag names. Its value is untrusted: it is shown only if it
// is a time.
func (r *subject) endWords() string {
	value, _ := r.endIn()
	if end, isMoment := ParseMoment(value); isMoment {
		return ShownEnd(end.Format(time.RFC3339))
	}
	return "no time such as 2027-03-01T18:00Z"
}
