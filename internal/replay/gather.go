package replay

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"sgward/internal/cloudtrail"
	"sgward/internal/crash"
	"sgward/internal/logfile"
	"sgward/internal/report"
)

// mostProblems is how many problems of one source are told one by one. A file that is
// broken all over says no more after that.
const mostProblems = 100

// gathered is what the sources hold of calls on security groups, in no order.
type gathered struct {
	counts   report.History // files, bytes and records only
	tallies  []tally
	calls    []*call
	problems []report.Problem // in the order of the sources
	// ids are those of the rules that calls of a known direction have named, shortened.
	ingress, egress []uint64
}

// tally is what is kept of every call on a security group, so that each counts once.
type tally struct {
	key    [16]byte // of the event, account and region; of nothing else without an id
	at     int64    // seconds
	index  int64    // of the record in its source
	source int32
	call   int32 // in calls, -1 where nothing of the call is kept
	rules  int32 // that the call made
	clean  int32 // of them, those that no statement speaks of
	kind   kind
}

// kind is what a call did.
type kind uint8

const (
	opened kind = iota
	failed
	closed
	created
)

// call is a call that the time line needs.
type call struct {
	cloudtrail.Call

	source int32
	index  int64
	line   int64
	// fates are those of the rules that the call made, in their order. A call that
	// leaves rules untold has one more, for them, at the end, and one that made a group
	// has one for the rule with which it came.
	fates []fate
}

// fate is what became of a rule.
type fate struct {
	// gone is the position of the call since which the group is known not to hold the
	// rule. 0 if there is none: the first call ends nothing.
	gone int32
	// shown is set where that call closed it; else it only shows that an earlier one
	// must have, which the history lacks.
	shown bool
	// harmless is set where an edit made the rule one of which no statement speaks.
	harmless bool
	// revoked has a bit for each policy that would have closed the rule.
	revoked uint8
}

// untold returns the fate of the rules that the record of a call leaves out, nil where
// it leaves out none.
func (c *call) untold() *fate {
	if !c.Untold() {
		return nil
	}
	return &c.fates[len(c.Rules)]
}

// gather reads the sources with all cores.
func gather(ctx context.Context, sources []logfile.Source, o *Options) (*gathered, error) {
	var (
		next    atomic.Int64
		wait    sync.WaitGroup
		telling sync.Mutex
		workers = make([]*worker, min(runtime.GOMAXPROCS(0), max(len(sources), 1)))
		errs    = make([]error, len(workers))
		room    atomic.Int64
	)
	room.Store(maxKept)
	for i := range workers {
		w := newWorker(o, &telling, &room)
		workers[i] = w
		wait.Go(func() {
			defer crash.Exit()
			for {
				at := next.Add(1) - 1
				if at >= int64(len(sources)) || errs[i] != nil {
					return
				}
				errs[i] = w.scan(ctx, int32(at), sources[at])
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	return merge(workers), nil
}

// merge puts together what the workers have found.
func merge(workers []*worker) *gathered {
	out := &gathered{}
	var problems []placed
	for _, w := range workers {
		offset := int32(len(out.calls))
		for _, t := range w.tallies {
			if t.call >= 0 {
				t.call += offset
			}
			out.tallies = append(out.tallies, t)
		}
		out.calls = append(out.calls, w.calls...)
		out.ingress, out.egress = append(out.ingress, w.ingress...), append(out.egress, w.egress...)
		out.counts.Files += w.counts.Files
		out.counts.Bytes += w.counts.Bytes
		out.counts.Records += w.counts.Records
		problems = append(problems, w.met...)
		*w = worker{}
	}
	slices.SortStableFunc(problems, func(a, b placed) int { return int(a.source - b.source) })
	for _, p := range problems {
		out.problems = append(out.problems, p.Problem)
	}
	return out
}
