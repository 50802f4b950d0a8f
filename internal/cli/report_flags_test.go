package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
)

func TestReportIsWrittenWholeOrNotAtAll(t *testing.T) {
	d := newWorkspace(t)
	const dumps = "internal/inventory/testdata" // a workspace is in the module's root
	dir := t.TempDir()
	for name, begin := range map[string]string{
		"a.html": "<!doctype html>", "a.csv": "id,", "a.json": `{"id":`, "a.sarif": "{\n\"$schema\"", "a.ocsf.json": `{"activity_id":`, "a.txt": "sgward audit", "a": "sgward audit",
	} {
		file := filepath.Join(dir, name)
		got := d.run("audit --out " + file + " " + dumps)
		assert.Equal(t, cli.StatusFindings, got.status, got.errs)
		assert.Empty(t, got.out)
		assert.Equal(t, "sgward: wrote "+file+"\n", got.errs)
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, begin, string(data)[:len(begin)], name)
	}
	odd := filepath.Join(dir, "q.xyz")
	assert.Equal(t, "sgward: wrote "+odd+" as text: the ending .xyz names no format\n", d.run("audit --out "+odd+" "+dumps).errs)
	assert.Equal(t, "sgward: wrote "+odd+"\n", d.run("audit --format csv --out "+odd+" "+dumps).errs)
	file := filepath.Join(dir, "report.html")
	got := d.run("audit --quiet --format csv -o " + file + " " + dumps)
	assert.Empty(t, got.errs)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "id,", string(data)[:3], "--format wins over the ending")

	require.NoError(t, os.WriteFile(file, []byte("the one of yesterday"), 0o600))
	got = d.run("audit --out " + file + " " + filepath.Join(dir, "missing"))
	assert.Equal(t, cli.StatusError, got.status)
	data, err = os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "the one of yesterday", string(data), "nothing was judged")

	assert.Equal(t, cli.StatusFindings, d.run("audit -o /dev/null "+dumps).status)
	for out, want := range map[string]string{dir: "is a folder", filepath.Join(dir, "none", "x"): "no such file or directory"} {
		got = d.run("audit --out " + out + " " + dumps)
		assert.Contains(t, got.errs, want)
		assert.NotZero(t, got.status)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	assert.Empty(t, left, "unfinished files")
}

func TestFailOnDecidesTheStatus(t *testing.T) {
	d := newWorkspace(t)
	d.open(ownKey, workspaceRegion, "web", 22)
	for failOn, want := range map[string]int{"": 3, "--fail-on revoke": 3, "--fail-on critical": 3, "--fail-on never": 0, "--fail-on all": 2} {
		assert.Equal(t, want, d.run("audit --format json "+failOn).status, failOn)
	}
	explain := "explain --port 8081 --cidr 0.0.0.0/0 "
	for failOn, want := range map[string]int{"": 3, "--fail-on revoke": 0, "--fail-on critical": 0, "--fail-on medium": 3} {
		assert.Equal(t, want, d.run(explain+failOn).status, failOn)
	}
}
