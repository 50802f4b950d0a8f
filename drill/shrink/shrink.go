// Package shrink looks for the shortest history that still shows a violation: it plays the scene alone, then drops faults and
// calls while it fails.
package shrink

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"sgward/drill/history"
	"sgward/drill/oracle"
	"sgward/internal/crash"
)

const (
	// atOnce is how many histories are played at the same time: they mostly wait.
	atOnce = 8
	// searches is how many other fates a scene is given alone, if the one that it had beside others does not fail.
	searches = 12
	// repeats is how often a shorter history is played before it counts as one that does not fail: processes are not exact.
	repeats = 2
)

// Play runs a history and returns what did not hold, and the keys of the faults that happened.
type Play func(context.Context, history.History) (violations []oracle.Violation, fired []string, err error)

// shrinker shrinks one history.
type shrinker struct {
	play Play
	want oracle.Violation
}

// Shrink returns a short history that shows a violation of a run with the given fired faults. found is false if the scene
// alone has not shown it before ctx ended; the history then is the scene as it was.
func Shrink(ctx context.Context, play Play, h history.History, want oracle.Violation, fired []string) (short history.History, found bool) {
	s := &shrinker{play, want}
	h, err := h.Only([]string{want.Scene})
	if err != nil {
		return h, false
	}
	h.Faults = ofScene(h.Scenes[0], fired)
	start, found := s.first(ctx, h)
	if !found {
		return h, false
	}
	return s.shorten(ctx, start), true
}

// ofScene returns the faults that a scene suffered, and those that it suffered with others in one invocation.
func ofScene(scene history.Scene, fired []string) []string {
	number, _, _ := strings.Cut(scene.Name, "-")
	out := []string{}
	for _, key := range fired {
		for word := range strings.FieldsSeq(key) {
			if word == scene.Name || strings.HasPrefix(word, scene.Name+"/") || strings.HasPrefix(word, number+".") {
				out = append(out, key)
				break
			}
		}
	}
	return out
}

// first finds a history of the scene alone that fails: with the faults that it had, with kills besides, or by other seeds.
func (s *shrinker) first(ctx context.Context, h history.History) (history.History, bool) {
	var candidates []history.History
	for range repeats {
		candidates = append(candidates, h)
	}
	for n := 1; n <= 2; n++ {
		killed := h
		killed.Faults = slices.Clone(h.Faults)
		for _, op := range h.Scenes[0].Ops {
			killed.Faults = append(killed.Faults, fmt.Sprintf("killed Remediate %s #%d", op.ID, n))
		}
		candidates = append(candidates, killed)
	}
	for i := range uint64(searches) {
		other := h
		other.Seed, other.Faults = h.Seed*1000+i, nil
		candidates = append(candidates, other)
	}
	return s.anyFails(ctx, candidates)
}

// anyFails plays histories and returns the first in their order that fails, with the faults that happened as its only ones.
func (s *shrinker) anyFails(ctx context.Context, candidates []history.History) (history.History, bool) {
	for group := range slices.Chunk(candidates, atOnce) {
		failed := make([]bool, len(group))
		var playing errgroup.Group
		for i := range group {
			playing.Go(func() error {
				defer crash.Exit()
				violations, fired, err := s.play(ctx, group[i])
				failed[i] = err == nil && slices.ContainsFunc(violations, s.isWanted)
				if failed[i] {
					group[i].Faults = append([]string{}, fired...)
				}
				return nil
			})
		}
		_ = playing.Wait()
		if ctx.Err() != nil {
			return history.History{}, false
		}
		if i := slices.Index(failed, true); i >= 0 {
			return group[i], true
		}
	}
	return history.History{}, false
}

func (s *shrinker) isWanted(v oracle.Violation) bool {
	return v.Invariant == s.want.Invariant && v.Scene == s.want.Scene
}

// shorten drops what is not needed while the history fails and there is time.
func (s *shrinker) shorten(ctx context.Context, h history.History) history.History {
	for again := 0; again < repeats; again++ {
		for {
			next, ok := s.anyFails(ctx, shorter(h))
			if !ok {
				break
			}
			h, again = next, 0
		}
	}
	return h
}

