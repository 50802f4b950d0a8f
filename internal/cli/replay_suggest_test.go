package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
	"sgward/internal/policy"
)

func TestSuggestedExceptionsLeaveAloneWhatIsOpenAndNoDataStore(t *testing.T) {
	d := newWorkspace(t)
	d.open(ownKey, workspaceRegion, "web", 8080)
	d.open(ownKey, workspaceRegion, "bastion", 22)
	d.open(ownKey, workspaceRegion, "orders-db", 3306)
	d.openedAndClosed(d.aGroup("short"), 3389, "0.0.0.0/0")
	history := filepath.Join(t.TempDir(), "history.ndjson")
	var lines strings.Builder
	for _, call := range d.calls {
		lines.WriteString(strings.ReplaceAll(string(call), "\n", "") + "\n")
	}
	require.NoError(t, os.WriteFile(history, []byte(lines.String()), 0o600))
	file := filepath.Join(t.TempDir(), "suggested.yaml")

	got := d.run("replay --suggest " + file + " " + history)
	require.Equal(t, cli.StatusFindings, got.status, got.errs)
	assert.Contains(t, got.errs, "wrote 2 exceptions to "+file+", to be reviewed")
	assert.Contains(t, got.errs, "1 opening of data stores to the world gets none")
	suggested, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(suggested), "8080/tcp")
	assert.Contains(t, string(suggested), "22/tcp")
	assert.NotContains(t, string(suggested), "3306")
	assert.NotContains(t, string(suggested), "3389", "it is closed")

	shipped, err := os.ReadFile("policy.yaml")
	require.NoError(t, err)
	before, _, found := strings.Cut(string(shipped), "\nexceptions:\n") // which has an example, commented out
	require.True(t, found)
	shipped = []byte(before + "\n")
	merged := filepath.Join(t.TempDir(), "policy.yaml")
	require.NoError(t, os.WriteFile(merged, []byte(string(shipped)+string(suggested)), 0o600))
	lint := d.run("policy lint " + merged)
	assert.Equal(t, cli.StatusUsage, lint.status, "nobody has reviewed it")
	assert.Contains(t, lint.errs, "is a placeholder")
	filled := strings.NewReplacer(policy.PlaceholderReason, "reviewed", policy.PlaceholderOwner, "web@example.com").Replace(string(shipped) + string(suggested))
	require.NoError(t, os.WriteFile(merged, []byte(filled), 0o600))
	got = d.run("replay --policy " + merged + " --suggest " + file + "2 --format json " + history)
	assert.Equal(t, cli.StatusFindings, got.status, "the database and what was closed are findings as before: %s", got.errs)
	assert.Contains(t, got.errs, "no exception is needed")
	assert.NoFileExists(t, file+"2")
	assert.Equal(t, 2, strings.Count(got.out, `"decision":"exempt"`))

	again := d.run("replay --suggest " + file + " " + history)
	assert.Equal(t, cli.StatusUsage, again.status)
	assert.Contains(t, again.errs, "the file exists")
}
