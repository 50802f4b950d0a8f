package policy_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
)

// The page's example of policy unit tests is run by the command that it is about, on
// the policy that the repository ships.
func TestThePagesUnitTestsPassUnderTheDefaultPolicy(t *testing.T) {
	data, err := os.ReadFile("../../docs/POLICY.md")
	require.NoError(t, err)
	_, example, found := strings.Cut(string(data), "```yaml test\n")
	require.True(t, found)
	example, _, found = strings.Cut(example, "\n```")
	require.True(t, found)
	file := filepath.Join(t.TempDir(), "policy_test.yaml")
	require.NoError(t, os.WriteFile(file, []byte(example), 0o600))
	policyFile, err := filepath.Abs("../../policy.yaml")
	require.NoError(t, err)

	var stdout, stderr bytes.Buffer
	status := cli.Run(context.Background(), cli.Invocation{
		Args:      []string{"policy", "test", "--policy", policyFile, file},
		LookupEnv: func(string) (string, bool) { return "", false },
		Stdin:     strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Build: cli.Build{Version: "test"},
	})
	assert.Equal(t, 0, status, "%s%s", stdout.String(), stderr.String())
	assert.Equal(t, "6 passed, 0 failed\n", stdout.String())
}
