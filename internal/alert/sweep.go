package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sgward/internal/finding"
	"sgward/internal/text"
)

// idOfAlert is the id of an alert that has none. A run over all groups has up to
// three: what its schedule's day tells of exceptions, its digest, and what it closed. The
// edit of a prefix list has two: what stays open, and what came by the queue to be closed.
func idOfAlert(a *finding.Alert) string {
	e := a.Event
	switch {
	case a.Sweep == nil && a.PrefixListID != "" && a.Tries > 0:
		e.EventID += "/closing"
	case a.Sweep == nil:
	case a.Sweep.Closing:
		e.EventID += "/closing"
	default:
		e.EventID += "/digest"
	}
	return ID(e)
}

// byGroup gathers the results of each group where the first of them stands.
func byGroup(results []finding.Result) {
	first := map[string]int{}
	for i := range results {
		if _, seen := first[results[i].GroupID]; !seen {
			first[results[i].GroupID] = i
		}
	}
	slices.SortStableFunc(results, func(a, b finding.Result) int { return first[a.GroupID] - first[b.GroupID] })
}

// isDigestOf reports that an alert tells of several standing openings at once.
func isDigestOf(a *finding.Alert, openings []opening) bool {
	return a.Sweep != nil && !a.Sweep.Closing && len(openings) > 1
}

// digestHeadline says how many openings a run has found, and how bad they are.
func digestHeadline(a *finding.Alert, openings []opening, limit int) string {
	line := "Sweep: " + text.Plural(len(openings), "standing opening")
	groups, worst := " in "+text.Plural(len(groupsOf(openings)), "group"), " ("+severities(openings)+")"
	where := ""
	if isIdentifier(a.Event.AccountID) && isIdentifier(a.Event.Region) {
		where = ", account " + a.Event.AccountID + " " + a.Event.Region
	}
	// From the richest to the barest.
	for _, rest := range []string{groups + worst + where, worst + where, groups + where, where} {
		if len(line+rest) <= limit {
			return line + rest
		}
	}
	return line
}

// severities counts openings by severity, worst first: "3 critical, 1 medium".
func severities(openings []opening) string {
	words := []string{"critical", "high", "medium", "low"}
	n := make([]int, len(words))
	for i := range openings {
		n[severityRank(openings[i].Severity)]++
	}
	var parts []string
	for i, word := range words {
		if n[i] > 0 {
			parts = append(parts, text.Thousands(n[i])+" "+word)
		}
	}
	return strings.Join(parts, ", ")
}

