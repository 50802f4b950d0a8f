// Package functionstest builds the functions for tests, each once for a test binary, and
// lays them out as "make build" does. A package that uses it calls Main.
package functionstest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"sgward/internal/policy/document"
	"sgward/internal/policypackage"
	"sgward/internal/policyyaml"
)

// Root returns the top of the module, whatever folder the test is in.
var Root = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the module: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
})

// Main runs the tests of a package, and removes what they built.
func Main(m *testing.M) {
	m.Run() // its result is the status of the process
	if binaries.dir != "" {
		_ = os.RemoveAll(binaries.dir)
	}
}

// binaries holds what was built, in a folder that is "" before there is one.
var binaries struct {
	mu  sync.Mutex
	dir string
}

// binary returns the path of a function's binary, which it builds if there is none yet.
func binary(name string) (string, error) {
	top, err := Root()
	if err != nil {
		return "", err
	}
	binaries.mu.Lock()
	defer binaries.mu.Unlock()
	if binaries.dir == "" {
		if binaries.dir, err = os.MkdirTemp("", "functionstest"); err != nil {
			return "", fmt.Errorf("making the folder of the builds: %w", err)
		}
	}
	path := filepath.Join(binaries.dir, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	build := exec.Command("go", "build", "-o", path, "./functions/"+name)
	build.Dir = top
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w: %s", name, err, out)
	}
	return path, nil
}

// ID returns a function's logical id in template.yaml: DetectFunction for "detect".
func ID(name string) string { return strings.ToUpper(name[:1]) + name[1:] + "Function" }

// All returns the names of all functions.
func All(t testing.TB) []string {
	t.Helper()
	top, err := Root()
	require.NoError(t, err)
	mains, err := filepath.Glob(filepath.Join(top, "functions", "*", "main.go"))
	require.NoError(t, err)
	require.NotEmpty(t, mains)
	var names []string
	for _, path := range mains {
		names = append(names, filepath.Base(filepath.Dir(path)))
	}
	return names
}

// Into lays functions out in a folder, with a policy beside each; nil is none.
func Into(t testing.TB, folder string, policy []byte, names ...string) {
	t.Helper()
	for _, name := range names {
		built, err := binary(name)
		require.NoError(t, err)
		its := filepath.Join(folder, ID(name))
		require.NoError(t, os.MkdirAll(its, 0o700))
		require.NoError(t, os.Link(built, filepath.Join(its, "bootstrap")))
		if policy != nil {
			require.NoError(t, policypackage.Write(its, "policy.yaml", policy))
		}
	}
}

// Build is Into for a folder of the test, which it returns.
func Build(t testing.TB, policy []byte, names ...string) string {
	t.Helper()
	folder := t.TempDir()
	Into(t, folder, policy, names...)
	return folder
}

// WritePolicy writes a policy as a function reads it, with its JSON form, sound or not.
func WritePolicy(t testing.TB, path, text string) {
	t.Helper()
	form, err := policyyaml.Document(filepath.Base(path), []byte(text)).JSON()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	require.NoError(t, os.WriteFile(document.JSONName(path), form, 0o600))
}

// Policy returns the module's policy.yaml.
func Policy(t testing.TB) []byte {
	t.Helper()
	top, err := Root()
	require.NoError(t, err)
	policy, err := os.ReadFile(filepath.Join(top, "policy.yaml"))
	require.NoError(t, err)
	return policy
}
