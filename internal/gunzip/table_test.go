package gunzip

import (
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// randomCode returns the lengths of a complete code of n symbols: a tree whose leaves
// were split one by one.
func randomCode(r *rand.Rand, n, longest int) []uint8 {
	lengths := []uint8{1, 1}
	for len(lengths) < n {
		at := r.IntN(len(lengths))
		if r.IntN(3) > 0 { // long codes are what is hard
			at = len(lengths) - 1
		}
		for int(lengths[at]) >= longest {
			at = r.IntN(len(lengths))
		}
		lengths[at]++
		lengths = append(lengths, lengths[at])
	}
	r.Shuffle(n, func(i, j int) { lengths[i], lengths[j] = lengths[j], lengths[i] })
	return lengths
}

// codeOf returns the code of each symbol as the input has it, lowest bit first, by the
// words of RFC 1951, section 3.2.2.
func codesOf(lengths []uint8) []uint16 {
	var count, next [longestCode + 2]uint16
	for _, n := range lengths {
		if n > 0 {
			count[n]++
		}
	}
	for n := 1; n <= longestCode; n++ {
		next[n+1] = (next[n] + count[n]) << 1
	}
	codes := make([]uint16, len(lengths))
	for symbol, n := range lengths {
		if n > 0 {
			codes[symbol] = bits.Reverse16(next[n]) >> (16 - n)
			next[n]++
		}
	}
	return codes
}

func TestTablesDecodeEveryCode(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		n, table, firstBits := 2+r.IntN(285), make([]entry, literalTable), literalBits
		if r.IntN(2) == 0 {
			n, table, firstBits = 2+r.IntN(29), make([]entry, distanceTable), distanceBits
		}
		lengths := randomCode(r, n, longestCode)
		require.True(t, build(table, firstBits, lengths, func(symbol int) entry { return entry(symbol) << 16 }))
		for symbol, code := range codesOf(lengths) {
			for range 4 { // whatever follows the code
				in := uint64(code) | r.Uint64()<<lengths[symbol]
				e, taken := table[in&(1<<firstBits-1)], uint(0)
				if e&second != 0 {
					taken = e.take()
					e = table[e.value()+int(in>>taken&(1<<e.codeBits()-1))]
				}
				require.Zero(t, e&special)
				require.Equal(t, symbol, e.value())
				require.Equal(t, uint(lengths[symbol]), taken+e.take())
			}
		}
	}
}

func TestCodesThatNoDeflaterWritesAreRefused(t *testing.T) {
	value := func(symbol int) entry { return entry(symbol) << 16 }
	for name, c := range map[string]struct {
		lengths []uint8
		sound   bool
	}{
		"none":                     {[]uint8{0, 0, 0}, true},
		"one of one bit":           {[]uint8{0, 1}, true},
		"one of two bits":          {[]uint8{0, 2}, false},
		"two of two bits":          {[]uint8{2, 2}, false},
		"one is missing":           {[]uint8{1, 2, 3}, false},
		"complete":                 {[]uint8{1, 2, 3, 3}, true},
		"one too many":             {[]uint8{1, 1, 1}, false},
		"one too many, of 15 bits": {[]uint8{1, 1, 15}, false},
	} {
		var table [literalTable]entry
		assert.Equal(t, c.sound, build(table[:], literalBits, c.lengths, value), name)
	}
	var table [literalTable]entry
	require.True(t, build(table[:], literalBits, []uint8{0, 1}, value))
	assert.Equal(t, special, table[1], "the other bit is no code")
}
