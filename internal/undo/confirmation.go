package undo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/ec2rules"
	"sgward/internal/eventhistory"
	"sgward/internal/finding"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// Trail is CloudTrail's event history of an account in a region.
type Trail = eventhistory.Trail

// Evidence is CloudTrail's answer about a closing. The zero value confirms nothing.
type Evidence uint8

// The kinds of evidence.
const (
	Unconfirmed  Evidence = iota // CloudTrail does not show it, or another caller closed the rule
	Confirmed                    // CloudTrail has sgward's own call
	Contradicted                 // CloudTrail has all calls of that time, and this is not among them
)

// Confirmation says whether sgward closed a rule, as the alert claims.
type Confirmation struct {
	Evidence Evidence
	// Why names the call, or the reason why there is none, in words that end a sentence.
	// It may hold untrusted text.
	Why string
}

const (
	historyDays = eventhistory.Days
	trailLag    = eventhistory.Lag
	// closingSlack is how far the clocks and the times of an alert and a record may lie
	// apart.
	closingSlack = 5 * time.Minute
	// mostPages bounds a search: CloudTrail answers two calls a second.
	mostPages = 20
)

// search is a period of the event history and the closings to find in it.
type search struct {
	region     string
	direction  secgroup.Direction
	start, end time.Time
	items      []*sought
}

// sought is an item and the answer about its closing.
type sought struct {
	Item
	Confirmation
	closer string // names another caller that closed such a rule
	unread bool   // a record that may be of it does not list its rules
}

// confirm asks CloudTrail whether sgward closed the items. The answers are in the same
// order.
func (u *Undoer) confirm(ctx context.Context, items []Item) []Confirmation {
	if len(items) == 0 {
		return nil
	}
	all := make([]*sought, len(items))
	for i := range items {
		all[i] = &sought{Item: items[i]}
	}
	for _, s := range u.searches(all) {
		u.search(ctx, s)
	}
	out := make([]Confirmation, len(items))
	for i := range all {
		out[i] = all[i].Confirmation
	}
	return out
}

