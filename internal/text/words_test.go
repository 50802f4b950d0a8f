package text

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestNumbersReadAsPeopleSayThem(t *testing.T) {
	assert.Equal(t, []string{"0", "999", "1,000", "-1,234,567"}, []string{Thousands(0), Thousands(999), Thousands(1000), Thousands(-1234567)})
	assert.Equal(t, "18,446,744,073,709,551,615", Thousands(uint64(math.MaxUint64)))
	assert.Equal(t, []string{"1 rule", "0 rules", "2,000 rules"}, []string{Plural(1, "rule"), Plural(0, "rule"), Plural(int64(2000), "rule")})
	assert.Equal(t, []string{"is", "are"}, []string{Agree(1, "is", "are"), Agree(0, "is", "are")})
}

func TestSizesReadAsPeopleSayThem(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1: "1 byte", 999: "999 bytes", 1000: "1.0 kB", 999_999: "1.0 MB", 12_345_678: "12 MB", math.MaxInt64: "9.2 EB"} {
		assert.Equal(t, want, Bytes(n))
	}
}

func TestDurationsAreSaidAsPeopleDo(t *testing.T) {
	for seconds, want := range map[float64]string{
		-1: "less than 0.1 s", 0.04: "less than 0.1 s", 0.1: "0.1 s", 2.4: "2.4 s", 9.94: "9.9 s", 9.96: "10 s", 59.4: "59 s", 59.6: "1 min",
		250: "4 min 10 s", 3600: "1 h", 3*3600 + 5*60 + 29: "3 h 5 min", 52*3600 + 1: "2 d 4 h", math.Inf(1): "11,574,074 d 1 h",
	} {
		assert.Equal(t, want, Duration(seconds))
	}
	for seconds, want := range map[float64]string{
		0: "under 1 s", -5: "under 1 s", 0.4: "under 1 s", 0.6: "1 s", 59: "59 s", 60: "1 min", 3661: "1 h 1 min", 86400: "1 d", 90000: "1 d 1 h", 1e9: "11,574 d 1 h", math.Inf(1): "11,574,074 d 1 h",
	} {
		assert.Equal(t, want, Span(seconds))
	}
}

func TestTimesAreInUTC(t *testing.T) {
	at := time.Date(2026, 11, 3, 14, 0, 5, 999, time.FixedZone("", 2*3600))
	assert.Equal(t, "2026-11-03 12:00:05 UTC", Time(at))
}

func TestListsAreSentences(t *testing.T) {
	for want, names := range map[string][]string{"": nil, "a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		assert.Equal(t, want, Or(names))
	}
	assert.Empty(t, First(nil, 3, "; "))
	assert.Equal(t, "a; b", First([]string{"a", "b"}, 2, "; "))
	assert.Equal(t, "a; and 1 more", First([]string{"a", "b"}, 1, "; "))
	assert.Equal(t, "a and 1,999 more", First(append([]string{"a"}, make([]string, 1999)...), 1, " "))
}

func TestNearestWord(t *testing.T) {
	known := []string{"format", "from-file", "region", "regions", "policy", "quiet"}
	for typed, want := range map[string]string{
		"fromat": "format", "formt": "format", "form": "format", "regoin": "region", "polcy": "policy", "xyz": "", "": "", "q": "",
	} {
		assert.Equal(t, want, Nearest(typed, known), typed)
	}
	assert.Empty(t, Nearest("a", []string{"b"}), "one letter is not like another")
}
