package main

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/functionstest"
)

// build returns the function as it is deployed, in a folder of its own.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

func TestFunctionDoesNotStartWithoutASoundPolicy(t *testing.T) {
	binary := build(t)
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	functionstest.WritePolicy(t, broken, "version: 1\nworld: {ipv4: 9, ipv6: 32}\nstatements:\n  - id: a\n    efect: revoke\n")

	// A Runtime API that must not be asked for work.
	asked := false
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/init/error") {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		asked = true
		http.Error(w, "no work", http.StatusGone)
	}))
	defer api.Close()

	for name, tt := range map[string]struct {
		env  []string
		want []string
	}{
		"no policy beside the binary": {nil, []string{"policy.yaml", "no such file"}},
		"file that is not there":      {[]string{"POLICY_FILE=/nonexistent/p.yaml"}, []string{"p.yaml", "no such file"}},
		"variable set but empty":      {[]string{"POLICY_FILE="}, []string{"POLICY_FILE", "set but empty"}},
		"every problem by line":       {[]string{"POLICY_FILE=" + broken}, []string{"broken.yaml:4", "effect is missing", "broken.yaml:5", "efect"}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(binary)
			cmd.Env = append([]string{"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(api.URL, "http://")}, tt.env...)
			out, err := cmd.CombinedOutput()
			assert.Error(t, err, "it ends with a status that Lambda reports")
			for _, want := range tt.want {
				assert.Contains(t, string(out), want)
			}
		})
	}
	assert.False(t, asked)
}
