package alert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"sgward/internal/secgroup"
)

// Undo returns the AWS CLI command that restores a rule exactly, with its description and
// tags, on one line for a POSIX shell. A person runs it with credentials of the account;
// sgward's own role cannot.
//
// It is "" if no command can restore the rule: the group's id, the region or the direction
// is unknown, or EC2 could not hold the rule. Tags that only AWS can set are left out.
// Bytes that are not UTF-8 become replacement characters.
func Undo(accountID, region, groupID string, rule secgroup.Rule) string {
	return strings.Join(undoArguments(accountID, region, groupID, rule, ""), " ")
}

// undoArguments returns the words of Undo's command, quoted for the shell, nil if there is
// none. Tags are separated by tagBreak, which is white space.
func undoArguments(accountID, region, groupID string, rule secgroup.Rule, tagBreak string) []string {
	args := ruleArguments("authorize", accountID, region, groupID, rule)
	if args == nil {
		return nil
	}
	tags := slices.DeleteFunc(slices.Clone(rule.Tags), secgroup.Tag.IsOwnedByAWS)
	if len(tags) == 0 {
		return args
	}
	var b strings.Builder
	b.WriteString(`--tag-specifications '[{"ResourceType":"security-group-rule","Tags":[`)
	for i, tag := range tags {
		if i > 0 {
			b.WriteString("," + tagBreak)
		}
		b.WriteString(`{"Key":` + jsonString(tag.Key) + `,"Value":` + jsonString(tag.Value) + `}`)
	}
	b.WriteString(`]}]'`)
	return append(args, b.String())
}

func ruleArguments(verb, accountID, region, groupID string, rule secgroup.Rule) []string {
	p := rule.Permission
	if !p.IsValid() || p.Direction == 0 || !isIdentifier(groupID) || !isIdentifier(region) {
		return nil
	}
	return []string{
		fmt.Sprintf("aws ec2 %s-security-group-%s", verb, p.Direction),
		"--region " + region,
		"--group-id " + groupID,
		"--ip-permissions '[" + ipPermission(rule, accountID) + "]'",
	}
}

// ipPermission writes EC2's IpPermission for a rule, in the order of its reference. None
// of its characters is special within single quotes.
func ipPermission(r secgroup.Rule, accountID string) string {
	p := r.Permission
	var b strings.Builder
	b.WriteString(`{"IpProtocol":` + jsonString(string(p.Protocol)))
	if p.Protocol.HasPorts() || p.Protocol.IsICMP() {
		from, to := p.FromTo()
		b.WriteString(`,"FromPort":` + strconv.Itoa(from) + `,"ToPort":` + strconv.Itoa(to))
	}
	switch p.Peer.Kind() {
	case secgroup.CIDRPeerKind:
		list, field := "Ipv6Ranges", "CidrIpv6"
		if p.Peer.CIDR().Addr().Is4() {
			list, field = "IpRanges", "CidrIp"
		}
		b.WriteString(`,"` + list + `":[{"` + field + `":` + jsonString(p.Peer.CIDR().String()))
	case secgroup.PrefixListPeerKind:
		b.WriteString(`,"PrefixListIds":[{"PrefixListId":` + jsonString(p.Peer.PrefixList()))
	case secgroup.GroupPeerKind:
		id, owner := p.Peer.Group()
		b.WriteString(`,"UserIdGroupPairs":[{"GroupId":` + jsonString(id))
		// The default owner is the caller's account.
		if owner != "" && owner != accountID {
			b.WriteString(`,"UserId":` + jsonString(owner))
		}
	}
	if r.Description != "" {
		b.WriteString(`,"Description":` + jsonString(r.Description))
	}
	b.WriteString("}]}")
	return b.String()
}

// jsonString writes s as a JSON string that survives any shell's single quotes, Slack's
// markup and a terminal: every character special to one of them becomes a \u escape.
func jsonString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		// Quotes and the backslash of the shells (fish reads \\ within single quotes),
		// history expansion of csh, and Slack's &, <, >, @ and code.
		case strings.ContainsRune("\"'\\!&<>@`", r), !unicode.IsPrint(r) && r <= 0xFFFF:
			fmt.Fprintf(&b, `\u%04x`, r)
		case !unicode.IsPrint(r):
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// folded writes a command over several lines, one option each, ready to paste.
func folded(args []string) string { return strings.Join(args, " \\\n  ") }
