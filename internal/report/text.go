package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"sgward/internal/policy"
	"sgward/internal/text"
)

// How much text lists where Options.Limit does not say.
const (
	textFindings = 50
	textRows     = 10 // of each breakdown
	textRules    = 20 // of each direction of a group
	textProblems = 50
)

// textWriter writes for people at a terminal. The summary comes first, so nothing is
// written before Close. It holds its totals and the worst findings, and of an audit
// the worst groups, up to the limit.
type textWriter struct {
	to  io.Writer
	run Run
	o   Options
	collected
}

// collected is what text and HTML keep of a report.
type collected struct {
	totals  *totals
	entries worst[Entry]  // that came without their group
	groups  worst[judged] // with findings
	noted   worst[Group]  // with notes only
	public  int           // groups that a public address uses, with findings beside the exempt
	used    int           // those of which it is known what uses them
	unknown int           // and those of which it is not
}

// judged is a group and what the policy says of it.
type judged struct {
	Group
	entries []Entry
}

func collect(entries, groups int) collected {
	return collected{
		totals: newTotals(), entries: worst[Entry]{limit: entries}, groups: worst[judged]{limit: groups},
		noted: worst[Group]{limit: groups},
	}
}

// Entry takes a finding.
func (c *collected) Entry(e Entry) error {
	c.totals.add(&e)
	c.entries.add(rankOfEntry(&e), e)
	return nil
}

// Group takes a group. Its findings are put in order; its place is that of the worst.
func (c *collected) Group(g Group, entries []Entry) error {
	if len(entries) == 0 {
		if len(g.Notes) > 0 {
			c.noted.add(rank{}, g)
		}
		return nil
	}
	entries = slices.Clone(entries)
	for i := range entries {
		c.totals.add(&entries[i])
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return compareRanks(rankOfEntry(&a), rankOfEntry(&b)) })
	j := judged{g, entries}
	switch {
	case j.exempt():
	case !g.AttachedKnown:
		c.unknown++
	default:
		c.used++
		if g.public() > 0 {
			c.public++
		}
	}
	c.groups.add(rankOfEntry(&entries[0]), j)
	return nil
}

// unreadText says of how many groups it is not known what uses them, "" of none.
func (c *collected) unreadText() string {
	switch {
	case c.unknown == 0:
		return ""
	case c.used == 0:
		return "it was not read which interfaces use the groups"
	default:
		return "of " + text.Thousands(c.unknown) + " more not known"
	}
}

func newText(w io.Writer, run Run, o Options) *textWriter {
	o.Width = max(cmp.Or(o.Width, 100), 40)
	o.Limit = cmp.Or(o.Limit, textFindings)
	return &textWriter{to: w, run: run, o: o, collected: collect(o.Limit, o.Limit)}
}

// Close writes the report.
func (w *textWriter) Close(sum Summary) error {
	s := &screen{ink: ink{text.Ink(w.o.Color)}, width: w.o.Width}
	if !w.o.Quiet {
		w.introduction(s, sum)
	}
	switch {
	case w.o.Quiet:
	case w.totals.all() == 0:
		s.blank()
		s.line(0, s.bold(emptyText(w.run, sum)))
	case w.run.Other != nil:
		w.comparison(s)
	default:
		w.overview(s)
	}
	w.groupList(s)
	w.findingList(s)
	if !w.o.Quiet {
		w.noteList(s)
	}
	w.problems(s, sum)
	_, err := io.WriteString(w.to, strings.TrimPrefix(s.text.String(), "\n"))
	return wrote(err)
}

// introduction says what was read and by what it was judged.
func (w *textWriter) introduction(s *screen, sum Summary) {
	s.line(2, s.bold("sgward "+string(w.run.Command))+" by "+policyText(w.run.Policy))
	if w.run.Other != nil {
		s.line(2, "compared with "+policyText(*w.run.Other))
	}
	for _, line := range readText(w.run, sum) {
		s.line(2, line)
	}
}

func policyText(p Policy) string {
	out := text.Shown(p.File, mostName)
	if p.Summary != "" {
		out += " (" + text.Shown(p.Summary, mostName) + ")"
	}
	return out
}

