package replay_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sgward/internal/logfile"
	"sgward/internal/logfile/logfiletest"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/replay"
	"sgward/internal/report"
)

func benchPolicy(b *testing.B) *policy.Policy {
	b.Helper()
	data, err := os.ReadFile("../../policy.yaml")
	require.NoError(b, err)
	p, err := policy.Compile(policyyaml.Document("policy.yaml", data))
	require.NoError(b, err)
	return p
}

// BenchmarkRun replays log files as CloudTrail writes them: one record in a thousand
// opens a group. MB/s are of the compressed files.
func BenchmarkRun(b *testing.B) {
	dir := b.TempDir()
	_, compressed, err := logfiletest.New(1).WriteHistory(dir, 40, 2000)
	require.NoError(b, err)
	sources := logfile.Find([]string{dir}, strings.NewReader("")).Sources
	o := replay.Options{Policy: benchPolicy(b)}
	b.SetBytes(compressed)
	for b.Loop() {
		_, err := replay.Run(context.Background(), slices.Values(sources), o, func(report.Entry) error { return nil })
		require.NoError(b, err)
	}
}
