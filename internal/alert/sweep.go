package alert

import (
	"fmt"
	"slices"

	"sgward/internal/finding"
	"sgward/internal/text"
)

// byGroup gathers the results of each group at its first one.
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
		s.say("By a sweep over all security groups of " + place + ", not by an event. These are existing rules, and the policy says " +
			"to close them (existing: revoke). Who made them and how long they were open is unknown.")
		return s
	}
	s.say(fmt.Sprintf("sgward swept all %s with %s of %s. These are existing rules: who made them and how long they have been open is unknown. "+
		"A rule made since the last sweep may have had an alert of its own. For any other, the event was lost, "+
		"or the rule is older than sgward, or an exception ended, or the policy changed.",
		text.Plural(sweep.Groups, "security group"), text.Plural(sweep.Rules, "rule"), place))
	if first := v.firstSeen(); first != "" {
		s.say("First seen: " + first + ".")
	}
	switch {
	case sweep.Forgetful != "":
		s.say("It does not know the earlier digests, since " + text.Visible(sweep.Forgetful) + ": this lists everything.")
	case sweep.Known+sweep.Gone > 0:
		s.say(fmt.Sprintf("Of the findings in earlier digests, %s %s unchanged and not repeated here, and %s %s gone.",
			text.Thousands(sweep.Known), text.Agree(sweep.Known, "is", "are"), text.Thousands(sweep.Gone), text.Agree(sweep.Gone, "is", "are")))
	}
	if n := sweep.Ordered; n > 0 {
		s.say(text.Plural(n, "more rule") + " " + text.Agree(n, "is", "are") + " being closed, as another alert will report.")
	}
	return s
}

// firstSeen is the time at which a sweep first saw an opening that is new here, or "".
func (v *view) firstSeen() string {
	for i := range v.alert.Findings {
		if at := v.alert.Findings[i].FirstSeen; at != nil && !at.Before(v.alert.Event.EventTime) {
			return text.Time(*at)
		}
	}
	return ""
}
