package alert

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// voice is how a medium shows text that strangers chose.
type voice struct {
	quote func(s string, limit int) string
	// cite is quote for lines of the policy, which its authors wrote.
	cite func(s string, limit int) string
}

// id shows an identifier, quoted where it does not have the form of one.
func (v voice) id(s string) string {
	if isIdentifier(s) {
		return s
	}
	return v.quote(s, 64)
}

// name shows a name that a person chose.
func (v voice) name(s string, limit int) string {
	if isPlainName(s) {
		return s
	}
	return v.quote(s, limit)
}

// group shows a security group: "sg-0123456789abcdef0 (web)".
func (v voice) group(id, name string, limit int) string {
	switch {
	case id == "" && name == "":
		return "a group that the record does not name"
	case id == "":
		return "the group " + v.name(name, limit)
	case name == "":
		return v.id(id)
	default:
		return v.id(id) + " (" + v.name(name, limit) + ")"
	}
}

// address shows an IP address, quoted where it is none.
func (v voice) address(s string) string {
	if _, err := netip.ParseAddr(s); err == nil && isPlainAddress(s) {
		return s
	}
	return v.quote(s, 64)
}

// peer says who could reach or be reached: "the whole internet (0.0.0.0/0)".
func (v voice) peer(p secgroup.Peer, accountID string) string {
	switch p.Kind() {
	case secgroup.CIDRPeerKind:
		if short := shortPeer(p); short != p.String() {
			return short + " (" + p.String() + ")"
		}
		return p.String() + rangeSize(p.CIDR())
	case secgroup.PrefixListPeerKind:
		return "the prefix list " + v.id(p.PrefixList())
	case secgroup.GroupPeerKind:
		id, owner := p.Group()
		if owner != "" && owner != accountID {
			return "the security group " + v.id(id) + " of account " + v.id(owner)
		}
		return "the security group " + v.id(id)
	default:
		return "an unknown peer"
	}
}

// shortPeer is peer for titles.
func shortPeer(p secgroup.Peer) string {
	switch p.Kind() {
	case secgroup.CIDRPeerKind:
		cidr := p.CIDR()
		if cidr.Addr().Is4() && cidr.Bits() == 0 {
			return "the whole internet"
		}
		// Every public IPv6 address is in 2000::/3
		// (https://www.iana.org/assignments/ipv6-address-space).
		if public := netip.MustParsePrefix("2000::/3"); cidr.Addr().Is6() && cidr.Bits() <= public.Bits() && cidr.Contains(public.Addr()) {
			return "the whole IPv6 internet"
		}
		return cidr.String()
	case secgroup.PrefixListPeerKind:
		return "prefix list " + titleID(p.PrefixList())
	case secgroup.GroupPeerKind:
		id, _ := p.Group()
		return "group " + titleID(id)
	default:
		return "an unknown peer"
	}
}

// titleID is an identifier for a title, where nothing can be quoted.
func titleID(s string) string {
	if isIdentifier(s) {
		return s
	}
	return "(not a valid id)"
}

func rangeSize(p netip.Prefix) string {
	switch {
	case p.IsSingleIP():
		return " (one address)"
	case p.Addr().Is4():
		return " (" + text.Thousands(uint64(1)<<(32-p.Bits())) + " addresses)"
	default:
		return ""
	}
}

// grouped lists the texts that hold for numbered things, each text once in the
// order of its first appearance, behind the numbers it holds for: "1-3, 7: text".
// A text that holds for all stands alone.
func grouped(texts [][]string) []string {
	numbers := map[string][]int{}
	var order []string
	for i, list := range texts {
		for _, text := range list {
			held := numbers[text]
			if held == nil {
				order = append(order, text)
			}
			if len(held) == 0 || held[len(held)-1] != i+1 {
				numbers[text] = append(held, i+1)
			}
		}
	}
	out := make([]string, 0, len(order))
	for _, text := range order {
		if len(numbers[text]) == len(texts) {
			out = append(out, text)
		} else {
			out = append(out, ranges(numbers[text])+": "+text)
		}
	}
	return out
}

// ranges prints ascending numbers as "1-3, 7".
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		part := strconv.Itoa(numbers[i])
		if j > i {
			part += "-" + strconv.Itoa(numbers[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

// severityRank orders severities from most (0) to least. One that nobody stated
// ranks with the first: nobody has said that it may wait.
func severityRank(s policy.Severity) int {
	if s == policy.NoSeverity {
		return 0
	}
	return int(policy.Critical - s)
}

// outcomeRank orders outcomes from worst to best. An unknown one is the worst.
func outcomeRank(o finding.Outcome) int {
	return max(slices.Index(finding.OutcomesWorstFirst(), o), 0)
}
