package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

var errUsage = errors.New("wrong usage")

// bench is one run of the program.
type bench struct {
	out    io.Writer
	runs   int    // 0: each measurement's default
	python string // "": looked for
	before string // build folder of another version, which start and warm measure beside this one; "" for none
	builds builds
}

// measurement is a part of a run that can be selected.
type measurement struct {
	name string
	run  func(*bench, context.Context) error
}

func measurements() []measurement {
	return []measurement{
		{"size", (*bench).size},
		{"start", (*bench).start},
		{"warm", (*bench).warm},
		{"closed", (*bench).closed},
		{"storm", (*bench).storm},
		{"replay", (*bench).replay},
		{"audit", (*bench).audit},
		{"check", (*bench).check},
	}
}

// run runs the selected measurements. A failure does not stop the others; the error joins
// all failures.
func run(ctx context.Context, args []string, out, diagnostics io.Writer) error {
	var names []string
	for _, m := range measurements() {
		names = append(names, m.name)
	}
	b := &bench{out: out}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(diagnostics)
	only := flags.String("only", strings.Join(names, ","), "what to measure")
	flags.IntVar(&b.runs, "runs", 0, "counted runs of each program (default: depends on the measurement)")
	flags.StringVar(&b.python, "python", "", "a Python with boto3 (default: of build/e2e-venv or build/bench-venv)")
	flags.StringVar(&b.before, "before", "", "build folder of another version: start and warm measure its functions too")
	if err := flags.Parse(args); err != nil {
		return errors.Join(errUsage, err)
	}
	asked := strings.Split(*only, ",")
	for _, name := range asked {
		if !slices.Contains(names, name) {
			fmt.Fprintf(diagnostics, "bench: -only: %q: want some of %s\n", name, strings.Join(names, ","))
			return errUsage
		}
	}
	if flags.NArg() > 0 || b.runs < 0 {
		fmt.Fprintln(diagnostics, "bench: want no arguments, and -runs of 1 or more")
		return errUsage
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}

	fmt.Fprintf(out, "sgward %s/%s, %d CPUs, %s%s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), load())
	var failures []error
	for _, m := range measurements() {
		if !slices.Contains(asked, m.name) {
			continue
		}
		began := time.Now()
		if err := m.run(b, ctx); err != nil {
			fmt.Fprintf(out, "\n%s: NOT MEASURED: %v\n", m.name, err)
			failures = append(failures, fmt.Errorf("measuring %s: %w", m.name, err))
			continue
		}
		fmt.Fprintf(out, "  (%.1f s; go run ./bench -only %s)\n", time.Since(began).Seconds(), m.name)
	}
	return errors.Join(failures...)
}

// load describes the system load, if known: above the number of CPUs, times grow and
// ratios become less precise.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	oneMinute, _, _ := strings.Cut(string(text), " ")
	return ", load " + oneMinute
}
