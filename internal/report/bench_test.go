package report

import (
	"io"
	"testing"
)

// BenchmarkFormats writes a report of 100,000 findings in each format.
func BenchmarkFormats(b *testing.B) {
	const n = 100_000
	entries := replayed().entries
	for _, f := range Formats() {
		b.Run(string(f), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w, err := New(f, io.Discard, runOf(Replay, "logs"), Options{})
				if err != nil {
					b.Fatal(err)
				}
				for i := range n {
					if err := w.Entry(entries[i%len(entries)]); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(replayed().read); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/finding")
		})
	}
}
