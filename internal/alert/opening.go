package alert

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// opened lists the openings, those of a sweep under the names of their groups.
func (v *view) opened(lim limits) section {
	s, a, listed := section{title: v.openedTitle()}, v.alert, v.listed(lim)
	for i := range listed {
		o := &listed[i]
		if v.isSweep && (i == 0 || o.GroupID != listed[i-1].GroupID) {
			inGroup := 0
			for j := range v.openings {
				if v.openings[j].GroupID == o.GroupID {
					inGroup++
				}
			}
			s.say(group(o.GroupID, o.GroupName) + ", " + text.Plural(inGroup, "opening") + ":")
		}
		switch {
		case len(v.openings) > 1:
			s.say(fmt.Sprintf("%d. %s", i+1, o.sentence))
		case v.isSweep:
			s.say("- " + o.sentence)
		default:
			s.say(o.sentence)
		}
		if v.isExpiry {
			for _, reason := range first(o.reasons, lim.reasons) {
				s.say(reason)
			}
		}
	}
	if len(v.openings) == 0 {
		s.say("Nothing that the policy forbids.")
	}
	others := v.openings[len(listed):]
	more := len(others)
	counted := byOutcome(others)
	if v.isSweep { // which leaves nearly all open
		counted = bySeverity(others)
	}
	if v.isExpiry {
		s.leftOut(more, text.Thousands(more)+" more")
	} else {
		s.leftOut(more, text.Plural(more, "more opening")+" that "+text.Agree(more, "is", "are")+" not listed here: "+counted)
	}
	s.say(prefixListEntries(a, lim))
	if v.omitted > 0 {
		rest := "."
		if !v.isSweep && !v.isExpiry {
			rest = "; for the others see the CloudTrail event and sgward's log."
		}
		s.say(fmt.Sprintf("The JSON form of this alert lists %s of %s%s",
			text.Thousands(len(a.Findings)-v.omitted), text.Plural(len(a.Findings), "finding"), rest))
	}
	if v.isSweep && (more > 0 || v.omitted > 0) {
		s.say("To list everything that stands: sgward audit --regions " + id(a.Event.Region))
	}
	return s
}

func (v *view) openedTitle() string {
	isClosed := func(o opening) bool { return !o.isOpen() }
	switch {
	case v.isExpiry:
		return "Exceptions that end"
	case !slices.ContainsFunc(v.openings, opening.isOpen):
		return "What was open"
	case slices.ContainsFunc(v.openings, isClosed):
		return "What was open and what still is"
	default:
		return "What is open"
	}
}

// opening is one finding of a view.
type opening struct {
	finding.Result
	accountID, region string // the event's where the finding has none

	sentence     string   // the traffic, the peer and the place; of an exempt rule, the exception
	done         string   // the outcome
	reasons      []string // of the policy
	closeCommand string   // "" where there is none, like the next two
	undoCommand  string
	exception    string // to paste into the policy
}

// describe writes the texts of an opening.
func (o *opening) describe(v *view) {
	a := v.alert
	switch {
	case o.Outcome == finding.OutcomeExempt:
		o.sentence = o.allowed()
		return
	case v.isExpiry:
		o.sentence = o.ending(a)
	default:
		o.sentence = joined(o.opens(v.isSweep), o.detail(), o.together(v.isSweep), o.lostException(), o.toldBefore(a))
	}
	o.done, o.reasons = o.doneText(a), o.reasonsText()
	o.exception = strings.TrimSuffix(Exception(a.Event, o.Finding), "\n")
	if o.Rule != nil {
		o.closeCommand = folded(closeArguments(o.accountID, o.region, o.GroupID, *o.Rule))
		o.undoCommand = folded(undoArguments(o.accountID, o.region, o.GroupID, *o.Rule, "\n  "))
	}
}

