package bucket_test

import (
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sgward/internal/bucket"
	"sgward/internal/logfile/logfiletest"
	"sgward/localaws/s3api"
)

// BenchmarkSources reads a bucket whose answers take as long as S3's do from another network.
// objects/s are of the client and the stand-in together, on the same cores; peak-MB is the
// memory of both but for the objects themselves.
func BenchmarkSources(b *testing.B) {
	s := &s3api.Server{Delay: 20 * time.Millisecond}
	data := logfiletest.Compress(logfiletest.New(1).File(60))
	const objects = 4000
	for n := range objects {
		s.Put(trail, logKey("", account, "eu-central-1", day("2026-09-20").Add(time.Duration(n)*5*time.Minute), n), data)
	}
	c := client(b, s)
	var before, m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak := uint64(0)
	for b.Loop() {
		n := 0
		r := bucket.Reader{Client: c}
		for source := range r.Sources(b.Context(), bucket.Place{Bucket: trail, Path: "AWSLogs/"}) {
			in, err := source.Open(b.Context())
			require.NoError(b, err)
			_, err = io.Copy(io.Discard, in)
			require.NoError(b, err)
			require.NoError(b, in.Close())
			if n++; n%500 == 0 {
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
		}
		require.Equal(b, objects, n)
	}
	b.ReportMetric(float64(objects*b.N)/b.Elapsed().Seconds(), "objects/s")
	b.ReportMetric(float64(int64(peak)-int64(before.HeapAlloc))/(1<<20), "peak-MB")
}
