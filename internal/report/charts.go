package report

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"sgward/internal/text"
)

// chart is columns of stacked parts, drawn without a script. Heights are in pixels, widths
// in per cent: text keeps its size on every screen.
type chart struct {
	Describe       string
	Height, LabelY int
	Lines          []gridLine
	Columns        []chartColumn
	Heads          []string // of the table of figures
}

type gridLine struct{ Y, TextY, Label string }

type chartColumn struct {
	X, W, LabelX string // in per cent
	Parts        []part
	Label        string // under the axis; most columns of a long time line have none
	Minor        bool   // the label is left out on narrow screens
	Name         string
	Describe     string
	Figures      []string

	values []int // of the parts
}

type part struct{ X, W, Y, H, Class string }

const (
	chartHeight = 190 // from the top line to the axis
	chartTop    = 8
	chartFoot   = 22
)

// layOut draws the columns; classes are those of their parts.
func (c *chart) layOut(classes []string) {
	most := 0
	for _, column := range c.Columns {
		most = max(most, sumOf(column.values))
	}
	step, top := scale(most)
	for at := 0; at <= top; at += step {
		y := chartTop + float64(chartHeight)*(1-float64(at)/float64(top))
		c.Lines = append(c.Lines, gridLine{pixels(y), pixels(y + 4), text.Thousands(at)})
	}
	c.Height, c.LabelY = chartTop+chartHeight+chartFoot, chartTop+chartHeight+17
	slot := 100 / float64(len(c.Columns))
	for i := range c.Columns {
		column := &c.Columns[i]
		width := min(slot*0.72, 9)
		middle := slot * (float64(i) + 0.5)
		column.X, column.W, column.LabelX = percent(middle-width/2), percent(width), percent(middle)
		sum := 0
		for k, n := range column.values {
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

func sumOf(numbers []int) int {
	n := 0
	for _, k := range numbers {
		n += k
	}
	return n
}

// scale returns round numbers for an axis from 0 to at least most, in at most five steps.
func scale(most int) (step, top int) {
	most = max(most, 1)
	step = 1
	for i, ten := 0, 1; step*5 < most; i++ {
		step = []int{2, 5, 10}[i%3] * ten
		if i%3 == 2 {
			ten *= 10
		}
	}
	return step, (most + step - 1) / step * step
}

func pixels(f float64) string  { return strconv.FormatFloat(f, 'f', 1, 64) }
func percent(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) + "%" }

// Chart draws the openings over time.
func (l *TimeLine) Chart() *chart {
	c := &chart{Heads: []string{l.Unit}}
	var classes []string
	for _, k := range l.Kinds {
		classes, c.Heads = append(classes, k.Class), append(c.Heads, k.Word)
	}
	// Six labels fit a wide screen, three of them a narrow one.
	every := (len(l.Buckets) + 5) / 6
	for i, b := range l.Buckets {
		column := chartColumn{Name: b.Name}
		if i%every == 0 {
			column.Label, column.Minor = b.Name, i/every%2 == 1
		}
		var said []string
		for k, d := range l.Verdicts {
			n := b.of(d)
			column.values, column.Figures = append(column.values, n), append(column.Figures, text.Thousands(n))
			if n > 0 {
				said = append(said, text.Thousands(n)+" "+l.Kinds[k].Word)
			}
		}
		column.Describe = column.Name + ": " + cmp.Or(strings.Join(said, ", "), "none")
		c.Columns = append(c.Columns, column)
	}
	c.Describe = fmt.Sprintf("Openings by %s from %s to %s; the figures follow in a table", l.Unit, l.Buckets[0].Name, l.Buckets[len(l.Buckets)-1].Name)
	c.layOut(classes)
	return c
}

// Chart draws the histogram.
func (e *Exposures) Chart() *chart {
	c := &chart{Heads: []string{"open for", "openings"}, Describe: "Histogram of how long openings stayed open; the figures follow in a table"}
	add := func(column chartColumn, known, open int) {
		n := text.Thousands(known + open)
		column.Describe, column.Figures, column.values = column.Name+": "+n, []string{n}, []int{known, open}
		c.Columns = append(c.Columns, column)
	}
	for i, step := range e.Steps {
		add(chartColumn{Name: step.Name, Label: step.Tick, Minor: i%2 == 1}, step.N, 0)
	}
	add(chartColumn{Name: "never seen closed", Label: "open", Minor: true}, 0, e.Open)
	c.layOut([]string{"plain", "open"})
	return c
}

// Bar draws the numbers of a row of the breakdown side by side.
func (b Breakdown) Bar(r Row) []part {
	var out []part
	at := 0
	for i, n := range r.Numbers {
		if n > 0 {
			out = append(out, part{X: percent(float64(at) / float64(b.Most) * 100), W: percent(float64(n) / float64(b.Most) * 100), Class: b.Kinds[i].Class})
			at += n
		}
	}
	return out
}
