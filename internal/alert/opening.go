package alert

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// opened describes each opening in full.
func (v *view) opened(lim limits) section {
	s, a, listed := section{title: v.openedTitle()}, v.alert, v.listed(lim)
	for i := range listed {
		o := &listed[i]
		s.say(pick(len(v.openings) > 1, strconv.Itoa(i+1)+". ", "") + o.sentence)
		if v.isExpiry {
			for _, reason := range first(o.reasons, lim.listed) {
				s.say(reason)
			}
		}
	}
	s.say(prefixListEntries(a, lim))
	if v.omitted > 0 {
		rest := pick(v.isSweep || v.isExpiry, ".", "; for the others see the CloudTrail event and sgward's log.")
		s.say(fmt.Sprintf("The JSON form of this alert lists %s of %s%s",
			text.Thousands(len(a.Findings)-v.omitted), text.Plural(len(a.Findings), "finding"), rest))
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

// why cites the policy.
func (v *view) why(lim limits) section {
	s := section{title: "Why"}
	if v.isExpiry {
		return s
	}
	var reasons [][]string
	for _, o := range v.listed(lim) {
		texts := slices.Clone(o.reasons)
		if st, ok := v.alert.Statement(o.StatementID); ok {
			if st.Description != "" {
				texts = append(texts, cite(st.Description))
			}
			if len(st.Controls) > 0 {
				texts = append(texts, "Controls: "+cite(strings.Join(st.Controls, ", "))+".")
			}
		}
		reasons = append(reasons, texts)
	}
	lines := grouped(reasons)
	for _, out := range first(lines, lim.listed) {
		s.say(out)
	}
	more := len(lines) - lim.listed
	s.leftOut(more, text.Plural(more, "more reason")+" of the policy")
	return s
}

// opening is one finding of a view.
type opening struct {
	finding.Result
	accountID, region string // or the event's

	sentence     string   // traffic, peer and place; for an exempt rule, the exception
	done         string   // the outcome
	reasons      []string // of the policy
	closeCommand string   // "" if there is none, like the next two
	undoCommand  string
	exception    string // to paste into the policy
}

// describe writes the texts of an opening.
func (o *opening) describe(v *view) {
	a := v.alert
	switch {
	case o.Outcome == finding.OutcomeCompliant:
		o.sentence = o.withdrawn()
		return
	case o.Outcome == finding.OutcomeExempt:
		o.sentence = o.allowed()
		return
	case v.isExpiry:
		o.sentence = o.ending(a)
	default:
		o.sentence = joined(o.opens(v), o.closing(), o.openedBy(a), o.detail(), o.together(v.isSweep), o.lostException(), o.unannounced(), o.reportedBefore(a), o.madeBy())
	}
	o.done, o.reasons = o.doneText(a), o.reasonsText()
	o.exception = strings.TrimSuffix(Exception(a.Event, o.Finding), "\n")
	if o.Rule != nil {
		o.closeCommand = oneLine("revoke", o.accountID, o.region, o.GroupID, *o.Rule)
	}
	if o.Rule != nil && !o.EditedBack {
		o.undoCommand = folded(undoArguments(o.accountID, o.region, o.GroupID, *o.Rule, "\n  "))
	}
}

// joined joins non-empty sentences with blanks.
func joined(sentences ...string) string {
	var out []string
	for _, s := range sentences {
		if s != "" {
			out = append(out, s)
		}
	}
	return strings.Join(out, " ")
}

// isOpen reports that the rule, or others of its group, let the traffic through.
func (o opening) isOpen() bool {
	return o.Gone || o.Outcome != finding.OutcomeRevoked && o.Outcome != finding.OutcomeAlreadyClosed
}

func (o *opening) isEgress() bool {
	return o.Rule != nil && o.Rule.Permission.Direction == secgroup.Egress
}

// opens is the headline in full, with the group and, unless a sweep found it, the time that
// it was or has been open.
func (o *opening) opens(v *view) string {
	in := group(o.GroupID, o.GroupName)
	if o.Rule == nil {
		return "Unknown rules of " + in + "."
	}
	_, _, what := traffic(o.Rule.Permission)
	_, who := o.peer(v)
	out := what + o.way() + who + pick(o.isEgress(), " from ", " in ") + in
	if o.ExposureSeconds != nil && !v.isSweep {
		// CloudTrail truncates the time of the call to seconds: it lasted at most this long.
		length := text.Duration(*o.ExposureSeconds)
		out += pick(o.isOpen(), ", opened "+length+" ago", ", for at most "+length)
	}
	return out + "."
}

// way joins traffic and peer. An opening that is open has no verb: its outcome is one.
func (o *opening) way() string {
	if o.isOpen() {
		return pick(o.isEgress(), " out to ", " to ")
	}
	return pick(o.isEgress(), " could go out to ", " was open to ")
}

// openedBy says that the edit of a prefix list made the opening.
func (o *opening) openedBy(a *finding.Alert) string {
	if !o.OpenedByEdit {
		return ""
	}
	return "The edit of the prefix list " + id(a.PrefixListID) + " opened it: by the entries before, the policy did not forbid the rule."
}

// detail lists the rule's id, severity, description and tags.
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
			parts = append(parts, "direction unknown (CloudTrail does not record it for edits)")
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
	case isStanding: // all rules of the group were judged together: none is special
		return ofGroup
	case len(o.With) == 0:
		return "It is forbidden only together with the other rules of the same call: their ranges add up."
	}
	var list []string
	for i := range o.With {
		_, who := peer(o.With[i].Permission.Peer, o.AccountID)
		_, _, out := traffic(o.With[i].Permission)
		out += ", " + who
		if o.With[i].ID != "" {
			out = id(o.With[i].ID) + " (" + out + ")"
		}
		list = append(list, out)
	}
	others := text.First(list, maxOthers, "; ")
	if o.Left != "" { // their order may be unknown
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
	return "The exception " + name(x.ID) + " of " + quote(x.Owner) + ", which would cover it, ended " + withEnd(x.Expires) + "."
}

// reportedBefore says why the opening of an earlier digest is reported again.
func (o *opening) reportedBefore(a *finding.Alert) string {
	if o.FirstSeen == nil || !o.FirstSeen.Before(a.Event.EventTime) || o.Unannounced {
		return ""
	}
	seen := o.FirstSeen.UTC().Format(time.DateOnly)
	if !o.Reminder {
		return "It was reported before (first seen " + seen + "); its verdict has changed since."
	}
	return "It has stood for " + text.Plural(int(a.Event.EventTime.Sub(*o.FirstSeen).Hours()/24), "day") + " or more (first seen " + seen +
		"), and was reported " + text.Plural(o.Reports, "time") + " before."
}

// unannounced says that sgward heard nothing of the rule's making.
func (o *opening) unannounced() string {
	if !o.Unannounced {
		return ""
	}
	return "No event is known that announced it."
}

// ruleOr returns what the rule lets through and its group; unknown stands for a missing rule.
func (o *opening) ruleOr(unknown string) string {
	out := unknown
	if o.Rule != nil {
		_, who := peer(o.Rule.Permission.Peer, o.accountID)
		_, _, what := traffic(o.Rule.Permission)
		out = what + ", " + who
	}
	return out + ", in " + group(o.GroupID, o.GroupName)
}

// allowed names the exception that covers an exempt rule.
func (o *opening) allowed() string {
	out := "Allowed: " + o.ruleOr("a rule that the record leaves out")
	x := o.Exception
	if x == nil {
		return out + "."
	}
	out += ", by exception " + name(x.ID) + " of " + quote(x.Owner) + " until " + end(x.Expires) + "."
	if x.ByTag {
		out += " It depends on tags of the group. To see who set them, look for CloudTrail's CreateTags and " +
			"CreateSecurityGroup events of the group (aws cloudtrail lookup-events)."
	}
	return out
}

// reasonsText cites the reasons of the deciding statement and counts the others, which say
// "alert" beside a rule that was revoked and would look like a contradiction.
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

// deciding drops the reasons of other statements, and counts them.
func (o *opening) deciding() (reasons []policy.Reason, others int) {
	isOther := func(r policy.Reason) bool { return r.ID != "" && o.StatementID != "" && r.ID != o.StatementID }
	reasons = slices.DeleteFunc(slices.Clone(o.Reasons), isOther)
	if len(reasons) == 0 {
		return o.Reasons, 0
	}
	return reasons, len(o.Reasons) - len(reasons)
}

// peer is the package's peer of the opening's rule. An edited prefix list that holds the
// whole internet is that.
func (o *opening) peer(v *view) (short, full string) {
	short, full = peer(o.Rule.Permission.Peer, o.AccountID)
	if list := o.Rule.Permission.Peer.PrefixList(); list != "" && list == v.alert.PrefixListID {
		for _, e := range v.alert.PrefixListEntries {
			if p, err := netip.ParsePrefix(e.Cidr); err == nil && secgroup.WholeInternet(p) != "" {
				return secgroup.WholeInternet(p) + " by " + short, secgroup.WholeInternet(p) + " by " + full
			}
		}
	}
	return short, full
}
