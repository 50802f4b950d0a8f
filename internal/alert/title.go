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
	in := v.inOnlyGroup()
	// counted appends details to a line. The group's name goes before the next less detailed.
	counted := func(line string, details ...string) (long, short []string) {
		long = append(endings(line, details...), line)
		for i := range details {
			long[i] += inTitle
		}
		for _, place := range append(inSubject, "") {
			for _, detail := range details {
				short = append(short, line+in+detail+place, line+detail+place)
			}
		}
		return long, append(short, line)
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
		const lost = "EVENTS MAY BE LOST"
		titles, subjects = counted(lost+": "+text.Plural(n, "opening")+" that no event announced"+others, " ("+bySeverity(v.openings)+")", "")
		_, shorter := counted(lost, ": "+text.Plural(n, "unannounced opening")+others, ": "+text.Plural(n, "unannounced opening"), "")
		// A shorter line with the place is better than a longer one without.
		return titles, append(slices.DeleteFunc(subjects, func(line string) bool { return !hasEnding(line, inSubject) }), shorter...)
	case v.isReminder() && len(v.openings) > 1:
		return counted("Reminder: "+text.Plural(len(v.openings), "critical opening")+" still open", v.inGroups(), "")
	case v.isSweep && !v.alert.Sweep.Closing && len(v.openings) > 1:
		groups, worst := v.inGroups(), " ("+bySeverity(v.openings)+")"
		return counted("Sweep: "+text.Plural(len(v.openings), "existing opening"), groups+worst, worst, groups, "")
	case v.isDigest && len(v.openings) > 1:
		return counted("Old events: "+text.Plural(len(v.openings), "existing opening"), " ("+byOutcome(v.openings)+")", "")
	default:
		return v.openingTitles(inTitle), v.openingSubjects(inSubject)
	}
}

func hasEnding(line string, ends []string) bool {
	return slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(line, end) })
}

// inGroups counts the groups of several openings: " in 3 groups"; "" if it is one.
func (v *view) inGroups() string {
	if n := v.groupCount(); n > 1 {
		return " in " + text.Plural(n, "group")
	}
	return ""
}

// inOnlyGroup names the group of all findings: " in web"; "" if they are of several.
func (v *view) inOnlyGroup() string {
	list := slices.Concat(v.openings, v.exempt)
	if len(list) == 0 || slices.ContainsFunc(list, func(o opening) bool { return o.GroupID != list[0].GroupID }) {
		return ""
	}
	return list[0].in()
}

// places returns where an alert is from, for titles (", production 123456789012") and for
// subjects (", production us-east-1"), where the account's number stands in for a longer
// name.
func (v *view) places() (title string, subjects []string) {
	e := v.alert.Event
	if !isIdentifier(e.AccountID) || !isIdentifier(e.Region) {
		return "", []string{""}
	}
	title, subjects = ", account "+e.AccountID, []string{", " + e.AccountID + " " + e.Region}
	if v.account != "" {
		title = ", " + v.account + " " + e.AccountID
		named := ", " + v.account + " " + e.Region
		subjects = append([]string{named}, slices.DeleteFunc(subjects, func(s string) bool { return len(s) > len(named) })...)
	}
	if v.isSweep || v.isDigest || v.isExpiry { // no group stands in a console link nearby
		title += " " + e.Region
	}
	return title, subjects
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
	verb, _ := v.verb()
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

// openingSubjects are openingTitles in fewer words. The place is dropped last, before it
// the group, and first of all words of the outcome, peer and ports.
func (v *view) openingSubjects(places []string) []string {
	o := &v.openings[0]
	_, verb := v.verb()
	_, others := v.others()
	in, phrases, verbs := o.in(), o.phrases(v), []string{verb}
	if short, _, isLong := strings.Cut(verb, " by "); isLong { // "Still open by other rules"
		verbs = append(verbs, short)
	}
	var out []string
	add := func(phrases []string, in, others string, places ...string) {
		for _, what := range phrases {
			for _, place := range places {
				for _, verb := range verbs {
					out = append(out, verb+what+in+place+others)
				}
			}
		}
	}
	add(phrases[:1], in, others, places...)
	add(phrases, in, "", places...)
	add(phrases, "", others, places...)
	add(phrases, "", "", places...)
	add([]string{""}, "", "", places...)
	add(phrases, in, "", "")
	add([]string{""}, "", "", "")
	return out
}

// phrases list the service and the peer, to follow the verb of a subject, the most detailed
// first.
func (o *opening) phrases(v *view) []string {
	if o.Rule == nil {
		return []string{": unknown rules"}
	}
	p := o.Rule.Permission
	service, _, _ := traffic(p)
	who, _ := o.peer(v)
	if o.Union {
		who = pick(p.Peer.CIDR().IsValid() && p.Peer.CIDR().Addr().Is6(), "the IPv6 internet", "the internet") + " by several rules"
	}
	who = strings.Replace(who, "the whole ", "the ", 1)
	short, _, _ := strings.Cut(who, " by ")
	if kind, _, isID := strings.Cut(short, " "); isID && (kind == "group" || kind == "prefix") {
		short = pick(kind == "group", "a group", "a prefix list")
	}
	way := pick(o.isEgress(), " out to ", " open to ")
	out := []string{": " + service + way + who}
	if o.Union {
		out = append(out, ": "+service+way+short+" (union)") // docs/GLOSSARY.md
	}
	out = append(out, ": "+service+way+short)
	if p.Protocol.HasPorts() && strings.HasPrefix(service, string(p.Protocol)+" ") {
		out = append(out, ": "+string(p.Protocol)+" ports"+way+short)
	}
	return out
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
	if x := findings[0].Exception; len(findings) == 1 && isPlainName(x.ID) && isIdentifier(strings.ReplaceAll(x.Expires, ":", "")) {
		return "Exception " + x.ID + " " + text.Agree(ended, "ended", "ends") + " " + withEnd(x.Expires)
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

// verb is that of the most urgent opening. Of one that comes back it has no number beside
// anything new: a title that looks like all the others of a pipeline must not hide it.
func (v *view) verb() (title, subject string) {
	o := v.openings[0]
	isNew := func(o opening) bool { return o.Repeat == nil }
	if o.Repeat != nil && !o.Repeat.Escalated && slices.ContainsFunc(v.openings, isNew) {
		o.Repeat = nil
	}
	return o.verb()
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
			return title + before, title + " (edited)"
		}
		if r := o.Repeat; r != nil {
			title = pick(r.Escalated, "KEEPS COMING BACK, closed", "Closed") + " for the " + ordinal(r.Closings) + " time"
			return title, pick(r.Escalated, "KEEPS COMING BACK", title)
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
