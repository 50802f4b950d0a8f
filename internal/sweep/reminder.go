package sweep

import (
	"time"

	"sgward/internal/finding"
	"sgward/internal/policy"
)

const (
	// remindAfter is how long after its last report a standing critical opening is reported
	// again.
	remindAfter = 7 * 24 * time.Hour
	// remindAlong is the minimum age of an opening's last report for it to join another's
	// reminder: so all of them come to share one reminder a week.
	remindAlong = remindAfter - 24*time.Hour
)

// reminders returns which of the findings that have not changed are reported again: none,
// unless a critical one stands that was last reported a week ago.
func (s *sweep) reminders() func(*candidate) bool {
	standsFor := func(f *candidate, least time.Duration) bool {
		held := s.known[f.ID]
		return f.Severity == policy.Critical && f.outcome != "" && f.outcome != finding.OutcomeExempt &&
			held.fingerprint == fingerprint(f) && s.now.Sub(held.reported) >= least
	}
	for _, f := range s.found {
		if standsFor(f, remindAfter) {
			return func(f *candidate) bool { return standsFor(f, remindAlong) }
		}
	}
	return func(*candidate) bool { return false }
}
