package text

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhatCannotBeSeenIsWrittenOut(t *testing.T) {
	assert.Equal(t, "a[U+000A]b[U+202E]c[U+200B][U+00A0][U+0000][U+007F]é末", Visible("a\nb\u202Ec\u200B\u00A0\x00\x7Fé末"))
	assert.Equal(t, "[U+001B]]0;title[U+0007]", Visible("\x1b]0;title\a"))
	assert.Equal(t, "plain text", Visible("plain text"))
	assert.Equal(t, "a\uFFFDb", Visible("a\xFFb"))
}

func TestLinesStay(t *testing.T) {
	assert.Equal(t, "a\n[U+001B]b\n", VisibleLines("a\n\x1bb\n"))
}

func TestUnprintableCharactersAreEscapedInJSON(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "é ü 日本": "é ü 日本", "\u009b": `\u009b`, "\u202e": `\u202e`, "\x7f": `\u007f`, "\U000e0041": `\udb40\udc41`,
	} {
		assert.Equal(t, want, string(EscapeJSON([]byte(in))))
	}
}
