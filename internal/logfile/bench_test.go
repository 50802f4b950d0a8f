package logfile_test

import (
	"bytes"
	"encoding/json/jsontext"
	"io"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"sgward/internal/jsonscan"
	"sgward/internal/logfile"
	"sgward/internal/logfile/logfiletest"
)

// BenchmarkScan reads log files of 400 records. MB/s are of inflated text.
func BenchmarkScan(b *testing.B) {
	text := logfiletest.New(1).File(400)
	packed := logfiletest.Compress(text)
	scanner := logfile.NewScanner(logfile.Config{Calls: calls(), Found: func(logfile.Source, logfile.Record) error { return nil }})
	for _, c := range []struct {
		name string
		data []byte
	}{{"gzip", packed}, {"plain", text}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				counts, err := scanner.Scan(b.Context(), logfile.Find([]string{"-"}, bytes.NewReader(c.data)).Sources[0])
				require.NoError(b, err)
				require.Equal(b, int64(400), counts.Records)
			}
		})
	}
}

// BenchmarkParts tells where the time of BenchmarkScan goes, and what package jsontext
// would take.
func BenchmarkParts(b *testing.B) {
	text := logfiletest.New(1).File(400)
	packed := logfiletest.Compress(text)
	b.Run("inflate", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		var r gzip.Reader
		for b.Loop() {
			require.NoError(b, r.Reset(bytes.NewReader(packed)))
			_, err := io.Copy(io.Discard, &r)
			require.NoError(b, err)
		}
	})
	b.Run("jsontext", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			in := jsontext.NewDecoder(bytes.NewReader(text))
			for range 3 { // the object, the key, the list
				_, err := in.ReadToken()
				require.NoError(b, err)
			}
			for in.PeekKind() == jsontext.KindBeginObject {
				_, err := in.ReadValue()
				require.NoError(b, err)
			}
		}
	})
	b.Run("jsonscan", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		s := jsonscan.New(jsonscan.Config{Lists: []string{"Records"}, MaxElement: logfile.MostRecord})
		for b.Loop() {
			s.Reset(bytes.NewReader(text))
			var err error
			for err == nil {
				_, err = s.Next()
			}
			require.ErrorIs(b, err, io.EOF)
		}
	})
}
