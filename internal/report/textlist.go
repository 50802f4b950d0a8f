package report

import (
	"fmt"
	"slices"
	"strings"

	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// findingList writes the worst findings that came without their group. Those of a
// comparison stand together by what changes.
func (w *textWriter) findingList(s *screen) {
	if w.entries.seen == 0 {
		return
	}
	entries := w.entries.list()
	limited := w.limited(len(entries), w.entries.seen)
	if w.run.Other == nil {
		s.heading("Findings, worst first" + limited)
	} else {
		s.heading("Differences" + limited)
		slices.SortStableFunc(entries, func(a, b Entry) int { return compareTransitions(transitionOf(&a), transitionOf(&b)) })
	}
	for i := range entries {
		s.blank()
		if change := transitionOf(&entries[i]); w.run.Other != nil && (i == 0 || change != transitionOf(&entries[i-1])) {
			s.line(2, s.bold(change.text(ink{}))+"  "+change.meaning())
			s.blank()
		}
		w.entry(s, &entries[i])
	}
}

// limited says how much of a list is not shown, and how to see it.
func (w *textWriter) limited(shown, all int) string {
	if shown == all {
		return ""
	}
	return " (" + text.Thousands(shown) + " of " + text.Thousands(all) + "; --format json lists all)"
}

// entry writes one finding of a history.
func (w *textWriter) entry(s *screen, e *Entry) {
	head := verdictText(s.ink, e) + "  " + s.bold(text.Shown(groupText(e.GroupID, e.GroupName), mostName))
	if at := place(e.AccountID, e.Region); at != "" {
		head += "  " + text.Shown(at, mostName)
	}
	s.line(2, head)
	w.rule(s, e, "  ")
	if e.Event != nil {
		s.line(2, "  "+text.Time(e.Event.EventTime)+" by "+text.Shown(callerText(e.Event), mostText))
		s.line(2, "  "+closedText(e))
	}
	w.reasons(s, e, "  ")
	if e.Compared != nil {
		for _, reason := range e.Compared.deciding() {
			s.line(2, "  → "+text.Shown(reason.String(), mostText))
		}
	}
	if e.Place != "" {
		s.line(2, "  "+s.dim(text.Shown(e.Place, mostText)))
	}
}

// verdictText is "revoke critical", or both sides of a comparison.
func verdictText(on ink, e *Entry) string {
	out := on.decision(e.Verdict, strings.TrimSpace(e.Verdict.String()+" "+e.Severity.String()))
	if c := e.Compared; c != nil {
		out += " → " + on.decision(c.Verdict, strings.TrimSpace(c.Verdict.String()+" "+c.Severity.String()))
		if c.StatementID != "" {
			out += " (" + text.Shown(c.StatementID, mostName) + ")"
		}
	}
	return out
}

// rule writes what the finding lets through.
func (w *textWriter) rule(s *screen, e *Entry, indent string) {
	out := text.Shown(ruleText(e.Rule), mostText)
	if e.Rule != nil {
		if id := e.Rule.ID; id != "" {
			out += "  " + text.Shown(id, mostName)
		}
		if d := e.Rule.Description; d != "" {
			out += `  "` + text.Shown(d, mostText) + `"`
		}
	}
	if e.FromRequest {
		out += "  (as the caller typed it)"
	}
	s.line(2, indent+out)
	if n := len(e.With); n > 0 {
		var with []string
		for i := range e.With {
			with = append(with, ruleText(&e.With[i]))
		}
		s.line(2, indent+"together with "+listed(with, 3))
	}
}

// reasons says why: all reasons but those of statements that had a part and did not
// decide, of which it says where they stand, and the exception.
func (w *textWriter) reasons(s *screen, e *Entry, indent string) {
	decided := slices.ContainsFunc(e.Reasons, func(r policy.Reason) bool { return r.Line > 0 && r.ID == e.StatementID })
	var also []string
	for _, reason := range e.Reasons {
		if decided && reason.Line > 0 && reason.ID != e.StatementID {
			// An exception stands behind each statement that it keeps from acting.
			if where := fmt.Sprintf("%s:%d %s", reason.File, reason.Line, reason.ID); !slices.Contains(also, where) {
				also = append(also, where)
			}
			continue
		}
		s.line(2, indent+text.Shown(reason.String(), mostText))
	}
	if len(also) > 0 {
		s.line(2, indent+"also "+listed(also, 5))
	}
	if x := e.Exception; x != nil {
		s.line(2, indent+"exception "+text.Shown(x.ID, mostName)+", owner "+text.Shown(x.Owner, mostName)+", until "+text.Shown(x.Expires, mostName))
	}
}

// closedText says how long the rule was open and who closed it.
func closedText(e *Entry) string {
	if e.ClosedAt == nil {
		return "the history does not show it closed"
	}
	out := "closed"
	if e.ExposureSeconds != nil {
		out += " after " + text.Span(*e.ExposureSeconds)
	}
	out += ", " + text.Time(*e.ClosedAt)
	if e.ClosedBy != nil {
		by := callerText(e.ClosedBy)
		if e.Event != nil && by == callerText(e.Event) {
			by = "the same caller"
		}
		out += ", " + text.Shown(e.ClosedBy.EventName, mostName) + " by " + text.Shown(by, mostText)
	}
	return out
}

// groupList writes the groups of an audit that have findings.
func (w *textWriter) groupList(s *screen) {
	if w.groups.seen == 0 {
		return
	}
	groups := w.groups.list()
	s.heading("Groups with findings, worst first" + w.limited(len(groups), w.groups.seen))
	for i := range groups {
		s.blank()
		w.group(s, &groups[i])
	}
}

func (w *textWriter) group(s *screen, g *judged) {
	head := s.bold(text.Shown(groupText(g.ID, g.Name), mostName))
	for _, part := range []string{g.VPCID, place(g.AccountID, g.Region)} {
		if part != "" {
			head += "  " + text.Shown(part, mostName)
		}
	}
	s.line(2, head)
	if g.Description != "" {
		s.line(4, `  "`+text.Shown(g.Description, mostText)+`"`)
	}
	for i := range g.entries {
		if i == w.o.Limit {
			s.line(2, "  and "+text.Thousands(len(g.entries)-i)+" more findings; --format json lists all")
			break
		}
		e := &g.entries[i]
		w.rule(s, e, "  "+verdictText(s.ink, e)+"  ")
		w.reasons(s, e, "    ")
	}
	if w.o.Quiet {
		return
	}
	for _, line := range attachedText(&g.Group) {
		s.line(2, "  "+line)
	}
	for _, note := range g.Notes {
		s.line(2, "  note: "+text.Shown(note, mostText))
	}
	w.rules(s, g, secgroup.Ingress)
	w.rules(s, g, secgroup.Egress)
}

// rules writes what a group holds now, with a mark on what is a finding.
func (w *textWriter) rules(s *screen, g *judged, direction secgroup.Direction) {
	found := g.found()
	rules, more := g.rules(direction, textRules)
	if len(rules) == 0 {
		s.line(2, "  "+direction.String()+" now: none")
		return
	}
	s.line(2, "  "+direction.String()+" now:")
	for _, r := range rules {
		out := ruleText(r)
		line := strings.TrimPrefix(text.Shown(out, mostText), direction.String()+" ")
		if r.Description != "" {
			line += `  "` + text.Shown(r.Description, mostText) + `"`
		}
		if d, ok := found[out]; ok {
			line += "  " + s.decision(d, "<- "+d.String())
		}
		s.line(2, "    "+line)
	}
	if more > 0 {
		s.line(2, "    and "+text.Thousands(more)+" more")
	}
}

// noteList writes the groups that have notes and no finding.
func (w *textWriter) noteList(s *screen) {
	if w.noted.seen == 0 {
		return
	}
	groups := w.noted.list()
	s.heading("Groups without findings that deserve a look" + w.limitedNotes(len(groups), w.noted.seen))
	for i := range groups {
		g := &groups[i]
		head := "  " + text.Shown(groupText(g.ID, g.Name), mostName)
		for _, part := range []string{g.VPCID, place(g.AccountID, g.Region)} {
			if part != "" {
				head += "  " + text.Shown(part, mostName)
			}
		}
		s.line(2, head)
		for _, note := range g.Notes {
			s.line(2, "    "+text.Shown(note, mostText))
		}
	}
}

// limitedNotes is limited for what is in no JSON.
func (w *textWriter) limitedNotes(shown, all int) string {
	if shown == all {
		return ""
	}
	return " (" + text.Thousands(shown) + " of " + text.Thousands(all) + "; --format html lists more)"
}
