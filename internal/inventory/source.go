package inventory

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"regexp"

	"sgward/internal/gunzip"
)

// Source is a dump to read: one answer of the AWS CLI or several, one after the
// other, plain or gzipped.
type Source struct {
	// Name is how problems call it. Where a dump is of the entries of a prefix list,
	// which it does not name, the name has to: pl-0123456789abcdef0.json.
	Name string
	Open func() (io.ReadCloser, error)
}

// errUTF16 is what "aws ... > file" gives in Windows PowerShell.
var errUTF16 = errors.New("is text of 16 bits a character: want UTF-8 (PowerShell: | Out-File -Encoding utf8)")

// decoded returns the text in a stream, inflated where that is gzipped.
func decoded(in io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(in, 1<<16)
	if start, _ := b.Peek(2); string(start) == "\x1f\x8b" { // a shorter stream is no gzip
		inflated := new(gunzip.Reader)
		inflated.Reset(b)
		b = bufio.NewReaderSize(inflated, 1<<16)
	}
	// An error comes again with the first read.
	if start, _ := b.Peek(2); string(start) == "\xff\xfe" || string(start) == "\xfe\xff" {
		return nil, errUTF16
	}
	return b, nil
}

// tokenForm is the member that an answer of EC2 has where more pages follow. In the
// text of a string the quotes would be escaped.
var tokenForm = regexp.MustCompile(`"NextToken"\s*:\s*"[^"]`)

// tokenBytes is the longest text that tokenForm is looked for in at a seam of reads.
const tokenBytes = 64

// tokenWatch passes a stream on and notes whether an answer in it says that more pages
// follow. There may be several answers in a stream, of which any may be the one.
type tokenWatch struct {
	in    io.Reader
	seam  []byte // the end of what was read, for a token across two reads
	found bool
}

func (w *tokenWatch) Read(p []byte) (int, error) {
	n, err := w.in.Read(p)
	if !w.found && n > 0 {
		w.seam = append(w.seam, p[:min(n, tokenBytes)]...)
		w.found = holdsToken(w.seam) || holdsToken(p[:n])
		if n > tokenBytes {
			w.seam = append(w.seam[:0], p[n-tokenBytes:n]...)
		} else if more := len(w.seam) - tokenBytes; more > 0 {
			w.seam = append(w.seam[:0], w.seam[more:]...)
		}
	}
	return n, err
}

// holdsToken looks for the name first, which costs next to nothing.
func holdsToken(text []byte) bool {
	for {
		i := bytes.Index(text, []byte(`"NextToken"`))
		if i < 0 {
			return false
		}
		text = text[i:]
		if at := tokenForm.FindIndex(text[:min(len(text), tokenBytes)]); at != nil && at[0] == 0 {
			return true
		}
		text = text[1:]
	}
}

// meter passes a stream on and tells how much of it was read.
type meter struct {
	in       io.Reader
	progress func(int) // nil for nobody
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
