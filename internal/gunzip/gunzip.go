// Package gunzip inflates gzip (RFC 1952, RFC 1951). It exists because reading a history
// of CloudTrail's log files is little else than inflating them, and it takes half the
// time of compress/gzip and two thirds of that of klauspost/compress on them: it adds
// eight bytes to its bits at once, needs one look into a table for most codes, and
// copies in words. It uses neither assembly nor package unsafe.
package gunzip

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// What is wrong with an input. All that was inflated before is returned first.
var (
	// ErrTruncated: the input ends too early.
	ErrTruncated = errors.New("is cut off: the gzip data ends too early")
	// ErrChecksum: what was inflated is not what was deflated.
	ErrChecksum = errors.New("is damaged: gzip's checksum does not fit, so what was read may not be what was written")
	// ErrCorrupt: no deflater can have written the input.
	ErrCorrupt = errors.New("is damaged: the gzip data is corrupt")
	// ErrHeader: something else than gzip is where a member should begin.
	ErrHeader = errors.New("is damaged: something else is where gzip data should begin")
)

const (
	inSize  = 64 << 10
	window  = 32 << 10 // how far back a match may reach
	outSize = window + 64<<10
	slack   = 16 // words are written past the end of a match
	longest = 258
)

// step reads what is next of an input.
type step func(*Reader) error

// Reader inflates all members of one input after the other. The zero value is at the
// end of an empty one: Reset gives it another.
type Reader struct {
	src   io.Reader
	inErr error  // of src
	in    []byte // of inSize, followed by slack
	pos   int    // of what is to be added to bits
	end   int    // of what was read

	// bits are the next ones of the input, the first one lowest, and count is how many
	// are there. Those above may be of the input too, but are not counted.
	bits  uint64
	count uint

	out     []byte // of outSize, followed by slack
	flushed int    // up to where out was returned
	have    int    // up to where it is written
	start   int    // of the present member in out, not before its window
	sum     uint32
	size    uint32

	next      step
	err       error
	last      bool // block of its member
	stored    int  // bytes left of a stored block
	members   int
	literals  [literalTable]entry
	distances [distanceTable]entry
	lengths   [320]uint8
}

// Reset begins another input.
func (r *Reader) Reset(src io.Reader) {
	if r.in == nil {
		r.in, r.out = make([]byte, inSize+slack), make([]byte, outSize+slack)
	}
	r.src, r.inErr, r.pos, r.end = src, nil, 0, 0
	r.bits, r.count = 0, 0
	r.flushed, r.have, r.start, r.members = 0, 0, 0, 0
	r.next, r.err = (*Reader).header, nil
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if r.next == nil {
		return 0, io.EOF
	}
	for r.flushed == r.have {
		if r.err != nil {
			return 0, r.err
		}
		if r.have > window { // keep what a match may reach
			r.start = max(r.start-(r.have-window), 0)
			r.have = copy(r.out, r.out[r.have-window:r.have])
			r.flushed = r.have
		}
		before := r.have
		for r.err == nil && r.have == before {
			r.err = r.next(r)
		}
	}
	n := copy(p, r.out[r.flushed:r.have])
	r.flushed += n
	return n, nil
}

// fill reads more of the input. It keeps the eight bytes before pos, as bits may be
// given back to them. It returns false at the end.
func (r *Reader) fill() (bool, error) {
	if r.inErr != nil {
		return false, notEOF(r.inErr)
	}
	if keep := max(r.pos-8, 0); keep > 0 {
		r.end = copy(r.in, r.in[keep:r.end])
		r.pos -= keep
	}
	for range 100 {
		var n int
		n, r.inErr = r.src.Read(r.in[r.end:inSize])
		r.end += n
		if n > 0 {
			return true, nil
		}
		if r.inErr != nil {
			return false, notEOF(r.inErr)
		}
	}
	return false, io.ErrNoProgress
}

// notEOF returns an error other than that of the end.
func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// available makes sure that the byte at pos is there.
func (r *Reader) available() error {
	if r.pos < r.end {
		return nil
	}
	more, err := r.fill()
	if err == nil && !more {
		err = ErrTruncated
	}
	return err
}

// need makes sure that at least n bits are there, of at most 56.
func (r *Reader) need(n uint) error {
	for r.count < n {
		if err := r.available(); err != nil {
			return err
		}
		r.bits |= uint64(r.in[r.pos]) << r.count
		r.pos++
		r.count += 8
	}
	return nil
}

// take returns the next n bits, which are there.
func (r *Reader) take(n uint) uint32 {
	v := uint32(r.bits & (1<<n - 1))
	r.bits >>= n
	r.count -= n
	return v
}

// align drops the rest of a byte and gives the bytes behind it back to in.
func (r *Reader) align() {
	r.pos -= int(r.count / 8)
	r.bits, r.count = 0, 0
}

// header reads the header of a member (RFC 1952, section 2.3), or the end of the
// input. As gzip does, it passes over zero bytes that somebody has padded it with.
func (r *Reader) header() error {
	for r.members > 0 {
		switch err := r.available(); {
		case errors.Is(err, ErrTruncated):
			return io.EOF
		case err != nil:
			return err
		}
		if r.in[r.pos] != 0 {
			break
		}
		r.pos++
	}
	fixed := make([]byte, 10)
	if err := r.bytes(fixed); err != nil {
		return err
	}
	const deflate, reserved = 8, 0xe0
	if fixed[0] != 0x1f || fixed[1] != 0x8b || fixed[2] != deflate || fixed[3]&reserved != 0 {
		return ErrHeader
	}
	const hasSum, hasExtra, hasName, hasComment = 2, 4, 8, 16
	flags := fixed[3]
	if flags&hasExtra != 0 {
		if err := r.bytes(fixed[:2]); err != nil {
			return err
		}
		if err := r.bytes(make([]byte, binary.LittleEndian.Uint16(fixed))); err != nil {
			return err
		}
	}
	for _, text := range []byte{hasName, hasComment} {
		for fixed[0] = 1; flags&text != 0 && fixed[0] != 0; {
			if err := r.bytes(fixed[:1]); err != nil {
				return err
			}
		}
	}
	if flags&hasSum != 0 {
		if err := r.bytes(fixed[:2]); err != nil {
			return err
		}
	}
	r.members++
	r.start, r.sum, r.size, r.last, r.next = r.have, 0, 0, false, (*Reader).block
	return nil
}

// bytes reads whole bytes, with no bits taken.
func (r *Reader) bytes(p []byte) error {
	for i := range p {
		if err := r.available(); err != nil {
			return err
		}
		p[i] = r.in[r.pos]
		r.pos++
	}
	return nil
}

// produced takes note of what was written up to have.
func (r *Reader) produced(have int) {
	fresh := r.out[r.have:have]
	r.sum = crc32.Update(r.sum, crc32.IEEETable, fresh)
	r.size += uint32(len(fresh))
	r.have = have
}

// trailer reads the end of a member.
func (r *Reader) trailer() error {
	r.align()
	var sums [8]byte
	if err := r.bytes(sums[:]); err != nil {
		return err
	}
	if binary.LittleEndian.Uint32(sums[:]) != r.sum || binary.LittleEndian.Uint32(sums[4:]) != r.size {
		return ErrChecksum
	}
	r.next = (*Reader).header
	return nil
}
