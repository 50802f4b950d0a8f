package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"sgward/internal/crash"
)

// isInteractive reports whether a person can be asked.
func isInteractive(in Invocation) bool {
	f, ok := in.Stdin.(*os.File)
	return ok && isTerminal(f) && isTerminal(in.Stderr)
}

// errDeclined is the answer no.
var errDeclined = errors.New("nothing was done")

// confirm asks, and returns errDeclined unless the answer is yes.
func confirm(ctx context.Context, in Invocation, question string) error {
	fmt.Fprintf(in.Stderr, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { // it ends with the process if no answer comes
		defer crash.Exit()
		line, _ := bufio.NewReader(in.Stdin).ReadString('\n') // the end of the input is not an answer
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(in.Stderr)
		return ctx.Err()
	case said := <-answer:
		if said == "y" || said == "yes" {
			return nil
		}
		return errDeclined
	}
}
