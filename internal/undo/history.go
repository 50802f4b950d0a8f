package undo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"sgward/internal/alert"
	"sgward/internal/awsid"
	"sgward/internal/cloudtrail"
	"sgward/internal/eventhistory"
	"sgward/internal/finding"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// History finds the rules that sgward has closed in one region, in CloudTrail's event
// history: for people who have an alert's text and not its JSON.
type History struct {
	Trail  Trail
	Region string // of the trail; calls of others are not its own
	Since  time.Time
	Now    func() time.Time
}

// NewHistory returns the history of the configuration's account and region.
func NewHistory(config aws.Config, since time.Time) *History {
	return &History{Trail: eventhistory.NewPatient(config), Region: config.Region, Since: since, Now: time.Now}
}

// longestTry is how long after a call sgward may still close its rules: it retries for
// hours, and the queue keeps a message that long at most.
const longestTry = 14 * 24 * time.Hour

// IsAlertID reports whether s has the form of an alert's or a finding's id.
func IsAlertID(s string) bool {
	kind, digits, _ := strings.Cut(s, "-")
	return (kind == "a" || kind == "f") && len(digits) == 16 && awsid.OnlyOf(digits, awsid.Digits+"abcdef")
}

// OfAlert returns the rules that sgward closed because of one call. id is that of the call's
// alert or of one of its findings, which are made from the call's id. Alerts of sweeps and of
// old events have no single call: OfGroup finds their rules.
func (h *History) OfAlert(ctx context.Context, id string) ([]Item, []Left, error) {
	var opening *cloudtrail.Call
	for _, name := range cloudtrail.Names(cloudtrail.KindAuthorize, cloudtrail.KindModify, cloudtrail.KindEditList) {
		if err := h.calls(ctx, name, h.Since, time.Time{}, func(c cloudtrail.Call) bool {
			if isOf(id, c) {
				opening = &c
			}
			return opening == nil
		}); err != nil {
			return nil, nil, fmt.Errorf("looking for the call of alert %s: %w; a later --since reads less of the history", id, err)
		}
		if opening != nil {
			break
		}
	}
	if opening == nil {
		return nil, nil, fmt.Errorf("no call in %s since %s has the id %s: name another --region, or an earlier time with --since. "+
			"CloudTrail may take %d minutes to show a call; the alert of a sweep is of no call: use --group-id",
			h.Region, text.Time(h.Since), id, int(trailLag.Minutes()))
	}
	closed, left, err := h.closed(ctx, opening.EventTime.Add(-closingSlack), opening.EventTime.Add(longestTry), func(call cloudtrail.Call, r secgroup.Rule) bool {
		return madeBy(*opening, r, call.EventTime)
	})
	if err != nil {
		return nil, nil, err
	}
	items, more := h.items(closed, []cloudtrail.Call{*opening})
	for i := range items {
		if strings.HasPrefix(id, "a-") {
			items[i].Alert.ID = id
		}
	}
	if strings.HasPrefix(id, "f-") { // one of the call's rules
		items = slices.DeleteFunc(items, func(it Item) bool { return it.Result.ID != id && namesRule(id, *opening) })
	}
	if len(items)+len(left)+len(more) == 0 {
		return nil, nil, fmt.Errorf("%s is of %s at %s: CloudTrail has no call with which sgward closed its rules (it may take %d minutes to show one)",
			id, opening.EventName, text.Time(opening.EventTime), int(trailLag.Minutes()))
	}
	return items, append(left, more...), nil
}

// OfGroup returns the rules that sgward has closed in a group.
func (h *History) OfGroup(ctx context.Context, groupID string) ([]Item, []Left, error) {
	closed, left, err := h.closed(ctx, h.Since, time.Time{}, func(call cloudtrail.Call, _ secgroup.Rule) bool { return call.Group.ID == groupID })
	if err != nil {
		return nil, nil, err
	}
	if len(closed)+len(left) == 0 {
		return nil, nil, fmt.Errorf("CloudTrail has no call in %s since %s with which sgward closed a rule of %s (it may take %d minutes to show one): "+
			"name another --region, or an earlier time with --since", h.Region, text.Time(h.Since), groupID, int(trailLag.Minutes()))
	}
	// The calls that made the rules know their tags and makers. A rule that stood for long
	// before it was closed goes without.
	var openings []cloudtrail.Call
	for _, name := range cloudtrail.Names(cloudtrail.Openings()...) {
		err = h.calls(ctx, name, h.Since.Add(-time.Hour), time.Time{}, func(c cloudtrail.Call) bool {
			if c.Group.ID == groupID {
				openings = append(openings, c)
			}
			return true
		})
		if err != nil {
			return nil, nil, err
		}
	}
	items, more := h.items(closed, openings)
	return items, append(left, more...), nil
}

