package cli_test

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

func TestDemoAndLocalSayWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	unsound := filepath.Join(dir, "unsound.yaml")
	require.NoError(t, os.WriteFile(unsound, []byte("version: 1\nstatments: []\n"), 0o600))
	const template = "../../template.yaml"
	tests := []struct {
		name   string
		args   []string
		status int
		want   []string // on standard error
	}{
		{"demo without builds", []string{"demo", "--template", template, "--build-dir", dir}, cli.StatusError, []string{"DetectFunction", `run "make build"`}},
		{"local without builds", []string{"local", "--listen", "127.0.0.1:0", "--template", template, "--build-dir", dir}, cli.StatusError, []string{`run "make build"`}},
		{"demo without a template", []string{"demo", "--template", filepath.Join(dir, "none.yaml")}, cli.StatusError, []string{"none.yaml", "--template"}},
		{"unknown mode", []string{"local", "--mode", "destroy"}, cli.StatusUsage, []string{`enforce or observe, not "destroy"`}},
		{"unsound policy", []string{"demo", "--policy", unsound}, cli.StatusUsage, []string{"unsound.yaml:2"}},
		{"missing policy", []string{"local", "--policy", filepath.Join(dir, "none.yaml")}, cli.StatusUsage, []string{"none.yaml"}},
		{"argument", []string{"demo", "now"}, cli.StatusUsage, []string{"now", "sgward demo --help"}},
		{"unknown flag", []string{"local", "--port", "1"}, cli.StatusUsage, []string{"--port", "sgward local --help"}},
		{"address that is none", []string{"local", "--listen", "nowhere", "--template", template, "--build-dir", dir}, cli.StatusUsage, []string{"nowhere", "127.0.0.1:4566"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			status := cli.Run(context.Background(), cli.Invocation{
				Args: tt.args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
				LookupEnv: func(string) (string, bool) { return "", false },
			})
			assert.Equal(t, tt.status, status)
			for _, want := range tt.want {
				assert.Contains(t, errs.String(), want)
			}
			assert.Empty(t, out.String(), "complaints go to standard error")
		})
	}
}
