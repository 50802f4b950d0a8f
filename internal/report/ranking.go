package report

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// rank orders findings for people: the strongest decision first, then the severity, then
// the use of the group, then the newest, then the order of arrival.
type rank struct {
	decision, severity int
	use                use
	at                 time.Time
	sequence           int
}

// use is how exposed an opening is. It orders the groups of one severity.
type use uint8

const (
	usePublic   use = iota // a public address uses the group
	usePrivate             // interfaces without one
	useUnknown             // interfaces were not read
	useNothing             // no interface
	useOfEgress            // whatever the group's use: no traffic comes in
)

// rankIn is the rank of an entry in its group.
func rankIn(g *Group, e *Entry) rank {
	r := rankOfEntry(e)
	switch {
	case e.Rule != nil && e.Rule.Permission.Direction == secgroup.Egress:
		r.use = useOfEgress
	case !g.AttachedKnown:
		r.use = useUnknown
	case g.public() > 0:
		r.use = usePublic
	case len(g.Attached) > 0:
		r.use = usePrivate
	default:
		r.use = useNothing
	}
	return r
}

func rankOfEntry(e *Entry) rank {
	r := rank{decision: rankOf(e.Verdict), severity: urgency(e.Severity)}
	if e.Compared != nil {
		other := rank{decision: rankOf(e.Compared.Verdict), severity: urgency(e.Compared.Severity)}
		if compareRanks(other, r) < 0 {
			r.decision, r.severity = other.decision, other.severity
		}
		if e.Verdict == e.Compared.Verdict {
			r.decision += len(policy.Verdicts()) // same effect: after all that changes
		}
	}
	if e.Event != nil {
		r.at = e.Event.EventTime
	}
	return r
}

// compareRanks is negative if a comes first.
func compareRanks(a, b rank) int {
	return cmp.Or(
		cmp.Compare(a.decision, b.decision),
		cmp.Compare(a.severity, b.severity),
		cmp.Compare(a.use, b.use),
		b.at.Compare(a.at),
		cmp.Compare(a.sequence, b.sequence),
	)
}

// top keeps the highest-ranking values, up to limit, and counts all.
type top[T any] struct {
	limit int
	seen  int
	kept  ranked[T]
}

type rankedValue[T any] struct {
	rank
	value T
}

// ranked is a heap with the lowest-ranking value on top.
type ranked[T any] []rankedValue[T]

func (h ranked[T]) Len() int           { return len(h) }
func (h ranked[T]) Less(i, j int) bool { return compareRanks(h[i].rank, h[j].rank) > 0 }
func (h ranked[T]) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ranked[T]) Push(x any)        { *h = append(*h, x.(rankedValue[T])) }
func (h *ranked[T]) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// add keeps v if it is among the first. It sets r.sequence.
func (w *top[T]) add(r rank, v T) {
	r.sequence = w.seen
	w.seen++
	if len(w.kept) < w.limit {
		heap.Push(&w.kept, rankedValue[T]{r, v})
		return
	}
	if w.limit > 0 && compareRanks(r, w.kept[0].rank) < 0 {
		w.kept[0] = rankedValue[T]{r, v}
		heap.Fix(&w.kept, 0)
	}
}

// list returns the kept values in order.
func (w *top[T]) list() []T {
	slices.SortFunc(w.kept, func(a, b rankedValue[T]) int { return compareRanks(a.rank, b.rank) })
	out := make([]T, 0, len(w.kept))
	for _, v := range w.kept {
		out = append(out, v.value)
	}
	return out
}
