package text

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestCutKeepsWholeCharactersAndSaysSo(t *testing.T) {
	assert.Equal(t, "short", Cut("short", 5))
	assert.Equal(t, "語語語語語語語語語語語語語語語"[:3*13]+CutMark, Cut(strings.Repeat("語", 100), 20))
	assert.Equal(t, "😀", Cut("😀😀", 3), "too short for the mark")
	assert.Empty(t, Cut("abc", 0))
}

func TestShownTextIsVisibleAndShort(t *testing.T) {
	assert.Equal(t, "a[U+000A]b", Shown("a\nb", 20))
	for _, s := range []string{strings.Repeat("x", 1000), strings.Repeat("語", 1000), strings.Repeat("😀", 1000), strings.Repeat("\x00", 1000), strings.Repeat("\xff", 1000)} {
		for _, limit := range []int{20, 21, 22, 23} {
			got := Shown(s, limit)
			assert.LessOrEqual(t, Units(got), limit)
			assert.True(t, utf8.ValidString(got) && strings.HasSuffix(got, CutMark), "%q", got)
		}
	}
}

func TestCutBytesSplitsNoCharacter(t *testing.T) {
	for n, want := range map[int]string{-1: "", 0: "", 1: "a", 2: "a", 3: "a", 4: "a語", 5: "a語b", 9: "a語b"} {
		assert.Equal(t, want, CutBytes("a語b", n), n)
	}
}
