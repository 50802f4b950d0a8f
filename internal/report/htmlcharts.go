package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"sgward/internal/policy"
	"sgward/internal/text"
)

// chart is columns of stacked parts, drawn here so that the page needs no script for
// it. Heights are in pixels, widths in per cent: text keeps its size on every screen.
type chart struct {
	Unit, Text, Describe string
	Legend               []string
	Height, LabelY       int
	Lines                []gridLine
	Columns              []chartColumn
	Heads                []heading
}

type gridLine struct{ Y, TextY, Label string }

type chartColumn struct {
	X, W, LabelX   string // in per cent
	Parts          []part
	Label          string // under the axis; most columns of a long line have none
	Behind         bool   // the label stands at the column's end, not under its middle
	Minor          bool   // the label goes where there is little room
	Name, Describe string
	Figures        []string
}

type part struct{ X, W, Y, H, Class string }

type heading struct {
	Text   string
	Number bool
}

const (
	chartHeight = 190 // from the top line to the axis
	chartTop    = 8
	chartFoot   = 22
)

// layOut draws columns of the given parts.
func (c *chart) layOut(values [][]int, classes []string) {
	most := 0
	for _, v := range values {
		n := 0
		for _, k := range v {
			n += k
		}
		most = max(most, n)
	}
	step, top := scale(most)
	for at := 0; at <= top; at += step {
		y := chartTop + float64(chartHeight)*(1-float64(at)/float64(top))
		c.Lines = append(c.Lines, gridLine{pixels(y), pixels(y + 4), text.Thousands(at)})
	}
	c.Height, c.LabelY = chartTop+chartHeight+chartFoot, chartTop+chartHeight+17
	slot := 100 / float64(len(values))
	for i, v := range values {
		column := &c.Columns[i]
		width := min(slot*0.72, 9)
		middle := slot * (float64(i) + 0.5)
		column.X, column.W, column.LabelX = percent(middle-width/2), percent(width), percent(middle)
		if column.Behind {
			column.LabelX = percent(middle + slot/2)
		}
		sum := 0
		for k, n := range v {
			if n == 0 {
				continue
			}
			below := float64(sum) / float64(top) * chartHeight
			sum += n
			high := float64(n) / float64(top) * chartHeight
			column.Parts = append(column.Parts, part{Y: pixels(chartTop + chartHeight - below - high), H: pixels(max(high-0.6, 0.8)), Class: classes[k]})
		}
	}
}

// scale gives round numbers for an axis from 0 to at least most, in at most five
// steps.
func scale(most int) (step, top int) {
	most = max(most, 1)
	step = 1
	for i := 0; step*5 < most; i++ {
		step = []int{2, 5, 10}[i%3] * pow10(i/3)
	}
	return step, (most + step - 1) / step * step
}

func pow10(n int) int {
	out := 1
	for range n {
		out *= 10
	}
	return out
}

func pixels(f float64) string  { return strconv.FormatFloat(f, 'f', 1, 64) }
func percent(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) + "%" }

// used lists the decisions that occur.
func (t *totals) used() []policy.Verdict {
	var out []policy.Verdict
	for _, d := range policy.Verdicts() {
		if t.of(d) > 0 {
			out = append(out, d)
		}
	}
	return out
}

// timeChart draws the openings over time; nil where there is one bucket or none.
func (t *totals) timeChart() *chart {
	line := t.timeLine(62)
	if len(line.buckets) < 2 {
		return nil
	}
	c := &chart{Unit: line.unit, Heads: []heading{{line.unit, false}}}
	for _, d := range t.used() {
		c.Legend = append(c.Legend, d.String())
		c.Heads = append(c.Heads, heading{d.String(), true})
	}
	var values [][]int
	// Six labels fit a wide screen, three of them a narrow one.
	every := (len(line.buckets) + 5) / 6
	for i, b := range line.buckets {
		column := chartColumn{Name: line.label(b.start)}
		if i%every == 0 {
			column.Label, column.Minor = column.Name, i/every%2 == 1
		}
		var v []int
		var said []string
		for _, d := range t.used() {
			n := b.of(d)
			v = append(v, n)
			column.Figures = append(column.Figures, text.Thousands(n))
			if n > 0 {
				said = append(said, text.Thousands(n)+" "+d.String())
			}
		}
		column.Describe = column.Name + ": " + cmp.Or(strings.Join(said, ", "), "none")
		values = append(values, v)
		c.Columns = append(c.Columns, column)
	}
	c.Describe = fmt.Sprintf("Openings by %s from %s to %s; the figures follow in a table", line.unit, c.Columns[0].Name, c.Columns[len(c.Columns)-1].Name)
	c.layOut(values, c.Legend)
	return c
}

