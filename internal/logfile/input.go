package logfile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"sgward/internal/crash"
)

const inputBuffer = 64 << 10

// input opens sources and inflates them. It reuses its buffers.
type input struct {
	raw      counted
	file     io.Closer // nil if there is nothing to close
	buffered *bufio.Reader
	inflated inflater
}

// open returns the text of a source, and whether it is gzipped, by its first bytes and not
// its name.
func (in *input) open(ctx context.Context, s Source, progress func(int64)) (text io.Reader, packed bool, err error) {
	in.raw = counted{in: s.stdin, ctx: ctx, progress: progress}
	switch {
	case s.Open != nil:
		f, err := s.Open(ctx)
		if err != nil {
			return nil, false, err
		}
		in.raw.in, in.file = f, f
	case s.stdin == nil:
		f, err := waited(ctx, func() (*os.File, error) { return os.Open(s.Name) })
		if err != nil {
			return nil, false, fmt.Errorf("cannot be opened: %w", reasonOf(err))
		}
		in.raw.in, in.file = f, f
	}
	if s.Size < 0 && s.Open == nil {
		in.raw.in = &slow{in: in.raw.in, ctx: ctx}
	}
	if in.buffered == nil {
		in.buffered = bufio.NewReaderSize(nil, inputBuffer)
	}
	in.buffered.Reset(&in.raw)
	// A later read repeats the error.
	start, _ := in.buffered.Peek(longestMagic)
	for _, k := range kinds() {
		if !bytes.HasPrefix(start, []byte(k.magic)) {
			continue
		}
		if k.name != gzipped {
			in.close()
			return nil, false, fmt.Errorf("is %s: want JSON, gzipped or plain", k.name)
		}
		in.inflated.reset(in.buffered)
		return &in.inflated, true, nil
	}
	return in.buffered, false, nil
}

func (in *input) close() {
	if in.file != nil {
		_ = in.file.Close() // nothing was written
		in.file = nil
	}
}

// waited returns the result of do, but waits no longer than ctx: a terminal or a pipe may
// have nobody at its other end. do then continues in its goroutine, and its result is
// dropped.
func waited[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		defer crash.Exit()
		value, err := do()
		answered <- answer{value, err}
	}()
	select {
	case a := <-answered:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// slow reads a source of unknown size until its context ends.
type slow struct {
	in  io.Reader
	ctx context.Context
	buf []byte // belongs to in after an abandoned read
}

func (s *slow) Read(p []byte) (int, error) {
	if s.buf == nil {
		s.buf = make([]byte, inputBuffer)
	}
	n, err := waited(s.ctx, func() (int, error) { return s.in.Read(s.buf[:min(len(p), len(s.buf))]) })
	return copy(p, s.buf[:n]), err
}

// reasonOf returns an error of the file system without the path, which a Problem names.
func reasonOf(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// kind is the kind of a file by its first bytes.
type kind struct{ magic, name string }

const (
	gzipped      = "gzip"
	longestMagic = 6
)

func kinds() []kind {
	return []kind{
		{"\x1f\x8b", gzipped},
		{"PK\x03\x04", "a zip archive"},
		{"\x28\xb5\x2f\xfd", "compressed with zstd"},
		{"BZh", "compressed with bzip2"},
		{"\xfd7zXZ\x00", "compressed with xz"},
		{"Obj\x01", "an Avro file"},
		{"PAR1", "a Parquet file"},
	}
}

// counted counts the bytes read, and ends with its context.
type counted struct {
	in       io.Reader
	ctx      context.Context
	progress func(int64)
	read     int64
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.in.Read(p)
	c.read += int64(n)
	if c.progress != nil && n > 0 {
		c.progress(int64(n))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("cannot be read: %w", reasonOf(err))
	}
	return n, err
}
