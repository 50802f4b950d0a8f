package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"sgward/internal/repeats"
	"sgward/internal/secgroup"
)

// memoryKeep is how long the memory holds a finding that no run has confirmed.
// Nothing else than an end of the runs lets it pass: a finding that is gone is
// forgotten by the first run that misses it.
const memoryKeep = 90 * 24 * time.Hour

// confirmAge is how long ago a finding was confirmed that a run writes down again: one
// write a day is enough for memoryKeep, however often sweeps run.
const confirmAge = 20 * time.Hour

// writesPerBatch is the most that DynamoDB takes in one BatchWriteItem
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html).
const writesPerBatch = 25

// The attributes of an item. template.yaml names the key and the time to live.
const (
	attrID        = "id"        // the finding's id: the key
	attrGroup     = "groupId"   // for people who look into the table
	attrSaid      = "said"      // see fingerprint; empty if no digest has reported it
	attrFirstSeen = "firstSeen" // RFC 3339
	attrLastSeen  = "lastSeen"  // RFC 3339
	attrTriedAt   = "triedAt"   // RFC 3339: the last run that chose to close it, "" where none has
	attrSaidAt    = "saidAt"    // RFC 3339: the last digest that reported it, "" where none has
	attrReports   = "reports"   // how many digests have reported it
	attrOpening   = "rule"      // the rule's JSON, without description and tags; "" without a rule
	attrRule      = "ruleId"    // of a pending item: the rule's id
	attrSince     = "since"     // RFC 3339, of a pending item: when the rule was not there yet
	attrExpires   = "expiresAt" // seconds since 1970, as DynamoDB's time to live asks for
)

// Table is what the memory asks of DynamoDB. *dynamodb.Client is one.
type Table interface {
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	BatchWriteItem(context.Context, *dynamodb.BatchWriteItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchWriteItemOutput, error)
}

var _ Table = (*dynamodb.Client)(nil)

// Memory holds across runs the reported findings and the rules that runs have tried to
// close, in a DynamoDB table with the
// string key "id" and the time-to-live attribute "expiresAt". One table serves one
// account and region. All fields must be set.
type Memory struct {
	Client Table
	Table  string // its name
}

// memo is what the memory holds of one finding.
type memo struct {
	id, groupID string
	fingerprint string // "" if no digest has reported it, or if it cannot be read
	firstSeen   time.Time
	lastSeen    time.Time
	// tried is the time of the last run that chose to close the finding's rule; zero
	// where none did. What is still there was not closed.
	tried time.Time
	// reported is the time of the last digest that reported the finding, and reports is how
	// many have. Items of releases without reminders lack both.
	reported time.Time
	reports  int
	// rule is the finding's, without the texts of people; nil if it has none, and in items of
	// releases without outlets.
	rule *secgroup.Rule
	// ruleID and since belong to a pending item, see unannounced.go.
	ruleID string
	since  time.Time
}

// warningID is the id of the item that holds, as fingerprint, the day of the last warning about
// expiring exceptions. Ids of findings begin otherwise.
const warningID = "warned-of-exceptions"

// lastSweepID is the id of the item that holds the last completed sweep: as fingerprint
// what it judged by, as firstSeen when it began to read, as lastSeen when it judged.
const lastSweepID = "last-sweep"

// recall reads all that the memory holds at a time, by id. What has expired counts
// as forgotten, although DynamoDB may take days to delete it. Of an item that is not
// as remember writes it only the id is taken: its finding is then reported again.
func (m *Memory) recall(ctx context.Context, now time.Time) (map[string]memo, error) {
	out := map[string]memo{}
	pages := dynamodb.NewScanPaginator(m.Client, &dynamodb.ScanInput{TableName: &m.Table, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading table %s: %w", m.Table, err)
		}
		for _, item := range page.Items {
			held := readMemo(item)
			if repeats.IsKey(held.id) {
				continue // remediate has the same table
			}
			if now.Before(held.lastSeen.Add(memoryKeep)) || held.fingerprint == "" {
				out[held.id] = held
			}
		}
	}
	return out, nil
}

