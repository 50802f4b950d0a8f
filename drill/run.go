package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sgward/drill/history"
	"sgward/drill/oracle"
	"sgward/drill/shrink"
	"sgward/drill/stage"
)

// shrunk is the most violations of one run for which the shortest history is looked for.
const shrunk = 3

// drill is a command in progress.
type drill struct {
	options
	stdout, stderr io.Writer
	began          time.Time
	all            totals
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	d := &drill{options: o, stdout: stdout, stderr: stderr, began: time.Now()}
	for n := uint64(0); ; n++ {
		h, err := o.plan(n)
		if err != nil {
			return err
		}
		if err := d.once(ctx, h); err != nil {
			return err
		}
		if time.Since(d.began) >= o.duration {
			break
		}
	}
	d.all.print(stdout)
	if d.all.fresh > 0 {
		return errHeld
	}
	return nil
}

// progress prints a line for people who wait.
func (d *drill) progress(format string, args ...any) {
	_, _ = fmt.Fprintf(d.stderr, "%6s  "+format+"\n", append([]any{time.Since(d.began).Round(time.Second)}, args...)...) // nobody could be told
}

func (d *drill) config() stage.Config {
	return stage.Config{Root: ".", Build: "build", Patience: 3 * time.Minute}
}

// once plays a history, prints its figures, and looks for short histories of new violations.
func (d *drill) once(ctx context.Context, h history.History) error {
	d.progress("seed %d: %d scenes with %d openings, each kind of fault with probability %g", h.Seed, len(h.Scenes), h.Openings(), h.Rate)
	cfg := d.config()
	cfg.Undo, cfg.Progress = d.undo, d.progress
	if d.verbose {
		cfg.Log = func(function, line string) { _, _ = fmt.Fprintln(d.stderr, function, line) }
	}
	r, err := stage.Run(ctx, cfg, h)
	if err != nil {
		return fmt.Errorf("seed %d: %w", h.Seed, err)
	}
	d.all.add(r)
	printResult(d.stdout, r)
	if d.shrinking == 0 || d.historyAt != "" {
		return nil
	}
	var seen []string
	candidates := r.New()
	if d.shrinkOnly != "" {
		candidates = slices.DeleteFunc(r.Violations, func(v oracle.Violation) bool { return string(v.Invariant)+"/"+v.Scene != d.shrinkOnly })
	}
	for _, v := range candidates {
		kind := string(v.Invariant)
		if v.Scene == "" || slices.Contains(seen, kind) || len(seen) == shrunk {
			continue
		}
		seen = append(seen, kind)
		if err := d.shrink(ctx, h, v, r.Fired); err != nil {
			return err
		}
	}
	return nil
}

// shrink prints and saves the shortest history of a violation.
func (d *drill) shrink(ctx context.Context, h history.History, v oracle.Violation, fired []string) error {
	d.progress("looking for the shortest history of %s in %s, for up to %s", v.Invariant, v.Scene, d.shrinking)
	ctx, cancel := context.WithTimeout(ctx, d.shrinking)
	defer cancel()
	play := func(ctx context.Context, h history.History) ([]oracle.Violation, []string, error) {
		cfg := d.config()
		if v.Invariant == oracle.UndoInexact {
			cfg.Undo = d.undo
		}
		r, err := stage.Run(ctx, cfg, h)
		if err != nil {
			return nil, nil, err
		}
		return r.Violations, r.Fired, nil
	}
	short, found := shrink.Shrink(ctx, play, h, v, fired)
	if err := os.MkdirAll(d.out, 0o750); err != nil {
		return fmt.Errorf("saving history: %w", err)
	}
	path := filepath.Join(d.out, fmt.Sprintf("seed-%d-%s-%s.json", h.Seed, v.Scene, v.Invariant))
	if err := short.Write(path); err != nil {
		return err
	}
	how := "the shortest history that shows"
	if !found {
		how = "alone its scene did not show it again. Its part in"
	}
	printf(d.stdout, "\n%s %s in %s:\n", how, v.Invariant, v.Scene)
	for _, line := range shrink.Describe(short) {
		printf(d.stdout, "  %s\n", line)
	}
	printf(d.stdout, "  again: go run ./drill -history %s\n  among others: go run ./drill -seed %d -openings %d -faults %g\n", path, h.Seed, d.openings, h.Rate)
	return nil
}
