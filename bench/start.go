package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
)

// start measures the time from before exec to the first poll.
func (b *bench) start(ctx context.Context) error {
	runs := b.runsOr(150)
	programs := []program{b.builds.empty, b.builds.detect, b.builds.remediate}
	all := []*series{{name: "empty Lambda in Go"}, {name: "detect"}, {name: "remediate"}}
	if b.before != "" {
		programs = append(programs, b.builds.detectBefore, b.builds.remediateBefore)
		all = append(all, &series{name: "detect before"}, &series{name: "remediate before"})
	}
	for i := range programs {
		programs[i].env = []string{"MODE=enforce", "ALERT_TOPIC_ARN=" + topicARN, "FINDINGS_QUEUE_URL=" + queueURL, "DEAD_LETTER_QUEUE_URL=" + queueURL, "MEMORY_TABLE=memory"}
	}
	const warmUp = 5
	for i := range warmUp + runs {
		for _, at := range turn(len(programs)) {
			p, err := launch(ctx, programs[at])
			if err != nil {
				return err
			}
			p.end()
			if i >= warmUp {
				all[at].add(p.start.Seconds())
			}
		}
	}
	heading(b.out, "START: exec to first poll of the Runtime API, %d runs each in turn, %d before to warm up", runs, warmUp)
	table(b.out, milliseconds, all...)
	ratio(b.out, "detect / empty", all[1], all[0], target{bound: 1.1, unit: "x"})
	ratio(b.out, "remediate / empty", all[2], all[0], target{bound: 1.5, unit: "x"})
	if b.before != "" {
		ratio(b.out, "detect / before", all[1], all[3], target{bound: 1.05, unit: "x"})
		ratio(b.out, "remediate / before", all[2], all[4], target{bound: 1.05, unit: "x"})
	}
	return nil
}

// warm measures an invocation of detect from the event to the answer.
func (b *bench) warm(ctx context.Context) error {
	const path = "events/ingress-mysql-world.json"
	event, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading event: %w", err)
	}
	runs := b.runsOr(3000)
	all := []*series{{name: "echo (returns its input)"}, {name: "detect"}}
	programs := []program{b.builds.echo, b.builds.detect}
	if b.before != "" {
		programs = append(programs, b.builds.detectBefore)
		all = append(all, &series{name: "detect before"})
	}
	processes := make([]*process, len(programs))
	for i, p := range programs {
		if processes[i], err = launch(ctx, p); err != nil {
			return err
		}
		defer processes[i].end()
	}
	const warmUp = 500
	for i := range warmUp + runs {
		for _, at := range turn(len(processes)) {
			_, took, err := processes[at].invoke(event)
			if err != nil {
				return err
			}
			if i >= warmUp {
				all[at].add(took.Seconds())
			}
		}
	}
	heading(b.out, "WARM: event handed over to answer received, %s, %d invocations each in turn, %d before to warm up", path, runs, warmUp)
	table(b.out, milliseconds, all...)
	ratio(b.out, "detect / echo", all[1], all[0], target{bound: 1.3, unit: "x"})
	if b.before != "" {
		ratio(b.out, "detect / before", all[1], all[2], target{bound: 1.05, unit: "x"})
	}
	return nil
}

func (b *bench) runsOr(usual int) int {
	if b.runs > 0 {
		return b.runs
	}
	return usual
}

// turn is the order in which n programs run next. It is drawn, so that none is
// always behind the same other and finds the caches as that one left them.
func turn(n int) []int { return rand.Perm(n) } //nolint:gosec // no secret
