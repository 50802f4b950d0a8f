package report

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"sgward/internal/policy"
	"sgward/internal/text"
)

// newText writes for people at a terminal, or for a pipe: then a finding is a line, however
// long.
func newText(w io.Writer, run Run, o Options) Writer {
	limit := 100
	if o.Details {
		limit = 50
	}
	limit = cmp.Or(o.Limit, limit)
	return newCollector(w, run, limits{
		findings: limit, groups: limit, groupFindings: limit, rules: 20, interfaces: 5, rows: 10, buckets: 16, problems: 50,
	}, func(w io.Writer, s *Summary) error {
		p := &textPrinter{terminal: text.Terminal{Color: text.Color(o.Color)}, width: plainWidth, quiet: o.Quiet, details: o.Details, limit: limit}
		if o.Width > 0 {
			p.width = max(o.Width, 40)
			p.terminal.Width = p.width
		}
		p.summary(s)
		_, err := io.WriteString(w, strings.TrimPrefix(p.out.String(), "\n"))
		return err
	})
}

// plainWidth is the width of tables and bars that no terminal bounds.
const plainWidth = 100

// textPrinter lays out a summary for a terminal.
type textPrinter struct {
	out      strings.Builder
	terminal text.Terminal
	width    int  // of tables and bars
	quiet    bool // findings and problems only
	details  bool
	limit    int
}

// put writes a line unchanged.
func (p *textPrinter) put(line string) { p.out.WriteString(line + "\n") }

// line writes one line, broken at blanks if it is wider than the screen. Further lines are
// indented by two more blanks.
func (p *textPrinter) line(line string) {
	p.put(p.terminal.Lines(line))
}

// heading starts a section.
func (p *textPrinter) heading(line string) {
	p.put("")
	p.put(p.bold(line))
}

// proseWidth is the width of sentences, which go on without indentation.
func (p *textPrinter) proseWidth() int { return cmp.Or(p.terminal.Width, 1<<16) }

func (p *textPrinter) bold(s string) string { return p.terminal.Apply(text.Bold, s) }

// paint colours s as the verdict of a class: red is forbidden, yellow reported.
func (p *textPrinter) paint(class, s string) string {
	return p.terminal.Apply(map[string]text.Style{
		policy.Revoke.String(): text.BoldRed, policy.Undetermined.String(): text.Magenta, policy.Alert.String(): text.Yellow,
		policy.Exempt.String(): text.Dim, policy.Compliant.String(): text.Dim,
	}[class], s)
}

// limited is a heading's addition if a list is cut.
func limited[T any](l List[T]) string {
	if l.Limited() == "" {
		return ""
	}
	return " (" + l.Limited() + ")"
}

func (p *textPrinter) summary(s *Summary) {
	if !p.quiet {
		p.overview(s)
	}
	switch {
	case len(s.Groups.Items) == 0:
	case p.details:
		p.heading("Groups with findings, worst first" + limited(s.Groups))
		for i := range s.Groups.Items {
			p.put("")
			p.group(&s.Groups.Items[i])
		}
	default:
		p.groupLines(s)
	}
	switch {
	case len(s.Findings.Items) == 0:
	case p.details:
		p.findings(s)
	default:
		p.findingLines(s)
	}
	if len(s.Noted.Items) > 0 && !p.quiet {
		p.heading("Groups without findings that need attention" + limited(s.Noted))
		for i := range s.Noted.Items {
			g := &s.Noted.Items[i]
			p.line("  " + joined(g.Group, g.VPC, g.Place))
			for _, note := range g.Notes {
				p.line("    " + note)
			}
		}
	}
	if s.Problems.All > 0 {
		p.heading("This report is incomplete: " + text.Plural(s.Problems.All, "problem"))
		for _, problem := range s.Problems.Items {
			p.line("  " + problem.Place + ": " + problem.Text)
		}
		p.more("  ", s.Problems.More())
	}
	if len(s.Groups.Items)+len(s.Findings.Items) > 0 && !p.details && !p.quiet {
		p.put("")
		p.line(p.terminal.Apply(text.Dim, "--details shows reasons, rules and what to do; --out report.html makes a page of it."))
	}
}

// more says that a list goes on, if it does.
func (p *textPrinter) more(indent, more string) {
	if more != "" {
		p.line(indent + more)
	}
}

