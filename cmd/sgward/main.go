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
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		ends = append(ends, syscall.SIGHUP)
	}
	// A reader that goes away, such as head, must not end the process before it has cleaned
	// up: the write fails, and cli.Run cancels the command.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	context.AfterFunc(ctx, func() {
		// A terminal that closes sends SIGHUP twice: once from the shell, once from the kernel.
		signal.Ignore(syscall.SIGHUP)
		stop() // a second Ctrl-C ends the process, whatever it waits for
	})
	status := cli.Run(ctx, cli.Invocation{
		Args: os.Args[1:], LookupEnv: os.LookupEnv,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Build: cli.ReadBuild(cli.Build{Version: version, Commit: commit, Date: date}),
	})
	stop()
	os.Exit(status)
}
