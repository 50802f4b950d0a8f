package report

import (
	"cmp"
	"io"
	"strings"

	"sgward/internal/policy"
	"sgward/internal/text"
)

// newText writes for people at a terminal.
func newText(w io.Writer, run Run, o Options) Writer {
	limit := cmp.Or(o.Limit, 50)
	return newCollector(w, run, limits{
		findings: limit, groups: limit, groupFindings: limit, rules: 20, interfaces: 5, rows: 10, buckets: 16, problems: 50,
	}, func(w io.Writer, s *Summary) error {
		p := &textPrinter{ink: text.Ink(o.Color), width: max(cmp.Or(o.Width, 100), 40), quiet: o.Quiet}
		p.summary(s)
		_, err := io.WriteString(w, strings.TrimPrefix(p.out.String(), "\n"))
		return err
	})
}

// textPrinter lays out a summary for a terminal.
type textPrinter struct {
	out   strings.Builder
	ink   text.Ink
	width int
	quiet bool // findings and problems only
}

// put writes a line unchanged.
func (p *textPrinter) put(line string) { p.out.WriteString(line + "\n") }

// line writes one line, broken at blanks if it is wider than the screen. Further lines are
// indented by two more blanks.
func (p *textPrinter) line(line string) {
	begin := len(line) - len(strings.TrimLeft(line, " "))
	p.put(text.Wrap(line, strings.Repeat(" ", begin+2), p.width, 0))
}

// heading starts a section.
func (p *textPrinter) heading(line string) {
	p.put("")
	p.put(p.bold(line))
}

func (p *textPrinter) bold(s string) string { return p.ink.Paint(text.Bold, s) }

// paint colours s as a verdict: red means closed, yellow reported.
func (p *textPrinter) paint(verdict, s string) string {
	return p.ink.Paint(map[string]text.Style{
		policy.Revoke.String(): text.BoldRed, policy.Undetermined.String(): text.Magenta, policy.Alert.String(): text.Yellow,
		policy.Exempt.String(): text.Dim, policy.Compliant.String(): text.Dim,
	}[verdict], s)
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
	if len(s.Groups.Items) > 0 {
		p.heading("Groups with findings, worst first" + limited(s.Groups))
		for i := range s.Groups.Items {
			p.put("")
			p.group(&s.Groups.Items[i])
		}
	}
	if len(s.Findings.Items) > 0 {
		p.findings(s)
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
		p.put(text.Wrap(p.bold(s.Empty), "", p.width, 0))
		return
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
func (p *textPrinter) change(c Change) string {
	out := p.paint(c.From.Word, c.From.Word)
	switch {
	case c.From.Word != c.To.Word:
		return out + " → " + p.paint(c.To.Word, c.To.Word)
	case c.From.Detail+c.To.Detail != "":
		return out + ": " + cmp.Or(c.From.Detail, "nothing") + " → " + cmp.Or(c.To.Detail, "nothing")
	default:
		return out
	}
}

// table is one breakdown.
func (p *textPrinter) table(b *Breakdown) {
	const number = 8
	room := max(p.width-2-number*len(b.Verdicts), 30)
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
	for _, d := range b.Verdicts {
		head += text.PadLeft(d.String(), number)
	}
	p.put(head)
	for _, r := range b.Rows.Items {
		line := "  " + text.PadRight(text.Shown(r.Label, label), label)
		if note > 0 {
			line += "  " + text.PadRight(text.Shown(r.Note, note-2), note-2)
		}
		for _, n := range r.Numbers {
			line += text.PadLeft(cmp.Or(strings.TrimPrefix(text.Thousands(n), "0"), "-"), number)
		}
		p.put(line)
	}
	p.more("  ", b.Rows.More())
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
	for _, d := range l.Verdicts {
		legend = append(legend, p.paint(d.String(), marks[d])+" "+d.String())
	}
	p.line("  " + strings.Repeat(" ", 21) + strings.Join(legend, "  "))
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
		p.line(joined(verdictText(f.Verdict, f.Other, p.paint), p.bold(f.Group), f.Place))
		p.rule(f, "  ", "  ")
		if c := f.Call; c != nil {
			p.line("  " + c.Made + " by " + c.Caller)
			p.line("  " + c.Closing)
		}
		p.reasons(f, "  ")
		for _, reason := range f.Others {
			p.line("  → " + reason)
		}
		if f.Source != "" {
			p.line("  " + p.ink.Paint(text.Dim, f.Source))
		}
	}
}

// verdictText is "revoke critical", or both sides of a comparison.
func verdictText(verdict Mark, other *Mark, paint func(verdict, s string) string) string {
	of := func(m Mark) string { return paint(m.Word, strings.TrimSpace(m.Word+" "+m.Severity)) }
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

func (p *textPrinter) group(g *GroupView) {
	p.line(joined(p.bold(g.Group), g.VPC, g.Place))
	if g.Description != "" {
		p.line(`  "` + g.Description + `"`)
	}
	for i := range g.Findings.Items {
		f := &g.Findings.Items[i]
		p.rule(f, "  "+verdictText(f.Verdict, f.Other, p.paint)+"  ", "    ")
		p.reasons(f, "    ")
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
			if r.Found != "" {
				found = p.paint(r.Found, "<- "+r.Found)
			}
			p.line("    " + joined(r.Text, comment, found))
		}
		p.more("    ", d.Rules.More())
	}
}
