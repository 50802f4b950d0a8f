package gunzip

import "math/bits"

// entry says what the next bits stand for. From the lowest bit on:
//
//	0-7    how many bits to take: of the code, and extra ones behind it
//	8-11   how many of them are of the code
//	13-15  flags
//	16-30  the literal; or what the extra bits are added to; or where a second table
//	       begins, in which the bits behind the first ones are looked up, and of which
//	       8-11 says how many bits it takes
//	31     flag
type entry uint32

const (
	literal  entry = 1 << 31
	special  entry = 1 << 15 // one of the next two, or, with neither, an invalid code
	second   entry = 1 << 14
	endBlock entry = 1 << 13
)

func (e entry) take() uint     { return uint(e & 0xff) }
func (e entry) codeBits() uint { return uint(e>>8) & 15 }
func (e entry) value() int     { return int(e>>16) & 0x7fff }

const (
	literalBits  = 11
	distanceBits = 8
	longestCode  = 15
	// Second tables take the most room where many codes are just too long for the first:
	// 286 codes of up to 15 bits then need 2342 entries in all, 30 need 402 (computed by
	// enough.c of zlib's examples).
	literalTable  = 2342
	distanceTable = 402
)

// The values of codes (RFC 1951, section 3.2.5), without the lengths of their codes.

func literalEntry(symbol int) entry {
	switch {
	case symbol < 256:
		return literal | entry(symbol)<<16
	case symbol == 256:
		return special | endBlock
	case symbol == 285:
		return longest << 16
	case symbol > 285:
		return special
	case symbol < 265:
		return entry(symbol-254) << 16
	}
	extra := (symbol - 261) / 4
	return entry(3+(4+(symbol-265)%4)<<extra)<<16 | entry(extra)
}

func distanceEntry(symbol int) entry {
	switch {
	case symbol > 29:
		return special
	case symbol < 4:
		return entry(symbol+1) << 16
	}
	extra := symbol/2 - 1
	return entry(1+(2+symbol%2)<<extra)<<16 | entry(extra)
}

// build makes the table of a code from the lengths of its symbols' codes (RFC 1951,
// section 3.2.2). It returns false if no deflater can have written them: a code must
// be complete, or have one symbol of one bit, or none.
func build(table []entry, firstBits int, lengths []uint8, of func(symbol int) entry) bool {
	var count [longestCode + 1]int
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	var code, sorted [longestCode + 2]int // the first of each length, and its place
	left := 1                             // codes that are free
	for n := 1; n <= longestCode; n++ {
		if left = left<<1 - count[n]; left < 0 {
			return false
		}
		code[n+1] = (code[n] + count[n]) << 1
		sorted[n+1] = sorted[n] + count[n]
	}
	if symbols := sorted[longestCode+1]; left > 0 && symbols > 0 && (symbols > 1 || count[1] == 0) {
		return false
	}
	var symbols [len(Reader{}.lengths)]int // in the order of their codes
	for symbol, n := range lengths {
		if n > 0 {
			symbols[sorted[n]] = symbol
			sorted[n]++
		}
	}
	for i := range 1 << firstBits {
		table[i] = special
	}
	end := 1 << firstBits
	prefix, begin, secondBits := -1, 0, 0
	for _, symbol := range symbols[:sorted[longestCode]] {
		n := int(lengths[symbol])
		reversed := int(bits.Reverse16(uint16(code[n])) >> (16 - n)) // as the input has it
		code[n]++
		if n <= firstBits {
			e := of(symbol)
			e += entry(n<<8 | n)
			for i := reversed; i < 1<<firstBits; i += 1 << n {
				table[i] = e
			}
			count[n]--
			continue
		}
		if first := reversed & (1<<firstBits - 1); first != prefix {
			// The codes that begin so come one after the other: as many as fit.
			prefix, begin = first, end
			secondBits = n - firstBits
			for free := 1 << secondBits; secondBits < longestCode-firstBits; secondBits++ {
				if free -= count[firstBits+secondBits]; free <= 0 {
					break
				}
				free <<= 1
			}
			end += 1 << secondBits
			for i := begin; i < end; i++ {
				table[i] = special
			}
			table[prefix] = special | second | entry(begin<<16|secondBits<<8|firstBits)
		}
		count[n]--
		e := of(symbol)
		e += entry((n-firstBits)<<8 | n - firstBits)
		for i := reversed >> firstBits; i < 1<<secondBits; i += 1 << (n - firstBits) {
			table[begin+i] = e
		}
	}
	return true
}
