package inventory

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// Source is a dump to read: one answer of the AWS CLI or several, one after the other,
// plain or gzipped.
type Source struct {
	// Name is its name in problems. A dump of a prefix list's entries does not name the
	// list, so its Name must: pl-0123456789abcdef0.json.
	Name string
	Open func() (io.ReadCloser, error)
}

// errUTF16 is for files that "aws ... > file" writes in Windows PowerShell.
var errUTF16 = errors.New("is UTF-16: want UTF-8 (PowerShell: | Out-File -Encoding utf8)")

// openText returns the text of a stream, inflated if it is gzipped.
func openText(in io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(in, 1<<16)
	// A shorter stream is neither, and the first read repeats an error.
	if start, _ := b.Peek(2); string(start) == "\x1f\x8b" {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, gzipError(err)
		}
		b = bufio.NewReaderSize(inflater{z}, 1<<16)
	}
	if start, _ := b.Peek(2); string(start) == "\xff\xfe" || string(start) == "\xfe\xff" {
		return nil, errUTF16
	}
	if start, _ := b.Peek(3); string(start) == "\ufeff" {
		_, _ = b.Discard(3) // which are in the buffer
	}
	return b, nil
}

// inflater marks errors as faults of the gzip data, not of the JSON in it.
type inflater struct{ in io.Reader }

func (z inflater) Read(p []byte) (int, error) {
	n, err := z.in.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // as io.Reader defines it
		err = gzipError(err)
	}
	return n, err
}

func gzipError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("is cut off: the gzip data ends too early")
	}
	return fmt.Errorf("cannot be inflated: %w", err)
}

// input feeds a source's text to the decoder. It holds the value that is being decoded,
// and limits its length.
type input struct {
	ctx   context.Context //nolint:containedctx // of one source
	in    io.Reader
	dec   *jsontext.Decoder
	base  int64        // the offset at which the decoder began
	bytes int64        // read so far
	lines int64        // in those bytes
	from  int64        // offset of the current value, with the space in front of it
	held  bytes.Buffer // the bytes read since from
	limit int64        // of the value's length
	err   error        // the error that ended reading, except io.EOF
}

func newInput(ctx context.Context, in io.Reader) *input {
	t := &input{ctx: ctx, in: in, limit: maxElement}
	t.dec = t.decoder(t)
	return t
}

func (*input) decoder(in io.Reader) *jsontext.Decoder {
	// A name or description in another encoding is not a reason to drop the file.
	return jsontext.NewDecoder(in, jsontext.AllowInvalidUTF8(true))
}

// offset is the decoder's position.
func (t *input) offset() int64 { return t.base + t.dec.InputOffset() }

// begin starts another value, of a limited length.
func (t *input) begin(limit int64) {
	at := t.offset()
	t.held.Next(int(at - t.from))
	t.from, t.limit = at, limit
}

func (t *input) Read(p []byte) (int, error) {
	if t.err == nil {
		t.err = t.ctx.Err()
	}
	left := t.from + t.limit - t.bytes
	if t.err == nil && left <= 0 {
		t.err = fmt.Errorf("is longer than %d MB", t.limit>>20)
	}
	if t.err != nil {
		return 0, t.err
	}
	n, err := t.in.Read(p[:min(len(p), int(left))])
	t.held.Write(p[:n])
	t.bytes += int64(n)
	t.lines += int64(bytes.Count(p[:n], []byte{'\n'}))
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

// start is where the current value begins.
func (t *input) start() int64 {
	return t.bytes - int64(len(bytes.TrimLeft(t.held.Bytes(), ", \t\r\n")))
}

// line returns the line, from 1, of an offset at or after from.
func (t *input) line(offset int64) int64 {
	rest := t.held.Bytes()
	rest = rest[min(max(0, offset-t.from), int64(len(rest))):]
	return t.lines - int64(bytes.Count(rest, []byte{'\n'})) + 1
}

// skip skips an unusable element of a list. A decoder that met a value of the wrong kind
// cannot continue, so another one replaces it.
func (t *input) skip(list string) error {
	opening := `{"` + list + `":[`
	t.base = t.start() - int64(len(opening))
	rest := bytes.Clone(t.held.Bytes()[t.start()-t.from:])
	t.dec = t.decoder(io.MultiReader(strings.NewReader(opening), bytes.NewReader(rest), t))
	for range 3 {
		if _, err := t.dec.ReadToken(); err != nil {
			return err
		}
	}
	return t.dec.SkipValue()
}

// meter passes a stream on and reports how many bytes were read.
type meter struct {
	in       io.Reader
	progress func(int) // may be nil
	bytes    int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.in.Read(p)
	m.bytes += int64(n)
	if m.progress != nil && n > 0 {
		m.progress(n)
	}
	return n, err
}
