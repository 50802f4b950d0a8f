package text

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPaintTakesNoRoom(t *testing.T) {
	red := Color(true).Apply(Red, "é末")
	assert.Equal(t, "\x1b[31mé末\x1b[0m", red)
	assert.Equal(t, 2, Columns(red))
	assert.Equal(t, red+"  ", PadRight(red, 4))
	assert.Equal(t, "  "+red, PadLeft(red, 4))
	for _, s := range []string{Color(false).Apply(Red, "x"), Color(true).Apply("", "x")} {
		assert.Equal(t, "x", s)
	}
}

func TestWrapBreaksAtBlanksAndCountsNoStyle(t *testing.T) {
	assert.Equal(t, "one two\n  three", Wrap("one two three", "  ", 8, 0))
	assert.Equal(t, "a  b\n-c", Wrap("a  b c", "-", 4, 0), "blanks within a line stay")
	bold := Color(true).Apply(Bold, "two")
	assert.Equal(t, "one "+bold+"\nthree", Wrap("one "+bold+" three", "", 7, 0))
	assert.Equal(t, "abcdefghij\nklm no", Wrap("abcdefghijklm no", "", 10, 10))
	assert.Equal(t, "abcdefghijklm\nno", Wrap("abcdefghijklm no", "", 10, 0), "a word stays whole")
	assert.Empty(t, Wrap("", "", 10, 0))
}