// searches plans one search for each region, direction and period. Items that no search
// can decide get their answer here.
func (u *Undoer) searches(items []*sought) []*search {
	now := u.Now()
	oldest := now.AddDate(0, 0, -historyDays)
	var out []*search
	for _, it := range items {
		closed := it.Result.ClosedAt
		switch {
		case it.Confirmed != nil:
			it.Confirmation = *it.Confirmed
			continue
		case u.Trail == nil:
			it.Why = "CloudTrail was not asked"
			continue
		case closed == nil || closed.IsZero():
			it.Why = "the alert does not say when it was closed"
			continue
		case closed.Before(oldest):
			it.Why = fmt.Sprintf("it was closed more than %d days ago, for which CloudTrail keeps its event history", historyDays)
			continue
		case closed.After(now.Add(closingSlack)):
			it.Why = "the alert says that it was closed at a time in the future"
			continue
		}
		start := *closed
		if made := it.event().EventTime; !made.IsZero() && made.Before(start) { // an earlier try may have closed it
			start = made
		}
		if start.Before(oldest) {
			start = oldest
		}
		s := &search{region: it.Region, direction: it.Rule.Permission.Direction, start: start.Add(-closingSlack), end: closed.Add(closingSlack), items: []*sought{it}}
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b *search) int {
		return cmp.Or(strings.Compare(a.region, b.region), cmp.Compare(a.direction, b.direction), a.start.Compare(b.start))
	})
	merged := out[:0]
	for _, s := range out {
		if n := len(merged); n > 0 && merged[n-1].region == s.region && merged[n-1].direction == s.direction && !s.start.After(merged[n-1].end) {
			last := merged[n-1]
			last.items = append(last.items, s.items...)
			if s.end.After(last.end) {
				last.end = s.end
			}
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// search reads the Revoke calls of a period until all closings are found.
func (u *Undoer) search(ctx context.Context, s *search) {
	name := "RevokeSecurityGroupIngress"
	if s.direction == secgroup.Egress {
		name = "RevokeSecurityGroupEgress"
	}
	end := s.end
	if !end.Before(u.Now()) {
		end = time.Time{}
	}
	err := lookUp(ctx, u.Trail(s.region), name, s.start, end, func(records [][]byte) bool {
		for _, record := range records {
			s.see(record)
		}
		return slices.ContainsFunc(s.items, func(it *sought) bool { return it.Evidence != Confirmed })
	})
	if err != nil {
		s.leave(err.Error())
		return
	}
	for _, it := range s.items {
		if it.Evidence != Confirmed {
			it.Confirmation = u.missing(ctx, it)
		}
	}
}

// lookUp reads the calls of one name in a period, page by page and the newest first, until
// see returns false. A zero end is now. The error says why the history was not read to its
// end, in words that end a sentence.
func lookUp(ctx context.Context, t Trail, name string, start, end time.Time, see func(records [][]byte) (more bool)) error {
	err := eventhistory.Read(ctx, t, eventhistory.Query{Name: name, Start: start, End: end, MaxPages: mostPages}, see)
	var many *eventhistory.TooManyError
	if err == nil || errors.As(err, &many) {
		return err //nolint:wrapcheck // it ends a sentence
	}
	return errors.New(unreadable(err))
}

// leave ends the search for this reason. Items not confirmed yet stay unconfirmed.
func (s *search) leave(why string) {
	for _, it := range s.items {
		if it.Evidence != Confirmed {
			it.Why = why
		}
	}
}

// see compares a record with the closings to find.
func (s *search) see(record []byte) {
	call, err := cloudtrail.Parse(record)
	for _, it := range s.items {
		if it.Evidence == Confirmed {
			continue
		}
		switch {
		case err != nil: // neither its group nor its rules can be read
			it.unread = true
		case call.Skipped != "" || call.Kind != cloudtrail.KindRevoke || call.AccountID != it.AccountID || call.Region != it.Region:
		case call.From == cloudtrail.RulesUnknown:
			it.unread = it.unread || call.Group.ID == "" || call.Group.ID == it.Rule.GroupID
		case !holds(call, it):
		case bySgward(call.Event):
			it.Confirmation = Confirmation{Confirmed, closedBy(call.Event)}
		default:
			it.closer = fmt.Sprintf("%s closed it at %s, which is not sgward",
				cmp.Or(call.Actor.ARN, call.Actor.InvokedBy, "another caller"), text.Time(call.EventTime))
		}
	}
}

// holds reports that a call names the item's rule in the item's group. If the call names
// rules by id alone, the alert's id decides.
func holds(call cloudtrail.Call, it *sought) bool {
	if call.Group.ID != it.Rule.GroupID {
		return false
	}
	want := it.Rule.Permission.Identity()
	return slices.ContainsFunc(call.Rules, func(r secgroup.Rule) bool {
		if !r.Permission.IsValid() {
			return r.ID != "" && r.ID == it.Result.Rule.ID
		}
		got := r.Permission.Identity()
		if got.Direction == 0 { // of an edit, whose record does not tell it
			got.Direction = want.Direction
		}
		return got == want
	})
}

// appID is what the functions add to the user agent of their calls.
var appID = regexp.MustCompile(`(^|\s)app/sgward(\s|$)`)

// bySgward reports that sgward made a call: a session of the role that template.yaml
// names, or of any role with sgward's user agent.
func bySgward(e cloudtrail.Event) bool {
	return e.Actor.Type == "AssumedRole" && (strings.Contains(e.Actor.SessionIssuerARN, "RemediateRole") || appID.MatchString(e.UserAgent))
}

// closedBy names sgward's call, in words that end a sentence.
func closedBy(e cloudtrail.Event) string {
	return fmt.Sprintf("closed by %s at %s", e.Actor.ARN, text.Time(e.EventTime))
}

// missing answers for an item if the history was read to its end and holds no closing by
// sgward.
func (u *Undoer) missing(ctx context.Context, it *sought) Confirmation {
	switch {
	case it.closer != "":
		return Confirmation{Unconfirmed, it.closer}
	case it.unread:
		return Confirmation{Unconfirmed, "a call that CloudTrail has of that time does not tell its rules"}
	case u.Now().Before(it.Result.ClosedAt.Add(trailLag)):
		return Confirmation{Unconfirmed, fmt.Sprintf("CloudTrail has no such call yet, and may take %d minutes to show one", int(trailLag.Minutes()))}
	case it.Result.Outcome == finding.OutcomeAlreadyClosed:
		return u.opening(ctx, it)
	default:
		return Confirmation{Contradicted, "CloudTrail has no call that closed this rule: the alert is forged"}
	}
}

// opening looks up the call that made the rule, as the alert claims. Another caller may
// have closed it by an edit, whose record names no closed rule.
func (u *Undoer) opening(ctx context.Context, it *sought) Confirmation {
	unknown := Confirmation{Unconfirmed, "CloudTrail has no call that closed it, and the alert does not say that sgward did"}
	id := it.event().EventID
	if it.Alert.Sweep != nil || it.Alert.PrefixListID != "" || id == "" {
		return unknown
	}
	out, err := u.Trail(it.Region).LookupEvents(ctx, eventhistory.Lookup{By: eventhistory.ByID, Value: id})
	switch {
	case err != nil:
		return Confirmation{Unconfirmed, unreadable(err)}
	case len(out.Records) == 0:
		return Confirmation{Contradicted, "CloudTrail has neither the call that the alert says made the rule nor one that closed it: the alert is forged"}
	}
	for _, record := range out.Records {
		call, err := cloudtrail.Parse(record)
		if err != nil || call.RulesMissing() || holds(call, it) {
			return unknown
		}
	}
	return Confirmation{Contradicted, "the call that the alert names made no such rule in this group: the alert is forged"}
}

// unreadable says why the history cannot be read.
func unreadable(err error) string {
	switch code := ec2rules.ErrorCode(err); code {
	case "AccessDeniedException", "AccessDenied", "UnauthorizedOperation":
		return "your credentials may not call cloudtrail:LookupEvents"
	case "":
		return "CloudTrail could not be asked: " + err.Error()
	default:
		return "CloudTrail could not be asked: " + code
	}
}
