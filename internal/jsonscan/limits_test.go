package jsonscan_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/jsonscan"
)

func TestWhatIsTooLongIsSkippedExactly(t *testing.T) {
	const most = 1000
	for name, long := range map[string]string{
		"a string in it":    `{"a":"` + strings.Repeat("x", 5000) + `"}`,
		"escapes":           `{"a":"` + strings.Repeat(`\\\"}`, 1000) + `"}`,
		"depth":             `{"a":` + strings.Repeat(`[{"a":[`, 300) + strings.Repeat(`]}]`, 300) + `}`,
		"objects like ours": `{"b":[` + strings.Repeat(`{"a":1},`, 900) + `{"a":1}]}`,
		"a string":          `"` + strings.Repeat(`\"`, 3000) + `"`,
		"a number":          strings.Repeat(`7`, 3000),
		"one byte":          `{"a":"` + strings.Repeat("x", most-7) + `"}`,
	} {
		for form, in := range map[string]string{
			"in a list": `{"Records":[{"a":1},` + long + `,{"a":3}]}` + "\n" + `{"a":4}`,
			"alone":     `{"a":1}` + "\n" + long + "\n" + `{"a":3}{"a":4}`,
		} {
			for _, buffer := range []int{1, 300, 0} {
				t.Run(fmt.Sprint(name, " ", form, " ", buffer), func(t *testing.T) {
					s := jsonscan.New(jsonscan.Config{Lists: []string{"Records"}, Resume: hasA, MaxElement: most, Buffer: buffer})
					elements, faults := read(t, s, strings.NewReader(in))
					assert.Equal(t, []string{`{"a":1}`, `{"a":3}`, `{"a":4}`}, texts(elements))
					require.Len(t, faults, 1)
					assert.Equal(t, "is longer than 1000 bytes", faults[0].Problem)
					assert.Equal(t, int64(2), faults[0].Index)
					assert.Equal(t, int64(strings.Index(in, long)), faults[0].Offset)
				})
			}
		}
	}
}

func TestLongestElementIsRead(t *testing.T) {
	const most = 1000
	long := `{"a":"` + strings.Repeat("x", most-8) + `"}`
	require.Len(t, long, most)
	for _, buffer := range []int{1, 300, 999, 1000, 1001, 0} {
		s := jsonscan.New(jsonscan.Config{Lists: []string{"Records"}, Resume: hasA, MaxElement: most, Buffer: buffer})
		elements, faults := read(t, s, strings.NewReader(`{"Records":[1,`+long+`]}`+long))
		assert.Empty(t, faults)
		assert.Equal(t, []string{"1", long, long}, texts(elements))
	}
}

func TestLongMemberBesideAListEndsNothing(t *testing.T) {
	s := jsonscan.New(jsonscan.Config{Lists: []string{"Records"}, Resume: hasA, MaxElement: 1000, Buffer: 100})
	elements, faults := read(t, s, strings.NewReader(`{"Records":[{"a":1}],"x":"`+strings.Repeat("x", 3000)+`"}`+"\n"+`{"a":2}`))
	require.Len(t, faults, 1)
	assert.True(t, faults[0].Between)
	assert.Equal(t, []string{`{"a":1}`, `{"a":2}`}, texts(elements))
}

func TestDepthIsBounded(t *testing.T) {
	nested := func(depth int) string {
		return strings.Repeat(`{"b":[`, depth/2) + strings.Repeat("]}", depth/2)
	}
	bothSizes(t, func(t *testing.T, s *jsonscan.Splitter) {
		elements, faults := read(t, s, strings.NewReader("["+nested(jsonscan.MostDepth)+"]"))
		assert.Empty(t, faults)
		assert.Len(t, elements, 1)
		elements, faults = read(t, s, strings.NewReader("["+nested(jsonscan.MostDepth+2)+`,{"a":2}]`))
		require.Len(t, faults, 1)
		assert.Equal(t, "is nested more than 1000 deep", faults[0].Problem)
		assert.Equal(t, []string{`{"a":2}`}, texts(elements))
	})
}

