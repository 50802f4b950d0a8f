package alert

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhatToReadComesInItsOrder(t *testing.T) {
	for _, s := range scenarios() {
		if isExpiryNotice(&s.alert) { // which tells of no opening
			continue
		}
		last := -1
		text := messageOf(t, s.alert).Email
		for _, title := range []string{"\nWHAT WAS DONE\n", "\nWHO DID IT\n", "\nWHAT WAS EXPOSED\n", "\nUNDO\n", "\nIF THIS IS MEANT TO BE OPEN\n", "\nLINKS\n"} {
			if i := strings.Index(text, title); i >= 0 {
				assert.Greater(t, i, last, "%s in %s", title, s.name)
				last = i
			}
		}
		assert.Positive(t, last, s.name)
	}
}
