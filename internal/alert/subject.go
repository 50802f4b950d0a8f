package alert

import (
	"strings"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// headline is a subject or title: the most detailed line of at most limit ASCII
// characters. The only untrusted text in it are harmless names.
func (v *view) headline(limit int) string {
	for _, line := range v.headlines {
		if len(line) <= limit {
			return line
		}
	}
	return v.headlines[len(v.headlines)-1][:limit-3] + "..."
}

func (v *view) headlinesOf() []string {
	switch {
	case v.isExpiry:
		return v.expiryHeadlines()
	case len(v.openings) == 0 && len(v.exempt) > 0:
		return []string{"Allowed by exception: " + text.Plural(len(v.exempt), "rule")}
	case len(v.openings) == 0:
		return []string{"Nothing to close"}
	case v.isSweep && !v.alert.Sweep.Closing && len(v.openings) > 1:
		line := "Sweep: " + text.Plural(len(v.openings), "standing opening")
		groups, worst := " in "+text.Plural(v.groupCount(), "group"), " ("+bySeverity(v.openings)+")"
		return endings(line, groups+worst+v.place, worst+v.place, groups+v.place, v.place, "")
	case v.isDigest && len(v.openings) > 1:
		line := "Old events: " + text.Plural(len(v.openings), "existing opening")
		counted, worst := " ("+byOutcome(v.openings)+")", " ("+bySeverity(v.openings)+")"
		return endings(line, counted+worst+v.place, counted+v.place, counted, "")
	default:
		return v.openingHeadlines()
	}
}

// endings appends each of the ends to a beginning.
func endings(begin string, ends ...string) []string {
	for i := range ends {
		ends[i] = begin + ends[i]
	}
	return ends
}

// openingHeadlines name the most urgent opening and count the others.
func (v *view) openingHeadlines() []string {
	o := &v.openings[0]
	all, others, try := "", "", ""
	if more := len(v.openings) - 1; more > 0 {
		others = ", and " + text.Thousands(more) + " more"
		all = others
		if out := byOutcome(v.openings); strings.Contains(out, ",") {
			all = " (" + out + ")"
		}
	}
	if o.Outcome == finding.OutcomeFailed && !o.isFinal() && v.alert.Try > 0 {
		try = ", " + tryOf(v.alert)
	}
	groupID, named := "", ""
	if isIdentifier(o.GroupID) {
		groupID = " in " + o.GroupID
		named = groupID
	}
	switch {
	case !isPlainName(o.GroupName):
	case groupID == "":
		named = " in group " + o.GroupName
	default:
		named = groupID + " (" + o.GroupName + ")"
	}
	return endings(o.verb()+": "+o.headWhat(),
		named+v.place+all+try, named+all+try, groupID+all+try, named+others+try, groupID+others+try, all+try, others+try)
}

// expiryHeadlines count the exceptions that end, and name a single one.
func (v *view) expiryHeadlines() []string {
	findings, ended := v.alert.Findings, 0
	for i := range findings {
		if hasEnded(v.alert, findings[i].Exception) {
			ended++
		}
	}
	var parts []string
	if ended > 0 {
		parts = append(parts, text.Thousands(ended)+" ended")
	}
	if ending := len(findings) - ended; ending > 0 {
		parts = append(parts, text.Thousands(ending)+" about to end")
	}
	lines := endings("Exceptions of the policy: "+strings.Join(parts, ", "), v.place, "")
	if x := findings[0].Exception; len(findings) == 1 && isPlainName(x.ID) && isIdentifier(x.Expires) {
		verb := text.Agree(ended, "ended", "ends")
		return append(endings("Exception "+x.ID+" "+verb+" with "+x.Expires, v.place, ""), lines...)
	}
	return lines
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
	case o.Gone:
		return "Still open by other rules"
	case o.Left != "" && o.Verdict == policy.Revoke:
		return "Left open"
	case o.Verdict == policy.Alert && o.Rule != nil:
		return "Open, not closed by policy"
	default:
		return "Open, could not be judged"
	}
}

func (o *opening) headWhat() string {
	if o.Rule == nil {
		return "a security group change whose record leaves out the details"
	}
	way := " from "
	if o.isEgress() {
		way = " to "
	}
	who, _ := peer(o.Rule.Permission.Peer, o.AccountID)
	return shortTraffic(o.Rule.Permission) + way + who
}
