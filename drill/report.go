package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"sgward/drill/oracle"
	"sgward/drill/stage"
	"sgward/drill/wire"
)

func printf(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format, args...) // nobody could be told
}

// printResult prints the figures of a run and what did not hold.
func printResult(w io.Writer, r *stage.Result) {
	printf(w, "seed %d: %d openings by %d calls, %d messages, %d alerts, in %s\n",
		r.History.Seed, r.Openings, r.Events, r.Messages, r.Alerts, r.Took.Round(time.Second))
	total := 0
	var kinds []string
	for _, kind := range wire.Kinds() {
		total += r.Faults[kind]
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, r.Faults[kind]))
	}
	printf(w, "  faults      %d: %s\n", total, strings.Join(kinds, ", "))
	printf(w, "  deliveries  of a message: p50 %d, p99 %d; %d went to the dead letters and were led back\n", r.Percentile(50), r.Percentile(99), r.Dead)
	reached := 0
	for action, n := range r.Calls {
		if strings.HasPrefix(action, "ec2:") {
			reached += n
		}
	}
	openings := float64(max(1, r.Openings))
	printf(w, "  calls       for an opening: %.1f sent by functions, %.1f reached EC2 from remediate, of them %.2f revokes\n",
		float64(r.Attempted)/openings, float64(reached)/openings,
		float64(r.Calls["ec2:RevokeSecurityGroupIngress"]+r.Calls["ec2:RevokeSecurityGroupEgress"])/openings)
	printf(w, "  undone      %d closings, with sgward undo\n", r.Undone)
	printSamples(w, r.Samples)
	printViolations(w, r)
}

// printSamples prints what the processes held in the quarters of a run.
func printSamples(w io.Writer, samples []stage.Sample) {
	if len(samples) < 4 {
		return
	}
	printf(w, "  held, the most in each quarter of the run\n")
	row := func(name string, of func(stage.Sample) (memoryKB, descriptors, threads int)) {
		var memory, descriptors, threads []string
		for part := range 4 {
			var m, d, t int
			for _, s := range samples[part*len(samples)/4 : (part+1)*len(samples)/4] {
				mm, dd, tt := of(s)
				m, d, t = max(m, mm), max(d, dd), max(t, tt)
			}
			memory = append(memory, fmt.Sprintf("%.0f", float64(m)/1024))
			descriptors, threads = append(descriptors, fmt.Sprint(d)), append(threads, fmt.Sprint(t))
		}
		printf(w, "    %-22s %s MB, %s descriptors, %s threads\n", name, strings.Join(memory, " "), strings.Join(descriptors, " "), strings.Join(threads, " "))
	}
	for _, id := range []string{"DetectFunction", "RemediateFunction", "SweepFunction"} {
		row("a process of "+strings.ToLower(strings.TrimSuffix(id, "Function")), func(s stage.Sample) (m, d, t int) {
			for _, u := range s.Functions[id] {
				m, d, t = max(m, u.MemoryKB), max(d, u.Descriptors), max(t, u.Threads)
			}
			return m, d, t
		})
	}
	row("the stack and the drill", func(s stage.Sample) (m, d, t int) { return s.Stack.MemoryKB, s.Stack.Descriptors, s.Stack.Threads })
	var goroutines []string
	for part := range 4 {
		most := 0
		for _, s := range samples[part*len(samples)/4 : (part+1)*len(samples)/4] {
			most = max(most, s.Goroutines)
		}
		goroutines = append(goroutines, fmt.Sprint(most))
	}
	printf(w, "    %-22s %s goroutines\n", "", strings.Join(goroutines, " "))
}

func printViolations(w io.Writer, r *stage.Result) {
	if len(r.Violations) == 0 {
		printf(w, "  everything held\n")
	}
	for _, v := range r.New() {
		printf(w, "  DID NOT HOLD: %s\n", v)
	}
	byLimit := map[string][]oracle.Violation{}
	for _, v := range r.Violations {
		if v.Known != "" {
			byLimit[v.Known] = append(byLimit[v.Known], v)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byLimit)) {
		printf(w, "  known limit %s, seen %d times, such as %s in %s, op %s: %s\n", name, len(byLimit[name]),
			byLimit[name][0].Invariant, byLimit[name][0].Scene, byLimit[name][0].Op, byLimit[name][0].Text)
	}
}

// totals are the figures of all runs of a command.
type totals struct {
	runs, openings, messages, alerts, dead, faults, undone, fresh int
	seeds                                                         []uint64
	known                                                         map[string]int
	// The most that a process of remediate held in the first and in the last run, in KB.
	firstKB, lastKB int
}

func (t *totals) add(r *stage.Result) {
	t.runs, t.openings, t.messages, t.alerts = t.runs+1, t.openings+r.Openings, t.messages+r.Messages, t.alerts+r.Alerts
	t.dead, t.undone, t.fresh = t.dead+r.Dead, t.undone+r.Undone, t.fresh+len(r.New())
	t.seeds = append(t.seeds, r.History.Seed)
	for _, n := range r.Faults {
		t.faults += n
	}
	if t.known == nil {
		t.known = map[string]int{}
	}
	for _, v := range r.Violations {
		if v.Known != "" {
			t.known[v.Known]++
		}
	}
	t.lastKB = 0
	for _, s := range r.Samples {
		t.lastKB = max(t.lastKB, s.Stack.MemoryKB)
	}
	t.firstKB = cmp.Or(t.firstKB, t.lastKB)
}

func (t *totals) print(w io.Writer) {
	if t.runs > 1 {
		printf(w, "\n%d runs, seeds %d to %d: %d openings, %d messages, %d alerts, %d faults, %d dead letters led back, %d closings undone\n",
			t.runs, t.seeds[0], t.seeds[len(t.seeds)-1], t.openings, t.messages, t.alerts, t.faults, t.dead, t.undone)
		printf(w, "memory of the stack and the drill: %d MB in the first run, %d MB in the last\n", t.firstKB/1024, t.lastKB/1024)
	}
	held := "everything held"
	if len(stage.Limits()) > 0 {
		held = "everything else held"
		printf(w, "\nknown limits (docs/DRILL.md), marked and not counted as failures:\n")
	}
	for _, l := range stage.Limits() {
		printf(w, "  %-24s seen %d times: %s\n", l.Name, t.known[l.Name], l.Why)
	}
	if t.fresh == 0 {
		printf(w, "%s\n", held)
	} else {
		printf(w, "%d violations that are not known\n", t.fresh)
	}
}
