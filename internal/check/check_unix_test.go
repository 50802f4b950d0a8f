//go:build unix

package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/check"
)

// A folder comes from whoever opened a pull request.
func TestDevicesAndPipesInFoldersAreNotRead(t *testing.T) {
	folder := t.TempDir()
	pipe := filepath.Join(folder, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for name, target := range map[string]string{"a": "/dev/zero", "b": pipe, "c": "/nowhere"} {
		require.NoError(t, os.Symlink(target, filepath.Join(folder, name+".template.json")))
	}
	nesting := `{"Resources": {"Nested": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "pipe"}}}}`
	require.NoError(t, os.WriteFile(filepath.Join(folder, "d.template.json"), []byte(nesting), 0o600))
	problems := map[string]string{}
	for _, p := range check.Read([]string{folder}, nil, nil).Problems {
		file, _, _ := strings.Cut(filepath.Base(p.Place), ":")
		problems[file] += p.Text
	}
	assert.Equal(t, "is not a regular file", problems["a.template.json"])
	assert.Equal(t, "is not a regular file", problems["b.template.json"])
	assert.Contains(t, problems["c.template.json"], "cannot be opened: ")
	assert.Contains(t, problems["d.template.json"], "is not a regular file")
}
