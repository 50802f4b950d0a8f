package alert

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sgward/internal/finding"
	"sgward/internal/text"
)

// expiryStep is what a reader of an expiry notice does now.
const expiryStep = "Close what the exception covers, or agree on a new last day with its owner and change the policy; take out of it what has ended."

// isExpiryNotice reports that an alert tells of exceptions that run out, and of no
// rule.
func isExpiryNotice(a *finding.Alert) bool {
	return a.Sweep == nil && len(a.Findings) > 0 && !slices.ContainsFunc(a.Findings, func(r finding.Result) bool { return r.Rule != nil || r.Exception == nil })
}

// hasEnded reports that an exception's last day was over at the time of the event.
// Days are of UTC and have the form 2027-03-31, which sorts by date.
func hasEnded(a *finding.Alert, x *finding.Exception) bool {
	return x.Expires < a.Event.EventTime.UTC().Format(time.DateOnly)
}

// expiryHeadline says how many exceptions end, and names the first if there is only
// that one.
func expiryHeadline(a *finding.Alert, limit int) string {
	ended := 0
	for i := range a.Findings {
		if hasEnded(a, a.Findings[i].Exception) {
			ended++
		}
	}
	ending := len(a.Findings) - ended
	var parts []string
	if ended > 0 {
		parts = append(parts, text.Thousands(ended)+" ended")
	}
	if ending > 0 {
		parts = append(parts, text.Thousands(ending)+" about to end")
	}
	line := "Exceptions of the policy: " + strings.Join(parts, ", ")
	if x := a.Findings[0].Exception; len(a.Findings) == 1 && isPlainName(x.ID) && isIdentifier(x.Expires) {
		word := "ends"
		if ended > 0 {
			word = "ended"
		}
		if named := "Exception " + x.ID + " " + word + " with " + x.Expires; len(named) <= limit {
			line = named
		}
	}
	if isIdentifier(a.Event.AccountID) && isIdentifier(a.Event.Region) {
		if placed := line + ", account " + a.Event.AccountID + " " + a.Event.Region; len(placed) <= limit {
			return placed
		}
	}
	return line
}

// tellExpiry writes down which exceptions end, when, whose they are and what that
// means.
func tellExpiry(v voice, a *finding.Alert, lim bounds) []section {
	ends := section{title: "Exceptions that end"}
	listed := a.Findings[:min(len(a.Findings), lim.listed)]
	for i := range listed {
		x := listed[i].Exception
		number := ""
		if len(a.Findings) > 1 {
			number = fmt.Sprintf("%d. ", i+1)
		}
		ends.say(number + v.name(x.ID, lim.text) + ", which " + v.quote(x.Owner, lim.text) + " answers for, " + whenEnds(v, a, x) + ".")
		for _, r := range listed[i].Reasons[:min(len(listed[i].Reasons), lim.reasons)] {
			ends.say("Policy: " + v.cite(r.String(), 2*lim.text))
		}
	}
	if more := len(a.Findings) - len(listed); more > 0 {
		ends.say("And " + text.Thousands(more) + " more.")
	}
	if a.FindingsOmitted > 0 {
		ends.say(fmt.Sprintf("The JSON form of this alert leaves out %s of them.", text.Thousands(a.FindingsOmitted)))
	}
	means := section{title: "What that means"}
	means.say("An exception applies to the end of its last day, in UTC. After that, a rule that it covers is judged like any other: " +
		"when it is made or edited anew, and by the sweep that follows the end, which closes it where its statement says existing: revoke.")
	todo := section{title: "What to do"}
	todo.say(expiryStep)
	return []section{ends, means, todo}
}

func whenEnds(v voice, a *finding.Alert, x *finding.Exception) string {
	if hasEnded(a, x) {
		return "ended with " + v.id(x.Expires) + " and no longer applies"
	}
	out := "ends with " + v.id(x.Expires)
	day, err := time.Parse(time.DateOnly, x.Expires)
	if err != nil {
		return out
	}
	switch days := int(day.Sub(a.Event.EventTime.UTC().Truncate(24*time.Hour)).Hours() / 24); days {
	case 0:
		return out + ", today"
	case 1:
		return out + ", tomorrow"
	default:
		return out + ", in " + text.Plural(days, "day")
	}
}

// entriesOf says what the edited prefix list holds, who loses access where a rule
// that uses it goes; "" for other events.
func entriesOf(v voice, a *finding.Alert, lim bounds) string {
	if a.PrefixListID == "" {
		return ""
	}
	out := "The call edited the prefix list " + v.id(a.PrefixListID)
	total := len(a.PrefixListEntries) + a.PrefixListEntriesOmitted
	if total == 0 {
		return out + ". What that holds is not known."
	}
	var list []string
	for _, e := range a.PrefixListEntries[:min(len(a.PrefixListEntries), lim.listed)] {
		one := v.cidr(e.Cidr)
		if e.Description != "" {
			one += " " + v.quote(e.Description, lim.text)
		}
		if e.Added {
			one += " (added by this call)"
		}
		list = append(list, one)
	}
	if more := total - len(list); more > 0 {
		list = append(list, "and "+text.Thousands(more)+" more")
	}
	holds := text.Agree(total, "entry, which loses", "entries, which lose")
	return out + ". It holds " + text.Thousands(total) + " " + holds + " access where a rule goes: " + strings.Join(list, ", ") +
		". Taking an entry out of the list closes it in every rule at once."
}

// cidr shows an address range, quoted where it is none.
func (v voice) cidr(s string) string {
	if p, err := netip.ParsePrefix(s); err == nil && p.String() == s {
		return s
	}
	return v.quote(s, 64)
}
