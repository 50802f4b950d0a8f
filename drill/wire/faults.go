// Package wire is the network between the functions and AWS as a bad day makes it: a proxy that throttles, fails, loses and
// cuts, and the decision which call suffers what.
package wire

import (
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
)

// Kind is a kind of fault.
type Kind string

// The kinds. Those of the plan (late, repeated and undeliverable events) are not among them.
const (
	Throttled      Kind = "throttled"       // RequestLimitExceeded, Throttling
	Failed         Kind = "5xx"             // InternalError, Unavailable
	RequestLost    Kind = "request-lost"    // the connection breaks before the call takes effect
	ReplyLost      Kind = "reply-lost"      // the connection breaks after it
	ReplyCut       Kind = "reply-cut"       // the reply ends in the middle
	HungBefore     Kind = "hung-before"     // no answer, until the caller gives up, and no effect
	HungAfter      Kind = "hung-after"      // no answer, though the call took effect
	Stale          Kind = "stale-read"      // a read of rules shows an earlier moment
	Denied         Kind = "denied"          // revokes in one group, or alerts of one event, for a while
	KilledBefore   Kind = "killed-before"   // the process ends as its call arrives
	KilledAfter    Kind = "killed-after"    // the process ends once its call took effect
	Killed         Kind = "killed"          // the process ends at a moment within an invocation
	MessageCopied  Kind = "message-copied"  // SQS delivers a message more than once
	MessageDelayed Kind = "message-delayed" // SQS delivers a message late, after younger ones
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{Throttled, Failed, RequestLost, ReplyLost, ReplyCut, HungBefore, HungAfter, Stale, Denied, KilledBefore, KilledAfter, Killed,
		MessageCopied, MessageDelayed}
}

// shares are the parts of the rate that kinds have where it is not 1. Calls are refused at the rate, throttled or not, and
// lost at the rate, before or after their effect. A call that hangs holds a function for seconds. In a storm one
// invocation makes hundreds of calls, and each invocation is killed at the whole rate besides.
var shares = map[Kind]float64{
	Throttled: 0.5, Failed: 0.5, RequestLost: 0.5, ReplyLost: 0.5, ReplyCut: 0.5,
	HungBefore: 0.02, HungAfter: 0.02, KilledBefore: 0.01, KilledAfter: 0.01,
}

// Faults decides which faults happen. It is safe for concurrent use.
type Faults struct {
	seed uint64
	rate float64
	only map[string]bool // nil: the seed decides

	mu    sync.Mutex
	off   bool
	times map[string]int
	fired []string
	count map[Kind]int
}

// NewFaults returns the faults of a seed, each kind with a probability of rate. If only is not nil, these are the only ones,
// by key.
func NewFaults(seed uint64, rate float64, only []string) *Faults {
	f := &Faults{seed: seed, rate: rate, times: map[string]int{}, count: map[Kind]int{}}
	if only != nil {
		f.only = map[string]bool{}
		for _, key := range only {
			f.only[key] = true
		}
	}
	return f
}

// Happens decides about a kind of fault to a subject, such as "17/a RevokeSecurityGroupIngress". The nth question about one
// subject has the same answer in every run, whatever happens to others meanwhile.
func (f *Faults) Happens(kind Kind, subject string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	about := string(kind) + " " + subject
	f.times[about]++
	key := fmt.Sprintf("%s #%d", about, f.times[about])
	rate := f.rate
	if share, ok := shares[kind]; ok {
		rate *= share
	}
	happens := Fraction(f.seed, key) < rate
	if f.only != nil {
		happens = f.only[key]
	}
	if !happens || f.off {
		return false
	}
	f.fired = append(f.fired, key)
	f.count[kind]++
	return true
}

// lasts is Happens for a fault that hits the first calls about a subject, up to most of them, or none.
func (f *Faults) lasts(kind Kind, subject string, most int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	about := string(kind) + " " + subject
	f.times[about]++
	key := about + " #1"
	happens := Fraction(f.seed, key) < f.rate
	if f.only != nil {
		happens = f.only[key]
	}
	if !happens || f.off || f.times[about] > 1+int(Fraction(f.seed, "lasts "+about)*float64(most)) {
		return false
	}
	if f.times[about] == 1 {
		f.fired = append(f.fired, key)
	}
	f.count[kind]++
	return true
}

// Stop ends all faults.
func (f *Faults) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = true
}

// Fired returns the keys of the faults that happened, in their order.
func (f *Faults) Fired() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.fired)
}

// Count returns how many faults of each kind happened.
func (f *Faults) Count() map[Kind]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[Kind]int{}
	for kind, n := range f.count {
		out[kind] = n
	}
	return out
}

// Fraction is a number from 0 to 1 that seed and text decide.
func Fraction(seed uint64, text string) float64 {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, seed, " ", text) // a hash takes everything
	// FNV's high bits hardly depend on the last byte.
	x := h.Sum64()
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	x = (x ^ x>>33) * 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}
