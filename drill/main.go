// Command drill sends thousands of openings and harmless changes through the local stack, with the functions' own binaries,
// while calls, messages and processes fail, and checks what must hold. docs/DRILL.md says what.
//
// It runs at the root of the module, on what `make build` has put into build/.
//
//	go run ./drill [-seed N] [-openings N] [-faults RATE] [-duration TIME] [-v]
//	go run ./drill -seed N -only 17-open,...    some scenes of a plan
//	go run ./drill -history FILE                a saved history
//
// Exit status: 0 everything held but known limits, 1 something new did not hold, or the drill failed, 2 usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"sgward/drill/history"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "drill:", err)
		os.Exit(1)
	}
}

var (
	// errUsage has been printed with the flags.
	errUsage = errors.New("usage")
	errHeld  = errors.New("something that must hold did not: see above")
)

// options are the flags.
type options struct {
	seed       uint64
	openings   int
	rate       float64
	duration   time.Duration
	shrinking  time.Duration
	undo       int
	only       []string
	shrinkOnly string
	historyAt  string
	out        string
	verbose    bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("drill", flag.ContinueOnError)
	flags.SetOutput(stderr)
	only := ""
	flags.Uint64Var(&o.seed, "seed", 1, "draws the scenes and decides the faults; runs after the first take the next ones")
	flags.IntVar(&o.openings, "openings", 2000, "least number of openings of a run")
	flags.Float64Var(&o.rate, "faults", 0.2, "probability of each kind of fault, 0 to 1")
	flags.DurationVar(&o.duration, "duration", 0, "soak: begin runs with the next seeds until so much time has passed")
	flags.DurationVar(&o.shrinking, "shrink", time.Minute, "how long to look for the shortest history of each new violation; 0 does not look")
	flags.IntVar(&o.undo, "undo", 10, "closings to undo at the end of a run")
	flags.StringVar(&only, "only", "", "scenes of the plan to play, by name, separated by commas")
	flags.StringVar(&o.shrinkOnly, "shrink-only", "", "shrink violations of this invariant in this scene alone, such as left-open/17-open, known ones too")
	flags.StringVar(&o.historyAt, "history", "", "play a saved history instead of a plan")
	flags.StringVar(&o.out, "out", "build/drill", "folder for the histories of violations")
	flags.BoolVar(&o.verbose, "v", false, "print the functions' log lines on standard error")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return o, err
		}
		return o, errUsage
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	problem := ""
	switch {
	case flags.NArg() > 0:
		problem = "no arguments are wanted: " + flags.Arg(0)
	case o.rate < 0 || o.rate > 1:
		problem = "-faults: want a probability from 0 to 1"
	case o.openings < 1:
		problem = "-openings: want at least 1"
	case o.historyAt != "" && (o.only != nil || o.duration != 0):
		problem = "-history cannot be combined with -only or -duration"
	}
	if problem != "" {
		_, _ = fmt.Fprintln(stderr, problem) // nobody could be told
		return o, errUsage
	}
	return o, nil
}

// plan returns the history of the nth run.
func (o options) plan(n uint64) (history.History, error) {
	if o.historyAt != "" {
		return history.Read(o.historyAt)
	}
	h := history.Plan(o.seed+n, o.openings, o.rate)
	if o.only == nil {
		return h, nil
	}
	return h.Only(o.only)
}
