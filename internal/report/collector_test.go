package report

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
)

// anyEntries are n entries of every kind, the same for the same seed.
func anyEntries(seed uint64, n int) []Entry {
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	var out []Entry
	for i := range n {
		e := opening(i, policy.Verdicts()[r.IntN(4)], policy.Severity(r.IntN(int(policy.Critical)+1)), pick("a", "b", "c", ""), tcp(22, "0.0.0.0/0", ""), 1, 1, 0)
		e.AccountID, e.Region, e.GroupID, e.GroupName = pick("111122223333", "123456789012", ""), pick("eu-central-1", "us-east-1"), pick("sg-1", "sg-2", ""), pick("web", "db")
		e.Event.EventTime = time.Date(2026, 1, 1, 0, 0, r.IntN(300*daySeconds), 0, time.UTC)
		e.Event.Actor = cloudtrail.Actor{ARN: pick("arn:aws:iam::123456789012:user/alice", "arn:aws:iam::111122223333:role/deploy", "")}
		if e.Verdict == policy.Exempt {
			e.Exception = &finding.Exception{ID: pick("x", "y")}
		}
		switch r.IntN(3) {
		case 0:
			s := float64(r.IntN(1000))
			closed := e.Event.EventTime.Add(time.Second * time.Duration(s))
			e.ClosedAt, e.ExposureSeconds = &closed, &s
		case 1:
			e.Event = nil
		}
		out = append(out, e)
	}
	return out
}

// countIf is the slow and obvious way to count.
func countIf(entries []Entry, d policy.Verdict, has func(*Entry) bool) int {
	n := 0
	for i := range entries {
		if entries[i].Verdict == d && has(&entries[i]) {
			n++
		}
	}
	return n
}

func TestTotalsAreWhatCountingOneByOneGives(t *testing.T) {
	for seed := range uint64(20) {
		entries := anyEntries(seed, 300)
		c := newCollector(nil, Run{}, limits{findings: 10, groups: 10}, nil)
		for i, e := range entries {
			if i%3 == 0 { // the same entries count the same with their group
				require.NoError(t, c.Group(Group{ID: e.GroupID}, []Entry{e}))
				continue
			}
			require.NoError(t, c.Entry(e))
		}
		got := &c.totals
		for _, d := range policy.Verdicts() {
			all := func(*Entry) bool { return true }
			assert.Equal(t, countIf(entries, d, all), got.of(d))
			assertRows(t, got.statements, entries, d, func(e *Entry) (string, bool) { return e.StatementID, e.StatementID != "" })
			assertRows(t, got.accounts, entries, d, func(e *Entry) (string, bool) { return e.AccountID, e.AccountID != "" })
			assertRows(t, got.actors, entries, d, func(e *Entry) (string, bool) {
				if e.Event == nil {
					return "", false
				}
				return actorText(e.Event.Actor), true
			})
			assertRows(t, got.byGroup, entries, d, func(e *Entry) (string, bool) {
				name := ""
				if e.GroupID == "" {
					name = e.GroupName
				}
				return strings.Join([]string{e.AccountID, e.Region, e.GroupID, name}, "/"), true
			})
			assertRows(t, got.exceptions, entries, d, func(e *Entry) (string, bool) {
				if e.Exception == nil {
					return "", false
				}
				return e.Exception.ID, true
			})
			sum := 0
			for _, b := range got.timeLine(20).Buckets {
				sum += b.of(d)
			}
			assert.Equal(t, countIf(entries, d, func(e *Entry) bool { return e.Event != nil }), sum, "the time line loses nothing")
		}
		assertExposures(t, got, entries)
	}
}

func assertRows(t *testing.T, b breakdown, entries []Entry, d policy.Verdict, key func(*Entry) (string, bool)) {
	t.Helper()
	keys := map[string]bool{}
	for i := range entries {
		if k, ok := key(&entries[i]); ok {
			keys[k] = true
		}
	}
	require.Len(t, b.rows(), len(keys))
	for _, r := range b.rows() {
		assert.Equal(t, countIf(entries, d, func(e *Entry) bool { k, ok := key(e); return ok && k == r.key }), r.of(d), r.key)
	}
}

func assertExposures(t *testing.T, got *totals, entries []Entry) {
	t.Helper()
	var known []float64
	open := 0
	oldest := time.Time{}
	for _, e := range entries {
		if e.Event == nil || e.Verdict == policy.Exempt {
			continue
		}
		if e.ExposureSeconds != nil {
			known = append(known, *e.ExposureSeconds)
			continue
		}
		open++
		if oldest.IsZero() || e.Event.EventTime.Before(oldest) {
			oldest = e.Event.EventTime
		}
	}
	slices.Sort(known)
	median := known[len(known)/2]
	if len(known)%2 == 0 {
		median = (known[len(known)/2-1] + known[len(known)/2]) / 2
	}
	gotMedian, gotLongest := got.exposure()
	assert.Equal(t, []float64{median, known[len(known)-1]}, []float64{gotMedian, gotLongest})
	assert.Equal(t, open, got.open)
	assert.Equal(t, oldest, got.oldestOpen)
}

