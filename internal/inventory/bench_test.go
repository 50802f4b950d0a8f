package inventory

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sgward/internal/ec2rules"
	"sgward/internal/inventory/dumptest"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
)

func shippedPolicy(t testing.TB) *policy.Policy {
	t.Helper()
	data, err := os.ReadFile("../../policy.yaml")
	require.NoError(t, err)
	p, err := policy.Compile(policyyaml.Document("policy.yaml", data))
	require.NoError(t, err)
	return p
}

func BenchmarkReadDumps(b *testing.B) {
	var dump bytes.Buffer
	require.NoError(b, dumptest.Groups(&dump, 1000))
	b.SetBytes(int64(dump.Len()))
	text := dump.String()
	b.ReportAllocs()
	for b.Loop() {
		d, err := ReadDumps(b.Context(), []Source{source("groups.json", text)}, "", nil)
		require.NoError(b, err)
		require.Len(b, d.Groups, 1000)
	}
}

func BenchmarkJudge(b *testing.B) {
	var dump bytes.Buffer
	require.NoError(b, dumptest.Groups(&dump, 100))
	d, err := ReadDumps(b.Context(), []Source{source("groups.json", dump.String())}, "", nil)
	require.NoError(b, err)
	p := shippedPolicy(b)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	rules := 0
	b.ReportAllocs()
	for b.Loop() {
		rules = 0
		for _, g := range d.Groups {
			Judge(p, g, ec2rules.PrefixLists{}, now)
			rules += len(g.Rules)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*rules), "ns/rule")
}
