//go:build unix

package logfile_test

import (
	"context"
	"io"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/logfile"
)

func TestPipesInFoldersAreNotOpened(t *testing.T) {
	tree(t, "logs/a.json")
	require.NoError(t, syscall.Mkfifo("logs/b.json", 0o600))
	found := logfile.Find([]string{"logs"}, nil)
	assert.Equal(t, []string{"logs/a.json"}, names(found.Sources))
	assert.Equal(t, []logfile.Ignored{{Name: filepath.Join("logs", "b.json"), Reason: "is not a regular file"}}, found.Ignored)
	assert.Equal(t, []string{"logs/b.json"}, names(logfile.Find([]string{"logs/b.json"}, nil).Sources), "it was named itself")
}

func TestNobodyAtTheOtherEndDoesNotKeepAScanFromBeingInterrupted(t *testing.T) {
	folder := t.TempDir()
	fifo := filepath.Join(folder, "a.json")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	silent, writer := io.Pipe()
	t.Cleanup(func() { require.NoError(t, writer.Close()) })
	for name, found := range map[string]logfile.Found{
		"standard input": logfile.Find([]string{"-"}, silent),
		"a named pipe":   logfile.Find([]string{fifo}, nil),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		ended := make(chan error, 1)
		go func() {
			scanner := logfile.NewScanner(logfile.Config{
				Calls: calls(), Found: func(logfile.Source, logfile.Record) error { return nil },
				Bad: func(p logfile.Problem) { t.Error("the end of the context is no problem of the source: ", p) },
			})
			_, err := scanner.Scan(ctx, found.Sources[0])
			ended <- err
		}()
		select {
		case err := <-ended:
			require.ErrorIs(t, err, context.DeadlineExceeded, name)
		case <-time.After(10 * time.Second):
			t.Error(name, ": the scan goes on")
		}
		cancel()
	}
}
