package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"sgward/internal/policy"
	"sgward/internal/text"
)

func nameOf(p Policy) string { return text.Shown(cmp.Or(p.Name, p.File), mostName) }

func policyText(p Policy) string {
	out := nameOf(p)
	if p.Summary != "" {
		out += " (" + text.Shown(p.Summary, mostName) + ")"
	}
	return out
}

func digestText(p Policy) string {
	return nameOf(p) + " is " + text.Shown(p.Digest, mostName)
}

// readText describes the input in sentences.
func readText(run Run, read Coverage) []string {
	var out []string
	if h := read.History; h != nil {
		line := fmt.Sprintf("Read %s, %s: %s", text.Plural(h.Files, "file"), text.Bytes(h.Bytes), text.Plural(h.Records, "record"))
		if !h.First.IsZero() {
			line += fmt.Sprintf(", from %s to %s", date(h.First), date(h.Last))
		}
		out = append(out, line+".")
		line = fmt.Sprintf("%s made %s, %s of them compliant. %s closed rules.", text.Plural(h.Changes, "call"), text.Plural(h.Rules, "rule"), text.Thousands(h.Compliant), text.Plural(h.Closings, "call"))
		if h.Failed > 0 {
			line += " " + text.Plural(h.Failed, "call") + " failed and opened nothing."
		}
		if h.Repeated > 0 {
			line += " " + text.Plural(h.Repeated, "record") + " arrived more than once."
		}
		out = append(out, line)
		if run.Chosen != "" {
			out = append(out, "These are only calls "+text.Shown(run.Chosen, mostText)+".")
		}
	}
	if i := read.Inventory; i != nil {
		line := fmt.Sprintf("Read %s with %s", text.Plural(i.Groups, "group"), text.Plural(i.Rules, "rule"))
		switch n := len(i.Accounts); n {
		case 0:
		case 1:
			line += " in account " + text.Shown(i.Accounts[0], mostName)
		default:
			line += " in " + text.Plural(n, "account")
		}
		switch n := len(i.Regions); n {
		case 0:
		case 1:
			line += ", " + text.Shown(i.Regions[0], mostName)
		default:
			line += ", " + text.Plural(n, "region")
		}
		out = append(out, line+".")
		if i.Baseline >= 0 {
			out = append(out, "The baseline hides "+text.Plural(i.Baseline, "finding")+"; the others are new.")
		}
	}
	if p := read.Planned; p != nil {
		out = append(out, fmt.Sprintf("Read %s: %s with %s that the change makes, and %s that it leaves alone.",
			text.Plural(p.Files, "file"), text.Plural(p.Groups, "group"), text.Plural(p.Rules, "rule"), text.Thousands(p.Standing)))
	}
	if len(run.Sources) > 0 {
		out = append(out, "Sources: "+listed(run.Sources, 5))
	}
	return out
}

// emptyText says that there are no findings, and why.
func emptyText(run Run, read Coverage) string {
	out := "No findings: nothing read violates the policy."
	if read.History != nil && read.History.Changes == 0 {
		out = "No findings: the history holds no successful call that can open a group."
		if run.Chosen != "" {
			out = "No findings: none of the chosen calls was successful and can open a group."
		}
	}
	if read.Inventory != nil && read.Inventory.Groups == 0 && len(read.Problems) == 0 {
		out = "No findings: no security group was read."
	}
	if read.Planned != nil && read.Planned.Rules == 0 && len(read.Problems) == 0 {
		out = "No findings: the change makes no security group rule."
	}
	if read.Inventory != nil && read.Inventory.Baseline > 0 {
		out = "No new findings: the baseline holds them all."
	}
	if run.Other != nil {
		out = "No differences: " + nameOf(*run.Other) + " decides as " + nameOf(run.Policy) + " does."
	}
	if len(read.Problems) == 0 {
		return out
	}
	if i := read.Inventory; i != nil && i.Groups == 0 || read.History != nil && read.History.Records == 0 {
		return "Nothing was judged: nothing could be read."
	}
	return "Only a part was judged: " + text.Plural(len(read.Problems), "problem") + " kept the rest from being read. In that part: " +
		strings.ToLower(out[:1]) + out[1:]
}

