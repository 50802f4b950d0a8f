package history_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/drill/history"
)

func TestOneSeedOnePlan(t *testing.T) {
	a, b := history.Plan(7, 300, 0.2), history.Plan(7, 300, 0.2)
	assert.Equal(t, a, b)
	assert.GreaterOrEqual(t, a.Openings(), 300)
	assert.NotEqual(t, a.Scenes, history.Plan(8, 300, 0.2).Scenes)
}

func TestAShortPlanHasEveryKindOfScene(t *testing.T) {
	kinds := map[string]bool{}
	for _, s := range history.Plan(1, 80, 0.2).Scenes {
		_, kind, _ := strings.Cut(s.Name, "-")
		kinds[kind] = true
	}
	for _, kind := range []string{"open", "harmless", "equal-values", "edit-back", "foreign-list", "own-list", "replay",
		"leapfrog-authorize", "leapfrog-modify", "leapfrog-mixed"} {
		assert.True(t, kinds[kind], kind)
	}
}

// An event that looks older than a few seconds has been kept at least as long as reads lag. Otherwise reads would look
// staler than EC2's are.
func TestEventsThatLookOldAreKeptForAsLongAsReadsLag(t *testing.T) {
	seen := 0
	for _, scene := range history.Plan(3, 1000, 0.2).Scenes {
		ids := map[string]bool{}
		for _, op := range scene.Ops {
			assert.False(t, ids[op.ID], op.ID)
			ids[op.ID] = true
			if op.Event.AgeS > 0 {
				seen++
				assert.Greater(t, op.Event.DelayMS, history.MaxLagMS, op.ID)
			}
			assert.False(t, op.Event.Withheld && op.Event.DelayMS > 0, op.ID)
		}
	}
	assert.Greater(t, seen, 100)
}

func TestAHistoryIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.json")
	h, err := history.Plan(5, 100, 0.2).Only([]string{"7-equal-values", "19-replay"})
	require.NoError(t, err)
	h.Faults = []string{"killed Remediate 7.1 #1"}
	require.NoError(t, h.Write(path))
	got, err := history.Read(path)
	require.NoError(t, err)
	assert.Equal(t, h, got)

	h.Faults = []string{} // not nil: none at all
	require.NoError(t, h.Write(path))
	got, err = history.Read(path)
	require.NoError(t, err)
	assert.NotNil(t, got.Faults)

	_, err = h.Only([]string{"7-open"})
	assert.ErrorContains(t, err, `"7-open"`)
	_, err = history.Read(filepath.Join(t.TempDir(), "none"))
	assert.Error(t, err)
}
