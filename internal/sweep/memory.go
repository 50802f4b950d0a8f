package sweep

import (
	"context"
	"time"

	"sgward/internal/repeats"
	"sgward/internal/secgroup"
	"sgward/internal/table"
)

// memoryKeep is how long the memory holds a finding that no run has confirmed. It expires
// only if sweeps stop: the first run that misses a finding forgets it.
const memoryKeep = 90 * 24 * time.Hour

// confirmAge is the age after which a run rewrites a confirmed finding: one write a day is
// enough for memoryKeep, however often sweeps run.
const confirmAge = 20 * time.Hour

// The attributes of an item beside those of every item, whose key is the finding's id.
const (
	attrGroup     = "groupId"   // for people who look into the table
	attrSaid      = "said"      // see fingerprint; empty if no digest has reported it
	attrFirstSeen = "firstSeen" // RFC 3339
	attrLastSeen  = "lastSeen"  // RFC 3339
	attrTriedAt   = "triedAt"   // RFC 3339: the last run that chose to close it, "" where none has
	attrSaidAt    = "saidAt"    // RFC 3339: the last digest that reported it, "" where none has
	attrReports   = "reports"   // how many digests have reported it
	attrOpening   = "rule"      // the rule's JSON, without description and tags; "" without a rule
	attrRule      = "ruleId"    // of a pending item: the rule's id
	attrSince     = "since"     // RFC 3339, of a pending item: a time at which the rule did not exist yet
)

// memo is what the memory holds of one finding.
type memo struct {
	id, groupID string
	fingerprint string // "" if no digest has reported it, or if it cannot be read
	firstSeen   time.Time
	lastSeen    time.Time
	// tried is the time of the last run that chose to close the finding's rule; zero
	// where none did. A rule that still exists was not closed.
	tried time.Time
	// reported is the time of the last digest that reported the finding, and reports is how
	// many have. Items of releases without reminders lack both.
	reported time.Time
	reports  int
	// rule is the finding's, without description and tags; nil if it has none, and in items of
	// releases without outlets.
	rule *secgroup.Rule
	// ruleID and since belong to a pending item, see unannounced.go.
	ruleID string
	since  time.Time
}

// warningID is the id of the item that holds, as fingerprint, the day of the last warning about
// expiring exceptions. Ids of findings begin otherwise.
const warningID = "warned-of-exceptions"

// lastSweepID is the id of the item that holds the last completed sweep: its version as
// fingerprint, the begin of its reads as firstSeen, the time of judging as lastSeen.
const lastSweepID = "last-sweep"

// readMemos reads the memory as of a time, by id. Expired items count as forgotten, although
// DynamoDB may take days to delete them. Of an item that writeMemos cannot have written only
// the id is taken: its finding is then reported again.
func readMemos(ctx context.Context, memory *table.Table, now time.Time) (map[string]memo, error) {
	out := map[string]memo{}
	for item, err := range memory.Items(ctx) {
		if err != nil {
			return nil, err
		}
		held := readMemo(item)
		if repeats.IsKey(held.id) {
			continue // remediate has the same table
		}
		if now.Before(held.lastSeen.Add(memoryKeep)) || held.fingerprint == "" {
			out[held.id] = held
		}
	}
	return out, nil
}

func readMemo(item table.Item) memo {
	text := func(name string) string { return item[name].Text() }
	m := memo{id: text(table.Key), groupID: text(attrGroup), fingerprint: text(attrSaid)}
	var errFirst, errLast error
	m.firstSeen, errFirst = time.Parse(time.RFC3339, text(attrFirstSeen))
	m.lastSeen, errLast = time.Parse(time.RFC3339, text(attrLastSeen))
	if errFirst != nil || errLast != nil {
		return memo{id: m.id}
	}
	// One that cannot be read counts as none: the rule's turn then comes sooner.
	m.tried, _ = time.Parse(time.RFC3339, text(attrTriedAt))
	m.reported, _ = time.Parse(time.RFC3339, text(attrSaidAt))
	m.reports, _ = item[attrReports].Int()
	if m.fingerprint != "" { // an item of a release without reminders was reported at least once
		m.reports = max(m.reports, 1)
		if m.reported.IsZero() {
			m.reported = m.firstSeen
		}
	}
	m.rule = decodePermission(text(attrOpening))
	m.ruleID = text(attrRule)
	m.since, _ = time.Parse(time.RFC3339, text(attrSince))
	return m
}

func (m memo) item() table.Item {
	moment := func(t time.Time) table.Value {
		if t.IsZero() {
			return table.Text("")
		}
		return table.Text(t.UTC().Format(time.RFC3339))
	}
	item := table.Item{
		table.Key: table.Text(m.id), attrGroup: table.Text(m.groupID), attrSaid: table.Text(m.fingerprint),
		attrFirstSeen: moment(m.firstSeen), attrLastSeen: moment(m.lastSeen), attrTriedAt: moment(m.tried),
		attrSaidAt: moment(m.reported), attrReports: table.Number(int64(m.reports)), attrOpening: table.Text(encodePermission(m.rule)),
		table.Expires: table.Number(m.lastSeen.Add(memoryKeep).Unix()),
	}
	if m.isPending() {
		item[attrRule], item[attrSince] = table.Text(m.ruleID), moment(m.since)
	}
	return item
}

// writeMemos writes memos into the table and deletes the ids to forget, as table.Write does.
// With an error part of it is written: the next run reports the rest again, which is
// harmless.
func writeMemos(ctx context.Context, memory *table.Table, memos []memo, forget []string, wait func(context.Context, time.Duration) error) error {
	items := make([]table.Item, len(memos))
	for i, held := range memos {
		items[i] = held.item()
	}
	return memory.Write(ctx, items, forget, wait)
}
