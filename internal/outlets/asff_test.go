package outlets_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/outlets"
)

// The format takes no empty texts: its type NonEmptyString has the pattern ".*\S.*"
// (https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_Severity.html, for one).
func TestNoTextOfAFindingIsEmpty(t *testing.T) {
	at := time.Date(2026, 11, 3, 2, 14, 10, 0, time.UTC)
	goldens, err := filepath.Glob("../alert/testdata/*.txt")
	require.NoError(t, err)
	findings := 0
	for _, file := range goldens {
		golden, err := os.ReadFile(file)
		require.NoError(t, err)
		_, body, _ := strings.Cut(string(golden), "===== JSON\n")
		var a finding.Alert
		if json.Unmarshal([]byte(body), &a) != nil {
			continue // a summary
		}
		account, err := outlets.NewAccount("123456789012", "us-east-1")
		require.NoError(t, err)
		for _, f := range account.Findings(&a, at) {
			encoded, err := json.Marshal(f)
			require.NoError(t, err)
			var plain any
			require.NoError(t, json.Unmarshal(encoded, &plain))
			assertNoEmptyText(t, filepath.Base(file), plain)
			findings++
		}
	}
	assert.Greater(t, findings, 40)
}

func assertNoEmptyText(t *testing.T, where string, value any) {
	t.Helper()
	switch v := value.(type) {
	case string:
		assert.NotEmpty(t, strings.TrimSpace(v), where)
	case []any:
		for _, e := range v {
			assertNoEmptyText(t, where, e)
		}
	case map[string]any:
		for name, e := range v {
			assertNoEmptyText(t, where+"."+name, e)
		}
	}
}
