package gunzip_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/gunzip"
)

// deflated returns data as gzip.
func deflated(t testing.TB, level int, data []byte) []byte {
	t.Helper()
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, level)
	require.NoError(t, err)
	_, err = w.Write(data)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return z.Bytes()
}

// inflated returns what a new Reader makes of an input.
func inflated(in io.Reader) ([]byte, error) { return again(new(gunzip.Reader), in) }

// again returns what a Reader that has read others makes of an input.
func again(r *gunzip.Reader, in io.Reader) ([]byte, error) {
	r.Reset(in)
	return io.ReadAll(r)
}

// texts are of every kind that deflate treats in its own way.
func texts() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 1))
	random := make([]byte, 300_000)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	var periods, words bytes.Buffer
	for n := 1; n < 40; n++ {
		periods.Write(bytes.Repeat(random[n:2*n], 400/n+1))
	}
	for words.Len() < 300_000 {
		fmt.Fprintf(&words, `{"eventName":"%s","eventID":"%x"},`, strings.Repeat("x", r.IntN(300)), random[r.IntN(1000):][:r.IntN(40)])
	}
	// Codes of up to 15 bits: each byte about 1.6 times as often as the one before.
	var skewed []byte
	for c, n, before := 0, 1, 1; len(skewed) < 300_000; c, n, before = c+1, n+before, n {
		skewed = append(skewed, bytes.Repeat([]byte{byte(c * 7)}, n)...)
	}
	r.Shuffle(len(skewed), func(i, j int) { skewed[i], skewed[j] = skewed[j], skewed[i] })
	far := append(bytes.Clone(random[:40_000]), random[7_233:32_000]...) // matches up to 32 KiB back
	return map[string][]byte{
		"nothing": {}, "a byte": {'x'}, "zeros": make([]byte, 500_000), "random": random, "periods": periods.Bytes(), "words": words.Bytes(), "skewed": skewed, "far": far,
	}
}

func TestInflatesWhatWasDeflated(t *testing.T) {
	var reused gunzip.Reader
	for name, text := range texts() {
		for _, level := range []int{gzip.HuffmanOnly, gzip.NoCompression, gzip.BestSpeed, gzip.DefaultCompression, gzip.BestCompression} {
			z := deflated(t, level, text)
			for how, in := range map[string]io.Reader{"whole": bytes.NewReader(z), "halves": iotest.HalfReader(bytes.NewReader(z)), "with EOF": iotest.DataErrReader(bytes.NewReader(z))} {
				got, err := again(&reused, in)
				require.NoError(t, err, "%s, level %d, %s", name, level, how)
				require.True(t, bytes.Equal(text, got), "%s, level %d, %s", name, level, how)
			}
		}
	}
}

func TestInputAndOutputMayComeInSingleBytes(t *testing.T) {
	text := texts()["words"]
	got, err := inflated(iotest.OneByteReader(bytes.NewReader(deflated(t, 6, text))))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(text, got))
	var r gunzip.Reader
	r.Reset(bytes.NewReader(deflated(t, 6, text)))
	got, err = io.ReadAll(iotest.OneByteReader(&r))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(text, got))
}

func TestZeroReaderIsAtTheEnd(t *testing.T) {
	n, err := new(gunzip.Reader).Read(make([]byte, 1))
	assert.Zero(t, n)
	assert.ErrorIs(t, err, io.EOF)
}

func TestMembersFollowEachOther(t *testing.T) {
	words := texts()["words"]
	a, b := deflated(t, 6, words[:70_000]), deflated(t, 9, words[70_000:])
	for name, in := range map[string][]byte{
		"directly":          bytes.Join([][]byte{a, b}, nil),
		"an empty one":      bytes.Join([][]byte{a, deflated(t, 6, nil), b}, nil),
		"padded with zeros": bytes.Join([][]byte{a, make([]byte, 100_000), b, make([]byte, 512)}, nil),
	} {
		got, err := inflated(bytes.NewReader(in))
		require.NoError(t, err, name)
		assert.True(t, bytes.Equal(words, got), name)
	}
}

// bitText packs bits that are written as the RFC shows them: groups from the first to
// the last, each with its first bit in front.
func bitText(groups string) []byte {
	var packed []byte
	n := 0
	for _, bit := range groups {
		if bit == ' ' {
			continue
		}
		if n%8 == 0 {
			packed = append(packed, 0)
		}
		packed[n/8] |= byte(bit-'0') << (n % 8)
		n++
	}
	return packed
}

func header() []byte { return []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0} }

func TestMatchesDoNotReachIntoTheMemberBefore(t *testing.T) {
	const final, fixed, length3, distance1025, end = "1", "10", "0000001", "10100 000000000", "0000000"
	match := bitText(final + fixed + length3 + distance1025 + end)
	stored := append([]byte{0, 10, 0, 0xf5, 0xff}, "0123456789"...)
	for _, size := range []int{200, 5000, 50_000, 200_000} {
		text := texts()["words"][:size]
		for name, member := range map[string][]byte{
			"at once":            append(header(), match...),
			"behind other bytes": bytes.Join([][]byte{header(), stored, match}, nil),
		} {
			for _, trailing := range []int{0, 30} {
				in := bytes.Join([][]byte{deflated(t, 6, text), member, make([]byte, trailing)}, nil)
				got, err := inflated(bytes.NewReader(in))
				assert.ErrorIs(t, err, gunzip.ErrCorrupt, "%s, behind %d bytes, %d follow", name, size, trailing)
				assert.True(t, bytes.HasPrefix(got, text))
			}
		}
	}
}

