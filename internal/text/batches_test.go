package text

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBatchesKeepToBothLimits(t *testing.T) {
	self := func(n int) int { return n }
	assert.Empty(t, Batches(nil, 3, 10, self))
	assert.Equal(t, [][]int{{1, 2, 3}, {1}}, Batches([]int{1, 2, 3, 1}, 3, 10, self), "three items at most")
	assert.Equal(t, [][]int{{4, 6}, {1}}, Batches([]int{4, 6, 1}, 3, 10, self), "ten bytes at most")
	assert.Equal(t, [][]int{{1}, {11}, {1, 2}}, Batches([]int{1, 11, 1, 2}, 3, 10, self), "one that is too large is alone")
}