// joined puts two blanks between the parts that are not empty.
func joined(parts ...string) string {
	out := ""
	for _, part := range parts {
		if part != "" && out != "" {
			out += "  "
		}
		out += part
	}
	return out
}

// overview prints the input and the totals.
func (p *textPrinter) overview(s *Summary) {
	p.line(p.bold("sgward "+string(s.Command)) + " by " + s.Judged)
	for _, line := range s.Read {
		p.line(line)
	}
	if s.Empty != "" {
		p.put("")
		p.line(p.bold(s.Empty))
		return
	}
	if s.Headline != "" {
		p.put("")
		p.put(text.Wrap(p.bold(s.Headline), "", p.proseWidth(), 0))
	}
	p.heading(s.Heading)
	value, label := 7, 0
	for _, t := range s.Tiles {
		value, label = max(value, text.Columns(t.Value)), max(label, text.Columns(t.Label))
	}
	for _, t := range s.Tiles {
		p.line("  " + text.PadLeft(t.Value, value) + "  " + p.paint(t.Class, text.PadRight(t.Label, label)) + "  " + t.Note)
	}
	if len(s.Changes) > 0 {
		p.heading("What changes")
		widest := 0
		for _, c := range s.Changes {
			widest = max(widest, text.Columns(p.change(c)))
		}
		for _, c := range s.Changes {
			p.line("  " + text.PadLeft(text.Thousands(c.N), 7) + "  " + text.PadRight(p.change(c), widest) + "  " + c.Meaning)
		}
	}
	for i := range s.Breakdowns {
		p.table(&s.Breakdowns[i])
	}
	if s.TimeLine != nil {
		p.timeLine(s.TimeLine)
	}
}

// change returns "alert → revoke", or the other difference if the verdicts are equal.
func (p *textPrinter) change(c Difference) string {
	out := p.paint(c.From.Class, c.From.Word)
	switch {
	case c.From.Word != c.To.Word:
		return out + " → " + p.paint(c.To.Class, c.To.Word)
	case c.From.Detail+c.To.Detail != "":
		return out + ": " + cmp.Or(c.From.Detail, "nothing") + " → " + cmp.Or(c.To.Detail, "nothing")
	default:
		return out
	}
}

// table is one breakdown.
func (p *textPrinter) table(b *Breakdown) {
	var columns []int
	taken := 2
	for _, k := range b.Kinds {
		n := max(8, text.Columns(k.column())+2)
		columns = append(columns, n)
		taken += n
	}
	room := max(p.width-taken, 25)
	label, note := text.Columns(b.Title)-2, 0
	for _, r := range b.Rows.Items {
		label, note = max(label, text.Columns(r.Label)), max(note, text.Columns(r.Note))
	}
	note = min(note, max(room-label-2, room/2))
	label = min(label, room-note-2)
	if note > 0 {
		note += 2
	}
	p.put("")
	head := p.bold(text.PadRight(b.Title, label+2+note))
	for i, k := range b.Kinds {
		head += text.PadLeft(k.column(), columns[i])
	}
	p.put(head)
	for _, r := range b.Rows.Items {
		line := "  " + text.PadRight(text.Shown(r.Label, label), label)
		if note > 0 {
			line += "  " + text.PadRight(text.Shown(r.Note, note-2), note-2)
		}
		for i, n := range r.Numbers {
			line += text.PadLeft(cmp.Or(strings.TrimPrefix(text.Thousands(n), "0"), "-"), columns[i])
		}
		p.put(line)
	}
	p.more("  ", b.Rows.More())
}

// column is the word of a kind over a column of numbers: "would close" is "close" there.
func (k Kind) column() string {
	return strings.TrimPrefix(strings.TrimPrefix(k.Word, "would "), "needs a ")
}