// headline is the one sentence for whoever reads no further.
func (c *collector) headline(read Coverage) string {
	switch c.run.Command {
	case Audit:
		return c.auditHeadline(read)
	case Check:
		return c.checkHeadline(read)
	}
	did := []string{"closed nothing"}
	closed, reported, looked := c.of(policy.Revoke), c.of(policy.Alert), c.of(policy.Undetermined)
	if closed > 0 {
		did[0] = "closed " + text.Plural(closed, "opening") + " by " + text.Plural(len(c.closers), "caller")
	}
	switch {
	case reported == 0:
	case closed == 0:
		did = append(did, "reported "+text.Plural(reported, "opening"))
	default:
		did = append(did, "reported "+text.Thousands(reported)+" more")
	}
	switch {
	case looked == 0:
	case closed == 0 && reported == 0:
		did = append(did, "looked at EC2 for "+text.Plural(looked, "opening"))
	default:
		did = append(did, "looked at EC2 for "+text.Thousands(looked))
	}
	out := "sgward would have "
	if h := read.History; h != nil {
		if n := h.Compliant + int64(c.of(policy.Exempt)); n > 0 {
			did = append(did, "left "+text.Plural(n, "rule")+" alone")
		}
		if span := h.Last.Sub(h.First); !h.First.IsZero() && span >= time.Minute {
			out = "In " + roughly(span) + " " + out
		}
	}
	out += and(did) + "."
	n, of := c.unclosed, closed
	if of == 0 {
		n, of = c.open, reported+looked
	}
	switch {
	case n == 0:
	case n == of && n == 1:
		out += " The history does not show the opening closed."
	case n == of:
		out += " The history shows none of the " + text.Thousands(of) + " closed."
	default:
		out += " " + text.Thousands(n) + " of the " + text.Thousands(of) + " " + text.Agree(n, "is", "are") + " still open where the history ends."
	}
	return out
}

func (c *collector) checkHeadline(read Coverage) string {
	var parts []string
	for _, part := range []struct {
		verdict policy.Verdict
		says    string
	}{{policy.Revoke, "forbidden"}, {policy.Alert, "reported once made"}, {policy.Undetermined, "not known before the change is made"}} {
		if n := c.of(part.verdict); n > 0 {
			parts = append(parts, text.Thousands(n)+" "+text.Agree(n, "is", "are")+" "+part.says)
		}
	}
	if len(parts) == 0 {
		return "Exceptions cover every finding."
	}
	out := "Of the rules of this change, "
	if p := read.Planned; p != nil {
		out = "Of " + text.Plural(p.Rules, "rule") + " that this change makes, "
	}
	return out + and(parts) + "."
}

func (c *collector) auditHeadline(read Coverage) string {
	var parts []string
	if n := c.of(policy.Revoke); n > 0 {
		parts = append(parts, text.Plural(n, "opening")+" "+text.Agree(n, "is", "are")+" forbidden")
	}
	if n := c.of(policy.Undetermined); n > 0 {
		parts = append(parts, text.Thousands(n)+" "+text.Agree(n, "needs", "need")+" a look at EC2")
	}
	if n := c.of(policy.Alert); n > 0 {
		parts = append(parts, text.Thousands(n)+" "+text.Agree(n, "is", "are")+" warned of")
	}
	if len(parts) == 0 {
		return text.Plural(c.of(policy.Exempt), "opening") + ", covered by exceptions; nothing else violates the policy."
	}
	out := and(parts) + ", in " + text.Thousands(c.affected)
	if i := read.Inventory; i != nil {
		out += " of " + text.Plural(i.Groups, "group")
	}
	switch {
	case c.known == 0 && c.unknown > 0:
		out += ". Which of the groups are in use was not read."
	case c.urgent == 1:
		out += ". Begin with the critical opening at a public address."
	case c.urgent > 0:
		out += ". Begin with the " + text.Plural(c.urgent, "critical opening") + " at a public address."
	default:
		out += ". No critical opening is at a public address."
	}
	return strings.ToUpper(out[:1]) + out[1:]
}

// roughly prints a span in one unit: "90 days", "6 hours", "5 minutes".
func roughly(d time.Duration) string {
	switch {
	case d >= 47*time.Hour:
		return text.Plural(int((d+12*time.Hour)/(24*time.Hour)), "day")
	case d >= 100*time.Minute:
		return text.Plural(int((d+30*time.Minute)/time.Hour), "hour")
	default:
		return text.Plural(int((d+30*time.Second)/time.Minute), "minute")
	}
}

// and joins parts of a sentence: "a, b and c".
func and(parts []string) string {
	if last := len(parts) - 1; last > 0 {
		return strings.Join(parts[:last], ", ") + " and " + parts[last]
	}
	return strings.Join(parts, "")
}
