package policy

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOpeningsUnderTheDefaultPolicy(t *testing.T) {
	p := defaultPolicy(t)
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
