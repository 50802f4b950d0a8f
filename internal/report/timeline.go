package report

import (
	"maps"
	"slices"
	"time"
)

// timeLine is openings in buckets of equal length, without gaps: from the first to
// the last, those without an opening too.
type timeLine struct {
	unit    string // of units
	buckets []bucket
}

type bucket struct {
	start time.Time // 00:00 UTC
	dayCounts
}

// unit is a length of buckets: how one begins, and the next.
type unit struct {
	name  string
	begin func(time.Time) time.Time
	next  func(time.Time) time.Time
}

// units lists the lengths from the shortest. The last has at most ten buckets,
// whatever years a forged record names: JSON knows none beyond 9999.
func units() []unit {
	months := func(name string, n int) unit {
		return unit{
			name,
			func(t time.Time) time.Time {
				m := t.Year()*12 + int(t.Month()) - 1
				return time.Date(0, time.Month(m-m%n+1), 1, 0, 0, 0, 0, time.UTC)
			},
			func(t time.Time) time.Time { return t.AddDate(0, n, 0) },
		}
	}
	return []unit{
		{"day", func(t time.Time) time.Time { return t }, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
		{"week", func(t time.Time) time.Time { return t.AddDate(0, 0, -(int(t.Weekday())+6)%7) }, func(t time.Time) time.Time { return t.AddDate(0, 0, 7) }},
		months("month", 1), months("quarter", 3), months("year", 12), months("decade", 120), months("millennium", 12000),
	}
}

// timeLine sorts the days into at most so many buckets (ten or more), of the shortest
// unit with which that goes. Without a day there is no bucket.
func (t *totals) timeLine(most int) timeLine {
	if len(t.days) == 0 {
		return timeLine{}
	}
	days := slices.Sorted(maps.Keys(t.days))
	first, last := startOf(days[0]), startOf(days[len(days)-1])
	for _, u := range units() {
		line := timeLine{unit: u.name}
		for at := u.begin(first); !at.After(last) && len(line.buckets) <= most; at = u.next(at) {
			line.buckets = append(line.buckets, bucket{start: at})
		}
		if len(line.buckets) <= most {
			line.fill(t, days, u.begin)
			return line
		}
	}
	return timeLine{}
}

func (l *timeLine) fill(t *totals, days []int64, begin func(time.Time) time.Time) {
	for _, day := range days {
		at, found := slices.BinarySearchFunc(l.buckets, begin(startOf(day)), func(b bucket, start time.Time) int { return b.start.Compare(start) })
		if !found {
			continue
		}
		from := t.days[day]
		for i, n := range from.counts {
			l.buckets[at].counts[i] += n
		}
		for i, n := range from.severities {
			l.buckets[at].severities[i] += n
		}
	}
}

// startOf is the beginning of a day that dayOf numbered.
func startOf(day int64) time.Time { return time.Unix(day*daySeconds, 0).UTC() }

// label names the bucket that begins at start.
func (l timeLine) label(start time.Time) string {
	switch l.unit {
	case "month":
		return start.Format("2006-01")
	case "quarter":
		return start.Format("2006") + " Q" + string('1'+rune(start.Month()-1)/3)
	case "year", "decade", "millennium":
		return start.Format("2006")
	default:
		return start.Format(time.DateOnly)
	}
}
