package tour

import (
	"cmp"
	"fmt"
	"strings"

	"sgward/internal/plaintext"
	"sgward/localaws/ec2api"
)

// table writes the rules of groups; mark, if not nil, says what to put beside one.
func (s *screen) table(groups []ec2api.Group, rules func(id string) []ec2api.Rule, mark func(ec2api.Rule) (string, style)) {
	for _, g := range groups {
		s.line("   %s  %s", s.paint(bold, plaintext.Visible(g.Name)), s.paint(dim, g.ID))
		listed := rules(g.ID)
		if len(listed) == 0 {
			s.line("     no rules")
		}
		for _, r := range listed {
			note, how := "", plain
			if mark != nil {
				note, how = mark(r)
			}
			s.line("%s", s.paint(how, ruleRow(r, note)))
		}
	}
}

func ruleRow(r ec2api.Rule, note string) string {
	direction := "in"
	if r.Egress {
		direction = "out"
	}
	peer := plaintext.Visible(cmp.Or(r.CIDRIPv4, r.CIDRIPv6, r.PrefixListID, r.ReferencedGroupID))
	row := fmt.Sprintf("     %-3s  %-12s  %-18s  %s", direction, protocolText(r.Protocol, &r.FromPort, &r.ToPort), peer, plaintext.Visible(r.Description))
	if note != "" {
		row = fmt.Sprintf("%-68s %s", row, note)
	}
	return strings.TrimRight(row, " ")
}

// permission names a rule by what it lets through, which is what the tour checks.
func permission(r ec2api.Rule) string {
	direction := "from"
	if r.Egress {
		direction = "to"
	}
	return protocolText(r.Protocol, &r.FromPort, &r.ToPort) + " " + direction + " " +
		cmp.Or(r.CIDRIPv4, r.CIDRIPv6, r.PrefixListID, r.ReferencedGroupID)
}
