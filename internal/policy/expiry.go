package policy

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"go4.org/netipx"

	"sgward/internal/text"
)

// Expiry is an exception that ends soon or has just ended.
type Expiry struct {
	ExceptionRef
	// File is the policy file; ExceptionRef.Line is the line in it.
	File string
	// Covers lists the exception's scope, such as "5432/tcp, peers 203.0.113.0/24, groups
	// sg-0123456789abcdef0".
	Covers string
	// Ends is the first moment at which it does not apply: 24:00 UTC of its last day, or the
	// moment that the policy names.
	Ends time.Time
	// Ended is set if that moment has passed.
	Ended bool
}

// momentLayouts are RFC 3339 to the minute and to the second, without their zone.
var momentLayouts = [...]string{"2006-01-02T15:04", "2006-01-02T15:04:05"}

// ParseMoment reads a time with its zone, to the minute or the second, such as
// 2027-03-01T18:00Z or 2027-03-01T19:00:00+01:00. It returns it in UTC.
func ParseMoment(s string) (time.Time, bool) {
	for _, layout := range momentLayouts {
		t, err := time.Parse(layout+"Z07:00", s)
		if err != nil {
			continue
		}
		// time.Parse also takes hours of one digit, and fractions of seconds.
		zone, ok := strings.CutPrefix(s, t.Format(layout))
		return t.UTC(), ok && (zone == "Z" || zone[0] == '+' || zone[0] == '-')
	}
	return time.Time{}, false
}

// ParseExpiry reads the Expires of an exception and returns the first moment at which it
// does not apply.
func ParseExpiry(expires string) (time.Time, bool) {
	if t, ok := ParseMoment(expires); ok {
		return t, true
	}
	day, err := time.Parse(time.DateOnly, expires)
	return day.AddDate(0, 0, 1), err == nil
}

// ShownEnd is the Expires of an exception for people: a moment without seconds that are
// zero. Chat programs could read ":00:" as the name of an emoji.
func ShownEnd(expires string) string {
	if end, isMoment := ParseMoment(expires); isMoment && end.Second() == 0 {
		return end.Format("2006-01-02T15:04Z07:00")
	}
	return expires
}

// EndOf says until when an exception applies, from its Expires: "the end of 2027-03-31 UTC"
// or "2027-03-01T18:00Z".
func EndOf(expires string) string {
	if _, isMoment := ParseMoment(expires); isMoment {
		return ShownEnd(expires)
	}
	return "the end of " + expires + " UTC"
}

// Dated puts a preposition before the day of an Expires, and "at" before a moment.
func Dated(preposition, expires string) string {
	if _, isMoment := ParseMoment(expires); isMoment {
		preposition = "at"
	}
	return preposition + " " + ShownEnd(expires)
}

// Expiring returns the exceptions that end within 14 days after now or ended less than 24
// hours before: a daily caller gets each end once. Exceptions limited to other accounts or
// regions are left out; an empty accountID or region means any. They are sorted by end,
// then file order.
func (p *Policy) Expiring(now time.Time, accountID, region string) []Expiry {
	var out []Expiry
	for i := range p.exceptions {
		x := &p.exceptions[i]
		ended := !now.Before(x.ends)
		switch {
		case ended && now.Sub(x.ends) >= 24*time.Hour, !ended && now.Add(expiryNotice).Before(x.ends):
			continue
		case accountID != "" && len(x.scope.accounts) > 0 && !slices.Contains(x.scope.accounts, accountID),
			region != "" && len(x.scope.regions) > 0 && !slices.Contains(x.scope.regions, region):
			continue
		}
		out = append(out, Expiry{
			ExceptionRef: *x.ref(),
			File:         p.file, Covers: x.words(), Ends: x.ends, Ended: ended,
		})
	}
	slices.SortStableFunc(out, func(a, b Expiry) int { return a.Ends.Compare(b.Ends) })
	return out
}

// mostValues limits how many values of a kind Covers lists.
const mostValues = 5

// words lists the exception's scope, without the parts that are not limited.
func (x *exception) words() string {
	var parts []string
	list := func(name string, values []string) {
		if len(values) > 0 {
			parts = append(parts, strings.TrimPrefix(name+" "+text.First(values, mostValues, " "), " "))
		}
	}
	if x.traffic != nil {
		list("", []string{x.traffic.String()})
	}
	if x.direction != 0 {
		list("", []string{x.direction.String()})
	}
	list("peers", rangesOf(x.peers))
	list("prefix lists", x.prefixLists)
	list("referenced groups", x.groups)
	list("groups", x.scope.groups)
	list("VPCs", x.scope.vpcs)
	list("accounts", x.scope.accounts)
	list("regions", x.scope.regions)
	var tags []string
	for _, t := range x.scope.tags {
		tags = append(tags, t.key+"="+strings.Join(t.values, "|"))
	}
	list("group tags", tags)
	if len(x.scope.actors) > 0 {
		list("", []string{text.Plural(len(x.scope.actors), "actor")})
	}
	list("from the statements", x.statements)
	return cmp.Or(strings.Join(parts, ", "), "everything")
}

func rangesOf(set *netipx.IPSet) []string {
	if set == nil {
		return nil
	}
	var out []string
	for _, p := range set.Prefixes() {
		out = append(out, p.String())
	}
	return out
}
