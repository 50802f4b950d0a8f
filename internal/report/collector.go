package report

import (
	"cmp"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"sgward/internal/policy"
)

// collector is the Writer of the formats for people. The summary comes first, so nothing
// is written before Close: it holds the totals and the worst findings and groups, up to
// its limits.
type collector struct {
	to    io.Writer
	run   Run
	print func(io.Writer, *Summary) error

	limits
	totals
	findings top[Entry]  // reported without their group
	groups   top[judged] // with findings
	noted    top[Group]  // with notes only

	// The groups with findings that are not exempt, and of them those of which is known
	// whether a public address uses them, and the others.
	affected, known, unknown int
	// Openings that are forbidden and critical in groups that a public address uses, and
	// callers of calls that would have been closed.
	urgent  int
	closers map[string]bool
	// Findings that would have been closed and of which the history shows no end.
	unclosed int
}

// limits are the numbers of items that a report for people lists.
type limits struct {
	findings, groups int
	groupFindings    int // of one group
	rules            int // of each direction of a group
	interfaces       int // of a group
	rows             int // of a breakdown
	buckets          int // of the time line
	problems         int
}

// judged is a group with its verdicts.
type judged struct {
	Group
	entries []Entry
}

func newCollector(w io.Writer, run Run, l limits, print func(io.Writer, *Summary) error) *collector {
	return &collector{
		to: w, run: run, print: print, limits: l, totals: newTotals(),
		closers: map[string]bool{}, findings: top[Entry]{limit: l.findings}, groups: top[judged]{limit: l.groups}, noted: top[Group]{limit: l.groups},
	}
}

// Entry adds a finding.
func (c *collector) Entry(e Entry) error {
	c.add(&e)
	if e.Verdict == policy.Revoke && e.Event != nil {
		c.closers[actorText(e.Event.Actor)] = true
		if e.ClosedAt == nil {
			c.unclosed++
		}
	}
	c.findings.add(rankOfEntry(&e), e)
	return nil
}

// Group adds a group. Its findings are sorted; the worst one decides the group's place.
func (c *collector) Group(g Group, entries []Entry) error {
	if len(entries) == 0 {
		if len(g.Notes) > 0 {
			c.noted.add(rank{}, g)
		}
		return nil
	}
	entries = slices.Clone(entries)
	exempt := true
	for i := range entries {
		c.add(&entries[i])
		exempt = exempt && entries[i].Verdict == policy.Exempt
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return compareRanks(rankIn(&g, &a), rankIn(&g, &b)) })
	for i := range entries {
		if e := &entries[i]; e.Verdict == policy.Revoke && e.Severity == policy.Critical && rankIn(&g, e).use == usePublic {
			c.urgent++
		}
	}
	switch {
	case exempt:
	case !g.AttachedKnown:
		c.affected++
		c.unknown++
	default:
		c.affected++
		c.known++
	}
	c.groups.add(rankIn(&g, &entries[0]), judged{g, entries})
	return nil
}

// Close prints the report.
func (c *collector) Close(read Coverage) error { return wrote(c.print(c.to, c.summary(read))) }

// rankOf is the index of a verdict in policy.Verdicts.
func rankOf(v policy.Verdict) int { return slices.Index(policy.Verdicts(), v) }

// urgency orders severities from most urgent (0) to least. Findings without a severity
// rank first, because they may be urgent.
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

// used returns the verdicts that occur.
func (c counts) used() []policy.Verdict {
	return slices.DeleteFunc(policy.Verdicts(), func(d policy.Verdict) bool { return c.of(d) == 0 })
}

// row is one line of a breakdown.
type row struct {
	key, label, note string
	severity         policy.Severity // the worst
	counts
}

// breakdown counts entries by a property, such as the account.
type breakdown map[string]*row

func (b breakdown) add(key, label, note string, e *Entry) {
	r := b[key]
	if r == nil {
		r = &row{key: key, label: label, note: note, severity: e.Severity}
		b[key] = r
	}
	// A later entry may name a group for which an earlier one has the id only.
	if r.label == e.GroupID {
		r.label, r.note = label, note
	}
	if urgency(e.Severity) < urgency(r.severity) {
		r.severity = e.Severity
	}
	r.counts[rankOf(e.Verdict)]++
}

// rows returns the lines, sorted by the number of the strongest verdict, then of the next
// one, then by key.
func (b breakdown) rows() []*row {
	return slices.SortedFunc(maps.Values(b), func(x, y *row) int {
		return cmp.Or(slices.Compare(y.counts[:], x.counts[:]), cmp.Compare(x.key, y.key))
	})
}

