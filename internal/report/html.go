package report

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"

	"sgward/internal/policy"
	"sgward/internal/text"
)

// The page, its looks and its behaviour.
var (
	//go:embed page/page.html.tmpl
	pageTemplate string
	//go:embed page/style.css
	pageStyle string
	//go:embed page/script.js
	pageScript string
)

// How much a page lists where Options.Limit does not say.
const (
	htmlFindings = 5000
	htmlRows     = 12  // of each breakdown
	htmlGroups   = 500 // each with its rules
	htmlRules    = 200 // of each direction of a group, and findings of it
	htmlProblems = 500
)

// htmlWriter writes one self-contained page: nothing in it is fetched from anywhere,
// and a content security policy says so to the browser. All text passes html/template,
// which escapes it for where it stands. It works without its script, which sorts and
// filters. It holds totals and the worst findings and groups, as text does.
type htmlWriter struct {
	to  io.Writer
	run Run
	collected
}

func newHTML(w io.Writer, run Run, o Options) *htmlWriter {
	return &htmlWriter{to: w, run: run, collected: collect(cmp.Or(o.Limit, htmlFindings), cmp.Or(o.Limit, htmlGroups))}
}

// Close writes the page.
func (w *htmlWriter) Close(sum Summary) error {
	t, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("parsing the page's template: %w", err)
	}
	out := bufio.NewWriter(w.to)
	if err := t.Execute(out, w.page(sum)); err != nil {
		return wrote(err)
	}
	return wrote(out.Flush())
}

// page is what the template shows. Texts of strangers in it are visible, and cut.
type page struct {
	Title, Command string
	Policy         string // of content security
	Style          template.CSS
	Script         template.JS
	Intro, Footer  []string
	Problems       *problemsView
	Empty          string
	Tiles          []tile
	TimeLine       *chart
	Exposure       *chart
	Breakdowns     []breakdownView
	Lone           bool // one card needs no second column
	Transitions    *transitionsView
	Groups         *groupsView
	Findings       *findingsView
	Noted          *notedView
}

type problemsView struct {
	Head string
	List []Problem
	Rest string
}

type tile struct {
	Value, Label, Note, Class string
	Words                     bool // Value is no number
}

// mark is a verdict: a colour, and the word that says the same.
type mark struct {
	Class, Word, Detail string
	Rank                int // for sorting: decision, then severity
}

func markOf(d policy.Verdict, severity policy.Severity, detail string) mark {
	return mark{Class: d.String(), Word: d.String(), Detail: strings.TrimSpace(severity.String() + " " + detail), Rank: rankOf(d)*10 + urgency(severity)}
}

func (w *htmlWriter) page(sum Summary) page {
	p := page{
		Title: title(w.run), Command: string(w.run.Command),
		Policy: contentPolicy(pageStyle, pageScript),
		Style:  template.CSS(pageStyle), //nolint:gosec // our own file, the same in every report
		Script: template.JS(pageScript), //nolint:gosec // our own file, the same in every report
		Intro:  append([]string{judgedBy(w.run)}, readText(w.run, sum)...), Footer: footer(w.run),
		Problems: problemsOf(sum.Problems),
	}
	switch {
	case w.totals.all() == 0:
		p.Empty = emptyText(w.run, sum)
	case w.run.Other != nil:
		p.Tiles, p.Transitions = w.comparedTiles(), w.transitionList()
	default:
		p.Tiles = w.tiles()
		p.TimeLine = w.totals.timeChart()
		p.Exposure = w.totals.exposureChart()
		p.Breakdowns = w.breakdowns()
		p.Lone = len(p.Breakdowns) == 1 && p.Exposure == nil || len(p.Breakdowns) == 0
	}
	p.Groups, p.Findings, p.Noted = w.groupViews(), w.findingViews(), w.notedViews()
	return p
}

// contentPolicy allows the page's own style and script, by their digests, and
// nothing else: no request leaves it.
func contentPolicy(style, script string) string {
	digest := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + digest(style) + "; script-src " + digest(script) + "; base-uri 'none'; form-action 'none'"
}