// shorter returns the histories that lack one part of a history, the largest parts first.
func shorter(h history.History) []history.History {
	var out []history.History
	without := func(from, to int) {
		less := h
		less.Faults = slices.Delete(slices.Clone(h.Faults), from, to)
		out = append(out, less)
	}
	n := len(h.Faults)
	if n > 0 {
		without(0, n)
	}
	ops := h.Scenes[0].Ops
	for i := range slices.Backward(ops) {
		out = append(out, withOps(h, slices.Delete(slices.Clone(ops), i, i+1)))
	}
	for size := n / 2; size >= 1; size /= 2 {
		for at := 0; at < n; at += size {
			without(at, min(at+size, n))
		}
	}
	for i, op := range ops {
		for _, simple := range simpler(op) {
			changed := slices.Clone(ops)
			changed[i] = simple
			out = append(out, withOps(h, changed))
		}
	}
	return out
}

func withOps(h history.History, ops []history.Op) history.History {
	scene := h.Scenes[0]
	scene.Ops = ops
	h.Scenes = []history.Scene{scene}
	return h
}

// simpler returns an op without one of its complications.
func simpler(op history.Op) []history.Op {
	var out []history.Op
	if len(op.Rules) > 1 {
		for i := range op.Rules {
			less := op
			less.Rules = slices.Delete(slices.Clone(op.Rules), i, i+1)
			out = append(out, less)
		}
	}
	if len(op.Event.CopiesMS) > 0 {
		less := op
		less.Event.CopiesMS = op.Event.CopiesMS[:len(op.Event.CopiesMS)-1]
		out = append(out, less)
	}
	return out
}

// Describe returns a history as a list for people.
func Describe(h history.History) []string {
	var out []string
	for _, scene := range h.Scenes {
		for _, op := range scene.Ops {
			out = append(out, describe(op))
		}
	}
	for _, key := range h.Faults {
		out = append(out, "fault: "+key)
	}
	return out
}

// verbs are what people do.
var verbs = map[history.Do]string{
	history.Authorize: "authorizes", history.Modify: "edits", history.Revoke: "revokes",
	history.MakeList: "makes prefix list", history.EditList: "edits prefix list",
}

func describe(op history.Op) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: after %d ms ", op.ID, op.AfterMS)
	switch op.Do {
	case history.Replay:
		fmt.Fprintf(&b, "the event of %s comes from an archive,", op.Of)
	case history.MakeList, history.EditList:
		fmt.Fprintf(&b, "%s %s %s, adding %s;", op.By, verbs[op.Do], op.List, strings.Join(op.Add, " "))
	default:
		fmt.Fprintf(&b, "%s %s in group %s:", op.By, verbs[op.Do], op.Group)
		for _, r := range op.Rules {
			ports := strconv.Itoa(r.From)
			if r.To != r.From {
				ports += "-" + strconv.Itoa(r.To)
			}
			direction := "from"
			if r.Egress {
				direction = "to"
			}
			fmt.Fprintf(&b, " %s %s %s %s %s;", r.Ref, r.Protocol, ports, direction, r.Peer)
		}
	}
	describeEvent(&b, op)
	return b.String()
}

func describeEvent(b *strings.Builder, op history.Op) {
	e := op.Event
	switch {
	case op.Do == history.Revoke:
		return
	case e.Withheld:
		b.WriteString(" no event comes")
		return
	}
	if op.Do == history.Replay {
		fmt.Fprintf(b, " after %d ms", e.DelayMS)
	} else {
		fmt.Fprintf(b, " its event comes after %d ms", e.DelayMS)
	}
	if e.AgeS > 0 {
		fmt.Fprintf(b, " and looks %d s older", e.AgeS)
	}
	if len(e.CopiesMS) > 0 {
		fmt.Fprintf(b, ", again after %d ms", e.CopiesMS)
	}
	if e.Form != history.Whole {
		fmt.Fprintf(b, ", with %s", e.Form)
	}
	if e.Dead {
		b.WriteString(", and cannot be delivered")
	}
}