// totals count all entries. They take eight bytes for each finding with a known end, and a
// line for each different statement, account, actor, group, exception, change and day.
type totals struct {
	counts
	statements breakdown
	accounts   breakdown
	actors     breakdown
	byGroup    breakdown
	exceptions breakdown
	changes    map[change]int
	days       map[int64]*counts // by days since 1970, in UTC
	exposures  []float64         // seconds, of findings with a known end
	open       int               // findings that the history does not show closed
	oldestOpen time.Time         // when the first of these was made
}

func newTotals() totals {
	return totals{
		statements: breakdown{}, accounts: breakdown{}, actors: breakdown{}, byGroup: breakdown{}, exceptions: breakdown{},
		changes: map[change]int{}, days: map[int64]*counts{},
	}
}

func (t *totals) add(e *Entry) {
	t.counts[rankOf(e.Verdict)]++
	if e.StatementID != "" {
		t.statements.add(e.StatementID, e.StatementID, "", e)
	}
	if e.AccountID != "" {
		t.accounts.add(e.AccountID, e.AccountID, e.AccountName, e)
	}
	key := e.AccountID + "/" + e.Region + "/" + e.GroupID + "/"
	if e.GroupID == "" { // the record only names the group
		key += e.GroupName
	}
	if e.Location != nil && e.GroupID == "" {
		key += "/" + e.Group
	}
	label, note := e.groupText(), place(e.AccountID, e.AccountName, e.Region)
	if e.GroupID != "" && e.GroupName != "" { // the id stays on one line
		label, note = e.GroupName, strings.TrimSpace(e.GroupID+" "+note)
	}
	t.byGroup.add(key, label, note, e)
	if x := e.Exception; x != nil && e.Verdict == policy.Exempt {
		t.exceptions.add(x.ID, x.ID, "owner "+x.Owner+", until "+policy.ShownEnd(x.Expires), e)
	}
	if e.Compared != nil {
		t.changes[changeOf(e)]++
	}
	if e.Event != nil {
		t.addEvent(e)
	}
}

// addEvent counts the properties that only a history has.
func (t *totals) addEvent(e *Entry) {
	who := actorText(e.Event.Actor)
	label, account := shortARN(who)
	t.actors.add(who, label, account, e)
	at := e.Event.EventTime
	if t.days[dayOf(at)] == nil {
		t.days[dayOf(at)] = new(counts)
	}
	t.days[dayOf(at)][rankOf(e.Verdict)]++
	switch {
	case e.Verdict == policy.Exempt: // may stay open
	case e.ExposureSeconds != nil:
		t.exposures = append(t.exposures, *e.ExposureSeconds)
	case e.ClosedAt == nil:
		t.open++
		if t.oldestOpen.IsZero() || at.Before(t.oldestOpen) {
			t.oldestOpen = at
		}
	}
}

// exposure returns the median of the exposures in seconds, and the longest. Both are 0 if
// there are none.
func (t *totals) exposure() (median, longest float64) {
	n := len(t.exposures)
	if n == 0 {
		return 0, 0
	}
	slices.Sort(t.exposures)
	return (t.exposures[(n-1)/2] + t.exposures[n/2]) / 2, t.exposures[n-1]
}

// change is the difference between the verdicts of two policies.
type change struct {
	from, to policy.Verdict
	// The details are the severities if the verdicts are equal, and the statements if the
	// severities are equal too.
	fromDetail, toDetail string
}

// changeOf is the zero change if nothing is compared.
func changeOf(e *Entry) change {
	if e.Compared == nil {
		return change{}
	}
	c := change{from: e.Verdict, to: e.Compared.Verdict}
	switch {
	case c.from != c.to:
	case e.Severity != e.Compared.Severity:
		c.fromDetail, c.toDetail = e.Severity.String(), e.Compared.Severity.String()
	default:
		c.fromDetail, c.toDetail = e.StatementID, e.Compared.StatementID
	}
	return c
}

// compareChanges sorts changes to or from revoke first, and those of the reason alone
// last.
func compareChanges(a, b change) int {
	strongest := func(c change) int { return min(rankOf(c.from), rankOf(c.to)) }
	same := func(c change) int {
		if c.from == c.to {
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

// meaning returns the effect of a change.
func (c change) meaning() string {
	switch {
	case c.from == c.to && c.fromDetail != c.toDetail:
		return "the same action, for another reason"
	case c.to == policy.Revoke:
		return "would be closed as well"
	case c.from == policy.Revoke:
		return "would be left open"
	case c.to == policy.Compliant || c.to == policy.Exempt:
		return "no alert would be sent"
	case c.from == policy.Compliant || c.from == policy.Exempt:
		return "an alert would be sent"
	default:
		return ""
	}
}
