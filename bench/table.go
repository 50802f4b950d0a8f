package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// unit turns a measured value into the text of its column.
type unit func(float64) string

func milliseconds(s float64) string {
	switch {
	case s < 0.001:
		return fmt.Sprintf("%.0f us", s*1e6)
	case s < 10:
		return fmt.Sprintf("%.2f ms", s*1e3)
	}
	return fmt.Sprintf("%.1f s", s)
}

// megabytes are of 1,000,000 bytes.
func megabytes(bytes float64) string { return fmt.Sprintf("%.2f MB", bytes/1e6) }

func heading(out io.Writer, format string, args ...any) {
	fmt.Fprintf(out, "\n"+format+"\n", args...)
}

// table prints a line for each series.
func table(out io.Writer, u unit, all ...*series) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "  \tmin\tmedian\tmax\t\n")
	for _, s := range all {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t\n", s.name, u(s.min()), u(s.median()), u(s.max()))
	}
	_ = w.Flush() // an error would be the console's
}

// ratio compares two series by their medians and their minima, which are less affected by
// a noisy machine: where both ratios agree, believe them.
func ratio(out io.Writer, name string, of, to *series, t target) {
	r := of.median() / to.median()
	fmt.Fprintf(out, "  %s: %.2fx of medians (%.2fx of minima), %s\n", name, r, of.min()/to.min(), t.verdict(r))
}

func (t target) verdict(v float64) string {
	sign, word := "<=", "MISSED"
	if t.atLeast {
		sign = ">="
	}
	if t.met(v) {
		word = "met"
	}
	return fmt.Sprintf("target %s %g%s: %s", sign, t.bound, t.unit, word)
}
