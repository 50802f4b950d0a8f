package remediation

import (
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
