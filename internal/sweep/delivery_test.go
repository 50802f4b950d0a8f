package sweep

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOnlyTheTriesBetweenFirstAndLastRepeat(t *testing.T) {
	for try, want := range []bool{false, false, true, true, true, false} {
		assert.Equal(t, want, Delivery{Try: try, Tries: 5}.repeats(), "try %d", try)
	}
	assert.False(t, Delivery{Try: 3}.repeats(), "of a number of tries that is not known each may be the last")
}
