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
	// Ends is 24:00 UTC of the last day.
	Ends time.Time
	// Ended is set if that moment has passed.
	Ended bool
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
