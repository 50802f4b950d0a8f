package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"sgward/internal/policy"
	"sgward/internal/text"
)

// overview is the summary: what it comes to, broken down.
func (w *textWriter) overview(s *screen) {
	t := w.totals
	s.heading(text.Plural(t.all(), "finding"))
	for _, d := range policy.Verdicts() {
		if n := t.of(d); n > 0 {
			s.line(2, "  "+text.PadLeft(text.Thousands(n), 7)+"  "+s.decision(d, text.PadRight(d.String(), 7))+"  "+outcomeText(w.run.Command, d))
		}
	}
	unread := w.unreadText()
	if w.used > 0 {
		out := "  " + text.PadLeft(text.Thousands(w.public), 7) + "  of " + text.Plural(w.used, "group") + " with findings"
		if t.of(policy.Exempt) > 0 {
			out += " (the exempt aside)"
		}
		out += " in use at a public address"
		if unread != "" {
			out += "; " + unread
		}
		s.line(2, out)
	} else if unread != "" {
		s.line(2, "  "+text.PadLeft("-", 7)+"  "+unread)
	}
	w.table(s, "By statement", t.statements, true)
	w.table(s, "By account", t.accounts, false)
	w.table(s, "By actor", t.actors, false)
	w.table(s, "By group", t.groups, false)
	w.timeLine(s)
	w.exposures(s)
	w.saved(s)
}

// table is one breakdown. One of a single line says nothing new and is left out, but
// for that of the statements, which tells their severity too.
func (w *textWriter) table(s *screen, title string, b breakdown, statements bool) {
	rows := b.rows()
	if len(rows) == 0 || len(rows) == 1 && !statements {
		return
	}
	const number = 8
	used := w.totals.used()
	rest := len(rows) - textRows
	if rest > 0 {
		rows = rows[:textRows]
	}
	room := max(s.width-2-len("  critical")-number*len(used), 20)
	labels, widest, severity := make([]string, len(rows)), text.Columns(title)-2, 0
	for i, r := range rows {
		label := r.label
		if r.note != "" {
			label += ", " + r.note
		}
		label = text.Shown(label, room)
		labels[i] = label
		widest = max(widest, text.Columns(label))
	}
	if statements {
		severity = len("critical") + 2
	}
	s.blank()
	head := s.bold(text.PadRight(title, widest+2+severity))
	for _, d := range used {
		head += text.PadLeft(d.String(), number)
	}
	s.put(head)
	for i, r := range rows {
		line := "  " + text.PadRight(labels[i], widest)
		if statements {
			line += "  " + text.PadRight(r.severity.String(), severity-2)
		}
		for _, d := range used {
			out := "-"
			if n := r.of(d); n > 0 {
				out = text.Thousands(n)
			}
			line += text.PadLeft(out, number)
		}
		s.put(line)
	}
	if rest > 0 {
		s.put("  and " + text.Thousands(rest) + " more")
	}
}

// barMarks tell the parts of a bar apart without colour, in the order of decisions.
func barMarks() []string { return []string{"█", "▓", "▒", "░"} }

// timeLine draws the openings over time. One bucket is no line.
func (w *textWriter) timeLine(s *screen) {
	line := w.totals.timeLine(16)
	if len(line.buckets) < 2 {
		return
	}
	most := 0
	for _, b := range line.buckets {
		most = max(most, b.all())
	}
	room := max(s.width-30, 10)
	s.heading("Openings by " + line.unit + " (UTC)")
	for _, b := range line.buckets {
		bar, drawn, sum := "", 0, 0
		for i, mark := range barMarks() {
			// Ends are rounded, not lengths, so that the parts add up to the whole; what
			// is there at all is seen.
			sum += b.counts[i]
			end := (sum*min(room, most) + most - 1) / most
			bar += s.decision(policy.Verdicts()[i], strings.Repeat(mark, max(end-drawn, 0)))
			drawn = max(end, drawn)
		}
		out := "  " + text.PadRight(line.label(b.start), 10) + "  " + text.PadLeft(text.Thousands(b.all()), 7) + "  " + bar
		s.put(strings.TrimRight(out, " "))
	}
	var legend []string
	for i, mark := range barMarks() {
		if d := policy.Verdicts()[i]; w.totals.of(d) > 0 {
			legend = append(legend, s.decision(d, mark)+" "+d.String())
		}
	}
	s.line(2, "  "+strings.Repeat(" ", 21)+strings.Join(legend, "  "))
}

// exposures says how long openings stayed open.
func (w *textWriter) exposures(s *screen) {
	t := w.totals
	if len(t.exposures)+t.open == 0 {
		return
	}
	s.heading("How long they stayed open, without the exempt")
	if n := len(t.exposures); n > 0 {
		median, longest := t.exposure()
		s.line(2, fmt.Sprintf("  %s  closed by a later call: median %s, longest %s", text.PadLeft(text.Thousands(n), 7), text.Span(median), text.Span(longest)))
	}
	if t.open > 0 {
		s.line(2, fmt.Sprintf("  %s  not closed by the end of the history: the oldest since %s", text.PadLeft(text.Thousands(t.open), 7), date(t.oldestOpen)))
	}
}

// saved says what exceptions covered.
func (w *textWriter) saved(s *screen) {
	rows := w.totals.exceptions.rows()
	if len(rows) == 0 {
		return
	}
	slices.SortStableFunc(rows, func(a, b *row) int { return cmp.Compare(b.all(), a.all()) })
	s.heading("What exceptions covered")
	for i, r := range rows {
		if i == textRows {
			s.line(2, "  and "+text.Thousands(len(rows)-i)+" more")
			break
		}
		s.line(2, "  "+text.PadLeft(text.Thousands(r.all()), 7)+"  "+text.Shown(r.label, mostName)+" ("+text.Shown(r.note, mostName)+")")
	}
}

// comparison says what changes between two policies.
func (w *textWriter) comparison(s *screen) {
	t := w.totals
	other := text.Shown(w.run.Other.File, mostName)
	s.heading(text.Plural(t.all(), "difference") + ": " + text.Shown(w.run.Policy.File, mostName) + " → " + other)
	changes := slices.SortedFunc(maps.Keys(t.transitions), compareTransitions)
	widest := 0
	for _, change := range changes {
		widest = max(widest, text.Columns(change.text(s.ink)))
	}
	for _, change := range changes {
		s.line(2, "  "+text.PadLeft(text.Thousands(t.transitions[change]), 7)+"  "+text.PadRight(change.text(s.ink), widest)+"  "+change.meaning())
	}
}

// meaning says what a transition comes to.
func (t transition) meaning() string {
	switch {
	case t.from == t.to && t.fromDetail != t.toDetail:
		return "the same is done, for another reason"
	case t.to == policy.Revoke:
		return "would be closed as well"
	case t.from == policy.Revoke:
		return "would be left open"
	case t.to == policy.Compliant || t.to == policy.Exempt:
		return "nobody would hear of it"
	case t.from == policy.Compliant || t.from == policy.Exempt:
		return "people would hear of it"
	default:
		return ""
	}
}

// text says "alert → revoke", or what else differs where the decision does not.
func (t transition) text(on ink) string {
	if t.from != t.to {
		return on.decision(t.from, t.from.String()) + " → " + on.decision(t.to, t.to.String())
	}
	out := on.decision(t.from, t.from.String())
	if t.fromDetail+t.toDetail != "" {
		out += ": " + text.Shown(cmp.Or(t.fromDetail, "nothing"), mostName) + " → " + text.Shown(cmp.Or(t.toDetail, "nothing"), mostName)
	}
	return out
}
