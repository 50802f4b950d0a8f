package replay

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"sgward/internal/cloudtrail"
	"sgward/internal/crash"
	"sgward/internal/logfile"
	"sgward/internal/report"
	"sgward/internal/text"
)

// mostProblems is the number of problems of one source that are reported one by one.
const mostProblems = 100

// gathered is the content of the sources about calls on security groups, unordered.
type gathered struct {
	counts   report.History // files, bytes and records only
	tallies  []tally
	calls    []*call
	problems []text.Problem   // in the order of the sources
	names    map[int32]string // of the sources that hold such calls
	// The ids of rules of calls with a known direction, shortened.
	ingress, egress []uint64
}

// tally is the record kept of every call on a security group, so that each counts once.
type tally struct {
	key    [16]byte // of event, account and region; of other fields if the event has no id
	at     int64    // seconds
	index  int64    // of the record in its source
	source int32
	call   int32 // in calls, -1 if nothing of the call is kept
	rules  int32 // that the call made
	clean  int32 // of them, those that no statement is about
	kind   kind
}

// kind is the kind of a call.
type kind uint8

const (
	opened kind = iota
	failed
	closed
	created
)

// call is a call on the time line.
type call struct {
	cloudtrail.Call

	source int32
	index  int64
	line   int64
	// fates are those of the rules that the call made, in their order. A call whose record
	// leaves rules out has one more, for them, at the end; a call that made a group has
	// one, for its default rule.
	fates []fate
}

// fate is the end of a rule.
type fate struct {
	// gone is the position of the first call that shows the rule gone; 0 if none does (the
	// first call ends nothing).
	gone int32
	// shown is set if that call closed the rule; else an earlier call, missing in the
	// history, must have.
	shown bool
	// harmless is set if an edit gave the rule values that no statement is about.
	harmless bool
	// revoked has a bit for each policy that would have closed the rule.
	revoked uint8
}

// missing returns the fate of the rules that the record leaves out, nil if it leaves out
// none.
func (c *call) missing() *fate {
	if !c.RulesMissing() {
		return nil
	}
	return &c.fates[len(c.Rules)]
}

// gather reads the sources with one worker per core.
func gather(ctx context.Context, sources iter.Seq[logfile.Source], o *Options) (*gathered, error) {
	type numbered struct {
		at int32
		logfile.Source
	}
	var (
		wait      sync.WaitGroup
		reporting sync.Mutex
		workers   = make([]*worker, runtime.GOMAXPROCS(0))
		room      atomic.Int64
		next      = make(chan numbered)
	)
	room.Store(maxKept)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	for i := range workers {
		w := newWorker(o, &reporting, &room)
		workers[i] = w
		wait.Go(func() {
			defer crash.Exit()
			for s := range next {
				if err := w.scan(ctx, s.at, s.Source); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	at := int32(0)
	for s := range sources {
		select {
		case next <- numbered{at, s}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		at++
	}
	close(next)
	wait.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("reading the history: %w", err)
	}
	return merge(workers), nil
}

// merge merges the workers' results.
func merge(workers []*worker) *gathered {
	out := &gathered{names: map[int32]string{}}
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
		maps.Copy(out.names, w.names)
		*w = worker{}
	}
	slices.SortStableFunc(problems, func(a, b placed) int { return int(a.source - b.source) })
	for _, p := range problems {
		out.problems = append(out.problems, p.Problem)
	}
	return out
}