// closing is one rule that sgward closed.
type closing struct {
	call cloudtrail.Call
	rule secgroup.Rule
}

// closed returns sgward's closings that match, the last of each permission, the oldest
// first. left are those whose record lacks the rule.
func (h *History) closed(ctx context.Context, since, until time.Time, match func(cloudtrail.Call, secgroup.Rule) bool) (out []closing, left []Left, err error) {
	type key struct {
		group      string
		permission secgroup.Permission
	}
	known := map[key]bool{}
	for _, name := range cloudtrail.Names(cloudtrail.KindRevoke) {
		err := h.calls(ctx, name, since, until, func(c cloudtrail.Call) bool {
			if !bySgward(c.Event) {
				return true
			}
			if c.From == cloudtrail.RulesUnknown && match(c, secgroup.Rule{GroupID: c.Group.ID}) {
				left = append(left, Left{Why: "the record of " + c.EventName + " at " + text.Time(c.EventTime) + " does not say which rules it closed", Missing: true})
			}
			for _, r := range c.Rules {
				r.GroupID = cmp.Or(r.GroupID, c.Group.ID)
				k := key{r.GroupID, r.Permission.Identity()}
				if match(c, r) && !(r.Permission.IsValid() && known[k]) {
					known[k] = true
					out = append(out, closing{c, r})
				}
			}
			return true
		})
		if err != nil {
			return nil, nil, fmt.Errorf("looking for sgward's calls: %w", err)
		}
	}
	slices.SortStableFunc(out, func(a, b closing) int { return a.call.EventTime.Compare(b.call.EventTime) })
	return out, left, nil
}

// items returns the closings as rules to restore, with tags and makers from the calls that
// made them.
func (h *History) items(closed []closing, openings []cloudtrail.Call) (items []Item, left []Left) {
	for _, c := range closed {
		rule, note := c.rule, "its tags, if it had any, are not known: CloudTrail's record of the closing does not list them"
		opening, made := makerOf(c, openings)
		event := cloudtrail.Event{AccountID: c.call.AccountID, Region: c.call.Region}
		result := &finding.Result{Outcome: finding.OutcomeRevoked, ClosedAt: &c.call.EventTime, Finding: finding.Finding{
			AccountID: c.call.AccountID, Region: c.call.Region, GroupID: rule.GroupID, GroupName: c.call.Group.Name,
		}}
		if opening != nil {
			event = opening.Event
			result.Edited = opening.Kind == cloudtrail.KindModify
			if made != nil {
				if !rule.Permission.IsValid() { // closed by its id
					rule.Permission = made.Permission
				}
				if c.call.From != cloudtrail.RulesFromResponse {
					rule.Description = made.Description
				}
				if opening.Kind == cloudtrail.KindAuthorize && opening.From == cloudtrail.RulesFromResponse {
					rule.Tags = made.Tags
					note = "its tags are those that it was made with: CloudTrail's record of the closing does not list them"
				}
				result.ID = findingID(*opening, *made)
			}
		}
		if c.call.From != cloudtrail.RulesFromResponse && rule.Description == "" {
			note = "its description and its tags, if it had any, are not known: CloudTrail's record of the closing does not list them"
		}
		if rule.Permission.Direction == 0 {
			rule.Permission.Direction = c.rule.Permission.Direction
		}
		result.Rule = &rule
		a := &finding.Alert{SchemaVersion: finding.SchemaVersion, Mode: finding.Enforce, Event: event}
		it, err := itemOf(a, result)
		if err != nil {
			left = append(left, Left{result.ID, fmt.Sprintf("a rule that sgward closed at %s: %v", text.Time(c.call.EventTime), err), true})
			continue
		}
		it.Note = note
		it.Confirmed = &Confirmation{Confirmed, closedBy(c.call.Event)}
		items = append(items, it)
	}
	return items, left
}

