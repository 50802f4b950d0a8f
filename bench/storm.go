package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"sgward/localaws"
)

const (
	stormGroups   = 50
	stormOpenings = 1000
	// EC2's grant for one mutating action per account and region, according to
	// practitioners.
	revokeBurst, revokesPerSecond = 50, 5
	// stormPatience limits a storm.
	stormPatience = 15 * time.Minute
)

// weather is an order in which the openings are made: the group of the nth call, and the
// number of openings per call.
type weather struct {
	name    string
	perCall int
	group   func(call int) int
}

func weathers() []weather {
	const each = stormOpenings / stormGroups
	return []weather{
		{"one call for each group", each, func(call int) int { return call }},
		{"a call for each opening, group after group", 1, func(call int) int { return call / each }},
		{"a call for each opening, groups in turn", 1, func(call int) int { return call % stormGroups }},
	}
}

// storm makes many openings at once while EC2 grants few revokes. The whole pipeline runs,
// wired as template.yaml says, with the binaries of `make build`. A failed message is
// retried after a second; on AWS after the queue's visibility timeout, so that a storm
// with failures lasts longer there and fewer fail for good.
func (b *bench) storm(ctx context.Context) error {
	heading(b.out, "STORM: %d openings on %d groups, revoke limited to %d a second after a burst of %d; the whole pipeline as template.yaml wires it",
		stormOpenings, stormGroups, revokesPerSecond, revokeBurst)
	for _, w := range weathers() {
		fmt.Fprintf(b.out, "  %s\n", w.name)
		t, err := blow(ctx, w)
		if err != nil {
			return err
		}
		fmt.Fprintf(b.out, "    openings left: %d; %s\n", t.left, target{bound: 0}.verdict(float64(t.left)))
		fmt.Fprintf(b.out, "    revoke calls: %d, and %d throttled; about the %d groups, at most twice as many: %s\n",
			t.revokes, t.throttled, stormGroups, target{bound: 2 * stormGroups}.verdict(float64(t.revokes+t.throttled)))
		fmt.Fprintf(b.out, "    closed %.1f s after the first opening; openings took %.1f s; the limit alone makes %d calls take %.1f s\n",
			t.closed.Seconds(), t.opened.Seconds(), t.revokes, max(0, float64(t.revokes-revokeBurst)/revokesPerSecond))
		fmt.Fprintf(b.out, "    %d batches of %.1f messages, %d messages tried again, %d dead letters, alerts for %d of %d calls\n",
			t.batches, float64(t.delivered)/float64(max(1, t.batches)), t.again, t.dead, t.told, stormOpenings/w.perCall)
	}
	return nil
}

// toll is the result of a storm.
type toll struct {
	mu                                                              sync.Mutex
	left, revokes, throttled, batches, delivered, again, dead, told int
	opened, closed                                                  time.Duration // after the first opening
	lastRevoke                                                      time.Time
	events                                                          map[string]bool // alerted
}

func (t *toll) hear(s localaws.Step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch s.Kind {
	case localaws.StepRevoked:
		if s.ErrorCode != "" {
			t.throttled++
			return
		}
		t.revokes++
		t.lastRevoke = time.Now()
	case localaws.StepDelivered:
		t.batches++
		t.delivered += s.Messages
	case localaws.StepReturned:
		t.again++
	case localaws.StepDeadLetter:
		t.dead++
	case localaws.StepAlerted:
		if a, ok := s.Alert(); ok {
			t.events[a.Event.EventID] = true
		}
	}
}

func blow(ctx context.Context, w weather) (*toll, error) {
	ctx, cancel := context.WithTimeout(ctx, stormPatience)
	defer cancel()
	t := &toll{events: map[string]bool{}}
	stack, err := localaws.Start(ctx, localaws.Config{
		TemplatePath: "template.yaml", BuildDir: "build", Listen: "127.0.0.1:0",
		Parameters: map[string]string{"Mode": "enforce"}, OnStep: t.hear,
	})
	if err != nil {
		return nil, fmt.Errorf("starting the pipeline: %w", err)
	}
	defer stack.Close()
	stack.EC2().SetRateLimit("RevokeSecurityGroupIngress", revokeBurst, revokesPerSecond)
	var groups []string
	for i := range stormGroups {
		id, err := createGroup(stack.Endpoint(), "", "storm-"+strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		groups = append(groups, id)
	}
	began := time.Now()
	held := make([]int, stormGroups)
	for call := range stormOpenings / w.perCall {
		g := w.group(call)
		var cidrs []string
		for range w.perCall {
			// Half of an /8 reaches the policy's threshold.
			cidrs = append(cidrs, fmt.Sprintf("%d.%d.0.0/9", 20+held[g]/2, 128*(held[g]%2)))
			held[g]++
		}
		if err := open(stack.Endpoint(), groups[g], cidrs...); err != nil {
			return nil, err
		}
	}
	t.opened = time.Since(began)
	if err := stack.WaitIdle(ctx); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = t.lastRevoke.Sub(began)
	t.told = len(t.events)
	for _, id := range groups {
		for _, r := range stack.EC2().Rules(id) {
			if !r.Egress && strings.HasSuffix(r.CIDRIPv4, "/9") {
				t.left++
			}
		}
	}
	return t, nil
}