func TestTheWorstAreKeptInOrder(t *testing.T) {
	for seed := range uint64(20) {
		entries := anyEntries(seed, 200)
		for _, limit := range []int{0, 1, 7, 200, 500} {
			kept := top[Entry]{limit: limit}
			for i := range entries {
				kept.add(rankOfEntry(&entries[i]), entries[i])
			}
			want := slices.Clone(entries)
			slices.SortStableFunc(want, func(a, b Entry) int { return compareRanks(rankOfEntry(&a), rankOfEntry(&b)) })
			want = want[:min(limit, len(want))]
			got := kept.list()
			require.Len(t, got, len(want))
			for i := range want {
				assert.Equal(t, want[i].ID, got[i].ID)
			}
			assert.Equal(t, 200, kept.seen)
		}
	}
}

func TestWorseComesFirst(t *testing.T) {
	entry := func(d policy.Verdict, severity policy.Severity, day int) Entry {
		return opening(1, d, severity, "a", nil, 3, day, 0)
	}
	none := entry(policy.Compliant, policy.NoSeverity, 9)
	none.Compared = &Compared{Verdict: policy.Revoke, Severity: policy.High}
	same := entry(policy.Revoke, policy.Critical, 9)
	same.Compared = &Compared{Verdict: policy.Revoke, Severity: policy.Low}
	order := []Entry{
		entry(policy.Revoke, policy.Critical, 2), entry(policy.Revoke, policy.Critical, 1), none, entry(policy.Revoke, policy.Low, 3),
		entry(policy.Undetermined, policy.Critical, 1), entry(policy.Alert, policy.Critical, 1), entry(policy.Exempt, policy.Critical, 1),
		same, // a comparison in which nothing changes but the reason
	}
	for i := range order[1:] {
		assert.Negative(t, compareRanks(rankOfEntry(&order[i]), rankOfEntry(&order[i+1])), "%d", i)
	}
}

func TestATimeLineHasTheShortestUnitThatFitsAndNoGaps(t *testing.T) {
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		from, to    time.Time
		unit        string
		first, last string
		buckets     int
	}{
		{day(2026, 3, 1), day(2026, 3, 16), "day", "2026-03-01", "2026-03-16", 16},
		{day(2026, 3, 1), day(2026, 3, 17), "week", "2026-02-23", "2026-03-16", 4},
		{day(2026, 1, 5), day(2026, 5, 1), "month", "2026-01", "2026-05", 5},
		{day(2025, 2, 5), day(2026, 12, 31), "quarter", "2025 Q1", "2026 Q4", 8},
		{day(2013, 2, 5), day(2026, 12, 31), "year", "2013", "2026", 14},
		{day(2013, 2, 5), day(2126, 12, 31), "decade", "2010", "2120", 12},
		{day(1, 1, 1), day(9999, 12, 31), "millennium", "0000", "9000", 10},
		{day(1969, 12, 31), day(1970, 1, 1), "day", "1969-12-31", "1970-01-01", 2},
	} {
		totals := newTotals()
		for _, at := range []time.Time{c.to.Add(23 * time.Hour), c.from.Add(time.Hour)} {
			e := opening(1, policy.Alert, policy.Low, "a", nil, 1, 1, 0)
			e.Event.EventTime = at
			totals.add(&e)
		}
		line := totals.timeLine(16)
		require.Len(t, line.Buckets, c.buckets, c.unit)
		first, last := line.Buckets[0], line.Buckets[c.buckets-1]
		assert.Equal(t, []string{c.unit, c.first, c.last}, []string{line.Unit, first.Name, last.Name})
		assert.Equal(t, []int{1, 1}, []int{first.all(), last.all()})
	}
	none := newTotals()
	assert.Empty(t, none.timeLine(16).Buckets)
}

func TestAxesHaveRoundStepsThatHoldTheMost(t *testing.T) {
	for most := range 3000 {
		step, top := scale(most)
		require.GreaterOrEqual(t, top, most)
		require.LessOrEqual(t, top/step, 5)
		require.Zero(t, top%step)
		first := fmt.Sprint(step)
		require.Contains(t, "125", first[:1])
		require.Equal(t, strings.Repeat("0", len(first)-1), first[1:])
	}
	step, top := scale(4_000_000_000)
	assert.Equal(t, []int{1_000_000_000, 4_000_000_000}, []int{step, top})
}

func TestTheHistogramCountsEveryExposureOnce(t *testing.T) {
	totals := newTotals()
	totals.exposures = []float64{0, 59.9, 60, 599, 600, 3600, 86400, 364 * 86400, 365 * 86400, 1e12}
	totals.open = 7
	c := totals.exposureSteps().Chart()
	var got []string
	for _, column := range c.Columns {
		got = append(got, column.Name+" "+column.Figures[0])
	}
	assert.Equal(t, []string{
		"less than 1 min 2", "1 to 10 min 2", "10 min to 1 h 1", "1 to 6 h 1", "6 h to 1 d 0", "1 to 7 d 1", "7 to 30 d 0", "30 d to 1 y 1", "1 y and more 2", "never seen closed 7",
	}, got)
}
