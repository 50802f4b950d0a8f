package tour

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sgward/internal/policy"
	"sgward/localaws"
)

func callTime(steps []localaws.Step) time.Duration {
	for _, step := range steps {
		if step.Kind == localaws.StepCall {
			return step.At
		}
	}
	return 0
}

func revokeTime(steps []localaws.Step) time.Duration {
	var at time.Duration
	for _, step := range steps {
		if step.Kind == localaws.StepRevoked && step.ErrorCode == "" {
			at = step.At
		}
	}
	return at
}

// decisionOf returns the verdict of the first Detection, and whether there is one.
func decisionOf(steps []localaws.Step) (policy.Verdict, bool) {
	for _, step := range steps {
		if step.Detection != nil {
			return step.Detection.Verdict, true
		}
	}
	return policy.Undetermined, false
}

func callsSince(before, after map[string]int) map[string]int {
	calls := map[string]int{}
	for action, n := range after {
		if n > before[action] {
			calls[action] = n - before[action]
		}
	}
	return calls
}

func listCalls(calls map[string]int) string {
	var list []string
	for _, action := range slices.Sorted(maps.Keys(calls)) {
		list = append(list, fmt.Sprintf("%d×%s", calls[action], action))
	}
	return strings.Join(list, ", ")
}

// elapsed prints a duration in a suitable unit.
func elapsed(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// ms prints milliseconds, with a decimal below a hundred: "1.2", "34.5", "144".
func ms(d time.Duration) string {
	decimals := 1
	if d >= 100*time.Millisecond {
		decimals = 0
	}
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', decimals, 64)
}
