package stage_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/drill/history"
	"sgward/drill/oracle"
	"sgward/drill/stage"
	"sgward/drill/wire"
)

// built holds what make build makes.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "drill")
	if err != nil {
		return "", err
	}
	for out, pkg := range map[string]string{
		"DetectFunction/bootstrap": "./functions/detect", "RemediateFunction/bootstrap": "./functions/remediate", "SweepFunction/bootstrap": "./functions/sweep",
		"sgward": "./cmd/sgward",
	} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, out), pkg)
		cmd.Dir = "../.."
		if said, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %w: %s", pkg, err, said)
		}
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := built(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

func build(t *testing.T) string {
	t.Helper()
	dir, err := built()
	require.NoError(t, err)
	return dir
}

func run(t *testing.T, build string, h history.History) *stage.Result {
	t.Helper()
	r, err := stage.Run(t.Context(), stage.Config{Root: "../..", Build: build, Undo: 2, Patience: time.Minute}, h)
	require.NoError(t, err)
	return r
}

func TestARun(t *testing.T) {
	dir := build(t)
	t.Run("of each scene, without faults, holds but for known limits", func(t *testing.T) {
		r := run(t, dir, history.Plan(1, 90, 0))
		assert.Empty(t, r.New())
		assert.Greater(t, r.Alerts, 30)
		assert.Equal(t, 2, r.Undone)
		assert.Empty(t, r.Fired)
		assert.NotEmpty(t, r.Samples)
	})
	t.Run("has the faults of its history, and leads the dead letters back", func(t *testing.T) {
		rule := history.Rule{Ref: "r1", Protocol: "tcp", From: 3306, To: 3306, Peer: "0.0.0.0/0"}
		r := run(t, dir, history.History{
			Scenes: []history.Scene{{Name: "1-open", Ops: []history.Op{
				{ID: "1.1", Do: history.Authorize, By: history.Alice, Group: "a", Rules: []history.Rule{rule}, Event: history.Event{DelayMS: 1}},
				{ID: "1.2", Do: history.Authorize, By: history.Alice, Group: "b", Rules: []history.Rule{rule}, Event: history.Event{DelayMS: 1, Dead: true}},
			}}},
			Faults: []string{"throttled 1-open/a RevokeSecurityGroupIngress #1", "killed-before 1-open/a RevokeSecurityGroupIngress #2"},
		})
		assert.Empty(t, r.Violations)
		assert.Equal(t, map[wire.Kind]int{wire.Throttled: 1, wire.KilledBefore: 1}, r.Faults)
		assert.Equal(t, 1, r.Dead)
		assert.Equal(t, []int{1, 2}, r.Tries, "the killed one came again")
		assert.Equal(t, 2, r.Calls["ec2:RevokeSecurityGroupIngress"])
	})
	t.Run("of a remediate that closes nothing shows that", func(t *testing.T) {
		broken := t.TempDir()
		require.NoError(t, os.CopyFS(broken, os.DirFS(dir)))
		said, err := exec.Command("go", "build", "-o", filepath.Join(broken, "RemediateFunction", "bootstrap"), "./testdata/idle").CombinedOutput()
		require.NoError(t, err, string(said))
		h := history.Plan(1, 60, 0)
		h.Scenes = h.Scenes[:3] // open, harmless and mixed
		r := run(t, broken, h)
		found := map[oracle.Invariant]bool{}
		for _, v := range r.New() {
			found[v.Invariant] = true
		}
		assert.Equal(t, map[oracle.Invariant]bool{oracle.LeftOpen: true, oracle.Unheard: true}, found)
	})
}

// The saved histories showed defects that are mended.
func TestSavedHistories(t *testing.T) {
	paths, err := filepath.Glob("../testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	dir := build(t)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			h, err := history.Read(path)
			require.NoError(t, err)
			assert.Empty(t, run(t, dir, h).Violations)
		})
	}
}

// The drill excuses what is with the dead letters, because an alarm says so.
func TestTheDeadLettersHaveAnAlarm(t *testing.T) {
	template, err := os.ReadFile("../../template.yaml")
	require.NoError(t, err)
	_, alarm, found := strings.Cut(string(template), "\n  DeadLetterAlarm:\n    Type: AWS::CloudWatch::Alarm\n")
	require.True(t, found)
	alarm, _, _ = strings.Cut(alarm, "\n\n")
	assert.Contains(t, alarm, "Dimensions: [{Name: QueueName, Value: !GetAtt DeadLetterQueue.QueueName}]")
	assert.Contains(t, alarm, "Threshold: 0\n      ComparisonOperator: GreaterThanThreshold")
}