// joined puts a blank between the sentences that say something.
func joined(sentences ...string) string {
	var out []string
	for _, s := range sentences {
		if s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

func (o opening) isOpen() bool {
	return o.Outcome != finding.OutcomeRevoked && o.Outcome != finding.OutcomeAlreadyClosed
}

func (o *opening) isEgress() bool {
	return o.Rule != nil && o.Rule.Permission.Direction == secgroup.Egress
}

// opens names the traffic and its peer, duration and group, in the tense that the
// outcome asks for. A sweep names the group above, and does not know the duration.
func (o *opening) opens(isStanding bool) string {
	switch {
	case o.Rule == nil && isStanding:
		return "Some of its rules could not be understood: what they open is not known."
	case o.Rule == nil:
		return "What the call changed in " + group(o.GroupID, o.GroupName) + " is not known."
	}
	is, was, opened, in := " is open to ", " was open to ", " was opened to ", " in "
	if o.isEgress() {
		is, was, opened, in = " can go out to ", " could go out to ", " was let out to ", " from "
	}
	where, length := "", ""
	if !isStanding {
		where = in + group(o.GroupID, o.GroupName)
	}
	if o.ExposureSeconds != nil && !isStanding {
		length = " " + text.Duration(*o.ExposureSeconds)
	}
	// since puts words around the length, or gives nothing where it is not known.
	since := func(before, after string) string {
		if length == "" {
			return ""
		}
		return before + length + after
	}
	what := traffic(o.Rule.Permission)
	_, who := peer(o.Rule.Permission.Peer, o.AccountID)
	switch {
	case !o.isOpen():
		// CloudTrail cuts the second of the call: it was later than it says.
		return what + was + who + since(" for at most", "") + where + "."
	case o.Outcome == finding.OutcomeFailed && !isStanding:
		return what + opened + who + where + since("", " ago") + " and may still be open."
	default:
		return what + is + who + where + since(", for", " so far") + "."
	}
}

// detail names the rule, its severity, and its description and tags.
func (o *opening) detail() string {
	var parts []string
	if o.Rule != nil && o.Rule.ID != "" {
		parts = append(parts, "rule "+id(o.Rule.ID))
	}
	if o.Severity != policy.NoSeverity {
		parts = append(parts, "severity "+o.Severity.String())
	}
	if o.Rule != nil {
		if o.Rule.Permission.Direction == 0 {
			parts = append(parts, "direction not known (CloudTrail does not record it for edits)")
		}
		if o.Rule.Description != "" {
			parts = append(parts, "description "+quote(o.Rule.Description))
		}
		if tags := o.Rule.Tags; len(tags) > 0 {
			var list []string
			for _, t := range tags {
				list = append(list, quote(t.Key+"="+t.Value))
			}
			parts = append(parts, "tags "+text.First(list, maxTags, " "))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	s := strings.Join(parts, ", ")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// together names the rules with which a union crosses the threshold.
func (o *opening) together(isStanding bool) string {
	const ofGroup = "It is forbidden only together with other rules of the group: their ranges add up."
	switch {
	case !o.Union:
		return ""
	case isStanding: // all rules of the group were judged together: there is none to name
		return ofGroup
	case len(o.With) == 0:
		return "It is forbidden only together with the other rules of the same call: their ranges add up."
	}
	var list []string
	for i := range o.With {
		_, who := peer(o.With[i].Permission.Peer, o.AccountID)
		out := traffic(o.With[i].Permission) + ", " + who
		if o.With[i].ID != "" {
			out = id(o.With[i].ID) + " (" + out + ")"
		}
		list = append(list, out)
	}
	others := text.First(list, maxOthers, "; ")
	if o.Left != "" { // which of them came first may not be known
		return ofGroup + " These are: " + others + "."
	}
	return "It is forbidden only together with rules that the group held before the call: their ranges add up. " +
		"Those were left as they are: " + others + "."
}

// lostException names the exception that no longer covers a rule.
func (o *opening) lostException() string {
	x := o.Ended
	if x == nil {
		return ""
	}
	return "The exception " + name(x.ID) + " of " + quote(x.Owner) + ", which would cover it, ended with " + id(x.Expires) + "."
}

// toldBefore says why an earlier digest's opening is told again.
func (o *opening) toldBefore(a *finding.Alert) string {
	if o.FirstSeen == nil || !o.FirstSeen.Before(a.Event.EventTime) {
		return ""
	}
	return "It was told before (first seen " + o.FirstSeen.UTC().Format(time.DateOnly) + "): what the policy says of it has changed."
}

// allowed says which exception covers an exempt rule.
func (o *opening) allowed() string {
	out := "Allowed: a rule that the record does not tell"
	if o.Rule != nil {
		_, who := peer(o.Rule.Permission.Peer, o.AccountID)
		out = "Allowed: " + traffic(o.Rule.Permission) + ", " + who
	}
	out += ", in " + group(o.GroupID, o.GroupName)
	x := o.Exception
	if x == nil {
		return out + "."
	}
	out += ", by exception " + name(x.ID) + " of " + quote(x.Owner) + " until " + id(x.Expires) + "."
	if x.ByTag {
		out += " It rests on tags of the group. Who set them this event does not show: CloudTrail's CreateTags and " +
			"CreateSecurityGroup events of the group do (aws cloudtrail lookup-events)."
	}
	return out
}

// reasonsText cites the reasons of the statement that decided. Those of others are
// counted: they say "alert" beside something that was revoked, which reads as a
// contradiction.
func (o *opening) reasonsText() []string {
	label := "Policy: "
	if o.Rule == nil && o.Exception == nil { // nothing was judged
		label = "Reason: "
	}
	deciding, others := o.deciding()
	var out []string
	for _, r := range deciding {
		out = append(out, label+cite(r.String()))
	}
	if others > 0 {
		out = append(out, text.Plural(others, "more statement")+" of the policy "+text.Agree(others, "applies", "apply")+" to it.")
	}
	return out
}

// deciding drops the reasons of statements that did not decide, and counts them.
func (o *opening) deciding() (reasons []policy.Reason, others int) {
	isOther := func(r policy.Reason) bool { return r.ID != "" && o.StatementID != "" && r.ID != o.StatementID }
	reasons = slices.DeleteFunc(slices.Clone(o.Reasons), isOther)
	if len(reasons) == 0 {
		return o.Reasons, 0
	}
	return reasons, len(o.Reasons) - len(reasons)
}
