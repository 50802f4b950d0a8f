// Package repeats counts how often sgward has closed the same opening, in a DynamoDB table,
// so that a pipeline that makes it again and again can be named. It decides nothing:
// remediate counts a closing after the revoke, and an alert says the number.
//
// Events are delivered at least once and in any order, and two functions may count at the
// same time. So an item holds the events that were counted last, and is only written if it
// is still what was read: one event counts once for each opening.
package repeats

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sgward/internal/alert"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/table"
	"sgward/internal/text"
)

const (
	// window is how long after a closing the next one is a repeat of it.
	window = 24 * time.Hour
	// longest is how long after the first closing others are counted with it. What goes on
	// for longer is told anew, so that it does not stay in one old thread.
	longest = 7 * 24 * time.Hour
	// escalated is the number of the closing that is escalated. A second may be a person who
	// tries again.
	escalated = 3
	// maxEvents is how many events an item holds, the last ones. Deliveries of one event
	// follow each other within hours, and remediate counts no older event.
	maxEvents = 20
	// attempts is how often a write is tried while others write the same item.
	attempts = 8
)

// keyPrefix begins the keys of this package's items. template.yaml grants remediate no
// others, and IsKey tells sweep, which has the same table, to leave them alone.
const keyPrefix = "repeat/"

// IsKey reports whether a key of the table is of an item of this package.
func IsKey(id string) bool { return strings.HasPrefix(id, keyPrefix) }

// Counter counts closings in a table. It is safe for concurrent use.
type Counter struct {
	table *table.Table
}

// New returns a counter in a table. It makes no call.
func New(t *table.Table) *Counter { return &Counter{t} }

// errContended says that others kept writing an item.
var errContended = errors.New("others keep writing the same item")

// Count counts the closing of a result whose rule the event made, and returns how often the
// opening has been closed: nil for the first time. What an unknown caller opens is not
// counted: it may be another one each time.
//
// A rule that an earlier try may have closed (outcome already_closed) is not counted. It
// has the number that the earlier try was given, or nil.
func (c *Counter) Count(ctx context.Context, e cloudtrail.Event, r finding.Result) (*finding.Repeat, error) {
	if r.Rule == nil || r.ClosedAt == nil {
		return nil, errors.New("counting a closing: it needs a rule and the time of the closing")
	}
	by := cmp.Or(e.Actor.Principal(), e.Actor.InvokedBy)
	if by == "" {
		return nil, nil //nolint:nilnil // as for the first time
	}
	key, event := keyOf(r, by), shortened(e.EventID)
	var counted *run
	var err error
	if r.Outcome == finding.OutcomeAlreadyClosed {
		counted, err = c.recall(ctx, key, event)
	} else {
		counted, err = c.add(ctx, key, event, e, r)
	}
	if err != nil {
		return nil, fmt.Errorf("counting a closing in table %s: %w", c.table.Name, err)
	}
	return counted.repeat(event), nil
}

// add returns the run with the closing of an event in it. The first write takes for granted
// that there is none; an item that is found out of date is judged again.
func (c *Counter) add(ctx context.Context, key, event string, e cloudtrail.Event, r finding.Result) (*run, error) {
	var held *run
	for range attempts {
		next := held.with(event, alert.ID(e), r.GroupID, *r.ClosedAt)
		if next == held { // it was counted before
			return held, nil
		}
		found, isWritten, err := c.write(ctx, key, held, next)
		switch {
		case err != nil:
			return nil, err
		case isWritten:
			return next, nil
		}
		held = found
	}
	return nil, errContended
}

// keyOf identifies an opening and its maker. It is the group's id and not its name: a name
// is only known once the group was read, and groups of one name may have nothing in common.
func keyOf(r finding.Result, by string) string {
	return keyPrefix + text.Digest(16, r.AccountID, r.Region, r.GroupID, r.Rule.Permission.Identity().String(), by)
}

// shortened is an event's id in a form of one length.
func shortened(eventID string) string {
	sum := sha256.Sum256([]byte(eventID))
	return hex.EncodeToString(sum[:6])
}

// run is the closings of an opening that are counted together.
type run struct {
	groupID     string // for people who look into the table
	alertID     string // of the first
	first, last time.Time
	closings    int
	events      []string // the last that were counted, in this order
}

