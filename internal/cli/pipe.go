package cli

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"syscall"
)

// pipe is the standard output of a command. If its reader goes away, as head does, the
// command is cancelled, so no work continues after the reader left.
type pipe struct {
	io.Writer

	cancel context.CancelFunc
	broken atomic.Bool
}

// Write implements io.Writer.
func (p *pipe) Write(data []byte) (int, error) {
	n, err := p.Writer.Write(data)
	if errors.Is(err, syscall.EPIPE) {
		p.broken.Store(true)
		p.cancel()
	}
	return n, err //nolint:wrapcheck // it is the writer's
}

// ended reports whether a command ended because the reader of its output went away.
func (p *pipe) ended(err error) bool {
	return p.broken.Load() && (err == nil || errors.Is(err, syscall.EPIPE) || errors.Is(err, context.Canceled))
}