func readMemo(item map[string]types.AttributeValue) memo {
	text := func(name string) string {
		if v, ok := item[name].(*types.AttributeValueMemberS); ok {
			return v.Value
		}
		return ""
	}
	m := memo{id: text(attrID), groupID: text(attrGroup), fingerprint: text(attrSaid)}
	var errFirst, errLast error
	m.firstSeen, errFirst = time.Parse(time.RFC3339, text(attrFirstSeen))
	m.lastSeen, errLast = time.Parse(time.RFC3339, text(attrLastSeen))
	if errFirst != nil || errLast != nil {
		return memo{id: m.id}
	}
	// One that cannot be read counts as none: the rule's turn then comes sooner.
	m.tried, _ = time.Parse(time.RFC3339, text(attrTriedAt))
	m.reported, _ = time.Parse(time.RFC3339, text(attrSaidAt))
	if v, ok := item[attrReports].(*types.AttributeValueMemberN); ok {
		m.reports, _ = strconv.Atoi(v.Value)
	}
	if m.fingerprint != "" { // an item of a release without reminders was reported at least once
		m.reports = max(m.reports, 1)
		if m.reported.IsZero() {
			m.reported = m.firstSeen
		}
	}
	m.rule = ruleOf(text(attrOpening))
	m.ruleID = text(attrRule)
	m.since, _ = time.Parse(time.RFC3339, text(attrSince))
	return m
}

func (m memo) item() map[string]types.AttributeValue {
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	number := func(n int64) types.AttributeValue {
		return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
	}
	moment := func(t time.Time) types.AttributeValue {
		if t.IsZero() {
			return text("")
		}
		return text(t.UTC().Format(time.RFC3339))
	}
	item := map[string]types.AttributeValue{
		attrID: text(m.id), attrGroup: text(m.groupID), attrSaid: text(m.fingerprint),
		attrFirstSeen: moment(m.firstSeen), attrLastSeen: moment(m.lastSeen), attrTriedAt: moment(m.tried),
		attrSaidAt: moment(m.reported), attrReports: number(int64(m.reports)), attrOpening: text(bare(m.rule)),
		attrExpires: number(m.lastSeen.Add(memoryKeep).Unix()),
	}
	if m.isPending() {
		item[attrRule], item[attrSince] = text(m.ruleID), moment(m.since)
	}
	return item
}

// errUnprocessed says that a table kept leaving writes undone.
var errUnprocessed = errors.New("DynamoDB repeatedly leaves writes undone")

// remember writes memos and deletes the ids to forget. No id may be named twice.
// What DynamoDB leaves undone is sent again, after pauses of wait. With an error part
// of it is written: the next run reports the rest again, which is harmless.
func (m *Memory) remember(ctx context.Context, memos []memo, forget []string, wait func(context.Context, time.Duration) error) error {
	writes := make([]types.WriteRequest, 0, len(memos)+len(forget))
	for _, held := range memos {
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: held.item()}})
	}
	for _, id := range forget {
		key := map[string]types.AttributeValue{attrID: &types.AttributeValueMemberS{Value: id}}
		writes = append(writes, types.WriteRequest{DeleteRequest: &types.DeleteRequest{Key: key}})
	}
	for batch := range slices.Chunk(writes, writesPerBatch) {
		if err := m.write(ctx, batch, wait); err != nil {
			return fmt.Errorf("writing table %s: %w", m.Table, err)
		}
	}
	return nil
}

// write brings one batch to its end.
func (m *Memory) write(ctx context.Context, batch []types.WriteRequest, wait func(context.Context, time.Duration) error) error {
	const tries = 8 // pauses of 12.7 seconds in all, well more than a table needs to grow
	pause := 100 * time.Millisecond
	for range tries {
		out, err := m.Client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{m.Table: batch}})
		if err != nil {
			return err
		}
		if batch = out.UnprocessedItems[m.Table]; len(batch) == 0 {
			return nil
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
	return errUnprocessed
}
