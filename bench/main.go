// Command bench measures the functions as they are deployed, and prints the figures
// that docs/PERFORMANCE.md explains: ratios between programs that ran in turns in one
// run. Times of one machine say nothing about another, so no target is a time.
//
// It runs at the root of the module, on what `make build` has put into build/.
// Targets are printed as met or missed; the exit status is 1 only if something
// could not be measured that should have been, and 2 for wrong usage.
//
//	go run ./bench [-only start,warm,...] [-runs N] [-python PATH]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
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
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
