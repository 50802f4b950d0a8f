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

func TestEveryStepLeavesSomethingOutAndOneOfEachListStays(t *testing.T) {
	for name, m := range map[string]medium{"mail": mail(), "chat": chat()} {
		all, text := tried(m.limits)
		assert.Equal(t, m.limits, all[0], name)
		for i := 1; i < len(all); i++ {
			assert.NotEqual(t, all[i-1], all[i])
			for _, pair := range [][2]int{{all[i-1].listed, all[i].listed}, {all[i-1].commands, all[i].commands}, {all[i-1].untrusted, all[i].untrusted}} {
				assert.LessOrEqual(t, pair[1], pair[0])
			}
		}
		assert.Equal(t, limits{listed: 1, untrusted: minQuoted, line: m.limits.line, isLong: m.limits.isLong}, all[len(all)-1], name)
		assert.LessOrEqual(t, len(text), 800, "no text is too long")
	}
}
