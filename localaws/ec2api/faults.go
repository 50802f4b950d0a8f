package ec2api

import (
	"cmp"
	"context"
	"maps"
	"time"
)

// Fault is a disturbance of future calls. The zero Fault disturbs nothing.
type Fault struct {
	Action    string // "" for any
	AccessKey string // "" for any
	Times     int    // how many calls it takes; 0 is none
	// Code is the error to answer with, before the call is processed; "" processes the
	// call.
	Code string
	// Delay passes before the call is processed.
	Delay time.Duration
	// HangUp closes the connection instead of answering, after the work: the caller cannot
	// know the result.
	HangUp bool
}

// CallKey names what Calls counts.
type CallKey struct{ Account, AccessKey, Action string }

// Calls is how often each action was called, refused and failed calls included.
type Calls map[CallKey]int

// Of is the number of calls of the actions, of all actions if none is named.
func (c Calls) Of(actions ...string) int {
	return c.sum(func(k CallKey) string { return k.Action }, actions)
}

// By is the number of calls made with the access keys.
func (c Calls) By(accessKeys ...string) int {
	return c.sum(func(k CallKey) string { return k.AccessKey }, accessKeys)
}

func (c Calls) sum(part func(CallKey) string, wanted []string) int {
	total := 0
	for key, n := range c {
		if len(wanted) == 0 {
			total += n
		}
		for _, w := range wanted {
			if part(key) == w {
				total += n
			}
		}
	}
	return total
}

type faults struct {
	queue      []Fault
	authorizer func(action, accessKey string) string
	limits     map[string]rateLimit
	buckets    map[bucketKey]*bucket
}

type rateLimit struct {
	burst     int
	perSecond float64
}

// bucketKey is where EC2 keeps a token bucket: one per account, region, action.
type bucketKey struct {
	place
	action string
}

type bucket struct {
	tokens float64
	filled time.Time
}

func newFaults() faults {
	return faults{limits: make(map[string]rateLimit), buckets: make(map[bucketKey]*bucket)}
}

// Inject adds a fault behind those that wait already. A call takes the first
// that fits it.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times > 0 {
		s.faults.queue = append(s.faults.queue, f)
	}
}

// FailNext makes the next n calls of the action fail with the code, such as
// "RequestLimitExceeded", "InternalError" or "UnauthorizedOperation".
func (s *Server) FailNext(action string, n int, code string) {
	s.Inject(Fault{Action: action, Times: n, Code: code})
}

// SetAuthorizer makes decide authorize every known call before it is processed. "" lets
// the call pass; anything else is the error code of its answer. decide runs with no lock
// held, in the goroutine of the call. Nil grants everything again.
func (s *Server) SetAuthorizer(decide func(action, accessKey string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.authorizer = decide
}

// SetReadLag makes DescribeSecurityGroups and DescribeSecurityGroupRules show rules as
// they were that long ago, and groups once they are that old. It applies to changes made
// after it was set. Deleted groups vanish at once.
func (s *Server) SetReadLag(lag time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readLag = lag
}

// WithReadLag makes the reads of one request lag by less than SetReadLag says, which is
// the most.
func WithReadLag(ctx context.Context, lag time.Duration) context.Context {
	return context.WithValue(ctx, readLagKey{}, lag)
}

type readLagKey struct{}

// readLagOf requires the lock.
func (s *Server) readLagOf(ctx context.Context) time.Duration {
	if lag, ok := ctx.Value(readLagKey{}).(time.Duration); ok {
		return min(lag, s.readLag)
	}
	return s.readLag
}

// SetRuleQuota sets the rules a group may hold per direction and address family.
// The default is 60, as in AWS, which raises it to 1,000 on request.
func (s *Server) SetRuleQuota(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ruleQuota = n
}

// SetRateLimit gives the action a token bucket in every account and region: burst calls at
// once, refilled with perSecond. Calls that find it empty get RequestLimitExceeded. A
// burst of 0 removes the limit.
func (s *Server) SetRateLimit(action string, burst int, perSecond float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.faults.limits, action)
	maps.DeleteFunc(s.faults.buckets, func(k bucketKey, _ *bucket) bool { return k.action == action })
	if burst > 0 {
		s.faults.limits[action] = rateLimit{burst, perSecond}
	}
}

// Calls is a snapshot of the counters.
func (s *Server) Calls() Calls {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.calls)
}

// ResetCalls sets all counters to zero.
func (s *Server) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.calls)
}

// admit counts the call and takes its fault. A call over its rate limit is throttled and
// takes no fault.
func (s *Server) admit(c *call, at place, known bool) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !known {
		return Fault{}
	}
	s.calls[CallKey{at.account, c.accessKey, c.action}]++
	if !s.takeToken(bucketKey{at, c.action}) {
		return Fault{Code: "RequestLimitExceeded"}
	}
	for i := range s.faults.queue {
		f := &s.faults.queue[i]
		if cmp.Or(f.Action, c.action) != c.action || f.AccessKey != "" && f.AccessKey != c.accessKey {
			continue
		}
		taken := *f
		if f.Times--; f.Times == 0 {
			s.faults.queue = append(s.faults.queue[:i:i], s.faults.queue[i+1:]...)
		}
		return taken
	}
	return Fault{}
}

func (s *Server) takeToken(key bucketKey) bool {
	limit, limited := s.faults.limits[key.action]
	if !limited {
		return true
	}
	now := s.now()
	b := s.faults.buckets[key]
	if b == nil {
		b = &bucket{tokens: float64(limit.burst), filled: now}
		s.faults.buckets[key] = b
	}
	b.tokens = min(float64(limit.burst), b.tokens+now.Sub(b.filled).Seconds()*limit.perSecond)
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// denial turns an injected code, or the authorizer's, into the error of the
// call; nil lets it pass.
func (s *Server) denial(c *call, f Fault, region string, known bool) *apiError {
	s.mu.Lock()
	decide := s.faults.authorizer
	s.mu.Unlock()
	code := f.Code
	if code == "" && decide != nil && known {
		code = decide(c.action, c.accessKey)
	}
	if code == "" {
		return nil
	}
	return fail(code, "%s", messageFor(code, c.action, c.identity.arn(region)))
}
