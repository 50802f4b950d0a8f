package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"sgward/internal/policy"
)

// rankOf is the place of a verdict in policy.Verdicts.
func rankOf(v policy.Verdict) int { return slices.Index(policy.Verdicts(), v) }

// urgency orders severities from most (0) to least. One that nobody stated ranks
// with the first: nobody has said that it may wait.
func urgency(s policy.Severity) int {
	if s == policy.NoSeverity {
		return 0
	}
	return int(policy.Critical - s)
}

// counts holds a number for each of policy.Verdicts.
type counts [5]int

func (c counts) of(d policy.Verdict) int { return c[rankOf(d)] }

func (c counts) all() int {
	n := 0
	for _, k := range c {
		n += k
	}
	return n
}

// row is one line of a breakdown.
type row struct {
	key, label, note string
	severity         policy.Severity // the worst
	counts
}

// breakdown counts entries by something they have, such as the account.
type breakdown map[string]*row

func (b breakdown) add(key, label, note string, e *Entry) {
	r := b[key]
	if r == nil {
		r = &row{key: key, label: label, note: note, severity: e.Severity}
		b[key] = r
	}
	// A later entry may name the group where an earlier one has its id only.
	if strings.HasPrefix(label, r.label) {
		r.label = label
	}
	if urgency(e.Severity) < urgency(r.severity) {
		r.severity = e.Severity
	}
	r.counts[rankOf(e.Verdict)]++
}

// rows returns the lines: those with the most of the strongest decision first, of
// equal ones by the next decision, then by key.
func (b breakdown) rows() []*row {
	return slices.SortedFunc(maps.Values(b), func(x, y *row) int {
		return cmp.Or(slices.Compare(y.counts[:], x.counts[:]), cmp.Compare(x.key, y.key))
	})
}

// totals are what text and HTML count of all entries. They grow by eight bytes for
// each finding whose end is known, and by a line for each different statement,
// account, actor, group, exception and day.
type totals struct {
	counts
	severities  [4]counts // by urgency
	statements  breakdown
	accounts    breakdown
	actors      breakdown
	groups      breakdown
	exceptions  breakdown
	transitions map[transition]int
	days        map[int64]*dayCounts // by days since 1970, in UTC
	exposures   []float64            // seconds, of findings whose closing is known
	open        int                  // findings that the history does not show closed
	oldestOpen  time.Time            // when the first of these was made
}

// dayCounts are the openings of one day.
type dayCounts struct {
	counts
	severities [4]int // without the exempt
}

func newTotals() *totals {
	return &totals{
		statements: breakdown{}, accounts: breakdown{}, actors: breakdown{}, groups: breakdown{}, exceptions: breakdown{},
		transitions: map[transition]int{}, days: map[int64]*dayCounts{},
	}
}

const daySeconds = 24 * 60 * 60

// dayOf numbers the days in UTC.
func dayOf(t time.Time) int64 {
	s := t.Unix()
	day := s / daySeconds
	if s%daySeconds < 0 {
		day--
	}
	return day
}

func (t *totals) add(e *Entry) {
	at := rankOf(e.Verdict)
	t.counts[at]++
	t.severities[urgency(e.Severity)][at]++
	if e.StatementID != "" {
		t.statements.add(e.StatementID, e.StatementID, "", e)
	}
	if e.AccountID != "" {
		t.accounts.add(e.AccountID, e.AccountID, "", e)
	}
	t.groups.add(e.AccountID+"/"+e.Region+"/"+e.GroupID+"/"+nameIfNoID(e), groupText(e.GroupID, e.GroupName), place(e.AccountID, e.Region), e)
	if x := e.Exception; x != nil && e.Verdict == policy.Exempt {
		t.exceptions.add(x.ID, x.ID, "owner "+x.Owner+", until "+x.Expires, e)
	}
	if e.Compared != nil {
		t.transitions[transitionOf(e)]++
	}
	if e.Event != nil {
		t.addEvent(e, at)
	}
}

// addEvent counts what only a history tells.
func (t *totals) addEvent(e *Entry, at int) {
	who := actorText(e.Event.Actor)
	label, account := shortARN(who)
	t.actors.add(who, label, account, e)
	day := t.days[dayOf(e.Event.EventTime)]
	if day == nil {
		day = &dayCounts{}
		t.days[dayOf(e.Event.EventTime)] = day
	}
	day.counts[at]++
	if e.Verdict == policy.Exempt {
		return // it may stay open
	}
	day.severities[urgency(e.Severity)]++
	switch {
	case e.ExposureSeconds != nil:
		t.exposures = append(t.exposures, *e.ExposureSeconds)
	case e.ClosedAt == nil:
		t.open++
		if t.oldestOpen.IsZero() || e.Event.EventTime.Before(t.oldestOpen) {
			t.oldestOpen = e.Event.EventTime
		}
	}
}

// nameIfNoID tells groups apart that the record names only.
func nameIfNoID(e *Entry) string {
	if e.GroupID == "" {
		return e.GroupName
	}
	return ""
}

// place says "123456789012 us-east-1", as far as it is known.
func place(accountID, region string) string {
	if accountID == "" || region == "" {
		return accountID + region
	}
	return accountID + " " + region
}

// exposure returns the median of the exposures in seconds, and the longest. Both are
// 0 without any.
func (t *totals) exposure() (median, longest float64) {
	n := len(t.exposures)
	if n == 0 {
		return 0, 0
	}
	slices.Sort(t.exposures)
	return (t.exposures[(n-1)/2] + t.exposures[n/2]) / 2, t.exposures[n-1]
}

// transition is how a comparison's verdicts differ.
type transition struct {
	from, to policy.Verdict
	// severity and statement hold both sides where the decision is the same, the
	// statement only where the severity is too.
	fromDetail, toDetail string
}

// transitionOf is the zero transition where nothing is compared.
func transitionOf(e *Entry) transition {
	if e.Compared == nil {
		return transition{}
	}
	t := transition{from: e.Verdict, to: e.Compared.Verdict}
	switch {
	case t.from != t.to:
	case e.Severity != e.Compared.Severity:
		t.fromDetail, t.toDetail = e.Severity.String(), e.Compared.Severity.String()
	default:
		t.fromDetail, t.toDetail = e.StatementID, e.Compared.StatementID
	}
	return t
}

// compareTransitions puts what would be closed or no longer closed first, and last
// where the same is done for another reason.
func compareTransitions(a, b transition) int {
	strongest := func(t transition) int { return min(rankOf(t.from), rankOf(t.to)) }
	same := func(t transition) int {
		if t.from == t.to {
			return 1
		}
		return 0
	}
	return cmp.Or(
		cmp.Compare(same(a), same(b)),
		cmp.Compare(strongest(a), strongest(b)),
		cmp.Compare(rankOf(a.to), rankOf(b.to)),
		cmp.Compare(rankOf(a.from), rankOf(b.from)),
		cmp.Compare(a.fromDetail, b.fromDetail),
		cmp.Compare(a.toDetail, b.toDetail),
	)
}
