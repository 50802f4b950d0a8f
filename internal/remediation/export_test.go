package remediation

import (
	"fmt"
	"testing"
	"time"
)

// LimitJudging sets the time in which a group's rules have to be judged, until the test ends:
// whether they take longer must not depend on the machine.
func LimitJudging(t *testing.T, limit time.Duration) {
	t.Helper()
	was := judgeTime
	judgeTime = limit
	t.Cleanup(func() { judgeTime = was })
}

// PlannedCalls returns the calls that close openings: group, direction, number of rules and
// event ids.
func PlannedCalls(openings ...Opening) []string {
	var out []string
	for _, c := range plan(openings) {
		out = append(out, fmt.Sprint(c.groupID, " ", c.direction, " ", len(c.rules), " ", c.eventIDs))
	}
	return out
}
