package remediation

import (
	"maps"
	"slices"
	"sync"
	"time"

	"sgward/internal/secgroup"
)

// firstSeen remembers for each group when the reads of the last minute first showed each
// rule, because EC2 does not report when a rule was made. It is safe for concurrent use. The
// zero value is ready.
//
//   - A rule that an earlier read did not show is newer than that read, lag aside.
//   - The age of every other rule is unknown.
//   - An Engine keeps it between its batches; a new process has to read a group twice.
type firstSeen struct {
	mu     sync.Mutex
	groups map[string]*groupFirstSeen
}

// groupFirstSeen is that of one group. All times are those at which a read began.
type groupFirstSeen struct {
	reads []time.Time
	first map[ruleValues]time.Time
}

// ruleValues identifies a rule with its values: an edit opens as well as a new rule does.
type ruleValues struct {
	id     string
	values secgroup.Permission
}

func valuesOf(r secgroup.Rule) ruleValues { return ruleValues{r.ID, r.Permission.Identity()} }

// add records a read of a group that began at a time. It forgets reads and
// rules that are too old to matter for an event whose rule may have been replaced.
func (s *firstSeen) add(groupID string, held []secgroup.Rule, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	isPast := func(t time.Time) bool { return at.Sub(t) > lagWindow }
	maps.DeleteFunc(s.groups, func(_ string, g *groupFirstSeen) bool { return isPast(slices.MaxFunc(g.reads, time.Time.Compare)) })
	if s.groups == nil {
		s.groups = map[string]*groupFirstSeen{}
	}
	g := s.groups[groupID]
	if g == nil {
		g = &groupFirstSeen{first: map[ruleValues]time.Time{}}
		s.groups[groupID] = g
	}
	g.reads = append(slices.DeleteFunc(g.reads, isPast), at)
	shown := make(map[ruleValues]bool, len(held))
	for _, r := range held {
		key := valuesOf(r)
		shown[key] = true
		if first, known := g.first[key]; !known || at.Before(first) {
			g.first[key] = at
		}
	}
	maps.DeleteFunc(g.first, func(key ruleValues, first time.Time) bool { return !shown[key] && isPast(first) })
}

// isNewer reports whether a rule that a read has shown is certainly newer than a call: a
// read that began after the call did not show it.
func (s *firstSeen) isNewer(r secgroup.Rule, call time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[r.GroupID]
	if g == nil {
		return false
	}
	first, known := g.first[valuesOf(r)]
	return known && r.ID != "" && slices.ContainsFunc(g.reads, func(read time.Time) bool { return !read.Before(call) && read.Before(first) })
}
