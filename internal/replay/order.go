package replay

import (
	"cmp"
	"container/heap"
	"slices"

	"sgward/internal/cloudtrail"
	"sgward/internal/secgroup"
)

// order sorts the calls of one second on a group into a possible order, if there is one.
// The ids of the events decide between several.
//
//   - The group is made before everything else and deleted after it.
//   - A rule is made, edited and closed in this order.
//   - A group holds one rule of equal values at a time, so each is made after the end of
//     the one before.
func order(g *group, calls []*call) []*call {
	slices.SortStableFunc(calls, func(a, b *call) int { return cmp.Compare(a.stage(), b.stage()) })
	from := slices.IndexFunc(calls, func(c *call) bool { return c.stage() > 0 })
	to := slices.IndexFunc(calls, func(c *call) bool { return c.stage() > 1 })
	if from < 0 {
		return calls
	}
	if to < 0 {
		to = len(calls)
	}
	s := second{group: g, calls: calls[from:to], current: map[string]*spell{}, spells: map[secgroup.Permission][]*spell{}}
	s.makings()
	s.edits()
	s.closings(true)
	s.closings(false)
	return slices.Concat(calls[:from], s.sorted(), calls[to:])
}

// stage is 0 for the call that makes a group, 2 for the one that deletes it, and 1 for all
// others.
func (c *call) stage() int {
	switch c.Kind {
	case cloudtrail.KindCreate:
		return 0
	case cloudtrail.KindDelete:
		return 2
	default:
		return 1
	}
}

// none stands for a call outside the second.
const none = -1

// spell is the part of a second, from one call to another, during which a rule has its
// values.
type spell struct {
	id         string
	permission secgroup.Permission
	start, end int   // calls
	during     []int // edits that left the rule's values
}

// second holds the effects of the calls of one second, by the calls' indexes.
type second struct {
	group   *group
	calls   []*call
	current map[string]*spell // the last spell of each rule, by its id
	spells  map[secgroup.Permission][]*spell
}

// makings begins a spell for each rule that is made.
func (s *second) makings() {
	for i, c := range s.calls {
		if c.Kind != cloudtrail.KindAuthorize {
			continue
		}
		for _, r := range c.Rules {
			s.begin(r, i)
		}
	}
}

// begin begins a spell after that of the rule with these values that the group held.
func (s *second) begin(r secgroup.Rule, start int) {
	p := r.Permission.Identity()
	s.standing(p)
	new := &spell{id: r.ID, permission: p, start: start, end: none}
	s.spells[p] = append(s.spells[p], new)
	if r.ID != "" {
		s.current[r.ID] = new
	}
}

// standing returns the spells of rules with some values, including that of the rule that
// the group held before this second.
func (s *second) standing(p secgroup.Permission) []*spell {
	if _, asked := s.spells[p]; !asked {
		s.spells[p] = nil
		if h := s.group.byPermission[p]; h != nil {
			held := &spell{id: h.id, permission: p, start: none, end: none}
			s.spells[p] = []*spell{held}
			if _, known := s.current[h.id]; h.id != "" && !known {
				s.current[h.id] = held
			}
		}
	}
	return s.spells[p]
}

// of returns the current spell of the rule with an id, nil if unknown.
func (s *second) of(id string) *spell {
	if h := s.group.byID[id]; h != nil {
		s.standing(h.permission)
	}
	return s.current[id]
}

// edits ends the spells of the old values of edited rules, and begins those of the new
// ones.
func (s *second) edits() {
	for i, c := range s.calls {
		if c.Kind != cloudtrail.KindModify {
			continue
		}
		for k, r := range c.Rules {
			was := s.of(r.ID)
			switch {
			case was != nil && was.permission == r.Permission.Identity():
				was.during = append(was.during, i)
				continue
			case was != nil:
				was.end = i
			}
			if c.fates[k].harmless { // others may have its values, as far as is known
				s.current[r.ID] = &spell{id: r.ID, permission: r.Permission.Identity(), start: i, end: none}
				continue
			}
			s.begin(r, i)
		}
	}
}

// closings ends spells: with named, those of rules closed by id; else, of the remaining
// ones, those with the closed values.
func (s *second) closings(named bool) {
	for i, c := range s.calls {
		if c.Kind != cloudtrail.KindRevoke {
			continue
		}
		for _, r := range c.Rules {
			known := s.of(r.ID)
			switch {
			case named && known != nil:
				known.end = i
			case !named && known == nil:
				for _, one := range s.standing(r.Permission.Identity()) {
					if one.end == none && (one.id == "" || r.ID == "") {
						one.end = i
						break
					}
				}
			}
		}
	}
}

// sorted returns the calls in an order that agrees with the spells. Contradicting calls
// are sorted by id.
func (s *second) sorted() []*call {
	after, before := s.links()
	var ready places
	for i, n := range before {
		if n == 0 {
			ready = append(ready, i)
		}
	}
	heap.Init(&ready)
	out := make([]*call, 0, len(s.calls))
	placed := make([]bool, len(s.calls))
	for stuck := 0; len(out) < len(s.calls); {
		i := stuck
		if len(ready) > 0 {
			i = heap.Pop(&ready).(int)
		}
		if placed[i] {
			if i == stuck {
				stuck++
			}
			continue
		}
		placed[i] = true
		out = append(out, s.calls[i])
		for _, k := range after[i] {
			if before[k]--; before[k] == 0 && !placed[k] {
				heap.Push(&ready, k)
			}
		}
	}
	return out
}

// links returns for each call the calls that come after it, and the number that come
// before it.
func (s *second) links() (after [][]int, before []int) {
	after, before = make([][]int, len(s.calls)), make([]int, len(s.calls))
	link := func(a, b int) {
		if a != none && b != none && a != b {
			after[a] = append(after[a], b)
			before[b]++
		}
	}
	within := func(one *spell) {
		link(one.start, one.end)
		for _, i := range one.during {
			link(one.start, i)
			link(i, one.end)
		}
	}
	for _, one := range s.current {
		if one.start != none && s.spells[one.permission] == nil {
			within(one)
		}
	}
	for _, spells := range s.spells {
		// A spell from before the second is first, one that outlasts it last.
		slices.SortStableFunc(spells, func(a, b *spell) int {
			lasts := func(s *spell) int {
				switch {
				case s.start == none:
					return 0
				case s.end != none:
					return 1
				default:
					return 2
				}
			}
			return cmp.Or(cmp.Compare(lasts(a), lasts(b)), cmp.Compare(a.start, b.start))
		})
		for i, one := range spells {
			within(one)
			if i > 0 {
				link(spells[i-1].end, one.start)
			}
		}
	}
	return after, before
}

// places is a heap of calls by index.
type places []int

func (p places) Len() int           { return len(p) }
func (p places) Less(i, j int) bool { return p[i] < p[j] }
func (p places) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }

// Push and Pop are heap.Interface's.
func (p *places) Push(x any) { *p = append(*p, x.(int)) }

func (p *places) Pop() any {
	last := len(*p) - 1
	i := (*p)[last]
	*p = (*p)[:last]
	return i
}
