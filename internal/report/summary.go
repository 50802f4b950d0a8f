package report

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"sgward/internal/policy"
	"sgward/internal/text"
)

// Summary is a report for people, computed once and printed as text and as HTML. Its texts
// are visible, and cut.
type Summary struct {
	Command  Command
	Title    string
	Judged   string    // the policy, or policies
	From, To string    // the files of a comparison; "" without one
	Read     []string  // sentences
	Policies []string  // their digests
	Version  string    // of sgward
	Now      time.Time // the moment of judging

	Headline   string // the sentence that decides; "" without findings
	Heading    string // the number of all findings
	Empty      string // why there is none; "" if there are some
	Tiles      []Tile
	Changes    []Difference
	Breakdowns []Breakdown
	TimeLine   *TimeLine  // nil if all openings are in one bucket
	Exposures  *Exposures // nil of an audit

	Groups   List[GroupView]
	Findings List[FindingView]
	Noted    List[GroupView] // groups without findings
	Problems List[text.Problem]
}

// List is the first items of a list, and the number of all.
type List[T any] struct {
	Items []T
	All   int
	rest  string // the place of the others
}

// first cuts a list.
func first[T any](items []T, most int) List[T] {
	return List[T]{Items: items[:min(most, len(items))], All: len(items)}
}

// More gives the number of items not listed; "" if all are.
func (l List[T]) More() string {
	if len(l.Items) == l.All {
		return ""
	}
	return "and " + text.Thousands(l.All-len(l.Items)) + " more"
}

// Limited gives the number of items listed and the place of the others; "" if all are
// listed.
func (l List[T]) Limited() string {
	if len(l.Items) == l.All {
		return ""
	}
	return text.Thousands(len(l.Items)) + " of " + text.Thousands(l.All) + "; --format " + l.rest + " lists all"
}

// Tile is one of the figures at the top of a report.
type Tile struct {
	Value, Label, Note string
	Class              string // the verdict that it counts; "" for none
	Words              bool   // Value is not a number
}

// Difference is a line of a comparison.
type Difference struct {
	From, To Mark
	Meaning  string
	N        int
}

// Breakdown counts findings by a property, such as the account.
type Breakdown struct {
	Anchor, Title, Head, Text string
	Kinds                     []Kind // the columns
	Rows                      List[Row]
	Most                      int // findings in one row
}

// Kind is a verdict: its word in the report, and its name for style and script.
type Kind struct{ Class, Word string }

func (c *collector) kinds(verdicts []policy.Verdict) []Kind {
	var out []Kind
	for _, v := range verdicts {
		out = append(out, c.kind(v))
	}
	return out
}

func (c *collector) kind(v policy.Verdict) Kind {
	return Kind{v.String(), verdictWord(c.run.Command, v)}
}

// Row is one of a Breakdown, with a number for each of its verdicts.
type Row struct {
	Label, Note string
	Numbers     []int
}

// Words are the words of the note, each of which stays on one line.
func (r Row) Words() []string { return strings.Fields(r.Note) }

// Exposures describe how long openings stayed open, without exempt ones.
type Exposures struct {
	Text  string
	Steps []ExposureStep
	Open  int // never seen closed
}

// ExposureStep is a class of the histogram: exposures below its end and not below that of
// the step before.
type ExposureStep struct {
	end        float64 // seconds
	Name, Tick string
	N          int
}

// summary computes the report.
func (c *collector) summary(read Coverage) *Summary {
	s := &Summary{
		Command: c.run.Command, Title: "What is open now", Judged: policyText(c.run.Policy), Read: readText(c.run, read),
		Policies: []string{digestText(c.run.Policy)}, Version: text.Shown(c.run.Version, mostName), Now: c.run.Now,
		Heading: text.Plural(c.all(), "finding"), Groups: c.groupViews(), Findings: c.findingViews(), Noted: c.notedViews(),
		Problems: first(read.Problems, c.problems),
	}
	s.Problems.Items = slices.Clone(s.Problems.Items)
	for i, p := range s.Problems.Items {
		s.Problems.Items[i] = text.Problem{Place: text.Shown(p.Place, mostText), Text: text.Shown(p.Text, mostText)}
	}
	switch c.run.Command {
	case Replay:
		s.Title = "What the policy would have done"
	case Check:
		s.Title = "What this change would open"
	}
	if other := c.run.Other; other != nil {
		s.From, s.To = nameOf(c.run.Policy), nameOf(*other)
		s.Title = "What changes from " + s.From + " to " + s.To
		s.Judged += ", compared with " + policyText(*other)
		s.Policies = append(s.Policies, digestText(*other))
		s.Heading = text.Plural(c.all(), "difference") + ": " + s.From + " → " + s.To
	}
	switch {
	case c.all() == 0:
		s.Empty = emptyText(c.run, read)
	case c.run.Other != nil:
		s.Tiles, s.Changes = c.comparedTiles(s.From, s.To), c.changeList()
	default:
		s.Headline = c.headline(read)
		s.Tiles, s.Breakdowns, s.Exposures = c.tiles(), c.breakdowns(), c.exposureSteps()
		if line := c.timeLine(c.buckets); len(line.Buckets) > 1 {
			line.Kinds = c.kinds(line.Verdicts)
			s.TimeLine = &line
		}
	}
	return s
}

