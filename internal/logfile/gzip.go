package logfile

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// Damage to gzip data. The text in front of it is read.
var (
	errTruncated = errors.New("is cut off: the gzip data ends too early")
	errChecksum  = errors.New("is damaged: gzip's checksum does not fit, so what was read may not be what was written")
	errCorrupt   = errors.New("is damaged: the gzip data is corrupt")
	errHeader    = errors.New("is damaged: something else is where gzip data should begin")
)

// inflater reads all members of a gzip file (RFC 1952) one after the other. As gzip does,
// it skips zero bytes after a member, with which some tools pad.
type inflater struct {
	in     *bufio.Reader
	member gzip.Reader
	err    error // the error that ended reading
}

// reset begins another file, which starts with gzip's magic number.
func (z *inflater) reset(in *bufio.Reader) { z.in, z.err = in, z.begin(in) }

// begin reads the header of a member.
func (z *inflater) begin(in *bufio.Reader) error {
	err := z.member.Reset(in)
	z.member.Multistream(false)
	return problemOfGzip(err)
}

// Read implements io.Reader.
func (z *inflater) Read(p []byte) (n int, err error) {
	for n == 0 && z.err == nil && len(p) > 0 {
		n, err = z.member.Read(p)
		if errors.Is(err, io.EOF) {
			z.err = z.next()
			continue
		}
		z.err = problemOfGzip(err)
	}
	if n > 0 {
		return n, nil
	}
	return 0, z.err
}

// next begins the next member. It returns io.EOF if there is none.
func (z *inflater) next() error {
	for {
		switch c, err := z.in.ReadByte(); {
		case err != nil:
			return err
		case c != 0:
			_ = z.in.UnreadByte() // it was just read
			return z.begin(z.in)
		}
	}
}

// problemOfGzip describes damage to gzip data, for people.
func problemOfGzip(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errTruncated
	case errors.Is(err, gzip.ErrChecksum):
		return errChecksum
	case errors.Is(err, gzip.ErrHeader):
		return errHeader
	case errors.As(err, &corrupt):
		return errCorrupt
	}
	return err
}
