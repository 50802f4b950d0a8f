package cli_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/cli"
)

// full is a disk that is.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestResultThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Chdir("../..")
	for _, args := range []string{
		"explain --port 443 --cidr 10.0.0.0/8", "policy lint", "policy test", "policy schema", "version",
	} {
		t.Run(args, func(t *testing.T) {
			var errs bytes.Buffer
			status := cli.Run(context.Background(), cli.Invocation{
				Args: strings.Fields(args), Stdin: strings.NewReader(""), Stdout: full{}, Stderr: &errs,
				LookupEnv: func(string) (string, bool) { return "", false },
			})
			assert.Equal(t, cli.StatusError, status)
			assert.Contains(t, errs.String(), "no space left on device")
			assert.NotContains(t, errs.String(), "not sound")
		})
	}
}

// broken is a terminal that no program expects.
type broken struct{}

func (broken) Write([]byte) (int, error) { panic("no such terminal") }

func TestCrashIsNoUsageError(t *testing.T) {
	var errs bytes.Buffer
	status := cli.Run(context.Background(), cli.Invocation{
		Args: []string{"version"}, Stdin: strings.NewReader(""), Stdout: broken{}, Stderr: &errs,
		LookupEnv: func(string) (string, bool) { return "", false },
	})
	assert.Equal(t, cli.StatusError, status)
	for _, want := range []string{"sgward: crashed: no such terminal\n", "report it", "sgward version", "cli_test.go:"} {
		assert.Contains(t, errs.String(), want)
	}
}

func TestShellsCompleteValues(t *testing.T) {
	for typed, want := range map[string][]string{
		"explain --mode ":      {"enforce", "observe"},
		"explain --direction ": {"ingress", "egress"},
		"explain --protocol ":  {"tcp", "udp", "icmp", "icmpv6", "-1"},
		"local --mode ":        {"enforce", "observe"},
		"policy l":             {"lint"},
	} {
		t.Run(typed, func(t *testing.T) {
			var out bytes.Buffer
			cli.Run(context.Background(), cli.Invocation{
				Args:  append([]string{"__complete"}, strings.Split(typed, " ")...),
				Stdin: strings.NewReader(""), Stdout: &out, Stderr: &bytes.Buffer{},
				LookupEnv: func(string) (string, bool) { return "", false },
			})
			var got []string
			for line := range strings.Lines(out.String()) {
				if value, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); !strings.HasPrefix(value, ":") {
					got = append(got, value)
				}
			}
			assert.Equal(t, want, got)
		})
	}
}

func TestInterruptIsSaidInOneWord(t *testing.T) {
	dir := t.TempDir()
	for _, function := range []string{"DetectFunction", "RemediateFunction", "SweepFunction"} {
		require.NoError(t, os.Mkdir(filepath.Join(dir, function), 0o700))
		sleeper := filepath.Join(dir, function, "bootstrap") // a function that takes its time to start
		require.NoError(t, os.WriteFile(sleeper, []byte("#!/bin/sh\nexec sleep 60\n"), 0o700))
	}
	ctx, interrupt := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, interrupt)
	var errs bytes.Buffer
	status := cli.Run(ctx, cli.Invocation{
		Args:  []string{"demo", "--template", "../../template.yaml", "--build-dir", dir},
		Stdin: strings.NewReader(""), Stdout: &bytes.Buffer{}, Stderr: &errs,
		LookupEnv: func(string) (string, bool) { return "", false },
	})
	assert.Equal(t, cli.StatusError, status)
	assert.Equal(t, "sgward: interrupted\n", errs.String())
}

func TestShellsCompleteFilesRegionsAndProfiles(t *testing.T) {
	config := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(config, []byte("[default]\nregion = us-east-1\n[profile prod]\n[ profile x\n[sso-session corp]\n[profile \"with blank\"]\n"), 0o600))
	t.Setenv("AWS_CONFIG_FILE", config)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	complete := func(words ...string) string {
		var out bytes.Buffer
		cli.Run(context.Background(), cli.Invocation{
			Args: append([]string{"__complete"}, words...), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &bytes.Buffer{},
			LookupEnv: func(string) (string, bool) { return "", false },
		})
		return out.String()
	}
	const files, values = ":8\n", ":4\n" // cobra's directives
	for _, command := range []string{"audit", "undo"} {
		assert.Equal(t, "default\nprod\nwith blank\n"+values, complete(command, "--profile", ""), command)
	}
	assert.Contains(t, complete("audit", "--region", "eu-c"), "eu-central-1\n")
	assert.Contains(t, complete("audit", "--regions", ""), "us-east-1\n")
	assert.Contains(t, complete("explain", "--port", "my"), "mysql\n")
	assert.Contains(t, complete("audit", "--fail-on", ""), "revoke\n")
	for _, words := range [][]string{{"audit", "--policy", ""}, {"replay", "--compare", ""}} {
		assert.Equal(t, "yaml\nyml\n"+files, complete(words...), words)
	}
	for _, words := range [][]string{{"audit", ""}, {"audit", "--baseline", ""}, {"explain", "--event", ""}} {
		assert.Equal(t, "json\njsonl\nndjson\ngz\n"+files, complete(words...), words)
	}
	assert.Equal(t, "json\njsonl\nndjson\ngz\ncsv\n"+files, complete("replay", ""))
}
