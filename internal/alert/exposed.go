package alert

import (
	"slices"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/text"
)

// exposed lists the network interfaces that use the open groups.
func (v *view) exposed(lim limits) section {
	s, a := section{title: pick(slices.ContainsFunc(v.openings, opening.isOpen), "What is exposed", "What was exposed")}, v.alert
	if len(v.openings) == 0 || v.isDigest || v.isSweep || v.isExpiry {
		return s
	}
	groups := v.groupCount()
	used := text.Agree(groups, "the group", "the groups")
	switch {
	case len(a.Exposed) > 0:
		s.say(text.Plural(len(a.Exposed), "network interface") + " " + text.Agree(len(a.Exposed), "uses", "use") + " " + used + ":")
	case a.Exposed != nil && a.ExposedError == "":
		s.say("No network interface uses " + used + " at present.")
	case a.Exposed != nil:
		s.say("No network interface was found that uses " + used + ".")
	case a.ExposedError == "":
		s.say("Not looked up.")
	}
	for i := range first(a.Exposed, lim.listed) {
		s.say(networkInterface(&a.Exposed[i], groups > 1))
	}
	more := len(a.Exposed) - lim.listed
	s.leftOut(more, text.Thousands(more)+" more")
	switch {
	case a.ExposedError != "" && a.Exposed != nil:
		s.say("This is not all: " + quoteLong(a.ExposedError) + ".")
	case a.ExposedError != "":
		s.say("The interfaces that use the group could not be read: " + quoteLong(a.ExposedError) + ".")
	}
	return s
}

// groupCount counts the groups of the openings.
func (v *view) groupCount() int {
	groups := map[string]bool{}
	for i := range v.openings {
		groups[v.openings[i].GroupID] = true
	}
	return len(groups)
}

func networkInterface(n *finding.Interface, namesGroup bool) string {
	out := "- " + id(n.ID)
	if n.InstanceID != "" {
		out += " of " + id(n.InstanceID)
	}
	var public []string
	for _, a := range n.PublicAddresses() {
		public = append(public, address(a))
	}
	if len(public) > 0 {
		out += ", PUBLIC " + text.Agree(len(public), "address ", "addresses ") + text.First(public, maxAddresses, ", ")
	} else {
		out += ", no public address"
	}
	if n.PrivateIP != "" {
		out += ", private " + address(n.PrivateIP)
	}
	if namesGroup && n.GroupID != "" {
		out += ", in " + id(n.GroupID)
	}
	if n.Description != "" {
		out += ", " + quote(n.Description)
	}
	return out
}

// prefixListEntries lists the entries of the edited prefix list, which lose access if a
// rule with it is closed; "" for other events.
func prefixListEntries(a *finding.Alert, lim limits) string {
	if a.PrefixListID == "" {
		return ""
	}
	out := "The call edited the prefix list " + id(a.PrefixListID)
	total := len(a.PrefixListEntries) + a.PrefixListEntriesOmitted
	if total == 0 {
		return out + ". Its entries are unknown."
	}
	holds := text.Agree(total, "entry, which loses", "entries, which lose")
	out += ". It holds " + text.Thousands(total) + " " + holds + " access where a rule goes: " + entryList(a.PrefixListEntries, total, lim)
	if n := len(a.PrefixListBefore) + a.PrefixListBeforeOmitted; n > 0 {
		out += ". Before the call it held " + text.Thousands(n) + " " + text.Agree(n, "entry", "entries") + ": " + entryList(a.PrefixListBefore, n, lim)
	}
	return out + ". Taking an entry out of the list closes it in every rule at once."
}

// entryList lists entries of a prefix list, of total.
func entryList(entries []finding.PrefixListEntry, total int, lim limits) string {
	var list []string
	for _, e := range first(entries, lim.listed) {
		entry := cidr(e.Cidr)
		if e.Description != "" {
			entry += " " + quote(e.Description)
		}
		if e.Added {
			entry += " (added by this call)"
		}
		list = append(list, entry)
	}
	if more := total - len(list); more > 0 {
		list = append(list, "and "+text.Thousands(more)+" more")
	}
	return strings.Join(list, ", ")
}
