package report

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// update rewrites the golden files: go test ./internal/report -run Golden -update
var update = flag.Bool("update", false, "rewrite the golden files")

func written(t *testing.T, f Format, s scenario, o Options) string {
	t.Helper()
	var b strings.Builder
	w, err := New(f, &b, s.run, o)
	require.NoError(t, err)
	require.NoError(t, s.write(w))
	return b.String()
}

func TestGoldenReportsReadAsTheyShould(t *testing.T) {
	for name, s := range scenarios() {
		for _, f := range Formats() {
			t.Run(name+"."+string(f), func(t *testing.T) {
				got := written(t, f, s, Options{})
				assert.Equal(t, got, written(t, f, s, Options{}), "equal input gives equal bytes")
				if f == HTML { // its style and script are the same in all, and stand beside it
					got = elided(t, got, "<style>", "</style>")
					got = elided(t, got, "<script>", "</script>")
				}
				file := filepath.Join("testdata", name+"."+string(f))
				if *update {
					require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				assert.Equal(t, string(want), got)
			})
		}
	}
}

// elided is the page without what stands between two marks.
func elided(t *testing.T, page, from, to string) string {
	t.Helper()
	before, rest, ok := strings.Cut(page, from)
	require.True(t, ok, from)
	_, after, ok := strings.Cut(rest, to)
	require.True(t, ok, to)
	return before + from + "..." + to + after
}
