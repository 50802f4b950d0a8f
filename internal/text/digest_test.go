package text

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestADigestIsEqualForEqualListsOnly(t *testing.T) {
	seen := map[string][]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"b", "a"}, {"a", "", "b"}, {"1:a"}} {
		d := Digest(8, parts...)
		assert.Nil(t, seen[d], "%q", parts)
		seen[d] = parts
	}
	sum := Sum("a", "b")
	assert.Equal(t, hex.EncodeToString(sum[:]), Digest(32, "a", "b"))
	assert.Equal(t, hex.EncodeToString(sum[:8]), Digest(8, "a", "b"))
}