// timeLine draws the openings over time.
func (p *textPrinter) timeLine(l *TimeLine) {
	marks := map[policy.Verdict]string{policy.Revoke: "█", policy.Undetermined: "▓", policy.Alert: "▒", policy.Exempt: "░", policy.Compliant: "·"}
	most := 0
	for _, b := range l.Buckets {
		most = max(most, b.all())
	}
	room := min(max(p.width-30, 10), most)
	p.heading("Openings by " + l.Unit + " (UTC)")
	for _, b := range l.Buckets {
		bar, drawn, sum := "", 0, 0
		for _, d := range l.Verdicts {
			// Ends are rounded, not lengths, so that the parts add up to the whole and no
			// part vanishes.
			sum += b.of(d)
			end := (sum*room + most - 1) / most
			bar += p.paint(d.String(), strings.Repeat(marks[d], max(end-drawn, 0)))
			drawn = max(end, drawn)
		}
		p.put(strings.TrimRight("  "+text.PadRight(b.Name, 10)+"  "+text.PadLeft(text.Thousands(b.all()), 7)+"  "+bar, " "))
	}
	var legend []string
	for i, d := range l.Verdicts {
		legend = append(legend, p.paint(d.String(), marks[d])+" "+l.Kinds[i].Word)
	}
	p.line("  " + strings.Repeat(" ", 21) + strings.Join(legend, "  "))
}

// groupLines lists the findings of all groups, one a line, worst first.
func (p *textPrinter) groupLines(s *Summary) {
	places := map[string]bool{}
	all, listed := 0, 0
	for i := range s.Groups.Items {
		g := &s.Groups.Items[i]
		places[g.Place] = true
		all += g.Findings.All
	}
	type line struct {
		f *FindingView
		g *GroupView
	}
	var lines []line
	for i := range s.Groups.Items {
		g := &s.Groups.Items[i]
		for k := range g.Findings.Items {
			lines = append(lines, line{&g.Findings.Items[k], g})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.f.Verdict.Rank, b.f.Verdict.Rank) })
	listed = min(len(lines), p.limit)
	note := limited(s.Groups)
	if note == "" && listed < all {
		note = " (" + text.Thousands(listed) + " of " + text.Thousands(all) + "; --format json lists all)"
	}
	p.heading("Findings, worst first" + note)
	var heads []string
	for _, l := range lines[:listed] {
		heads = append(heads, verdictText(l.f.Verdict, l.f.Other, p.paint))
	}
	widest := widestOf(heads)
	for i, l := range lines[:listed] {
		where := ""
		if len(places) > 1 {
			where = l.g.Place
		}
		p.line(joined(text.PadRight(heads[i], widest), p.bold(l.f.Title), l.g.named(), where, l.f.Use))
	}
}

func widestOf(texts []string) int {
	widest := 0
	for _, s := range texts {
		widest = max(widest, text.Columns(s))
	}
	return widest
}

// named is the group's name with its id.
func (g *GroupView) named() string {
	if g.Name == "" {
		return g.ID
	}
	return g.Name + " " + g.ID
}

// findingLines lists the findings reported without their group, one a line; those of a
// comparison by change.
func (p *textPrinter) findingLines(s *Summary) {
	title := "Findings, worst first"
	if s.To != "" {
		title = "Differences"
	}
	p.heading(title + limited(s.Findings))
	places := map[string]bool{}
	var heads []string
	for i := range s.Findings.Items {
		f := &s.Findings.Items[i]
		places[f.Place] = true
		heads = append(heads, verdictText(f.Verdict, f.Other, p.paint))
	}
	widest := widestOf(heads)
	for i := range s.Findings.Items {
		f := &s.Findings.Items[i]
		where, call := "", ""
		if len(places) > 1 {
			where = f.Place
		}
		if c := f.Call; c != nil {
			call = c.Made + " by " + c.Who + ", " + c.OpenText()
		}
		group := strings.TrimSpace(f.GroupName + " " + f.GroupID)
		if f.At != "" { // which names the resource
			group, where = f.At, ""
		}
		p.line(joined(text.PadRight(heads[i], widest), p.bold(f.Title), group, where, call))
		if f.Missing != "" {
			p.line(strings.Repeat(" ", widest+2) + p.terminal.Apply(text.Dim, f.Missing))
		}
	}
}

