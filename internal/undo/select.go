package undo

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sgward/internal/awsid"
	"sgward/internal/finding"
	"sgward/internal/secgroup"
)

// Item is one rule to put back.
type Item struct {
	// Alert is the alert that told of it, and Result what it told.
	Alert  *finding.Alert
	Result *finding.Result
	// AccountID, Region and Rule are checked: their forms are EC2's.
	AccountID string
	Region    string
	Rule      secgroup.Rule // its GroupID is the group; it has no ID
}

// Left is a finding that is not put back.
type Left struct {
	FindingID string
	Why       string
	// Missing is set where something was closed and cannot be put back.
	Missing bool
}

// Select finds what alerts say was closed: by sgward, or by somebody else before it
// came. ids restricts it to those findings, where there are any. Repeats of a rule
// are one. Every finding is either an item or left, or makes Select fail: where one
// that was closed is not a sound rule, the error names all of those.
func Select(alerts []finding.Alert, ids []string) (items []Item, left []Left, err error) {
	if err := knowAll(alerts, ids); err != nil {
		return nil, nil, err
	}
	var problems []error
	at := map[key]int{} // in items
	for a := range alerts {
		for r := range alerts[a].Findings {
			result := &alerts[a].Findings[r]
			if len(ids) > 0 && !slices.Contains(ids, result.ID) {
				continue
			}
			if why, missing := notToPutBack(result); why != "" {
				left = append(left, Left{result.ID, why, missing})
				continue
			}
			it, err := itemOf(&alerts[a], result)
			if err != nil {
				problems = append(problems, fmt.Errorf("finding %q: %w", result.ID, err))
				continue
			}
			same, known := at[it.key()]
			switch {
			case !known:
				at[it.key()] = len(items)
				items = append(items, it)
			case items[same].Rule.Description != it.Rule.Description || !slices.Equal(items[same].Rule.Tags, it.Rule.Tags):
				problems = append(problems, fmt.Errorf("finding %q: it is the rule of finding %q with another description or other tags: name one of them",
					result.ID, items[same].Result.ID))
			}
		}
		if n := alerts[a].FindingsOmitted; n > 0 && len(ids) == 0 {
			left = append(left, Left{
				Why:     fmt.Sprintf("alert %s leaves out %d of its findings, to keep within what SNS carries: sgward's log tells of them", alerts[a].ID, n),
				Missing: true,
			})
		}
	}
	if len(problems) > 0 {
		return nil, nil, errors.Join(problems...)
	}
	return items, left, nil
}

// knowAll refuses ids that no alert has.
func knowAll(alerts []finding.Alert, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	var known []string
	for a := range alerts {
		for r := range alerts[a].Findings {
			known = append(known, alerts[a].Findings[r].ID)
		}
	}
	for _, id := range ids {
		if !slices.Contains(known, id) {
			return fmt.Errorf("no finding %q in the alert: it has %q", id, known)
		}
	}
	return nil
}

// notToPutBack says why a result is nothing to put back, "" for one that is.
func notToPutBack(r *finding.Result) (why string, missing bool) {
	switch r.Outcome {
	case finding.OutcomeRevoked, finding.OutcomeAlreadyClosed:
	case finding.OutcomeFailed:
		return "closing it failed, so it may still be open: there is nothing to put back", false
	case finding.OutcomeWouldRevoke:
		return "observe mode left it open: there is nothing to put back", false
	case finding.OutcomeExempt:
		return "an exception covers it, and it was left open: there is nothing to put back", false
	default:
		return "it was left open: there is nothing to put back", false
	}
	switch {
	case r.Rule == nil:
		return "the alert does not know what it let through", true
	case r.Rule.Permission.Direction == 0:
		return "the alert does not know whether it was ingress or egress", true
	default:
		return "", false
	}
}

// itemOf checks everything that a call will be made of, and that is shown before it is
// asked for.
func itemOf(a *finding.Alert, r *finding.Result) (Item, error) {
	it := Item{Alert: a, Result: r, AccountID: cmp.Or(r.AccountID, a.Event.AccountID), Region: cmp.Or(r.Region, a.Event.Region)}
	peer := r.Rule.Permission.Peer
	peerGroup, peerOwner := peer.Group()
	for _, f := range []struct {
		field, value string
		is           func(string) bool
		want         string
		optional     bool
	}{
		{"accountId", it.AccountID, awsid.IsAccount, "an account id of 12 digits", false},
		{"region", it.Region, awsid.IsRegion, "a region such as eu-central-1", false},
		{"groupId", r.GroupID, awsid.IsGroup, "a security group such as sg-0123456789abcdef0", false},
		{"prefixListId", peer.PrefixList(), awsid.IsPrefixList, "a prefix list such as pl-0123456789abcdef0", true},
		{"referencedGroupId", peerGroup, awsid.IsGroup, "a security group such as sg-0123456789abcdef0", true},
		{"referencedGroupUserId", peerOwner, awsid.IsAccount, "an account id of 12 digits", true},
	} {
		if (f.value != "" || !f.optional) && !f.is(f.value) {
			return Item{}, fmt.Errorf("its %s is %q: want %s", f.field, f.value, f.want)
		}
	}
	rule := *r.Rule
	if !rule.Permission.IsValid() {
		return Item{}, errors.New("its rule is none that EC2 could hold")
	}
	if err := secgroup.CheckDescription(rule.Description); err != nil {
		return Item{}, fmt.Errorf("its description is none that EC2 stores: %w", err)
	}
	if err := secgroup.CheckTags(rule.Tags); err != nil {
		return Item{}, fmt.Errorf("its tags are none that EC2 stores: %w", err)
	}
	rule.ID = "" // that of the rule that is gone
	it.Rule = rule
	return it, nil
}

// key is what one rule is known by.
type key struct {
	account, region, group string
	permission             secgroup.Permission
}

func (it *Item) key() key {
	return key{it.AccountID, it.Region, it.Rule.GroupID, it.Rule.Permission.Identity()}
}

// Accounts returns the accounts that the items are in, sorted.
func Accounts(items []Item) []string {
	return distinct(items, func(it Item) string { return it.AccountID })
}

// Regions returns the regions that the items are in, sorted.
func Regions(items []Item) []string {
	return distinct(items, func(it Item) string { return it.Region })
}

func distinct(items []Item, of func(Item) string) []string {
	var out []string
	for _, it := range items {
		out = append(out, of(it))
	}
	slices.SortFunc(out, strings.Compare)
	return slices.Compact(out)
}
