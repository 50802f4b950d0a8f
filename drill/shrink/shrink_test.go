package shrink_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/drill/history"
	"sgward/drill/oracle"
	"sgward/drill/shrink"
)

// A history fails if the scene has op 9.2 and both of two faults hit it.
func play(_ context.Context, h history.History) ([]oracle.Violation, []string, error) {
	needed := []string{"reply-lost 9-open/a RevokeSecurityGroupIngress #1", "killed Remediate 9.2 #1"}
	for _, key := range needed {
		if !slices.Contains(h.Faults, key) {
			return nil, h.Faults, nil
		}
	}
	if len(h.Scenes) != 1 || !slices.ContainsFunc(h.Scenes[0].Ops, func(op history.Op) bool { return op.ID == "9.2" && len(op.Rules) > 0 }) {
		return nil, h.Faults, nil
	}
	return []oracle.Violation{{Invariant: oracle.LeftOpen, Scene: "9-open"}}, h.Faults, nil
}

func scenes() history.History {
	rule := func(ref string) history.Rule {
		return history.Rule{Ref: ref, Protocol: "tcp", From: 3306, To: 3306, Peer: "0.0.0.0/0"}
	}
	return history.History{Seed: 4, Rate: 0.2, Scenes: []history.Scene{
		{Name: "8-open", Ops: []history.Op{{ID: "8.1", Do: history.Authorize, Group: "a", Rules: []history.Rule{rule("r1")}}}},
		{Name: "9-open", Ops: []history.Op{
			{ID: "9.1", Do: history.Authorize, By: history.Alice, Group: "a", Rules: []history.Rule{rule("r1")}},
			{ID: "9.2", Do: history.Authorize, By: history.Alice, Group: "a", Rules: []history.Rule{rule("r2"), rule("r3")}, Event: history.Event{DelayMS: 10, CopiesMS: []int{20}}},
		}},
	}}
}

func TestWhatIsNotNeededIsDropped(t *testing.T) {
	fired := []string{
		"throttled 8-open/a RevokeSecurityGroupIngress #1", "killed Remediate 8.1 #1",
		"throttled 9-open/a RevokeSecurityGroupIngress #1", "reply-lost 9-open/a RevokeSecurityGroupIngress #1", "killed Remediate 9.2 #1",
		"stale-read 9-open/a DescribeSecurityGroupRules #1",
	}
	short, found := shrink.Shrink(t.Context(), play, scenes(), oracle.Violation{Invariant: oracle.LeftOpen, Scene: "9-open"}, fired)
	require.True(t, found)
	assert.ElementsMatch(t, []string{"reply-lost 9-open/a RevokeSecurityGroupIngress #1", "killed Remediate 9.2 #1"}, short.Faults)
	require.Len(t, short.Scenes, 1)
	require.Len(t, short.Scenes[0].Ops, 1)
	op := short.Scenes[0].Ops[0]
	assert.Equal(t, "9.2", op.ID)
	assert.Len(t, op.Rules, 1)
	assert.Empty(t, op.Event.CopiesMS)
	text := strings.Join(shrink.Describe(short), "\n")
	assert.Contains(t, text, "9.2: after 0 ms alice authorizes in group a:")
	assert.Contains(t, text, "fault: killed Remediate 9.2 #1")
}

func TestASceneThatWasKilledWithOthersIsKilledAlone(t *testing.T) {
	fired := []string{"killed Remediate 8.1 #1", "reply-lost 9-open/a RevokeSecurityGroupIngress #1"}
	short, found := shrink.Shrink(t.Context(), play, scenes(), oracle.Violation{Invariant: oracle.LeftOpen, Scene: "9-open"}, fired)
	require.True(t, found)
	assert.Len(t, short.Faults, 2)
}

func TestASceneThatDoesNotFailAloneIsReturnedAsItWas(t *testing.T) {
	short, found := shrink.Shrink(t.Context(), play, scenes(), oracle.Violation{Invariant: oracle.LeftOpen, Scene: "9-open"}, nil)
	assert.False(t, found)
	require.Len(t, short.Scenes, 1)
	assert.Len(t, short.Scenes[0].Ops, 2)
	_, found = shrink.Shrink(t.Context(), play, scenes(), oracle.Violation{Invariant: oracle.LeftOpen, Scene: "none"}, nil)
	assert.False(t, found)
}
