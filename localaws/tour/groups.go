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
		s.line("   %s  %s", s.Paint(text.Bold, text.Visible(g.Name)), s.Paint(text.Dim, g.ID))
		listed := rules(g.ID)
		if len(listed) == 0 {
			s.line("     no rules")
		}
		for _, r := range listed {
			note, how := "", text.Style("")
			if mark != nil {
				note, how = mark(r)
			}
			s.line("%s", s.Paint(how, ruleRow(r, note)))
		}
	}
}

func ruleRow(r ec2api.Rule, note string) string {
	direction := "in"
	if r.Egress {
		direction = "out"
	}
	peer := text.Visible(cmp.Or(r.CIDRIPv4, r.CIDRIPv6, r.PrefixListID, r.ReferencedGroupID))
	row := fmt.Sprintf("     %-3s  %-12s  %-18s  %s", direction, protocolText(r.Protocol, &r.FromPort, &r.ToPort), peer, text.Visible(r.Description))
	if note != "" {
		row = fmt.Sprintf("%-68s %s", row, note)
	}
	return strings.TrimRight(row, " ")
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