// readText says in sentences what was read.
func readText(run Run, sum Summary) []string {
	var out []string
	if h := sum.History; h != nil {
		line := fmt.Sprintf("Read %s, %s: %s", text.Plural(h.Files, "file"), text.Bytes(h.Bytes), text.Plural(h.Records, "record"))
		if !h.First.IsZero() {
			line += fmt.Sprintf(", from %s to %s", date(h.First), date(h.Last))
		}
		out = append(out, line+".")
		line = fmt.Sprintf("%s made %s, %s of them compliant. %s closed rules.", text.Plural(h.Changes, "call"), text.Plural(h.Rules, "rule"), text.Thousands(h.Compliant), text.Plural(h.Closings, "call"))
		if h.Failed > 0 {
			line += " " + text.Plural(h.Failed, "call") + " failed and opened nothing."
		}
		if h.Repeated > 0 {
			line += " " + text.Plural(h.Repeated, "record") + " came more than once."
		}
		out = append(out, line)
		if run.Chosen != "" {
			out = append(out, "These are only calls "+text.Shown(run.Chosen, mostText)+".")
		}
	}
	if i := sum.Inventory; i != nil {
		line := fmt.Sprintf("Read %s with %s", text.Plural(i.Groups, "group"), text.Plural(i.Rules, "rule"))
		if n := len(i.Accounts); n > 0 {
			line += " in " + text.Plural(n, "account")
			if n == 1 {
				line = strings.TrimSuffix(line, "1 account") + "account " + text.Shown(i.Accounts[0], mostName)
			}
		}
		if n := len(i.Regions); n == 1 {
			line += ", " + text.Shown(i.Regions[0], mostName)
		} else if n > 1 {
			line += ", " + text.Plural(n, "region")
		}
		out = append(out, line+".")
		if i.Baseline >= 0 {
			out = append(out, "The baseline holds back "+text.Plural(i.Baseline, "finding")+"; what follows is new.")
		}
	}
	if len(run.Sources) > 0 {
		out = append(out, "Sources: "+listed(run.Sources, 5))
	}
	return out
}

// listed names the first of a list and says how many more there are.
func listed(names []string, most int) string {
	var safe []string
	for _, name := range names {
		safe = append(safe, text.Shown(name, mostName))
	}
	return text.First(safe, most, "; ")
}

// emptyText says that there is nothing to report, and what that rests on.
func emptyText(run Run, sum Summary) string {
	out := "No finding: the policy has nothing against what was read."
	if sum.History != nil && sum.History.Changes == 0 {
		out = "No finding: the history holds no successful call that can open a group."
		if run.Chosen != "" {
			out = "No finding: of the calls that were chosen none was successful and can open a group."
		}
	}
	if sum.Inventory != nil && sum.Inventory.Groups == 0 && len(sum.Problems) == 0 {
		out = "No finding: there is no security group in what was read."
	}
	if sum.Inventory != nil && sum.Inventory.Baseline > 0 {
		out = "No new finding: the baseline knows them all."
	}
	if run.Other != nil {
		out = "No difference: " + text.Shown(run.Other.File, mostName) + " decides as " + text.Shown(run.Policy.File, mostName) + " does."
	}
	if len(sum.Problems) > 0 {
		out += " Not everything could be read."
	}
	return out
}

// problems says that the report is incomplete, and what is missing.
func (w *textWriter) problems(s *screen, sum Summary) {
	if len(sum.Problems) == 0 {
		return
	}
	s.heading("This report is incomplete: " + text.Plural(len(sum.Problems), "problem"))
	for i, p := range sum.Problems {
		if i == textProblems {
			s.line(2, "  and "+text.Thousands(len(sum.Problems)-i)+" more")
			return
		}
		s.line(2, "  "+text.Shown(p.Place, mostText)+": "+text.Shown(p.Text, mostText))
	}
}

// outcomeText says what a decision comes to.
func outcomeText(c Command, d policy.Verdict) string {
	if c == Audit {
		return map[policy.Verdict]string{
			policy.Revoke:       "forbidden: would be revoked if it were made now",
			policy.Undetermined: "not settled: something could not be known",
			policy.Alert:        "people are told",
			policy.Exempt:       "an exception covers it",
		}[d]
	}
	return map[policy.Verdict]string{
		policy.Revoke:       "would have been revoked",
		policy.Undetermined: "the group would have been read to decide",
		policy.Alert:        "people would have been told",
		policy.Exempt:       "an exception covers it",
	}[d]
}
