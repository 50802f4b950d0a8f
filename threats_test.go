package sgward_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// docs/THREATS.md names the tests that show each line, and they exist.
func TestEveryThreatNamesTestsThatExist(t *testing.T) {
	page, err := os.ReadFile("docs/THREATS.md")
	require.NoError(t, err)
	name := regexp.MustCompile("`(?:(e2e/[a-z_]+\\.py)::(test_[a-z0-9_]+)|([a-z0-9/]*)\\.((?:Test|Fuzz)[A-Za-z0-9]+))`")
	isRule := regexp.MustCompile(`^\|(?: --- \|)+$`)
	threats := 0
	for i, line := range strings.Split(string(page), "\n") {
		if !strings.HasPrefix(line, "| ") || isRule.MatchString(line) || line == "| what | what holds it | what is left | shown by |" {
			continue
		}
		threats++
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		if !assert.Len(t, cells, 4, "line %d: a cell for each column", i+1) {
			continue
		}
		shown := name.FindAllStringSubmatch(cells[3], -1)
		assert.NotEmpty(t, shown, "line %d names no test: %.60s", i+1, line)
		assert.Empty(t, strings.TrimSpace(name.ReplaceAllString(cells[3], "")), "line %d: tests and nothing else", i+1)
		for _, n := range shown {
			if n[1] != "" {
				assert.True(t, hasPythonTest(t, n[1], n[2]), "line %d: %s has no %s", i+1, n[1], n[2])
			} else {
				assert.True(t, hasGoTest(t, n[3], n[4]), "line %d: %q has no %s", i+1, n[3], n[4])
			}
		}
	}
	assert.Greater(t, threats, 40, "the page was read")
}

func hasPythonTest(t *testing.T, file, name string) bool {
	t.Helper()
	src, err := os.ReadFile(filepath.FromSlash(file))
	return err == nil && strings.Contains(string(src), "\ndef "+name+"(")
}

// hasGoTest reports whether the package in a folder, "" for the module's own, has a test.
func hasGoTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.FromSlash(folder), "*_test.go"))
	require.NoError(t, err)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == name {
				return true
			}
		}
	}
	return false
}