// with returns the run after one more closing: r itself if its event was counted. A nil run
// has none.
func (r *run) with(event, alertID, groupID string, at time.Time) *run {
	if r.position(event) > 0 {
		return r
	}
	at = at.UTC().Truncate(time.Millisecond)
	if r == nil || at.Sub(r.last) > window || at.Sub(r.first) > longest {
		return &run{groupID: groupID, alertID: alertID, first: at, last: at, closings: 1, events: []string{event}}
	}
	out := *r
	out.closings++
	if at.After(out.last) { // closings may be counted out of order
		out.last = at
	}
	out.events = append(append([]string{}, r.events[max(0, len(r.events)+1-maxEvents):]...), event)
	return &out
}

// position is the number of an event's closing, from 1; 0 if it was not counted.
func (r *run) position(event string) int {
	if r == nil {
		return 0
	}
	for i, e := range r.events {
		if e == event {
			return r.closings - len(r.events) + 1 + i
		}
	}
	return 0
}

func (r *run) repeat(event string) *finding.Repeat {
	n := r.position(event)
	if n < 2 {
		return nil
	}
	return &finding.Repeat{Closings: n, Since: r.first, FirstAlertID: r.alertID, Escalated: n == escalated}
}

// The attributes of an item beside those of every item.
const (
	attrGroup    = "groupId"
	attrAlert    = "alertId"
	attrFirst    = "firstSeen" // RFC 3339, like the next
	attrLast     = "lastSeen"
	attrClosings = "closings"
	attrEvents   = "eventIds" // with blanks between them
)

// item returns all attributes but the key.
func (r *run) item() table.Item {
	return table.Item{
		attrGroup: table.Text(r.groupID), attrAlert: table.Text(r.alertID),
		attrFirst: table.Text(r.first.Format(time.RFC3339Nano)), attrLast: table.Text(r.last.Format(time.RFC3339Nano)),
		attrClosings: table.Number(int64(r.closings)), attrEvents: table.Text(strings.Join(r.events, " ")),
		table.Expires: table.Number(r.last.Add(window).Unix()),
	}
}

// runOf reads an item; nil if it is none of Count's.
func runOf(i table.Item) *run {
	out := &run{groupID: i[attrGroup].Text(), alertID: i[attrAlert].Text(), events: strings.Fields(i[attrEvents].Text())}
	var errs [3]error
	out.first, errs[0] = time.Parse(time.RFC3339, i[attrFirst].Text())
	out.last, errs[1] = time.Parse(time.RFC3339, i[attrLast].Text())
	out.closings, errs[2] = i[attrClosings].Int()
	if errors.Join(errs[:]...) != nil || len(out.events) == 0 || out.closings < len(out.events) {
		return nil
	}
	return out
}

// write writes next in place of held, nil for no item. If the item is another by now, that
// is returned.
func (c *Counter) write(ctx context.Context, key string, held, next *run) (found *run, isWritten bool, err error) {
	u := table.Update{
		ConditionExpression: "attribute_not_exists(" + table.Key + ")", ExpressionAttributeValues: table.Item{},
		ReturnValuesOnConditionCheckFailure: "ALL_OLD",
	}
	if held != nil {
		u.ConditionExpression = attrEvents + " = :was"
		u.ExpressionAttributeValues[":was"] = table.Text(strings.Join(held.events, " "))
	}
	values := next.item()
	var sets []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		sets = append(sets, name+" = :"+name)
		u.ExpressionAttributeValues[":"+name] = values[name]
	}
	u.UpdateExpression = "SET " + strings.Join(sets, ", ")
	_, err = c.table.Update(ctx, key, u)
	var another *table.ConditionError
	if !errors.As(err, &another) {
		return held, err == nil, err
	}
	if len(another.Item) == 0 { // its time was over, and it was deleted
		return nil, false, nil
	}
	if found = runOf(another.Item); found == nil {
		return nil, false, fmt.Errorf("reading item %s: it is not one of remediate's", key)
	}
	return found, false, nil
}

// recall returns the run in which an event was counted, nil if there is none. remediate may
// only update items: this is an update that changes nothing.
func (c *Counter) recall(ctx context.Context, key, event string) (*run, error) {
	held, err := c.table.Update(ctx, key, table.Update{
		UpdateExpression:    "SET " + attrClosings + " = " + attrClosings,
		ConditionExpression: "contains(" + attrEvents + ", :event)", ExpressionAttributeValues: table.Item{":event": table.Text(event)},
		ReturnValues: "ALL_NEW",
	})
	if missing := (*table.ConditionError)(nil); errors.As(err, &missing) {
		return nil, nil //nolint:nilnil // it was not counted
	}
	return runOf(held), err
}
