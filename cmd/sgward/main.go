package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"sgward/internal/cli"
)

// Set by the build, with -ldflags.
var version, commit, date string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process, whatever it waits for
	status := cli.Run(ctx, cli.Invocation{
		Args: os.Args[1:], LookupEnv: os.LookupEnv,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Build: cli.ReadBuild(cli.Build{Version: version, Commit: commit, Date: date}),
	})
	stop()
	os.Exit(status)
}