func TestWhatNoDeflaterWritesIsCorrupt(t *testing.T) {
	const (
		final, stored, fixed, dynamic = "1", "00", "10", "01"
		// Lengths of the code lengths' codes: of 0 and 1 one bit each.
		noMatter = "000 "
		one      = "100 "
	)
	for name, in := range map[string][]byte{
		"kind of block":        bitText(final + "11"),
		"stored length":        append(bitText(final+stored), 5, 0, 5, 0),
		"length code 286":      bitText(final + fixed + "11000110 00000"),
		"distance code 30":     bitText(final + fixed + "0000001 11110"),
		"distance too far":     bitText(final + fixed + "0000001 00000"),
		"codes of the codes":   bitText(final + dynamic + "00000 00000 0000" + one + one + one + noMatter),
		"repeats from nothing": bitText(final + dynamic + "00000 00000 0000" + one + one + noMatter + noMatter + "0 00"),
		"repeats too often":    bitText(final + dynamic + "00000 00000 0000" + noMatter + noMatter + one + one + strings.Repeat("1 1111111", 3)),
	} {
		for _, trailing := range []int{0, 40} {
			data := bytes.Join([][]byte{header(), in, make([]byte, trailing)}, nil)
			_, err := inflated(bytes.NewReader(data))
			if trailing > 0 {
				assert.ErrorIs(t, err, gunzip.ErrCorrupt, name)
				continue
			}
			assert.Error(t, err, name)
		}
	}
}

// There may be 286 codes of lengths and 30 of distances; the tables would hold more.
func TestNumberOfCodesIsBounded(t *testing.T) {
	const (
		block   = "1 01" // the last one, with codes of its own
		codes   = "0111 000 000 100 000 000 000 000 000 000 000 000 000 000 000 000 000 000 100"
		used    = "0" // code of a length of 1, and of the end of the block
		unused  = "1" // code of 11 unused codes and more
		first   = unused + "1111111" + unused + "1101011" + used
		sumZero = "\x00\x00\x00\x00\x00\x00\x00\x00"
	)
	for name, c := range map[string]struct {
		bits  string
		sound bool
	}{
		"286 length codes":  {block + "10111 00000" + codes + first + unused + "1000100" + used + used + used, true},
		"287 length codes":  {block + "01111 00000" + codes + first + unused + "0100100" + used + used + used, false},
		"30 distance codes": {block + "00000 10111" + codes + first + unused + "0100100" + used + used, true},
		"31 distance codes": {block + "00000 01111" + codes + first + unused + "1100100" + used + used, false},
	} {
		_, err := inflated(bytes.NewReader(bytes.Join([][]byte{header(), bitText(c.bits), []byte(sumZero)}, nil)))
		if c.sound {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorIs(t, err, gunzip.ErrCorrupt, name)
		}
	}
}

