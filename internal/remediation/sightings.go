package remediation

import (
	"maps"
	"slices"
	"sync"
	"time"

	"sgward/internal/secgroup"
)

// sightings remembers for each group which rules the reads of the last minute showed first,
// and when. EC2 tells no rule's age: one that an earlier read did not show is newer than
// that read, lag aside, and of all others it is unknown. An Engine keeps it between its
// batches. A new process knows nothing and has to read a group twice.
//
// It is safe for concurrent use. The zero value is ready.
type sightings struct {
	mu     sync.Mutex
	groups map[string]*groupSightings
}

// groupSightings are those of one group. All times are those at which a read began.
type groupSightings struct {
	reads []time.Time
	first map[sighted]time.Time
}

// sighted is a rule with its values: an edit opens as well as a new rule does.
type sighted struct {
	id     string
	values secgroup.Permission
}

func sightedAs(r secgroup.Rule) sighted { return sighted{r.ID, r.Permission.Identity()} }

// add records a read of a group that began at a time. It forgets what no event can need
// that may have been overtaken.
func (s *sightings) add(groupID string, held []secgroup.Rule, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	isPast := func(t time.Time) bool { return at.Sub(t) > lagWindow }
	maps.DeleteFunc(s.groups, func(_ string, g *groupSightings) bool { return isPast(slices.MaxFunc(g.reads, time.Time.Compare)) })
	if s.groups == nil {
		s.groups = map[string]*groupSightings{}
	}
	g := s.groups[groupID]
	if g == nil {
		g = &groupSightings{first: map[sighted]time.Time{}}
		s.groups[groupID] = g
	}
	g.reads = append(slices.DeleteFunc(g.reads, isPast), at)
	shown := make(map[sighted]bool, len(held))
	for _, r := range held {
		key := sightedAs(r)
		shown[key] = true
		if first, known := g.first[key]; !known || at.Before(first) {
			g.first[key] = at
		}
	}
	maps.DeleteFunc(g.first, func(key sighted, first time.Time) bool { return !shown[key] && isPast(first) })
}

// isNewer reports whether a rule that a read has shown is certainly newer than a call: a
// read that began after the call did not show it.
func (s *sightings) isNewer(r secgroup.Rule, call time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[r.GroupID]
	if g == nil {
		return false
	}
	first, known := g.first[sightedAs(r)]
	return known && r.ID != "" && slices.ContainsFunc(g.reads, func(read time.Time) bool { return !read.Before(call) && read.Before(first) })
}