// tiles count the findings by verdict, and summarise their exposure.
func (c *collector) tiles() []Tile {
	var out []Tile
	for _, d := range policy.Verdicts() {
		if n := c.of(d); n > 0 || d == policy.Revoke {
			label, note := outcomeText(c.run.Command, d, n)
			out = append(out, Tile{Value: text.Thousands(n), Label: label, Note: note, Class: d.String()})
		}
	}
	aside := ""
	if c.of(policy.Exempt) > 0 {
		aside = " (exceptions not counted)"
	}
	if n := len(c.exposures); n > 0 {
		median, longest := c.exposure()
		out = append(out, Tile{Value: text.Span(median), Label: "median time open", Note: "longest " + text.Span(longest) + ", of " + text.Thousands(n) + " seen closed" + aside, Words: true})
	}
	if c.open > 0 {
		out = append(out, Tile{Value: text.Thousands(c.open), Label: "never seen closed", Note: "the oldest since " + date(c.oldestOpen) + aside})
	}
	public := Tile{Value: text.Thousands(c.urgent), Label: "critical at a public address", Note: "forbidden, in groups that a public address uses"}
	switch {
	case c.known == 0 && c.unknown == 0:
		return out
	case c.known == 0:
		public.Value, public.Words, public.Note = "?", true, "the interfaces that use the groups were not read"
	case c.unknown > 0:
		public.Note += "; not known of " + text.Plural(c.unknown, "group")
	}
	return append(out, public)
}

// outcomeText describes the effect of a verdict on n openings.
func outcomeText(c Command, d policy.Verdict, n int) (label, note string) {
	look := text.Agree(n, "needs", "need") + " a look at EC2"
	texts := map[policy.Verdict][2]string{
		policy.Revoke:       {"would have been closed", "within seconds, and alerted"},
		policy.Undetermined: {look, "sgward would have read the group to decide"},
		policy.Alert:        {"would have been reported", "an alert, and left open"},
		policy.Exempt:       {"excepted", "an exception covers it"},
	}
	if c == Audit {
		texts = map[policy.Verdict][2]string{
			policy.Revoke:       {"forbidden", "closed at once if made now"},
			policy.Undetermined: {look, "a fact could not be read"},
			policy.Alert:        {"warned", "an alert if made now"},
			policy.Exempt:       {"excepted", "an exception covers it"},
		}
	}
	if c == Check {
		texts = map[policy.Verdict][2]string{
			policy.Revoke:       {"forbidden", "closed at once when made"},
			policy.Undetermined: {"not known yet", "it depends on values that the file lacks"},
			policy.Alert:        {"warned", "an alert when made"},
			policy.Exempt:       {"excepted", "an exception covers it"},
		}
	}
	return texts[d][0], texts[d][1]
}

func (c *collector) comparedTiles(from, to string) []Tile {
	more, fewer, other := 0, 0, 0
	for change, n := range c.changes {
		switch {
		case change.to == policy.Revoke && change.from != policy.Revoke:
			more += n
		case change.from == policy.Revoke && change.to != policy.Revoke:
			fewer += n
		default:
			other += n
		}
	}
	return []Tile{
		{Value: text.Thousands(more), Label: "newly closed", Note: "closed by " + to + " only", Class: "revoke"},
		{Value: text.Thousands(fewer), Label: "no longer closed", Note: "closed by " + from + " only", Class: "alert"},
		{Value: text.Thousands(other), Label: "other differences", Note: "in severity, statement or alerts"},
	}
}

func (c *collector) changeList() []Difference {
	var out []Difference
	for _, change := range slices.SortedFunc(maps.Keys(c.changes), compareChanges) {
		v := c.changeView(change)
		v.N = c.changes[change]
		out = append(out, v)
	}
	return out
}