// fromHistory reports that the closing is known from CloudTrail and not from an alert.
func (it *Item) fromHistory() bool { return it.Confirmed != nil }

// makerOf returns the last call before a closing that made its rule, and the rule as the
// call describes it; nil if unknown.
func makerOf(c closing, openings []cloudtrail.Call) (call *cloudtrail.Call, made *secgroup.Rule) {
	for i := range openings {
		o := &openings[i]
		if call != nil && o.EventTime.Before(call.EventTime) || !madeBy(*o, c.rule, c.call.EventTime) {
			continue
		}
		call, made = o, nil
		for k := range o.Rules {
			if same(o.Rules[k], c.rule) {
				made = &o.Rules[k]
				break
			}
		}
	}
	return call, made
}

// madeBy reports whether a call may have made a rule that was closed at a time: it names the
// rule, or the prefix list of the rule, or leaves out its rules.
func madeBy(opening cloudtrail.Call, r secgroup.Rule, closed time.Time) bool {
	if closed.Before(opening.EventTime.Add(-closingSlack)) {
		return false
	}
	if opening.List != nil {
		return opening.List.ID != "" && r.Permission.Peer.PrefixList() == opening.List.ID
	}
	if opening.Group.ID != "" && opening.Group.ID != r.GroupID {
		return false
	}
	if opening.RulesMissing() { // sgward read the group, and closed what it found
		return opening.Group.ID == r.GroupID && closed.Before(opening.EventTime.Add(trailLag))
	}
	return slices.ContainsFunc(opening.Rules, func(o secgroup.Rule) bool { return same(o, r) })
}

// same reports whether two records name one rule: by its id, or where one of them has
// none, by its permission. The record of an edit leaves out the direction.
func same(a, b secgroup.Rule) bool {
	if a.ID != "" && b.ID != "" {
		return a.ID == b.ID
	}
	if !a.Permission.IsValid() || !b.Permission.IsValid() {
		return false
	}
	x, y := a.Permission.Identity(), b.Permission.Identity()
	if x.Direction == 0 || y.Direction == 0 {
		x.Direction, y.Direction = 0, 0
	}
	return x == y
}

// isOf reports whether an alert or finding id is of a call.
func isOf(id string, c cloudtrail.Call) bool {
	if strings.HasPrefix(id, "f-") {
		return namesRule(id, c) || id == finding.OfMissing(c).ID
	}
	edit := c.Event
	edit.EventID += alert.ClosingSuffix
	return id == alert.ID(c.Event) || c.List != nil && id == alert.ID(edit)
}

// namesRule reports whether a finding id is of one of a call's rules.
func namesRule(id string, c cloudtrail.Call) bool {
	return slices.ContainsFunc(c.Rules, func(r secgroup.Rule) bool { return findingID(c, r) == id })
}

// findingID is the id of the finding of a call's rule, as detect makes it.
func findingID(c cloudtrail.Call, r secgroup.Rule) string {
	return finding.NewID(c.AccountID, c.Region, cmp.Or(c.Group.ID, c.Group.Name), cmp.Or(r.ID, r.Permission.String()), c.EventID)
}

// calls reads the successful calls of one name, the newest first, until see returns false.
func (h *History) calls(ctx context.Context, name string, start, end time.Time, see func(cloudtrail.Call) (more bool)) error {
	oldest := h.Now().AddDate(0, 0, -historyDays)
	if start.Before(oldest) {
		start = oldest
	}
	if !end.Before(h.Now()) {
		end = time.Time{}
	}
	return lookUp(ctx, h.Trail, name, start, end, func(records [][]byte) bool {
		for _, record := range records {
			c, err := cloudtrail.Parse(record)
			if err != nil && c.Fault == "" || c.Skipped != "" || c.Region != h.Region {
				continue // it changed nothing, or its changes are unknown
			}
			if !see(c) {
				return false
			}
		}
		return true
	})
}