// tellSweep writes down what a run over all groups has found, or what became of the
// rules that it chose to close.
func tellSweep(v voice, a *finding.Alert, lim bounds) []section {
	openings, exempt := openingsOf(a)
	listed := openings[:min(len(openings), lim.listed)]
	detailed := listed[:min(len(listed), lim.detailed)]
	out := []section{whatStands(v, a, openings, listed, lim), whatWasDone(v, a, openings, listed, exempt, lim), whatSwept(v, a)}
	for _, s := range []section{
		howToClose(a, openings, detailed, lim), howToUndo(a, openings, detailed, lim),
		howToAllow(a, openings, detailed, lim), whereToLook(a, listed),
	} {
		if len(s.items) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// whatStands lists openings under the names of their groups.
func whatStands(v voice, a *finding.Alert, openings, listed []opening, lim bounds) section {
	s := section{title: whenOpen(openings)}
	count := map[string]int{}
	for i := range openings {
		count[openings[i].GroupID]++
	}
	group := ""
	for i := range listed {
		o := &listed[i]
		if i == 0 || o.GroupID != group {
			group = o.GroupID
			s.say(v.group(o.GroupID, o.GroupName, lim.text) + ", " + text.Plural(count[group], "opening") + ":")
		}
		number := "- "
		if len(openings) > 1 {
			number = fmt.Sprintf("%d. ", i+1)
		}
		out := number + o.stands(v, lim.text)
		for _, more := range []string{o.detail(v, lim.text), o.inSum(), o.lostException(v, lim.text), o.toldBefore(a)} {
			if more != "" {
				out += " " + more
			}
		}
		s.say(out)
	}
	if len(openings) == 0 {
		s.say("Nothing that the policy forbids.")
	}
	if more := len(openings) - len(listed); more > 0 {
		s.say("And " + text.Plural(more, "more opening") + " that " + text.Agree(more, "is", "are") + " not listed here: " + severities(openings[len(listed):]) + ".")
	}
	if a.FindingsOmitted > 0 {
		s.say(fmt.Sprintf("The JSON form of this alert lists %s of %s.",
			text.Thousands(len(a.Findings)-a.FindingsOmitted), text.Plural(len(a.Findings), "finding")))
	}
	if len(openings) > len(listed) || a.FindingsOmitted > 0 {
		s.say("To list everything that stands: sgward audit --regions " + v.id(a.Event.Region))
	}
	return s
}

// stands says what is open to whom: the group is named above, and for how long is not
// known.
func (o *opening) stands(v voice, limit int) string {
	if o.Rule == nil {
		return "Some of its rules could not be understood: what they open is not known."
	}
	is, was := "is open to", "was open to"
	if o.isEgress() {
		is, was = "can go out to", "could go out to"
	}
	if !stillOpen(*o) {
		is = was
	}
	return o.what() + " " + is + " " + o.who(v) + "."
}

// inSum says that a rule is forbidden together with others. All rules of the group
// were judged together, so there is none to name.
func (o *opening) inSum() string {
	if !o.Union {
		return ""
	}
	return "It is forbidden only together with other rules of the group: their ranges add up."
}

// lostException names the exception that no longer covers a rule.
func (o *opening) lostException(v voice, limit int) string {
	x := o.Ended
	if x == nil {
		return ""
	}
	return "The exception " + v.name(x.ID, limit) + " of " + v.quote(x.Owner, limit) + ", which would cover it, ended with " + v.id(x.Expires) + "."
}

// toldBefore says of an opening that it is known, and why it is told again.
func (o *opening) toldBefore(a *finding.Alert) string {
	if o.FirstSeen == nil || !o.FirstSeen.Before(a.Event.EventTime) {
		return ""
	}
	return "It was told before (first seen " + o.FirstSeen.UTC().Format(time.DateOnly) + "): what the policy says of it has changed."
}

// whatSwept says what kind of look found this, and what it cannot know.
func whatSwept(v voice, a *finding.Alert) section {
	s := section{title: "How it was found"}
	place := "this account in " + v.id(a.Event.Region)
	if a.Event.AccountID != "" {
		place = "the account " + v.id(a.Event.AccountID) + " in " + v.id(a.Event.Region)
	}
	if a.Sweep.Closing {
		s.say("By a look at all security groups of " + place + ", not by an event. These are standing rules, and the policy says of such " +
			"to close them (existing: revoke). Who made them and for how long they were open is not known.")
		return s
	}
	s.say(fmt.Sprintf("sgward looked at all %s with %s of %s. These are standing rules: who made them and since when they are open is not known. "+
		"One that was made since the run before may have had an alert of its own and been left open. Of any other the event was lost, "+
		"or it is older than sgward, or an exception ended, or the policy has changed.",
		text.Plural(a.Sweep.Groups, "security group"), text.Plural(a.Sweep.Rules, "rule"), place))
	if first := earliest(a); first != "" {
		s.say("First seen: " + first + ".")
	}
	switch {
	case a.Sweep.Forgetful != "":
		s.say("What was told before it does not know, since " + a.Sweep.Forgetful + ": this is all that stands.")
	case a.Sweep.Known+a.Sweep.Gone > 0:
		s.say(fmt.Sprintf("Of what earlier digests told, %s unchanged and not repeated here, and %s.",
			text.Thousands(a.Sweep.Known)+" "+text.Agree(a.Sweep.Known, "is", "are"), text.Thousands(a.Sweep.Gone)+" "+text.Agree(a.Sweep.Gone, "is", "are")+" gone"))
	}
	if n := a.Sweep.Ordered; n > 0 {
		s.say(text.Plural(n, "more rule") + " " + text.Agree(n, "is", "are") + " being closed: another alert tells of that.")
	}
	return s
}

// earliest is the time of the first look that saw what is new here.
func earliest(a *finding.Alert) string {
	for i := range a.Findings {
		if at := a.Findings[i].FirstSeen; at != nil && !at.Before(a.Event.EventTime) {
			return text.Time(*at)
		}
	}
	return ""
}
