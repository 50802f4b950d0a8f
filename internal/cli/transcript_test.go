package cli

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what the commands print into the transcripts")

// Each file of testdata/transcripts is a conversation: lines that start with "$ "
// are typed, what follows is printed, standard output and then standard error,
// and "exit N" ends each answer. Commands run in the module's root, $FILES is
// testdata/files.
func TestTranscripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/transcripts/*.ct")
	require.NoError(t, err)
	require.NotEmpty(t, scripts)
	folder, err := os.Getwd()
	require.NoError(t, err)
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".ct"), func(t *testing.T) {
			path := filepath.Join(folder, script)
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			t.Chdir("../..")
			var got strings.Builder
			for _, line := range strings.SplitAfter(string(want), "\n") {
				switch {
				case strings.HasPrefix(line, "#"):
					got.WriteString(line)
				case strings.HasPrefix(line, "$ "):
					got.WriteString(line)
					got.WriteString(converse(strings.TrimPrefix(strings.TrimSpace(line), "$ ")))
				}
			}
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got.String()), 0o600))
				return
			}
			assert.Equal(t, string(want), got.String())
		})
	}
}

// testBuild is a build that says everything of itself.
var testBuild = Build{
	Version: "v0.0.0-test", Commit: "0123456789abcdef0123456789abcdef01234567", Date: "2027-01-31T09:30:00Z",
	GoVersion: "go1.27.4", Platform: "linux/amd64",
}

// converse runs one typed line: words separated by blanks, 'quoted' where a word
// holds blanks, and optionally "< FILE".
func converse(line string) string {
	line, input, hasInput := strings.Cut(line, " < ")
	var stdin strings.Reader
	if hasInput {
		data, err := os.ReadFile(expand(input))
		if err != nil {
			return err.Error() + "\n"
		}
		stdin = *strings.NewReader(string(data))
	}
	var words []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	for i := range words {
		words[i] = expand(words[i])
	}
	var stdout, stderr strings.Builder
	status := Run(context.Background(), Invocation{
		Args: words[1:], Stdin: &stdin, Stdout: &stdout, Stderr: &stderr, Build: testBuild,
		LookupEnv: func(string) (string, bool) { return "", false },
	})
	return fmt.Sprintf("%s%sexit %d\n\n", stdout.String(), stderr.String(), status)
}

func expand(s string) string {
	return strings.ReplaceAll(s, "$FILES", filepath.Join("internal", "cli", "testdata", "files"))
}
