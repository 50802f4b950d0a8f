package remediation

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// ListEdit is a prefix list before and right after one edit. The zero value is an unknown
// edit, which opens nothing.
type ListEdit struct {
	Before []ec2rules.ListEntry
	after  []ec2rules.ListEntry
	known  bool
}

// ReadListEdit reads the version of a list from which an edit started, and the next one,
// which the edit made. A version of 0, or one that cannot be read, leaves the edit
// unknown. The error is transient.
func ReadListEdit(ctx context.Context, client ec2rules.EntryReader, listID string, fromVersion int64) (ListEdit, error) {
	if fromVersion < 1 {
		return ListEdit{}, nil
	}
	e := ListEdit{known: true}
	var err error
	if e.Before, err = ec2rules.Entries(ctx, client, listID, fromVersion); err == nil {
		e.after, err = ec2rules.Entries(ctx, client, listID, fromVersion+1)
	}
	switch {
	case err == nil:
		return e, nil
	case ec2rules.IsTransient(err):
		return ListEdit{}, err
	default:
		return ListEdit{}, nil
	}
}

// Judge judges the rules of a request, which use the edited list, by the list's current
// entries. opened is set for the rules that the edit took across the threshold: the editor
// is their actor. All other rules exist already, and their makers are unknown.
func (e ListEdit) Judge(p *policy.Policy, req policy.Request, listID string, editor policy.Actor) (judgements []policy.Judgement, opened []bool) {
	judgements, opened = p.Evaluate(req), make([]bool, len(req.Rules))
	if !e.known {
		return judgements, opened
	}
	holding := func(entries []ec2rules.ListEntry) []policy.Judgement {
		then := req
		then.PrefixLists = maps.Clone(req.PrefixLists)
		then.PrefixLists[listID] = secgroup.PrefixList{OwnerID: req.PrefixLists[listID].OwnerID, Entries: ec2rules.Ranges(entries)}
		return p.Evaluate(then)
	}
	before, after := holding(e.Before), holding(e.after)
	req.Actor = editor
	byEditor := p.Evaluate(req)
	for i := range judgements {
		// An undetermined rule, such as one that its maker could exempt, may have been open.
		wasOpen := before[i].Verdict == policy.Revoke || before[i].Verdict == policy.Undetermined
		isOpen := after[i].Verdict == policy.Revoke || after[i].Verdict == policy.Undetermined
		if !wasOpen && isOpen {
			judgements[i], opened[i] = byEditor[i], byEditor[i].Verdict == policy.Revoke
		}
	}
	return judgements, opened
}

// errListLagging says that a prefix list does not show the entries that its edit may have added.
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