func TestHeadersOfEveryKindAreRead(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Header = gzip.Header{Comment: "a comment", Extra: bytes.Repeat([]byte("x"), 700), ModTime: time.Unix(1, 0), Name: "a name", OS: 3}
	_, err := w.Write([]byte("text"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	whole := z.Bytes()
	got, err := inflated(bytes.NewReader(whole))
	require.NoError(t, err)
	assert.Equal(t, "text", string(got))

	withSum := append([]byte{0x1f, 0x8b, 8, 2, 0, 0, 0, 0, 0, 0, 1, 2}, deflated(t, 6, []byte("text"))[10:]...)
	got, err = inflated(bytes.NewReader(withSum))
	require.NoError(t, err)
	assert.Equal(t, "text", string(got))

	for n := 1; n < len(whole); n++ {
		_, err = inflated(bytes.NewReader(whole[:n]))
		assert.ErrorIs(t, err, gunzip.ErrTruncated, "of %d bytes", n)
	}
	for name, in := range map[string]string{"text": "plain text of some length", "reserved flag": "\x1f\x8b\x08\x20" + string(whole[4:]), "unknown method": "\x1f\x8b\x09\x00" + string(whole[4:]),
		"zeros first": strings.Repeat("\x00", 20)} {
		_, err = inflated(strings.NewReader(in))
		assert.ErrorIs(t, err, gunzip.ErrHeader, name)
	}
	got, err = inflated(strings.NewReader(string(deflated(t, 6, []byte("text"))) + "something else"))
	assert.ErrorIs(t, err, gunzip.ErrHeader)
	assert.Equal(t, "text", string(got))
}

func TestCutOffInputIsReadUpToThere(t *testing.T) {
	var r gunzip.Reader
	for name, text := range texts() {
		text = text[:min(len(text), 2000)]
		for _, level := range []int{gzip.HuffmanOnly, 0, 1, 6} {
			z := deflated(t, level, text)
			before := 0
			for n := 1; n < len(z); n++ {
				got, err := again(&r, bytes.NewReader(z[:n]))
				require.ErrorIs(t, err, gunzip.ErrTruncated, "%s, level %d: %d of %d bytes", name, level, n, len(z))
				require.True(t, bytes.HasPrefix(text, got), "%s, level %d: %d of %d bytes", name, level, n, len(z))
				require.GreaterOrEqual(t, len(got), before, "%s, level %d: %d of %d bytes", name, level, n, len(z))
				before = len(got)
			}
			require.Equal(t, len(text), before, "%s, level %d", name, level)
		}
	}
}

func TestWrongSumsAreTold(t *testing.T) {
	for i := 1; i <= 8; i++ {
		z := deflated(t, 6, []byte("some text"))
		z[len(z)-i] ^= 0x10
		got, err := inflated(bytes.NewReader(z))
		assert.ErrorIs(t, err, gunzip.ErrChecksum)
		assert.Equal(t, "some text", string(got))
	}
}

func TestErrorOfTheInputIsReturnedAfterWhatItGave(t *testing.T) {
	broken := errors.New("the disk is gone")
	text := texts()["words"]
	z := deflated(t, 6, text)
	got, err := inflated(io.MultiReader(bytes.NewReader(z[:len(z)/2]), iotest.ErrReader(broken)))
	assert.ErrorIs(t, err, broken)
	assert.True(t, bytes.HasPrefix(text, got))
	assert.Greater(t, len(got), len(text)/3)
	_, err = inflated(idle{})
	assert.ErrorIs(t, err, io.ErrNoProgress)
}

// idle reads nothing, for ever.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// compare holds what compress/gzip says of the same input against ours.
func compare(t *testing.T, r *gunzip.Reader, in []byte) {
	t.Helper()
	got, err := again(r, bytes.NewReader(in))
	slow, errSlow := again(r, iotest.OneByteReader(bytes.NewReader(in)))
	require.True(t, bytes.Equal(got, slow), "the pieces of the input make a difference")
	require.Equal(t, err, errSlow, "the pieces of the input make a difference")

	var want []byte
	std, errStd := gzip.NewReader(bytes.NewReader(in))
	if errStd == nil {
		want, errStd = io.ReadAll(std)
	}
	padded := err == nil && bytes.HasSuffix(in, []byte{0})
	switch {
	case errors.Is(err, gunzip.ErrHeader), errors.Is(errStd, gzip.ErrHeader), errors.Is(errStd, io.ErrUnexpectedEOF) && padded:
		// We refuse flags that do not exist; they refuse padding, and check the sum of the
		// header.
	case errStd == nil:
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
	default:
		require.Error(t, err, "compress/gzip says %v", errStd)
		n := min(len(want), len(got))
		require.True(t, bytes.Equal(want[:n], got[:n]))
	}
}

// Damage at any place is seen by both, and neither makes up what was not there.
func TestDamageIsJudgedAsByCompressGzip(t *testing.T) {
	rounds := 1500
	if testing.Short() {
		rounds = 200
	}
	var reused gunzip.Reader
	r := rand.New(rand.NewPCG(2, 2))
	var packed [][]byte
	for _, name := range []string{"periods", "words", "skewed", "far", "random"} {
		text := texts()[name]
		for _, level := range []int{gzip.HuffmanOnly, 0, 1, 9} {
			packed = append(packed, deflated(t, level, text[:2000+r.IntN(4000)]))
		}
	}
	for range rounds {
		z := bytes.Clone(packed[r.IntN(len(packed))])
		for range 1 + r.IntN(3) {
			// Mostly where the codes are.
			at := 10 + r.IntN(min(len(z)-10, []int{3, 90, len(z)}[r.IntN(3)]))
			z[at] = byte(r.Uint32())
		}
		compare(t, &reused, z[:len(z)-r.IntN(2)*r.IntN(20)])
	}
}

// Bits that nobody deflated reach what deflaters never write.
func TestRandomBitsAreJudgedAsByCompressGzip(t *testing.T) {
	rounds := 8000
	if testing.Short() {
		rounds = 2000
	}
	var reused gunzip.Reader
	r := rand.New(rand.NewPCG(3, 3))
	for range rounds {
		z := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0}
		for range r.IntN(120) {
			z = append(z, byte(r.Uint32()))
		}
		if len(z) > 10 {
			z[10] = z[10]&^7 | []byte{2, 3, 4, 5, 4, 5, 0, 6}[r.IntN(8)] // all kinds of blocks
		}
		compare(t, &reused, z)
	}
}

func FuzzReader(f *testing.F) {
	for _, text := range texts() {
		for _, level := range []int{gzip.HuffmanOnly, 0, 1, 9} {
			f.Add(deflated(f, level, text[:min(len(text), 400)]))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) { compare(t, new(gunzip.Reader), in) })
}
