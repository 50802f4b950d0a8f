package alert

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// tried returns the limits that fitting tries for texts of which none fits.
func tried(lim limits) (out []limits, text string) {
	text = fitting(lim, func(l limits) string {
		out = append(out, l)
		return strings.Repeat("x", 5000)
	}, func(s string) int { return len(s) }, 800)
	return out, text
}

func TestATextThatFitsIsPrintedOnce(t *testing.T) {
	n := 0
	out := fitting(chat().limits, func(limits) string { n++; return "short" }, func(s string) int { return len(s) }, 5)
	assert.Equal(t, "short", out)
	assert.Equal(t, 1, n)
}

func TestExceptionsGoBeforeCommandsAndOneOfEachListStays(t *testing.T) {
	for name, m := range map[string]medium{"mail": mail(), "chat": chat()} {
		all, text := tried(m.limits)
		assert.Equal(t, m.limits, all[0], name)
		for i := 1; i < len(all); i++ {
			before, l := all[i-1], all[i]
			assert.NotEqual(t, before, l, "every step leaves something out")
			for _, pair := range [][2]int{
				{before.listed, l.listed}, {before.commands, l.commands}, {before.excepted, l.excepted}, {before.exposed, l.exposed},
				{before.reasons, l.reasons}, {before.untrusted, l.untrusted},
			} {
				assert.LessOrEqual(t, pair[1], pair[0])
			}
			assert.False(t, l.commands == 0 && l.excepted > 0, "a person needs a command sooner than an exception")
			assert.Equal(t, before.line, l.line)
		}
		assert.Equal(t, limits{listed: 1, exposed: 1, reasons: 1, untrusted: minQuoted, line: m.limits.line, isLong: m.limits.isLong}, all[len(all)-1], name)
		assert.LessOrEqual(t, len(text), 800, "no text is too long")
	}
}
