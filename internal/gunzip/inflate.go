package gunzip

import "encoding/binary"

// block reads the header of a block (RFC 1951, section 3.2.3).
func (r *Reader) block() error {
	if r.last {
		r.next = (*Reader).trailer
		return nil
	}
	if err := r.need(3); err != nil {
		return err
	}
	r.last = r.take(1) == 1
	switch r.take(2) {
	case 0:
		r.align()
		var n [4]byte
		if err := r.bytes(n[:]); err != nil {
			return err
		}
		length := binary.LittleEndian.Uint16(n[:])
		if length != ^binary.LittleEndian.Uint16(n[2:]) {
			return ErrCorrupt
		}
		r.stored, r.next = int(length), (*Reader).copyStored
	case 1:
		r.fixed()
		r.next = (*Reader).symbols
	case 2:
		if err := r.dynamic(); err != nil {
			return err
		}
		r.next = (*Reader).symbols
	default:
		return ErrCorrupt
	}
	return nil
}

// copyStored copies a stored block.
func (r *Reader) copyStored() error {
	if r.stored == 0 {
		r.next = (*Reader).block
		return nil
	}
	if err := r.available(); err != nil {
		return err
	}
	n := copy(r.out[r.have:outSize], r.in[r.pos:min(r.end, r.pos+r.stored)])
	r.pos += n
	r.stored -= n
	r.produced(r.have + n)
	return nil
}

// fixed sets the tables of a block with fixed codes (RFC 1951, section 3.2.6).
func (r *Reader) fixed() {
	lengths := r.lengths[:288]
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	build(r.literals[:], literalBits, lengths, literalEntry)
	lengths = r.lengths[:32]
	for i := range lengths {
		lengths[i] = 5
	}
	build(r.distances[:], distanceBits, lengths, distanceEntry)
}

// dynamic reads the codes of a block (RFC 1951, section 3.2.7).
func (r *Reader) dynamic() error {
	if err := r.need(14); err != nil {
		return err
	}
	literals, distances, codes := int(r.take(5))+257, int(r.take(5))+1, int(r.take(4))+4
	if literals > 286 || distances > 30 {
		return ErrCorrupt
	}
	order := [19]int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	var lengths [19]uint8
	for _, symbol := range order[:codes] {
		if err := r.need(3); err != nil {
			return err
		}
		lengths[symbol] = uint8(r.take(3))
	}
	const codeBits = 7
	var table [1 << codeBits]entry
	if !build(table[:], codeBits, lengths[:], func(symbol int) entry { return entry(symbol) << 16 }) {
		return ErrCorrupt
	}
	all := r.lengths[:literals+distances]
	for i := 0; i < len(all); {
		e, err := r.code(table[:])
		if err != nil {
			return err
		}
		symbol := e.value()
		if symbol < 16 {
			all[i] = uint8(symbol)
			i++
			continue
		}
		repeated, least, extra := uint8(0), 3, uint(3)
		switch symbol {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			repeated, extra = all[i-1], 2
		case 18:
			least, extra = 11, 7
		}
		if err := r.need(extra); err != nil {
			return err
		}
		n := least + int(r.take(extra))
		if i+n > len(all) {
			return ErrCorrupt
		}
		for ; n > 0; n-- {
			all[i] = repeated
			i++
		}
	}
	if !build(r.literals[:], literalBits, all[:literals], literalEntry) ||
		!build(r.distances[:], distanceBits, all[literals:], distanceEntry) {
		return ErrCorrupt
	}
	return nil
}

// code reads a code of a table of one stage.
func (r *Reader) code(table []entry) (entry, error) {
	for {
		e := table[r.bits&uint64(len(table)-1)]
		switch {
		case e&special == 0 && e.take() <= r.count:
			r.take(e.take())
			return e, nil
		case r.count >= longestCode:
			return 0, ErrCorrupt
		}
		if err := r.need(r.count + 1); err != nil {
			return 0, err
		}
	}
}

// symbols decodes the symbols of a block for as long as there is room.
func (r *Reader) symbols() error {
	have := r.have
	defer func() { r.produced(have) }()
	for have <= mostHave {
		if r.end-r.pos < quickInput {
			// What was there is worth having before an error is.
			more, err := r.fill()
			if err != nil {
				return err
			}
			if !more {
				ended, err := r.symbol(&have)
				if ended || err != nil {
					return err
				}
			}
			continue
		}
		ended, err := r.quick(&have)
		if ended || err != nil {
			return err
		}
	}
	return nil
}

const (
	mostHave   = outSize - longest - 2 // where there is room for two literals and a match
	quickInput = 16                    // bytes that a round of quick may take, and look at
)

