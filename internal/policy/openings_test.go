package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/policyyaml"
)

// withEgressExample is the default policy with the statement that it shows as an example.
func withEgressExample(t *testing.T) *Policy {
	t.Helper()
	data, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	before, example, found := strings.Cut(string(data), "  # - id: world-open-egress\n")
	require.True(t, found)
	example, after, found := strings.Cut(example, "\n\n")
	require.True(t, found)
	p, err := Compile(policyyaml.Document("policy.yaml", []byte(before+"  - id: world-open-egress\n"+strings.ReplaceAll(example, "  # ", "  ")+"\n\n"+after)))
	require.NoError(t, err)
	require.Len(t, p.statements, len(defaultPolicy(t).statements)+1)
	return p
}

func TestOpeningsUnderTheDefaultPolicy(t *testing.T) {
	p := withEgressExample(t)
	const file = "testdata/openings.txt"
	data, err := os.ReadFile(filepath.FromSlash(file))
	require.NoError(t, err)
	scenarios, err := parseScenarios(string(data), 1)
	require.NoError(t, err)
	openings := 0
	for _, s := range scenarios {
		openings += len(s.req.Rules)
		t.Run(s.name, func(t *testing.T) { s.run(t, p, file) })
	}
	assert.GreaterOrEqual(t, openings, 150, "the table is the documentation of the verdicts")
}
