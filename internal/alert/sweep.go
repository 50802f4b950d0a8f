package alert

import (
	"fmt"
	"slices"
	"time"

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

// found says in a line what the sweep read.
func (v *view) found(limits) section {
	s, sweep := section{title: "Found", isFact: true}, v.alert.Sweep
	if sweep == nil {
		return s
	}
	if sweep.UnnamedCall {
		s.say("by a sweep over all security groups: the record of the call leaves out its parameters, as they were too long, and only this call can have made what " +
			"was closed. The last sweep before it did not see it, or its own tags and description are what made the call so long. Another alert lists what else " +
			"the call may have opened")
		return s
	}
	if sweep.Closing {
		s.say("by a sweep over all security groups, not by an event")
		return s
	}
	out := "by a sweep over " + text.Plural(sweep.Groups, "security group") + " with " + text.Plural(sweep.Rules, "rule")
	if v.isReminder() {
		out = v.reminder()
	}
	switch {
	case sweep.Forgetful != "":
		out += "; it lists everything, since " + text.Visible(sweep.Forgetful)
	case sweep.Known+sweep.Gone > 0:
		out += fmt.Sprintf("; of earlier findings %s %s unchanged and %s gone",
			text.Thousands(sweep.Known), text.Agree(sweep.Known, "is", "are"), text.Thousands(sweep.Gone))
	}
	if n := sweep.Ordered; n > 0 {
		out += "; " + text.Plural(n, "more rule") + " " + text.Agree(n, "is", "are") + " being closed, as another alert will report"
	}
	s.say(out)
	return s
}

// sweep says what a sweep cannot know.
func (v *view) sweep(limits) section {
	s := section{title: "About sweeps"}
	if v.isSweep {
		s.say("These are existing rules. Who made them and how long they have been open is unknown (docs/SWEEP.md).")
		if first := v.firstSeen(); first != "" {
			s.say("First seen: " + first + ".")
		}
	}
	return s
}

// reminder says why openings are reported that nothing has changed about.
func (v *view) reminder() string {
	const weekly = "critical openings are reported every week while they stand and no exception covers them"
	if o := &v.openings[0]; len(v.openings) == 1 {
		return "first seen " + o.FirstSeen.UTC().Format(time.DateOnly) + ", reported " + text.Plural(o.Reports, "time") + " before; " + weekly
	}
	return "nothing is new; " + weekly
}

// eventsLost says what follows from openings that no event announced.
func (v *view) eventsLost(limits) section {
	s := section{title: "The event path may be broken"}
	if !v.isSweep || v.alert.Sweep.UnannouncedGone == 0 && !slices.ContainsFunc(v.openings, isUnannounced) {
		return s
	}
	out := "Of openings that were made between two sweeps, no event reached detect within half an hour of the second. Until it works again, nothing is closed " +
		"within seconds. Check that the trail logs management events, and that the rule OpeningsRule is enabled and unchanged."
	if v.alert.Sweep.EventsUnread {
		out = "Whether an event announced openings that were made between two sweeps is unknown, because detect's log has not been readable for hours: see the log of sweep. " +
			"Check that the log group exists and that sweep's role may read it. Until then the event path may be broken unnoticed."
	}
	if gone := v.alert.Sweep.UnannouncedGone; gone > 0 {
		out += fmt.Sprintf(" %s of them %s gone or being closed: see the log of sweep.", text.Thousands(gone), text.Agree(gone, "is", "are"))
	}
	s.say(out)
	return s
}

func isUnannounced(o opening) bool { return o.Unannounced }

// isReminder reports whether a digest has nothing new.
func (v *view) isReminder() bool {
	return len(v.openings) > 0 && !slices.ContainsFunc(v.openings, func(o opening) bool { return !o.Reminder || o.FirstSeen == nil })
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