// symbol decodes one symbol at the end of the input.
func (r *Reader) symbol(have *int) (ended bool, err error) {
	for r.count <= 55 && r.pos < r.end {
		r.bits |= uint64(r.in[r.pos]) << r.count
		r.pos++
		r.count += 8
	}
	bits, count := r.bits, int(r.count)
	look := func(table []entry, firstBits uint) (entry, int) {
		e := table[bits&(1<<firstBits-1)]
		if e&second != 0 {
			bits >>= firstBits
			count -= int(firstBits)
			e = table[e.value()+int(bits&(1<<e.codeBits()-1))]
		}
		if e&special != 0 && e&endBlock == 0 {
			return e, 0
		}
		value := e.value()
		if e&literal == 0 {
			value += int(bits & (1<<e.take() - 1) >> e.codeBits())
		}
		bits >>= e.take()
		count -= int(e.take())
		return e, value
	}
	invalid := func() error {
		if count < longestCode {
			return ErrTruncated
		}
		return ErrCorrupt
	}
	e, length := look(r.literals[:], literalBits)
	switch {
	case e&endBlock != 0:
		r.next = (*Reader).block
	case e&special != 0:
		return false, invalid()
	case count < 0:
		return false, ErrTruncated
	case e&literal != 0:
		r.out[*have] = byte(length)
		*have++
	default:
		d, distance := look(r.distances[:], distanceBits)
		switch {
		case d&special != 0:
			return false, invalid()
		case count < 0:
			return false, ErrTruncated
		case distance > *have-r.start:
			return false, ErrCorrupt
		}
		for range length {
			r.out[*have] = r.out[*have-distance]
			*have++
		}
	}
	if count < 0 {
		return false, ErrTruncated
	}
	r.bits, r.count = bits, uint(count)
	return e&endBlock != 0, nil
}

// quick decodes symbols for as long as there is enough of the input to look at eight
// bytes at once, and room.
func (r *Reader) quick(have *int) (ended bool, err error) {
	in, out := r.in, r.out
	literals, distances := &r.literals, &r.distances
	pos, mostPos, o := r.pos, r.end-quickInput, *have
	bits, count := r.bits, r.count
	for pos <= mostPos && o <= mostHave {
		// Bits that were there already are written over by the same.
		bits |= binary.LittleEndian.Uint64(in[pos:]) << (count & 63)
		pos += int(63-count) >> 3
		count |= 56
		e := literals[bits&(1<<literalBits-1)]
		if e&literal != 0 {
			bits >>= e & 63
			count -= e.take()
			out[o] = byte(e >> 16)
			o++
			e = literals[bits&(1<<literalBits-1)]
			if e&literal != 0 {
				bits >>= e & 63
				count -= e.take()
				out[o] = byte(e >> 16)
				o++
				e = literals[bits&(1<<literalBits-1)]
			}
			// A length and a distance take up to 48 bits.
			bits |= binary.LittleEndian.Uint64(in[pos:]) << (count & 63)
			pos += int(63-count) >> 3
			count |= 56
		}
		if e&second != 0 {
			bits >>= literalBits
			count -= literalBits
			e = literals[e.value()+int(bits&(1<<e.codeBits()-1))]
		}
		if e&(literal|special) != 0 {
			if e&(literal|endBlock) == 0 {
				err = ErrCorrupt
				break
			}
			bits >>= e & 63
			count -= e.take()
			if e&literal != 0 {
				out[o] = byte(e >> 16)
				o++
				continue
			}
			ended, r.next = true, (*Reader).block
			break
		}
		length := e.value() + int(bits&(1<<(e&63)-1)>>e.codeBits())
		bits >>= e & 63
		count -= e.take()

		d := distances[bits&(1<<distanceBits-1)]
		if d&second != 0 {
			bits >>= distanceBits
			count -= distanceBits
			d = distances[d.value()+int(bits&(1<<d.codeBits()-1))]
		}
		distance := d.value() + int(bits&(1<<(d&63)-1)>>d.codeBits())
		bits >>= d & 63
		count -= d.take()
		if d&special != 0 || distance > o-r.start {
			err = ErrCorrupt
			break
		}
		match(out, o, distance, length)
		o += length
	}
	r.pos, r.bits, r.count, *have = pos, bits, count, o
	return ended, err
}

// match copies what is a distance before o to o. It may write up to slack bytes more.
func match(out []byte, o, distance, length int) {
	from, end := o-distance, o+length
	switch {
	case distance >= length && length > 2*slack:
		copy(out[o:end], out[from:])
	case distance >= 8:
		for ; o < end; o, from = o+8, from+8 {
			binary.LittleEndian.PutUint64(out[o:], binary.LittleEndian.Uint64(out[from:]))
		}
	case distance == 1:
		value := out[from]
		for run := out[o:end]; len(run) > 0; run = run[1:] {
			run[0] = value
		}
	default:
		for ; o < end; o, from = o+1, from+1 {
			out[o] = out[from]
		}
	}
}
