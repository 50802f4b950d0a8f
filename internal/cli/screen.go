package cli

import (
	"io"
	"sync"
	"time"

	"sgward/internal/crash"
)

// screen writes lines to standard error and, on a terminal, a line below them with the
// progress of long work. Its methods may be called from any goroutine.
type screen struct {
	out     io.Writer
	mu      sync.Mutex
	state   func() string // nil without a terminal, or once the work is done
	ticker  *time.Ticker
	stopped chan struct{}
}

// screenPause is the time between updates of the progress.
const screenPause = 200 * time.Millisecond

// startScreen shows the text of state regularly, if standard error is a terminal and quiet
// is not set. end must follow.
func startScreen(in Invocation, quiet bool, state func() string) *screen {
	s := &screen{out: bare(in.Stderr)}
	if quiet || !isTerminal(in.Stderr) {
		return s
	}
	s.state, s.ticker, s.stopped = state, time.NewTicker(screenPause), make(chan struct{})
	go func() {
		defer crash.Exit()
		for {
			select {
			case <-s.ticker.C:
				s.mu.Lock()
				s.show()
				s.mu.Unlock()
			case <-s.stopped:
				return
			}
		}
	}()
	return s
}

// erase clears the line of the progress.
const erase = "\r\x1b[K"

func (s *screen) show() {
	if s.state != nil {
		_, _ = io.WriteString(s.out, erase+s.state()) // an error here does not matter
	}
}

// end removes the progress. It may be called again.
func (s *screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil {
		return
	}
	s.state = nil
	s.ticker.Stop()
	close(s.stopped)
	_, _ = io.WriteString(s.out, erase)
}
