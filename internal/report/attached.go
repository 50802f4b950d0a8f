package report

import (
	"slices"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// public counts the interfaces that have a public address.
func (g *Group) public() int {
	n := 0
	for i := range g.Attached {
		if len(g.Attached[i].PublicAddresses()) > 0 {
			n++
		}
	}
	return n
}

// interfaceText names a network interface and what is behind it.
func interfaceText(a *finding.Interface) string {
	text := a.ID
	behind := []string{a.Service, a.InstanceID}
	if a.Service == "" && a.InstanceID == "" {
		behind = []string{a.Description}
	}
	for _, b := range behind {
		if b != "" {
			text += ", " + b
		}
	}
	if public := a.PublicAddresses(); len(public) > 0 {
		text += " (public " + listed(public, 3) + ")"
	}
	return text
}

// attachedText says what uses a group: what has a public address, and what has none.
func attachedText(g *Group) []string {
	if !g.AttachedKnown {
		return nil
	}
	if len(g.Attached) == 0 {
		return []string{"attached to nothing"}
	}
	var public, private []string
	for i := range g.Attached {
		line := interfaceText(&g.Attached[i])
		if len(g.Attached[i].PublicAddresses()) > 0 {
			public = append(public, line)
		} else {
			private = append(private, line)
		}
	}
	var out []string
	if len(public) > 0 {
		out = append(out, text.Plural(len(public), "interface")+" with a public address: "+listed(public, 5))
	}
	if len(private) > 0 {
		out = append(out, text.Plural(len(private), "interface")+" without: "+listed(private, 3))
	}
	return out
}

// found tells for what a group's rules say whether they are a finding.
func (g *judged) found() map[string]policy.Verdict {
	out := map[string]policy.Verdict{}
	for i := range g.entries {
		if r := g.entries[i].Rule; r != nil {
			out[ruleText(r)] = g.entries[i].Verdict
		}
	}
	return out
}

// rules returns the first most rules of one direction that a group holds, and how many
// more there are.
func (g *judged) rules(direction secgroup.Direction, most int) (first []*secgroup.Rule, more int) {
	for i := range g.Rules {
		switch r := &g.Rules[i]; {
		case r.Permission.Direction != direction:
		case len(first) < most:
			first = append(first, r)
		default:
			more++
		}
	}
	return first, more
}

// exempt reports whether exceptions cover all that is found in a group.
func (g *judged) exempt() bool {
	return !slices.ContainsFunc(g.entries, func(e Entry) bool { return e.Verdict != policy.Exempt })
}
