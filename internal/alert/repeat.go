package alert

import (
	"slices"
	"strings"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/text"
)

// thread is the id of the thread of an alert: its own or, if all that it tells of is closed
// and was closed before, that of the first closing's alert. An alert with anything new, and
// the one that is escalated, begins a thread. So does one of a later try: its event's own
// thread may hold the failure of an earlier try, which it ends.
//
// What an edit took with it (the access before the edit) is new each time, and so is an
// exception that rests on tags.
func (v *view) thread() string {
	isNew := func(o opening) bool { return !o.IsQuiet() }
	if v.alert.Try > 1 || slices.ContainsFunc(v.exempt, isNew) {
		return v.alert.ID
	}
	first := ""
	for i := range v.openings {
		o := &v.openings[i]
		if o.isOpen() || o.Edited || o.Repeat == nil || o.Repeat.Escalated || !isIdentifier(o.Repeat.FirstAlertID) || first != "" && first != o.Repeat.FirstAlertID {
			return v.alert.ID
		}
		first = o.Repeat.FirstAlertID
	}
	if first == "" {
		return v.alert.ID
	}
	return first
}

// The values of the attribute "repeat". An alert that tells of anything new has none.
const (
	repeatAgain     = "again"     // in the thread of an earlier alert
	repeatEscalated = "escalated" // once in a thread's life, and beside it
)

// repeat is the alert's value of the attribute, or "".
func (v *view) repeat() string {
	for i := range v.openings {
		if r := v.openings[i].Repeat; r != nil && r.Escalated {
			return repeatEscalated
		}
	}
	return pick(v.thread() != v.alert.ID, repeatAgain, "")
}

// again says how often the openings were closed, by whom they are made each time, and where
// to look for what makes them.
func (v *view) again(lim limits) section {
	s := section{title: "Again", isFact: true}
	s.each(v.listed(lim), func(o *opening) string {
		r := o.Repeat
		if r == nil {
			return ""
		}
		out := "Closed " + text.Plural(r.Closings, "time")
		if o.ClosedAt != nil && o.ClosedAt.After(r.Since) {
			out += " in " + text.Span(o.ClosedAt.Sub(r.Since).Seconds())
		}
		out += ", opened each time by " + maker(v.alert.Event) + ". " + o.inCode(v.alert)
		if isIdentifier(r.FirstAlertID) {
			out += " The first alert is " + r.FirstAlertID + "."
		}
		return out
	})
	return s
}

// inCode says where to look for the code that opens the rule again, as far as that is known.
func (o *opening) inCode(a *finding.Alert) string {
	const change = " Change it there (sgward check shows where), or the rule will be opened again."
	switch p := program(a.Event.UserAgent); {
	case isByCloudFormation(a.Event):
		// The rule may be in another stack than its group.
		return "It is in code: CloudFormation made the rule" + pick(o.StackName != "", ", in a group of stack "+name(o.StackName), "") + "." + change
	case isOfCode(p): // the caller's own word
		return "It is in code, by its user agent: " + p + " made the rule." + change
	case o.StackName != "":
		return "The group is of CloudFormation stack " + name(o.StackName) + ", but CloudFormation did not make the rule: look for a script or a job."
	default:
		return "A script or a job seems to make it: change that, or the rule will be opened again."
	}
}

func isByCloudFormation(e cloudtrail.Event) bool {
	return strings.HasPrefix(e.Actor.InvokedBy, "cloudformation.")
}

// isOfCode reports whether a program makes what code describes.
func isOfCode(program string) bool {
	return program == "Terraform" || program == "OpenTofu" || program == "Pulumi"
}

// shortened drops what the first alert of a thread has said. An incoming webhook has no
// threads: short messages take their place.
func (c *Card) shortened() {
	c.Text, c.Links = nil, nil
	c.Facts = slices.DeleteFunc(c.Facts, func(f Fact) bool { return f.Name == "Done" || f.Name == "Policy" })
}

// ordinal prints "2nd", "3rd", "11th".
func ordinal(n int) string {
	end := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	return text.Thousands(n) + end
}
