package pause_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"sgward/internal/pause"
)

func TestAPauseTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		assert.NoError(t, pause.For(t.Context(), time.Hour))
		assert.Equal(t, time.Hour, time.Since(began))
	})
}

func TestTheEndOfAContextCutsAPauseShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		assert.ErrorIs(t, pause.For(ctx, time.Hour), context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(began))
	})
}

func TestNoPauseAsksTheContextAlone(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, d := range []time.Duration{0, -time.Second} {
		assert.NoError(t, pause.For(t.Context(), d))
		assert.ErrorIs(t, pause.For(ended, d), context.Canceled)
	}
}
