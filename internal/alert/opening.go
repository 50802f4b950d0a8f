package alert

import (
	"cmp"
	"slices"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// opening is one result made ready for telling.
type opening struct{ finding.Result }

// isEgress reports whether the opening lets traffic out.
func (o *opening) isEgress() bool {
	return o.Rule != nil && o.Rule.Permission.Direction == secgroup.Egress
}

// openingsOf sorts an alert's results for people: first what could not be closed, then by
// severity, then by outcome, and otherwise as they came. Exempt ones are apart.
func openingsOf(a *finding.Alert) (openings, exempt []opening) {
	for _, r := range sorted(a) {
		o := opening{r}
		if r.Outcome == finding.OutcomeExempt {
			exempt = append(exempt, o)
		} else {
			openings = append(openings, o)
		}
	}
	return openings, exempt
}

// sorted returns an alert's results in the order in which people and machines get them.
// What is left out of a bounded message is then what matters least.
func sorted(a *finding.Alert) []finding.Result {
	out := slices.Clone(a.Findings)
	class := func(r finding.Result) int {
		switch r.Outcome {
		case finding.OutcomeFailed:
			return 0
		case finding.OutcomeExempt:
			return 2
		default:
			return 1
		}
	}
	slices.SortStableFunc(out, func(a, b finding.Result) int {
		return cmp.Or(
			cmp.Compare(class(a), class(b)),
			cmp.Compare(severityRank(a.Severity), severityRank(b.Severity)),
			cmp.Compare(outcomeRank(a.Outcome), outcomeRank(b.Outcome)),
		)
	})
	if a.Sweep != nil {
		byGroup(out)
	}
	return out
}

// place returns account and region, the event's where the finding has none.
func (o *opening) place(a *finding.Alert) (accountID, region string) {
	return firstOf(o.AccountID, a.Event.AccountID), firstOf(o.Region, a.Event.Region)
}

// what says protocol, ports and nothing else.
func (o *opening) what() string {
	if o.Rule == nil {
		return "something that the record does not tell"
	}
	return traffic(o.Rule.Permission)
}

// sentence says what was open to whom, for how long and where, in the tense that
// the outcome asks for.
func (o *opening) sentence(v voice, limit int) string {
	if o.Rule == nil {
		return "What the call changed in " + v.group(o.GroupID, o.GroupName, limit) + " is not known."
	}
	is, was, opened, in := "is open to", "was open to", "was opened to", " in "
	if o.isEgress() {
		is, was, opened, in = "can go out to", "could go out to", "was let out to", " from "
	}
	what, who, where := o.what(), o.who(v), in+v.group(o.GroupID, o.GroupName, limit)
	length := ""
	if o.ExposureSeconds != nil {
		length = " " + text.Duration(*o.ExposureSeconds)
	}
	// since puts words around the length, or gives nothing where it is not known.
	since := func(before, after string) string {
		if length == "" {
			return ""
		}
		return before + length + after
	}
	switch o.Outcome {
	case finding.OutcomeRevoked, finding.OutcomeAlreadyClosed:
		// CloudTrail cuts the second of the call: it was later than it says.
		return what + " " + was + " " + who + since(" for at most", "") + where + "."
	case finding.OutcomeFailed:
		return what + " " + opened + " " + who + where + since("", " ago") + " and may still be open."
	default:
		return what + " " + is + " " + who + where + since(", for", " so far") + "."
	}
}

// deciding returns the reasons without those of statements that did not decide, and
// how many these are. They say "alert" beside something that was revoked, which
// reads as a contradiction.
func (o *opening) deciding() (reasons []policy.Reason, others int) {
	for _, r := range o.Reasons {
		if r.ID != "" && o.StatementID != "" && r.ID != o.StatementID {
			others++
			continue
		}
		reasons = append(reasons, r)
	}
	if len(reasons) == 0 {
		return o.Reasons, 0
	}
	return reasons, others
}

func (o *opening) who(v voice) string {
	if o.Rule == nil {
		return "its peer"
	}
	return v.peer(o.Rule.Permission.Peer, o.AccountID)
}

// detail names the rule and what its maker wrote on it.
func (o *opening) detail(v voice, limit int) string {
	var parts []string
	if o.Rule != nil && o.Rule.ID != "" {
		parts = append(parts, "Rule "+v.id(o.Rule.ID))
	}
	if o.Severity != policy.NoSeverity {
		parts = append(parts, "severity "+o.Severity.String())
	}
	if o.Rule == nil {
		return sentenceOf(parts)
	}
	if o.Rule.Permission.Direction == 0 {
		parts = append(parts, "direction not known (CloudTrail does not record it for edits)")
	}
	if o.Rule.Description != "" {
		parts = append(parts, "description "+v.quote(o.Rule.Description, limit))
	}
	if tags := o.Rule.Tags; len(tags) > 0 {
		var list []string
		for _, t := range tags[:min(len(tags), maxTags)] {
			list = append(list, v.quote(t.Key+"="+t.Value, limit))
		}
		if more := len(tags) - maxTags; more > 0 {
			list = append(list, text.Plural(more, "more tag"))
		}
		parts = append(parts, "tags "+strings.Join(list, " "))
	}
	return sentenceOf(parts)
}

// maxTags and maxWith bound what a text lists of one opening.
const (
	maxTags = 3
	maxWith = 5
)

func sentenceOf(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	s := strings.Join(parts, ", ")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// together names the rules with which a union crosses the line.
func (o *opening) together(v voice) string {
	if !o.Union {
		return ""
	}
	if len(o.With) == 0 {
		return "It is forbidden only together with the other rules of the same call: their ranges add up."
	}
	var list []string
	for i := range o.With[:min(len(o.With), maxWith)] {
		out := traffic(o.With[i].Permission) + ", " + v.peer(o.With[i].Permission.Peer, o.AccountID)
		if id := o.With[i].ID; id != "" {
			out = v.id(id) + " (" + out + ")"
		}
		list = append(list, out)
	}
	if more := len(o.With) - maxWith; more > 0 {
		list = append(list, text.Plural(more, "more rule"))
	}
	if o.Left != "" { // which of them came first may not be known
		return "It is forbidden only together with other rules of the group: their ranges add up. These are: " + strings.Join(list, "; ") + "."
	}
	return "It is forbidden only together with rules that the group held before the call: their ranges add up. " +
		"Those were left as they are: " + strings.Join(list, "; ") + "."
}
