package replay

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/report"
	"sgward/internal/secgroup"
)

// history is the gathered input, with each call once.
type history struct {
	counts report.History
	calls  []*call // by time, id and place
}

// newHistory keeps each call once, however often it was delivered, and gives edited rules
// their direction if any record of the history has it.
func newHistory(g *gathered, o *Options) *history {
	h := &history{counts: g.counts}
	// Of several copies of a call the first one counts, so that the order of reading does
	// not matter.
	slices.SortFunc(g.tallies, func(a, b tally) int {
		return cmp.Or(slices.Compare(a.key[:], b.key[:]), cmp.Compare(a.source, b.source), cmp.Compare(a.index, b.index))
	})
	for i, t := range g.tallies {
		repeated := i > 0 && t.key == g.tallies[i-1].key
		if !repeated && t.call >= 0 {
			h.calls = append(h.calls, g.calls[t.call])
		}
		if o.judged(time.Unix(t.at, 0)) {
			h.count(t, repeated)
		}
	}
	slices.SortFunc(h.calls, func(a, b *call) int {
		return cmp.Or(a.EventTime.Compare(b.EventTime), cmp.Compare(a.EventID, b.EventID),
			cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.Region, b.Region))
	})
	h.direct(g)
	return h
}

func (h *history) count(t tally, repeated bool) {
	c := &h.counts
	if repeated {
		c.Repeated++
		return
	}
	switch t.kind {
	case opened:
		c.Changes++
		c.Rules += int64(t.rules)
		c.Compliant += int64(t.clean)
	case failed:
		c.Failed++
	case closed:
		c.Closings++
	case created:
		return
	}
	at := time.Unix(t.at, 0).UTC()
	if c.First.IsZero() || at.Before(c.First) {
		c.First = at
	}
	if at.After(c.Last) {
		c.Last = at
	}
}

// direct gives edited rules the direction that another record has for their ids.
func (h *history) direct(g *gathered) {
	slices.Sort(g.ingress)
	slices.Sort(g.egress)
	for _, c := range h.calls {
		if c.Kind != cloudtrail.KindModify {
			continue
		}
		for i := range c.Rules {
			r := &c.Rules[i]
			id, ok := shortID(r.ID)
			if !ok {
				continue
			}
			_, ingress := slices.BinarySearch(g.ingress, id)
			_, egress := slices.BinarySearch(g.egress, id)
			switch {
			case ingress && !egress:
				r.Permission.Direction = secgroup.Ingress
			case egress && !ingress:
				r.Permission.Direction = secgroup.Egress
			}
		}
	}
}

// place identifies a group. If a record only names the group, it holds the name: the id of
// that group is unknown.
type place struct{ account, region, group string }

func placeOf(c *call) place {
	return place{account: c.AccountID, region: c.Region, group: c.Group.String()}
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.account, o.account), cmp.Compare(p.region, o.region), cmp.Compare(p.group, o.group))
}

// follow finds the call that ended each opening. It sorts the calls into their presumable
// order: by time, and calls on one group within a second, whose order is unknown, by their
// effects.
func (h *history) follow() {
	slices.SortStableFunc(h.calls, func(a, b *call) int {
		return cmp.Or(a.EventTime.Compare(b.EventTime), placeOf(a).compare(placeOf(b)))
	})
	for calls := range h.byGroup() {
		g := newGroup()
		for _, second := range calls {
			one := h.calls[second.from:second.to]
			if len(one) > 1 {
				copy(one, order(g, one))
			}
			for i, c := range one {
				g.apply(c, int32(second.from+i))
			}
		}
	}
}

// stretch is the calls of one second on one group, as positions.
type stretch struct{ from, to int }

// byGroup yields the stretches of each group, one group after the other.
func (h *history) byGroup() iter.Seq[[]stretch] {
	var all []stretch
	for from := 0; from < len(h.calls); {
		to := from + 1
		for to < len(h.calls) && placeOf(h.calls[to]) == placeOf(h.calls[from]) &&
			h.calls[to].EventTime.Equal(h.calls[from].EventTime) {
			to++
		}
		all = append(all, stretch{from, to})
		from = to
	}
	at := func(s stretch) place { return placeOf(h.calls[s.from]) }
	slices.SortStableFunc(all, func(a, b stretch) int { return at(a).compare(at(b)) })
	return func(yield func([]stretch) bool) {
		for from := 0; from < len(all); {
			to := from + 1
			for to < len(all) && at(all[to]) == at(all[from]) {
				to++
			}
			if !yield(all[from:to]) {
				return
			}
			from = to
		}
	}
}
