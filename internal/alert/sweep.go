package alert

import (
	"fmt"
	"slices"

	"sgward/internal/finding"
	"sgward/internal/text"
)

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

// found describes the sweep that found the openings, and its blind spots.
func (v *view) found(limits) section {
	s := section{title: "How it was found"}
	sweep, event := v.alert.Sweep, v.alert.Event
	if sweep == nil {
		return s
	}
	place := "this account in " + id(event.Region)
	if event.AccountID != "" {
		place = "the account " + id(event.AccountID) + " in " + id(event.Region)
	}
	if sweep.Closing {
		s.say("By a look at all security groups of " + place + ", not by an event. These are standing rules, and the policy says of such " +
			"to close them (existing: revoke). Who made them and for how long they were open is not known.")
		return s
	}
	s.say(fmt.Sprintf("sgward looked at all %s with %s of %s. These are standing rules: who made them and since when they are open is not known. "+
		"One that was made since the run before may have had an alert of its own and been left open. Of any other the event was lost, "+
		"or it is older than sgward, or an exception ended, or the policy has changed.",
		text.Plural(sweep.Groups, "security group"), text.Plural(sweep.Rules, "rule"), place))
	if first := v.firstSeen(); first != "" {
		s.say("First seen: " + first + ".")
	}
	switch {
	case sweep.Forgetful != "":
		s.say("What was told before it does not know, since " + text.Visible(sweep.Forgetful) + ": this is all that stands.")
	case sweep.Known+sweep.Gone > 0:
		s.say(fmt.Sprintf("Of what earlier digests told, %s %s unchanged and not repeated here, and %s %s gone.",
			text.Thousands(sweep.Known), text.Agree(sweep.Known, "is", "are"), text.Thousands(sweep.Gone), text.Agree(sweep.Gone, "is", "are")))
	}
	if n := sweep.Ordered; n > 0 {
		s.say(text.Plural(n, "more rule") + " " + text.Agree(n, "is", "are") + " being closed: another alert tells of that.")
	}
	return s
}

// firstSeen is the time of the first look that saw an opening that is new here, or "".
func (v *view) firstSeen() string {
	for i := range v.alert.Findings {
		if at := v.alert.Findings[i].FirstSeen; at != nil && !at.Before(v.alert.Event.EventTime) {
			return text.Time(*at)
		}
	}
	return ""
}
