package alert

import (
	"strings"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// headline is the one line that says what happened, in at most limit ASCII
// characters: a subject, a title. It holds no text that a stranger chose, other
// than names that can do no harm.
func headline(a *finding.Alert, limit int) string {
	if isExpiryNotice(a) {
		return expiryHeadline(a, limit)
	}
	openings, exempt := openingsOf(a)
	if len(openings) == 0 {
		if len(exempt) > 0 {
			return "Allowed by exception: " + text.Plural(len(exempt), "rule")
		}
		return "Nothing to close"
	}
	if isDigestOf(a, openings) {
		return digestHeadline(a, openings, limit)
	}
	o := &openings[0]
	head, tail, try := o.verb()+": "+o.headWhat(), "", ""
	if o.Outcome == finding.OutcomeFailed && !o.isFinal() && a.Try > 0 {
		try = ", " + tryOf(a)
	}
	short := tail
	if more := len(openings) - 1; more > 0 {
		short = ", and " + text.Thousands(more) + " more"
		tail = short
		if out := counts(openings); strings.Contains(out, ",") {
			tail = " (" + out + ")"
		}
	}
	where := ""
	if isIdentifier(a.Event.AccountID) && isIdentifier(a.Event.Region) {
		where = ", account " + a.Event.AccountID + " " + a.Event.Region
	}
	group, named := "", ""
	if isIdentifier(o.GroupID) {
		group = " in " + o.GroupID
		named = group
	}
	if isPlainName(o.GroupName) {
		named = strings.TrimPrefix(group+" ("+o.GroupName+")", " (")
		if group == "" {
			named = " in group " + o.GroupName
		}
	}
	// From the richest to the barest.
	for _, rest := range []string{named + where + tail, named + tail, group + tail, named + short, group + short, tail, short} {
		if line := head + rest + try; len(line) <= limit {
			return line
		}
	}
	return (head + short + try)[:limit-3] + "..."
}

// verb is the first word of a headline: the outcome.
func (o *opening) verb() string {
	switch o.Outcome {
	case finding.OutcomeRevoked:
		return "Closed"
	case finding.OutcomeAlreadyClosed:
		return "Already closed"
	case finding.OutcomeWouldRevoke:
		return "Would close (observe mode)"
	case finding.OutcomeFailed:
		return "COULD NOT CLOSE"
	}
	switch {
	case o.Rule == nil && o.GroupID == "":
		return "Not judged, look at it"
	case o.Left != "" && o.Verdict == policy.Revoke:
		return "Left open"
	case o.Verdict == policy.Alert && o.Rule != nil:
		return "Open, not closed by policy"
	default:
		return "Open, could not be judged"
	}
}

func (o *opening) headWhat() string {
	switch {
	case o.Rule == nil:
		return "a security group change whose record leaves out the details"
	case o.isEgress():
		return headTraffic(o) + " to " + shortPeer(o.Rule.Permission.Peer)
	default:
		return headTraffic(o) + " from " + shortPeer(o.Rule.Permission.Peer)
	}
}

// headTraffic is traffic with the name of one service at most.
func headTraffic(o *opening) string {
	text := traffic(o.Rule.Permission)
	if short, _, found := strings.Cut(text, " among them)"); found && !strings.Contains(short, ",") {
		return short + ")"
	}
	if len(text) > 40 {
		return o.Rule.Permission.Traffic()
	}
	return text
}