func TestCutOffInputIsReportedAtEveryByte(t *testing.T) {
	const whole = `{"x":"y","Records":[{"a":[1,true]},{"a":"\"}"}],"NextToken":"n"}`
	bothSizes(t, func(t *testing.T, s *jsonscan.Splitter) {
		for n := range len(whole) {
			elements, faults := read(t, s, strings.NewReader(whole[:n]))
			if n == 0 {
				assert.Empty(t, faults)
				continue
			}
			require.Len(t, faults, 1, whole[:n])
			assert.Contains(t, faults[0].Problem, "ends too early", whole[:n])
			assert.Equal(t, int64(n), faults[0].Offset)
			ended := 0
			for _, element := range []string{`{"a":[1,true]}`, `{"a":"\"}"}`} {
				if strings.Contains(whole[:n], element) {
					ended++
				}
			}
			assert.Len(t, elements, ended, whole[:n])
		}
	})
}

func TestErrorOfTheReaderIsReportedOnceAfterWhatWasRead(t *testing.T) {
	broken := errors.New("the disk is gone")
	bothSizes(t, func(t *testing.T, s *jsonscan.Splitter) {
		for _, in := range []string{`{"Records":[{"a":1},{"a":2},{"a"`, `{"a":1}{"a":2}`, `{"Records":[{"a":1},{"a":2}]`} {
			elements, faults := read(t, s, io.MultiReader(strings.NewReader(in), iotest.ErrReader(broken)))
			assert.Equal(t, []string{`{"a":1}`, `{"a":2}`}, texts(elements))
			require.Len(t, faults, 1)
			assert.Equal(t, broken.Error(), faults[0].Problem)
			assert.Equal(t, int64(len(in)), faults[0].Offset)
		}
		_, faults := read(t, s, idle{})
		require.Len(t, faults, 1)
		assert.Equal(t, io.ErrNoProgress.Error(), faults[0].Problem)
	})
}

// idle reads nothing, for ever.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestReadersMayReadInAnyPieces(t *testing.T) {
	const in = `{"Records":[{"a":1},{"a":"x"}]}`
	bothSizes(t, func(t *testing.T, s *jsonscan.Splitter) {
		for _, r := range []io.Reader{iotest.OneByteReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in)), iotest.HalfReader(strings.NewReader(in))} {
			elements, faults := read(t, s, r)
			assert.Empty(t, faults)
			assert.Len(t, elements, 2)
		}
	})
}

// What makes each try to resume as long as possible must not make the whole take the
// square of that.
func TestHostileInputTakesLinearEffort(t *testing.T) {
	for name, in := range map[string]string{
		"open objects":       strings.Repeat(`{"a":`, 1<<18),
		"open strings":       strings.Repeat(`{"a":"`, 1<<18) + `"`,
		"open lists":         `x` + strings.Repeat(`{"a":[`, 1<<18),
		"sound ones between": strings.Repeat(strings.Repeat(`{"a":"\"`, 50)+`{"a":1}{"b":x}`, 1<<13),
	} {
		t.Run(name, func(t *testing.T) {
			s := jsonscan.New(jsonscan.Config{Resume: hasA, MaxElement: 1 << 16, Buffer: 1 << 12})
			_, faults := read(t, s, strings.NewReader(in))
			require.NotEmpty(t, faults)
			assert.LessOrEqual(t, s.Effort(), int64(9*len(in)+5<<16))
		})
	}
}

func TestMemoryDoesNotGrowWithTheInput(t *testing.T) {
	record := `{"a":"` + strings.Repeat("x", 2000) + `"},`
	s := newSplitter(0)
	s.Reset(io.MultiReader(strings.NewReader(`{"Records":[`), &repeated{text: record, left: 100 << 20}, strings.NewReader(`1]}`)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n := 0
	for {
		if _, err := s.Next(); err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		n++
	}
	runtime.ReadMemStats(&after)
	assert.Greater(t, n, 50_000)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(100<<10))
}

// repeated reads a text again and again.
type repeated struct {
	text     string
	at, left int
}

func (r *repeated) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && (r.left > 0 || r.at > 0) {
		m := copy(p[n:], r.text[r.at:])
		n, r.at, r.left = n+m, (r.at+m)%len(r.text), r.left-m
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}