func title(run Run) string {
	switch {
	case run.Other != nil:
		return "What changes from " + text.Shown(run.Policy.File, mostName) + " to " + text.Shown(run.Other.File, mostName)
	case run.Command == Replay:
		return "What the policy would have done"
	default:
		return "What is open now"
	}
}

func judgedBy(run Run) string {
	text := "Judged by " + policyText(run.Policy)
	if run.Other != nil {
		text += ", compared with " + policyText(*run.Other)
	}
	return text + "."
}

func footer(run Run) []string {
	out := []string{text.Shown(run.Policy.File, mostName) + " is " + text.Shown(run.Policy.Digest, mostName)}
	if run.Other != nil {
		out = append(out, text.Shown(run.Other.File, mostName)+" is "+text.Shown(run.Other.Digest, mostName))
	}
	return append(out, "Written by sgward "+text.Shown(run.Version, mostName)+", "+text.Time(run.Now)+". This page holds account ids, addresses and names: share it with care.")
}

func problemsOf(problems []Problem) *problemsView {
	if len(problems) == 0 {
		return nil
	}
	v := &problemsView{Head: text.Plural(len(problems), "problem")}
	for i, p := range problems {
		if i == htmlProblems {
			v.Rest = text.Thousands(len(problems) - i)
			break
		}
		v.List = append(v.List, Problem{text.Shown(p.Place, mostText), text.Shown(p.Text, mostText)})
	}
	return v
}

// tiles are the figures on top.
func (w *htmlWriter) tiles() []tile {
	t := w.totals
	var out []tile
	for _, d := range policy.Verdicts() {
		if n := t.of(d); n > 0 || d == policy.Revoke || d == policy.Alert {
			out = append(out, tile{text.Thousands(n), d.String(), outcomeText(w.run.Command, d), d.String(), false})
		}
	}
	if n := len(t.exposures); n > 0 {
		median, longest := t.exposure()
		out = append(out, tile{text.Span(median), "median time open", "the longest " + text.Span(longest) + "; " + text.Thousands(n) + " closed by a later call", "", true})
	}
	if t.open > 0 {
		out = append(out, tile{text.Thousands(t.open), "never seen closed", "the oldest since " + date(t.oldestOpen), "", false})
	}
	unread := w.unreadText()
	switch {
	case w.public > 0, w.used > 0 && unread != "":
		note := "groups with findings that an interface with a public address uses"
		if unread != "" {
			note += "; " + unread
		}
		out = append(out, tile{text.Thousands(w.public), "at a public address", note, "", false})
	case unread != "":
		out = append(out, tile{"?", "at a public address", unread, "", true})
	}
	return out
}

func (w *htmlWriter) comparedTiles() []tile {
	more, fewer, other := 0, 0, 0
	for change, n := range w.totals.transitions {
		switch {
		case change.to == policy.Revoke && change.from != policy.Revoke:
			more += n
		case change.from == policy.Revoke && change.to != policy.Revoke:
			fewer += n
		default:
			other += n
		}
	}
	return []tile{
		{text.Thousands(more), "newly revoked", "closed by " + text.Shown(w.run.Other.File, mostName) + " only", "revoke", false},
		{text.Thousands(fewer), "no longer revoked", "closed by " + text.Shown(w.run.Policy.File, mostName) + " only", "alert", false},
		{text.Thousands(other), "other differences", "in severity, statement or what people are told", "", false},
	}
}

type transitionsView struct {
	From, To, Text string // From and To are the policies' files
	Rows           []transitionRow
}

type transitionRow struct {
	From, To       mark
	Meaning, Count string
	N              int
}

func (w *htmlWriter) transitionList() *transitionsView {
	v := &transitionsView{From: text.Shown(w.run.Policy.File, mostName), To: text.Shown(w.run.Other.File, mostName)}
	v.Text = text.Plural(w.totals.all(), "rule") + " would be treated differently."
	for _, change := range slices.SortedFunc(maps.Keys(w.totals.transitions), compareTransitions) {
		n := w.totals.transitions[change]
		v.Rows = append(v.Rows, transitionRow{
			markOf(change.from, policy.NoSeverity, text.Shown(change.fromDetail, mostName)), markOf(change.to, policy.NoSeverity, text.Shown(change.toDetail, mostName)),
			change.meaning(), text.Thousands(n), n,
		})
	}
	return v
}