// exposureStep is a class of the histogram: what is below its end, and not below that
// of the step before.
type exposureStep struct {
	end        float64 // seconds
	name, tick string
}

// exposureSteps grow by several times each: a logarithmic scale with ends that people
// think in.
func exposureSteps() []exposureStep {
	const hour, day = 3600, 86400
	return []exposureStep{
		{60, "less than 1 min", "1 min"}, {600, "1 to 10 min", ""}, {hour, "10 min to 1 h", "1 h"}, {6 * hour, "1 to 6 h", "6 h"},
		{day, "6 h to 1 d", "1 d"}, {7 * day, "1 to 7 d", "7 d"}, {30 * day, "7 to 30 d", "30 d"}, {365 * day, "30 d to 1 y", "1 y"},
		{math.Inf(1), "1 y and more", ""},
	}
}

// exposureChart draws how long openings stayed open; nil where nothing is known of
// it.
func (t *totals) exposureChart() *chart {
	if len(t.exposures)+t.open == 0 {
		return nil
	}
	c := &chart{
		Heads: []heading{{"open for", false}, {"openings", true}}, Text: "Without the exempt.",
		Describe: "Histogram of how long openings stayed open; the figures follow in a table",
	}
	if median, longest := t.exposure(); len(t.exposures) > 1 {
		c.Text = "Half were closed within " + text.Span(median) + ", the last after " + text.Span(longest) + "; without the exempt."
	}
	var values [][]int
	add := func(column chartColumn, known, open int) {
		n := text.Thousands(known + open)
		column.Describe, column.Figures = column.Name+": "+n, []string{n}
		c.Columns = append(c.Columns, column)
		values = append(values, []int{known, open})
	}
	steps := exposureSteps()
	numbers := make([]int, len(steps))
	for _, s := range t.exposures {
		numbers[slices.IndexFunc(steps, func(step exposureStep) bool { return s < step.end })]++
	}
	for i, n := range numbers {
		add(chartColumn{Name: steps[i].name, Label: steps[i].tick, Behind: true}, n, 0)
	}
	add(chartColumn{Name: "never seen closed", Label: "open"}, 0, t.open)
	c.layOut(values, []string{"plain", "open"})
	return c
}

type breakdownView struct {
	Anchor, Title, Head, Text string
	Columns                   []string
	Rows                      []breakdownRow
	Rest                      string
}

type breakdownRow struct {
	Label, Note string
	Parts       []part
	Cells       []cell
}

type cell struct {
	N    int
	Text string
}

// breakdowns are the tables with bars. One row says nothing new, but for statements.
func (w *htmlWriter) breakdowns() []breakdownView {
	t := w.totals
	var out []breakdownView
	for _, b := range []struct {
		anchor, title, head, text string
		of                        breakdown
		always                    bool
	}{
		{"by-statement", "By statement", "Statement", "Which lines of the policy decided.", t.statements, true},
		{"by-exception", "What exceptions covered", "Exception", "These would have been findings without them.", t.exceptions, true},
		{"by-account", "By account", "Account", "Where the groups are.", t.accounts, false},
		{"by-actor", "By actor", "Role, user or service", "Who made the calls: the role behind a session.", t.actors, false},
		{"by-group", "By group", "Security group", "Which groups were opened most.", t.groups, false},
	} {
		rows := b.of.rows()
		if len(rows) == 0 || len(rows) == 1 && !b.always || b.anchor == "by-group" && w.groups.seen > 0 {
			continue
		}
		v := breakdownView{Anchor: b.anchor, Title: b.title, Head: b.head, Text: b.text}
		used := t.used()
		if b.anchor == "by-exception" {
			used = []policy.Verdict{policy.Exempt}
		}
		for _, d := range used {
			v.Columns = append(v.Columns, d.String())
		}
		most := 0
		for _, r := range rows {
			most = max(most, r.all())
		}
		for i, r := range rows {
			if i == htmlRows {
				v.Rest = text.Thousands(len(rows) - i)
				break
			}
			row := breakdownRow{Label: text.Shown(r.label, mostName), Note: text.Shown(r.note, mostName)}
			if b.anchor == "by-statement" {
				row.Note = r.severity.String()
			}
			at := 0
			for _, d := range used {
				n := r.of(d)
				row.Cells = append(row.Cells, cell{n, cmp.Or(strings.TrimPrefix(text.Thousands(n), "0"), "–")})
				if n > 0 {
					row.Parts = append(row.Parts, part{X: percent(float64(at) / float64(most) * 100), W: percent(float64(n) / float64(most) * 100), Class: d.String()})
					at += n
				}
			}
			v.Rows = append(v.Rows, row)
		}
		out = append(out, v)
	}
	return out
}