func (c *collector) changeView(of change) Difference {
	return Difference{
		From: markOf(c.run.Command, of.from, policy.NoSeverity, of.fromDetail), To: markOf(c.run.Command, of.to, policy.NoSeverity, of.toDetail),
		Meaning: of.meaning(),
	}
}

// breakdowns are left out if they would add nothing: those of one row, except statements,
// which show their severity, and that of groups if the groups are listed.
func (c *collector) breakdowns() []Breakdown {
	var out []Breakdown
	for _, b := range []struct {
		Breakdown
		of     breakdown
		always bool
	}{
		{Breakdown{Anchor: "by-statement", Title: "By statement", Head: "Statement", Text: "The deciding statements of the policy."}, c.statements, true},
		{Breakdown{Anchor: "by-exception", Title: "Covered by exceptions", Head: "Exception", Text: "Findings without the exceptions."}, c.exceptions, true},
		{Breakdown{Anchor: "by-account", Title: "By account", Head: "Account", Text: "The accounts of the groups."}, c.accounts, false},
		{Breakdown{Anchor: "by-actor", Title: "By actor", Head: "Role, user or service", Text: "The callers: the role behind a session."}, c.actors, false},
		{Breakdown{Anchor: "by-group", Title: "By group", Head: "Security group", Text: "The most opened groups."}, c.byGroup, false},
	} {
		rows := b.of.rows()
		if len(rows) == 0 || len(rows) == 1 && !b.always || b.Anchor == "by-group" && c.groups.seen > 0 {
			continue
		}
		verdicts := c.used()
		if b.Anchor == "by-exception" {
			verdicts = []policy.Verdict{policy.Exempt}
			slices.SortStableFunc(rows, func(x, y *row) int { return cmp.Compare(y.all(), x.all()) })
		}
		b.Kinds = c.kinds(verdicts)
		for _, r := range rows {
			b.Most = max(b.Most, r.all())
		}
		b.Rows.All = len(rows)
		for _, r := range rows[:min(c.rows, len(rows))] {
			row := Row{Label: text.Shown(r.label, mostName), Note: text.Shown(r.note, mostName)}
			if b.Anchor == "by-statement" {
				row.Note = r.severity.String()
			}
			for _, d := range verdicts {
				row.Numbers = append(row.Numbers, r.of(d))
			}
			b.Rows.Items = append(b.Rows.Items, row)
		}
		out = append(out, b.Breakdown)
	}
	return out
}

// exposureSteps groups the exposures into steps with familiar limits on a logarithmic
// scale. It is nil if none is known.
func (t *totals) exposureSteps() *Exposures {
	if len(t.exposures)+t.open == 0 {
		return nil
	}
	const hour, day = 3600, 86400
	out := &Exposures{Text: "Exceptions not counted.", Open: t.open, Steps: []ExposureStep{
		{60, "less than 1 min", "<1 m", 0}, {600, "1 to 10 min", "<10 m", 0}, {hour, "10 min to 1 h", "<1 h", 0}, {6 * hour, "1 to 6 h", "<6 h", 0},
		{day, "6 h to 1 d", "<1 d", 0}, {7 * day, "1 to 7 d", "<7 d", 0}, {30 * day, "7 to 30 d", "<30 d", 0}, {365 * day, "30 d to 1 y", "<1 y", 0},
		{0, "1 y and more", ">1 y", 0}, // without an end
	}}
	if median, longest := t.exposure(); len(t.exposures) > 1 {
		out.Text = "Median " + text.Span(median) + ", longest " + text.Span(longest) + ". Exceptions not counted."
	}
	for _, s := range t.exposures {
		at := 0
		for at < len(out.Steps)-1 && s >= out.Steps[at].end {
			at++
		}
		out.Steps[at].N++
	}
	return out
}

// Mark is a verdict with its colour and word.
type Mark struct {
	Class, Word, Severity, Detail string
	Rank                          int // for sorting: verdict, then severity
}

func markOf(c Command, d policy.Verdict, severity policy.Severity, detail string) Mark {
	return Mark{Class: d.String(), Word: verdictWord(c, d), Severity: severity.String(), Detail: text.Shown(detail, mostName), Rank: rankOf(d)*10 + urgency(severity)}
}

// Below is the text below the word.
func (m Mark) Below() string { return strings.TrimSpace(m.Severity + " " + m.Detail) }
