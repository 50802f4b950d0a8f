package alert

import (
	"cmp"
	"slices"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// fitted returns the first of lines, from the most to the least detailed, with at most
// limit ASCII characters. The only untrusted text in them are harmless names.
func fitted(lines []string, limit int) string {
	for _, line := range lines {
		if len(line) <= limit {
			return line
		}
	}
	return lines[len(lines)-1][:limit-3] + "..."
}

// title is the headline of mail and chat.
func (v *view) title() string { return fitted(v.titles, maxTitle) }

// subject is the mail's: severity, traffic, group, account and region.
func (v *view) subject() string {
	return fitted(endings("[sgward "+v.severity.String()+"] ", v.subjects...), maxSubject)
}

// headlines returns titles and subjects, the most detailed first.
func (v *view) headlines() (titles, subjects []string) {
	inTitle, inSubject := v.places()
	counted := func(line string, details ...string) ([]string, []string) {
		var long, short []string
		for _, detail := range details {
			long, short = append(long, line+detail+inTitle), append(short, line+detail+inSubject)
		}
		return append(long, line), append(short, line)
	}
	switch {
	case v.isExpiry:
		line := v.expiryTitle()
		return counted(line, "")
	case len(v.openings) == 0 && slices.ContainsFunc(v.exempt, func(o opening) bool { return o.Outcome == finding.OutcomeCompliant }):
		return counted("Compliant after all: "+text.Plural(len(v.exempt), "rule"), "")
	case len(v.openings) == 0 && len(v.exempt) > 0:
		return counted("Allowed by exception: "+text.Plural(len(v.exempt), "rule"), "")
	case len(v.openings) == 0:
		return counted("Nothing to close", "")
	case v.isSweep && slices.ContainsFunc(v.openings, isUnannounced):
		n, others := 0, ""
		for i := range v.openings {
			if v.openings[i].Unannounced {
				n++
			}
		}
		if more := len(v.openings) - n; more > 0 {
			others = ", and " + text.Thousands(more) + " more"
		}
		return counted("EVENTS MAY BE LOST: "+text.Plural(n, "opening")+" that no event announced"+others, " ("+bySeverity(v.openings)+")", "")
	case v.isReminder() && len(v.openings) > 1:
		return counted("Reminder: "+text.Plural(len(v.openings), "critical opening")+" still open", " in "+text.Plural(v.groupCount(), "group"), "")
	case v.isSweep && !v.alert.Sweep.Closing && len(v.openings) > 1:
		groups, worst := " in "+text.Plural(v.groupCount(), "group"), " ("+bySeverity(v.openings)+")"
		return counted("Sweep: "+text.Plural(len(v.openings), "existing opening"), groups+worst, worst, groups, "")
	case v.isDigest && len(v.openings) > 1:
		return counted("Old events: "+text.Plural(len(v.openings), "existing opening"), " ("+byOutcome(v.openings)+")", "")
	default:
		return v.openingTitles(inTitle), v.openingSubjects(inSubject)
	}
}

// places returns where an alert is from, for titles (", production 123456789012") and for
// subjects (", production us-east-1").
func (v *view) places() (title, subject string) {
	e := v.alert.Event
	if !isIdentifier(e.AccountID) || !isIdentifier(e.Region) {
		return "", ""
	}
	title, subject = ", account "+e.AccountID, ", "+e.AccountID+" "+e.Region
	if v.account != "" {
		title, subject = ", "+v.account+" "+e.AccountID, ", "+v.account+" "+e.Region
	}
	if v.isSweep || v.isDigest || v.isExpiry { // no group stands in a console link nearby
		title += " " + e.Region
	}
	return title, subject
}

// endings appends each of the ends to a beginning.
func endings(begin string, ends ...string) []string {
	out := make([]string, len(ends))
	for i := range ends {
		out[i] = begin + ends[i]
	}
	return out
}

// openingTitles name the most urgent opening and count the others.
func (v *view) openingTitles(place string) []string {
	o := &v.openings[0]
	verb, _ := o.verb()
	length, try := "", ""
	if o.ExposureSeconds != nil && !o.isOpen() && !v.isSweep && !v.isDigest {
		length = " for " + text.Duration(*o.ExposureSeconds)
	}
	if o.Outcome == finding.OutcomeFailed && !o.isFinal() && v.alert.Try > 0 {
		try = ", " + tryOf(v.alert)
	}
	all, others := v.others()
	in := o.in()
	return endings(verb+": "+o.headline(v), length+in+place+all+try, in+place+all+try, in+place+others+try, in+others+try, others+try)
}

// openingSubjects are openingTitles in fewer words.
func (v *view) openingSubjects(place string) []string {
	o := &v.openings[0]
	_, verb := o.verb()
	_, others := v.others()
	in, what := o.in(), "unknown rules"
	if o.Rule != nil {
		service, _, _ := traffic(o.Rule.Permission)
		who, _ := o.peer(v)
		what = service + pick(o.isEgress(), " out to ", " open to ") + strings.Replace(who, "the whole ", "the ", 1)
	}
	return endings(verb+": "+what, in+place+others, in+place, place+others, place, in, "")
}

// others counts the openings beside the first, by outcome where these differ.
func (v *view) others() (all, others string) {
	more := len(v.openings) - 1 + v.alert.FindingsOmitted
	if more == 0 {
		return "", ""
	}
	others = ", and " + text.Thousands(more) + " more"
	if out := byOutcome(v.openings); strings.Contains(out, ",") && v.alert.FindingsOmitted == 0 {
		return " (" + out + ")", others
	}
	return others, others
}

// in names the opening's group: " in web".
func (o *opening) in() string {
	way := pick(o.isEgress(), " from ", " in ")
	switch {
	case isPlainName(o.GroupName):
		return way + o.GroupName
	case isIdentifier(o.GroupID):
		return way + o.GroupID
	default:
		return ""
	}
}

// expiryTitle counts the exceptions that end, and names a single one.
func (v *view) expiryTitle() string {
	findings, ended := v.alert.Findings, 0
	for i := range findings {
		if hasEnded(v.alert, findings[i].Exception) {
			ended++
		}
	}
	if x := findings[0].Exception; len(findings) == 1 && isPlainName(x.ID) && isIdentifier(x.Expires) {
		return "Exception " + x.ID + " " + text.Agree(ended, "ended", "ends") + " with " + x.Expires
	}
	var parts []string
	if ended > 0 {
		parts = append(parts, text.Thousands(ended)+" ended")
	}
	if ending := len(findings) - ended; ending > 0 {
		parts = append(parts, text.Thousands(ending)+" about to end")
	}
	return "Exceptions of the policy: " + strings.Join(parts, ", ")
}

// verb begins a title and, in fewer words, a subject: the outcome.
func (o *opening) verb() (title, subject string) {
	const before, stillOpen = " with all that the rule allowed before its edit", "Still open by other rules"
	if o.EditedBack {
		return "Edited again", "Edited again"
	}
	if o.Gone {
		return stillOpen, stillOpen
	}
	switch o.Outcome {
	case finding.OutcomeRevoked, finding.OutcomeAlreadyClosed:
		title = pick(o.Outcome == finding.OutcomeRevoked, "Closed", "Already closed")
		if o.Edited {
			return title + before, title + " with old access"
		}
		return title, title
	case finding.OutcomeWouldRevoke:
		return "STILL OPEN, not closed in observe mode", "STILL OPEN"
	case finding.OutcomeFailed:
		return "COULD NOT CLOSE", "COULD NOT CLOSE"
	}
	switch {
	case o.Reminder:
		return "Reminder, still open", "Reminder"
	case o.Rule == nil && o.GroupID == "":
		title = "Not judged, look at it"
	case o.Left != "" && o.Verdict == policy.Revoke:
		title = "Left open"
	case o.Verdict == policy.Alert && o.Rule != nil:
		title = "Open, alert only"
	default:
		title = "Open, could not be judged"
	}
	return title, cmp.Or(map[string]string{"Open, alert only": "Open", "Open, could not be judged": "Not judged"}[title], title)
}

// headline is what was or is open to whom. An open one has no verb: the title begins with
// one.
func (o *opening) headline(v *view) string {
	switch {
	case o.Rule == nil && v.isSweep:
		return "rules that could not be read"
	case o.Rule == nil:
		return "a security group change whose record leaves out the details"
	}
	_, what, _ := traffic(o.Rule.Permission)
	who, _ := o.peer(v)
	if o.Union {
		who += " (with other rules the world)"
	}
	return what + o.way() + who
}
