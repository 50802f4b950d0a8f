package ec2rules

import (
	"context"
	"sync"
	"time"

	"sgward/internal/pause"
)

// The pauses between two attempts to revoke once EC2 has throttled one. It grants about
// five a second.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = time.Second
	noPause    = 50 * time.Millisecond // shorter ones are none
)

// Pace spaces out the attempts of revoke calls while EC2 throttles them: attempts that are
// refused delay the others. The zero value makes no pause. It is safe for concurrent use.
type Pace struct {
	mu    sync.Mutex
	pause time.Duration
	next  time.Time
}

// wait waits for the turn of an attempt.
func (p *Pace) wait(ctx context.Context) {
	p.mu.Lock()
	now := time.Now()
	turn := now
	if p.pause > 0 && p.next.After(now) {
		turn = p.next
	}
	p.next = turn.Add(p.pause)
	p.mu.Unlock()
	_ = pause.For(ctx, turn.Sub(now)) // the attempt itself tells that ctx has ended
}

// note adapts the pause to how an attempt ended.
func (p *Pace) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isThrottled(err) {
		p.pause = min(max(2*p.pause, firstPause), lastPause)
		p.next = time.Now().Add(p.pause)
		return
	}
	if p.pause = p.pause * 9 / 10; p.pause < noPause {
		p.pause = 0
	}
}
