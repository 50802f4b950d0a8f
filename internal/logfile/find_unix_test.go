//go:build unix

package logfile_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/logfile"
)

func TestPipesInFoldersAreNotOpened(t *testing.T) {
	tree(t, "logs/a.json")
	require.NoError(t, syscall.Mkfifo("logs/b.json", 0o600))
	found := logfile.Find([]string{"logs"}, nil)
	assert.Equal(t, []string{"logs/a.json"}, names(found.Sources))
	assert.Equal(t, []logfile.PassedOver{{Name: filepath.Join("logs", "b.json"), Reason: "is no regular file"}}, found.PassedOver)
	assert.Equal(t, []string{"logs/b.json"}, names(logfile.Find([]string{"logs/b.json"}, nil).Sources), "it was named itself")
}
