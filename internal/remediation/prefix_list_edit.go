package remediation

import (
	"errors"
	"net/netip"
	"slices"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/secgroup"
)

// errListLagging says that a prefix list does not show what its edit may have added.
var errListLagging = errors.New("nothing forbids the rule by the entries that the prefix list shows: EC2's reads lag behind its writes")

// Entries returns the entries of a prefix list for an alert, the event's new ones first.
func Entries(held []ec2rules.ListEntry, added []netip.Prefix) []finding.PrefixListEntry {
	var first, then []finding.PrefixListEntry
	for _, e := range held {
		entry := finding.PrefixListEntry{Cidr: e.CIDR.String(), Description: e.Description, Added: slices.Contains(added, e.CIDR)}
		if entry.Added {
			first = append(first, entry)
		} else {
			then = append(then, entry)
		}
	}
	return append(first, then...)
}

// SplitByList splits rules into those that use a prefix list and the others.
func SplitByList(rules []secgroup.Rule, listID string) (using, others []secgroup.Rule) {
	for _, r := range rules {
		if r.Permission.Peer.PrefixList() == listID {
			using = append(using, r)
		} else {
			others = append(others, r)
		}
	}
	return using, others
}
