package sgward_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// checked runs action/check.sh with a stand-in for sgward that fails with these lines.
func checked(t *testing.T, policy, says string) string {
	t.Helper()
	runner, workspace := t.TempDir(), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(runner, "sgward"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(runner, "sgward", "sgward"), []byte("#!/bin/sh\nprintf '%s\\n' '"+says+"' >&2\nexit 3\n"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(workspace, "policy.yaml"), nil, 0o600))
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, nil, 0o600))
	require.NoError(t, os.Symlink(secret, filepath.Join(workspace, "linked.yaml")))
	script, err := filepath.Abs("action/check.sh")
	require.NoError(t, err)
	cmd := exec.Command("bash", script)
	cmd.Dir = workspace
	cmd.Env = append(os.Environ(), "RUNNER_TEMP="+runner, "GITHUB_WORKSPACE="+workspace, "GITHUB_OUTPUT="+filepath.Join(runner, "output"), "GITHUB_STEP_SUMMARY="+filepath.Join(runner, "summary"),
		"SGWARD_POLICY="+policy, "SGWARD_FAIL_ON=high", "SGWARD_PARAMETERS=", "SGWARD_PATHS=plan.json")
	out, _ := cmd.CombinedOutput() // its status is that of the check
	return string(out)
}

func TestTheActionPrintsNoCommandsOfOthers(t *testing.T) {
	said := checked(t, "policy.yaml", "  ::stop-commands::x")
	assert.Equal(t, ": :stop-commands::x\n", said)
}

func TestTheActionReadsNoPolicyOutsideTheWorkspace(t *testing.T) {
	for _, policy := range []string{"linked.yaml", "/etc/passwd"} {
		assert.Equal(t, "::error title=sgward check::the input policy names a file outside the workspace\n", checked(t, policy, "quoted"))
	}
	assert.Equal(t, "quoted\n", checked(t, "policy.yaml", "quoted"))
}
