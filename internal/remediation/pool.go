package remediation

import (
	"sync"
	"sync/atomic"
)

// forEach calls do for 0 to n-1, at most limit at a time, and returns when all are
// done.
func forEach(n, limit int, do func(i int)) {
	if n == 1 { // most batches
		do(0)
		return
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, limit) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
}
