// Package crash ends a program that panics with a status of its own. Go's own is 2, which means a usage error on
// sgward's command line.
//
// A panic can only be recovered in the goroutine that panics. So every goroutine of the command line starts with
// "defer crash.Exit()"; a test of the module checks it. Go's own fatal errors (out of memory, a stack overflow) and
// panics in goroutines of the AWS SDK cannot be recovered: they still end with 2.
package crash

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
)

// Status is the exit status of a crash.
const Status = 1

// Exit reports a panic of the goroutine that defers it on standard error and ends the
// process, since the rest of the program may wait for this goroutine.
func Exit() {
	if reason := recover(); reason != nil {
		Report(os.Stderr, reason)
		os.Exit(Status) //nolint:forbidigo // no caller could end it: the panic is not in main's goroutine
	}
}

// Report describes a panic that the calling deferred function has recovered.
func Report(w io.Writer, reason any) {
	// An error of this write must not change the exit status.
	_, _ = fmt.Fprintf(w, `sgward: crashed: %v
This is a bug in sgward. What the command was doing may be done in part.
Please report it with the command that you typed, what "sgward version" prints and everything from here on:
%s %s/%s
%s`, reason, runtime.Version(), runtime.GOOS, runtime.GOARCH, debug.Stack())
}
