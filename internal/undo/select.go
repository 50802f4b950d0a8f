package undo

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sgward/internal/awsid"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/secgroup"
)

// Item is one rule to restore.
type Item struct {
	// Alert is the alert that reported it, and Result its finding.
	Alert  *finding.Alert
	Result *finding.Result
	// AccountID, Region and Rule have been checked: they have EC2's forms.
	AccountID string
	Region    string
	Rule      secgroup.Rule // its GroupID is the group; it has no ID
	// Confirmed is CloudTrail's answer if it is known before Plan asks; nil for rules that
	// an alert reports.
	Confirmed *Confirmation
	// Note says which parts of the rule are not known, "" if none is.
	Note string
}

// event returns the call that the finding is of: an alert of several old events names it
// beside each finding.
func (it *Item) event() cloudtrail.Event {
	if it.Result.Event != nil {
		return *it.Result.Event
	}
	return it.Alert.Event
}

// Left is a finding that is not restored.
type Left struct {
	FindingID string
	Why       string
	// Missing is set if a closed rule cannot be restored.
	Missing bool
}

// Select finds the rules that alerts report as closed, by sgward or by others. ids
// restricts it to those findings, if there are any. Repeated rules count once. Every
// finding is either an item or left; if some closed rules are not valid, Select fails with
// an error that names them all.
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
				Why:     fmt.Sprintf("alert %s leaves out %d of its findings, to keep within SNS's limit: sgward's log has them", alerts[a].ID, n),
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

// notToPutBack says why a result is not to be restored, "" if it is.
func notToPutBack(r *finding.Result) (why string, missing bool) {
	if r.EditedBack {
		return "an edit gave it other values, and the rule still exists: nothing to restore", false
	}
	switch r.Outcome {
	case finding.OutcomeRevoked, finding.OutcomeAlreadyClosed:
	case finding.OutcomeFailed:
		return "closing it failed, so it may still be open: nothing to restore", false
	case finding.OutcomeWouldRevoke:
		return "observe mode left it open: nothing to restore", false
	case finding.OutcomeExempt:
		return "an exception covers it, and it was left open: nothing to restore", false
	case finding.OutcomeCompliant:
		return "the policy allows it, and it was left open: nothing to restore", false
	default:
		return "it was left open: nothing to restore", false
	}
	switch {
	case r.Rule == nil:
		return "the alert lacks the rule", true
	case r.Rule.Permission.Direction == 0:
		return "the alert lacks its direction", true
	default:
		return "", false
	}
}

// itemOf checks every value that calls use and that the plan shows.
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
		return Item{}, errors.New("EC2 could not hold its rule")
	}
	if err := secgroup.CheckDescription(rule.Description); err != nil {
		return Item{}, fmt.Errorf("EC2 could not store its description: %w", err)
	}
	if err := secgroup.CheckTags(rule.Tags); err != nil {
		return Item{}, fmt.Errorf("EC2 could not store its tags: %w", err)
	}
	rule.ID = "" // the closed rule's
	it.Rule = rule
	return it, nil
}

// key identifies a rule.
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
