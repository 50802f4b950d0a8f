package tour

import (
	"cmp"
	"fmt"
	"strings"

	"sgward/internal/text"
	"sgward/localaws/ec2api"
)

// table writes the rules of groups; mark, if not nil, returns a note on one.
func (s *screen) table(groups []ec2api.Group, rules func(id string) []ec2api.Rule, mark func(ec2api.Rule) (string, text.Style)) {
	for _, g := range groups {
		s.line("   %s  %s", s.Apply(text.Bold, text.Visible(g.Name)), s.Apply(text.Dim, g.ID))
		listed := rules(g.ID)
		if len(listed) == 0 {
			s.line("     no rules")
		}
		for _, r := range listed {
			note, how := "", text.Style("")
			if mark != nil {
				note, how = mark(r)
			}
			for _, l := range s.ruleRow(r, note) {
				s.line("%s", s.Apply(how, l))
			}
		}
	}
}

// ruleRow returns a rule in one line, with its description and note, or those in lines of
// their own.
func (s *screen) ruleRow(r ec2api.Rule, note string) []string {
	direction := "in"
	if r.Egress {
		direction = "out"
	}
	peer := text.Visible(cmp.Or(r.CIDRIPv4, r.CIDRIPv6, r.PrefixListID, r.ReferencedGroupID))
	const more = "          " // of a second line
	row := strings.TrimRight(fmt.Sprintf("     %-3s  %-12s  %-18s", direction, protocolText(r.Protocol, &r.FromPort, &r.ToPort), peer), " ")
	lines := []string{row}
	if description := text.Visible(r.Description); description != "" {
		if full := text.PadRight(row, 42) + "  " + description; text.Columns(full) <= s.width {
			lines[0] = full
		} else {
			lines = append(lines, more+description)
		}
	}
	switch room := s.width - 2 - max(text.Columns(note), 18); {
	case note == "":
	case len(lines) == 1 && text.Columns(lines[0]) <= room:
		lines[0] = text.PadRight(lines[0], room) + "  " + note
	default:
		lines = append(lines, more+note)
	}
	return lines
}

// permission returns a rule's permission, which the tour checks.
func permission(r ec2api.Rule) string {
	direction := "from"
	if r.Egress {
		direction = "to"
	}
	return protocolText(r.Protocol, &r.FromPort, &r.ToPort) + " " + direction + " " +
		cmp.Or(r.CIDRIPv4, r.CIDRIPv6, r.PrefixListID, r.ReferencedGroupID)
}
