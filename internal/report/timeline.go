package report

import (
	"maps"
	"slices"
	"time"

	"sgward/internal/policy"
)

// TimeLine counts openings in buckets of equal length, from the first to the last,
// including empty ones.
type TimeLine struct {
	Unit     string // length of a bucket
	Verdicts []policy.Verdict
	Kinds    []Kind // of Verdicts
	Buckets  []Bucket
}

// Bucket is one of a TimeLine.
type Bucket struct {
	Name  string
	start time.Time // 00:00 UTC
	counts
}

// unit is a length of buckets: the start of one, the next one, and its name.
type unit struct {
	name  string
	begin func(time.Time) time.Time
	next  func(time.Time) time.Time
	label func(time.Time) string
}

// units lists the lengths from the shortest. The last has at most ten buckets, whatever
// years a forged record names: JSON knows none beyond 9999.
func units() []unit {
	in := func(layout string) func(time.Time) string {
		return func(t time.Time) string { return t.Format(layout) }
	}
	days := func(name string, n int, begin func(time.Time) time.Time) unit {
		return unit{name, begin, func(t time.Time) time.Time { return t.AddDate(0, 0, n) }, in(time.DateOnly)}
	}
	months := func(name string, n int, label func(time.Time) string) unit {
		return unit{
			name,
			func(t time.Time) time.Time {
				m := t.Year()*12 + int(t.Month()) - 1
				return time.Date(0, time.Month(m-m%n+1), 1, 0, 0, 0, 0, time.UTC)
			},
			func(t time.Time) time.Time { return t.AddDate(0, n, 0) }, label,
		}
	}
	return []unit{
		days("day", 1, func(t time.Time) time.Time { return t }),
		days("week", 7, func(t time.Time) time.Time { return t.AddDate(0, 0, -(int(t.Weekday())+6)%7) }),
		months("month", 1, in("2006-01")),
		months("quarter", 3, func(t time.Time) string { return t.Format("2006") + " Q" + string('1'+rune(t.Month()-1)/3) }),
		months("year", 12, in("2006")), months("decade", 120, in("2006")), months("millennium", 12000, in("2006")),
	}
}

// timeLine groups the days into at most so many buckets (ten or more), of the shortest
// unit that fits. Without days there are no buckets.
func (t *totals) timeLine(most int) TimeLine {
	if len(t.days) == 0 {
		return TimeLine{}
	}
	days := slices.Sorted(maps.Keys(t.days))
	first, last := startOf(days[0]), startOf(days[len(days)-1])
	for _, u := range units() {
		line := TimeLine{Unit: u.name, Verdicts: t.used()}
		for at := u.begin(first); !at.After(last) && len(line.Buckets) <= most; at = u.next(at) {
			line.Buckets = append(line.Buckets, Bucket{Name: u.label(at), start: at})
		}
		if len(line.Buckets) > most {
			continue
		}
		for _, day := range days {
			at, found := slices.BinarySearchFunc(line.Buckets, u.begin(startOf(day)), func(b Bucket, start time.Time) int { return b.start.Compare(start) })
			if !found {
				continue
			}
			for i, n := range t.days[day] {
				line.Buckets[at].counts[i] += n
			}
		}
		return line
	}
	return TimeLine{}
}

const daySeconds = 24 * 60 * 60

// dayOf numbers the days in UTC.
func dayOf(t time.Time) int64 {
	s := t.Unix()
	day := s / daySeconds
	if s%daySeconds < 0 {
		day--
	}
	return day
}

// startOf is the beginning of a day numbered by dayOf.
func startOf(day int64) time.Time { return time.Unix(day*daySeconds, 0).UTC() }