// findings lists the findings reported without their group, in a comparison by change.
func (p *textPrinter) findings(s *Summary) {
	title := "Findings, worst first"
	if s.To != "" {
		title = "Differences"
	}
	p.heading(title + limited(s.Findings))
	said := ""
	for i := range s.Findings.Items {
		f := &s.Findings.Items[i]
		p.put("")
		if line := p.bold(p.change(f.Change)) + "  " + f.Change.Meaning; s.To != "" && line != said {
			said = line
			p.line(line)
			p.put("")
		}
		p.line(joined(verdictText(f.Verdict, f.Other, p.paint), p.bold(f.Title), f.Group, f.Place))
		p.rule(f, "  ", "  ")
		if c := f.Call; c != nil {
			p.line("  " + c.Made + " by " + c.Caller)
			p.line("  " + c.Closing)
		}
		p.reasons(f, "  ")
		for _, reason := range f.Others {
			p.line("  → " + reason)
		}
		p.nextSteps(f, "  ")
		if f.Source != "" {
			p.line("  " + p.terminal.Apply(text.Dim, f.Source))
		}
	}
}

// verdictText is "revoke critical", or both sides of a comparison.
func verdictText(verdict Mark, other *Mark, paint func(class, s string) string) string {
	of := func(m Mark) string { return paint(m.Class, strings.TrimSpace(m.Word+" "+m.Severity)) }
	out := of(verdict)
	if other != nil {
		out += " → " + of(*other)
		if other.Detail != "" {
			out += " (" + other.Detail + ")"
		}
	}
	return out
}

// rule writes the finding's rule, after lead.
func (p *textPrinter) rule(f *FindingView, lead, indent string) {
	comment, typed := "", ""
	if f.Comment != "" {
		comment = `"` + f.Comment + `"`
	}
	if f.Typed {
		typed = "(as the caller typed it)"
	}
	p.line(lead + joined(f.Rule, f.RuleID, comment, typed))
	if f.With != "" {
		p.line(indent + "together with " + f.With)
	}
}

// reasons writes the deciding reasons, the places of other statements that apply, and the
// exception.
func (p *textPrinter) reasons(f *FindingView, indent string) {
	var also []string
	known := map[string]bool{}
	for _, r := range f.Reasons {
		switch {
		case r.Decides:
			p.line(indent + r.Text)
		case !known[r.Where]: // an exception follows each statement that it overrides
			known[r.Where] = true
			also = append(also, r.Where)
		}
	}
	if len(also) > 0 {
		p.line(indent + "also " + text.First(also, 5, "; "))
	}
	if f.Exception != "" {
		p.line(indent + "exception " + f.Exception)
	}
}

// nextSteps writes what to do about a finding, and what its statement says.
func (p *textPrinter) nextSteps(f *FindingView, indent string) {
	if f.About != "" {
		p.line(indent + f.About)
	}
	if f.Controls != "" {
		p.line(indent + "controls: " + f.Controls)
	}
	if f.Runbook != "" {
		p.line(indent + "runbook: " + f.Runbook)
	}
	if f.Next.Close != "" && f.Exception == "" {
		p.put(indent + "close it: " + f.Next.Close)
	}
}

func (p *textPrinter) group(g *GroupView) {
	p.line(joined(p.bold(g.Group), g.VPC, g.Place))
	if g.Description != "" {
		p.line(`  "` + g.Description + `"`)
	}
	for i := range g.Findings.Items {
		f := &g.Findings.Items[i]
		p.line("  " + joined(verdictText(f.Verdict, f.Other, p.paint), p.bold(f.Title), f.Use))
		p.rule(f, "    ", "    ")
		p.reasons(f, "    ")
		p.nextSteps(f, "    ")
	}
	if limit := g.Findings.Limited(); limit != "" {
		p.line("  the first " + limit)
	}
	if p.quiet {
		return
	}
	if g.Public >= 0 {
		p.line("  attached to " + g.Attached)
		for _, line := range g.Interfaces.Items {
			p.line("    " + line)
		}
		p.more("    ", g.Interfaces.More())
	}
	for _, note := range g.Notes {
		p.line("  note: " + note)
	}
	for _, d := range g.Directions {
		if len(d.Rules.Items) == 0 {
			p.line("  " + d.Name + " now: none")
			continue
		}
		p.line("  " + d.Name + " now:")
		for _, r := range d.Rules.Items {
			comment, found := "", ""
			if r.Description != "" {
				comment = `"` + r.Description + `"`
			}
			if r.Found.Word != "" {
				found = p.paint(r.Found.Class, "<- "+r.Found.Word)
			}
			p.line("    " + joined(r.Text, comment, found))
		}
		p.more("    ", d.Rules.More())
	}
}
