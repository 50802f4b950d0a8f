package alert

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhatToReadComesInItsOrder(t *testing.T) {
	for _, s := range scenarios() {
		if s.alert.IsExpiryNotice() { // which tells of no opening
			continue
		}
		last := -1
		text := messageOf(t, s.alert).Email
		for _, title := range []string{"\nWho ", "\nWhere ", "\nDone ", "\nLINKS\n", "\n-- Details ", "\nWHY\n", "\nTHE CALL\n", " EXPOSED\n", "\nUNDO\n", "\nIF IT MUST STAY OPEN\n"} {
			if i := strings.Index(text, title); i >= 0 {
				assert.Greater(t, i, last, "%s in %s", title, s.name)
				last = i
			}
		}
		assert.Positive(t, last, s.name)
	}
}
