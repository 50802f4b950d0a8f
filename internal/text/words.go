package text

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Integer is any integer type.
type Integer interface {
	~int | ~int32 | ~int64 | ~uint64
}

// Plural counts a noun: "1 rule", "3,000 rules".
func Plural[N Integer](n N, noun string) string {
	return Thousands(n) + " " + Agree(n, noun, noun+"s")
}

// Agree returns the form of a word that agrees with a number: Agree(n, "is", "are").
func Agree[N Integer](n N, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Thousands prints 16777216 as 16,777,216.
func Thousands[N Integer](n N) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Bytes prints "1.2 GB", in powers of 1000.
func Bytes(n int64) string {
	const units = "kMGTPE"
	value, unit := float64(n), -1
	for value >= 999.5 && unit < len(units)-1 {
		value /= 1000
		unit++
	}
	switch {
	case unit < 0:
		return Plural(n, "byte")
	case value < 9.95:
		return fmt.Sprintf("%.1f %cB", value, units[unit])
	default:
		return fmt.Sprintf("%.0f %cB", value, units[unit])
	}
}

// Duration prints the length of a time, with tenths where they matter: "less than 0.1 s",
// "2.4 s", "4 min 10 s".
func Duration(seconds float64) string {
	switch {
	case seconds < 0.1:
		return "less than 0.1 s"
	case seconds < 9.95:
		return strconv.FormatFloat(seconds, 'f', 1, 64) + " s"
	default:
		return Span(seconds)
	}
}

// Span is Duration in whole seconds, for times of that precision: "under 1 s", "42 s", "4
// min 10 s", "3 h 5 min", "12 d 4 h".
func Span(seconds float64) string {
	s := int64(math.Round(min(max(seconds, 0), 1e12)))
	if s < 1 {
		return "under 1 s"
	}
	for _, u := range []struct {
		size, part  int64
		large, less string
	}{{86400, 3600, "d", "h"}, {3600, 60, "h", "min"}, {60, 1, "min", "s"}} {
		if s < u.size {
			continue
		}
		out := Thousands(s/u.size) + " " + u.large
		if rest := s % u.size / u.part; rest > 0 {
			out += fmt.Sprintf(" %d %s", rest, u.less)
		}
		return out
	}
	return fmt.Sprintf("%d s", s)
}

// Time prints a time in UTC to the second: "2026-11-03 12:00:05 UTC".
func Time(t time.Time) string { return t.UTC().Format(time.DateTime) + " UTC" }

// Or lists alternatives: "text, json or html".
func Or(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// First joins the first most items of a list and counts the others: "a; b; and 3 more".
func First(items []string, most int, separator string) string {
	more := len(items) - most
	if more <= 0 {
		return strings.Join(items, separator)
	}
	return strings.Join(items[:most], separator) + separator + "and " + Thousands(more) + " more"
}

// Nearest returns the known word that a mistyped or shortened one probably stands for; "" if
// none is near: at most two letters are missing, extra, wrong or swapped.
func Nearest(word string, known []string) string {
	best, nearest := "", 3
	for _, k := range known {
		n := distance(word, k)
		if len(word) > 1 && strings.HasPrefix(k, word) {
			n = 1
		}
		if n < nearest && n < len(k) {
			best, nearest = k, n
		}
	}
	return best
}

// distance is the number of letters to insert, delete, replace or swap with their neighbour
// to get from a to b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for k := range rows[0] {
		rows[0][k] = k
	}
	for i := 1; i <= len(a); i++ {
		for k := 1; k <= len(b); k++ {
			wrong := 1
			if a[i-1] == b[k-1] {
				wrong = 0
			}
			n := min(rows[i-1][k]+1, rows[i][k-1]+1, rows[i-1][k-1]+wrong)
			if i > 1 && k > 1 && a[i-1] == b[k-2] && a[i-2] == b[k-1] {
				n = min(n, rows[i-2][k-2]+1)
			}
			rows[i][k] = n
		}
	}
	return rows[len(a)][len(b)]
}
