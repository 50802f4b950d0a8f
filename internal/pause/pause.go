// Package pause waits for a time that the end of a context cuts short.
package pause

import (
	"context"
	"time"
)

// For returns after d, or with ctx's error as soon as ctx ends. No pause, a d of zero or
// less, succeeds only while ctx lives.
func For(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
