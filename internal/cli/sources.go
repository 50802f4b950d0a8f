package cli

import (
	"fmt"

	"sgward/internal/logfile"
	"sgward/internal/text"
)

// findSources looks for files in what was typed, and says what it passes over.
func findSources(in Invocation, quiet bool, paths []string) logfile.Found {
	found := logfile.Find(paths, in.Stdin)
	if n := len(found.Ignored); n > 0 && !quiet {
		one, more := found.Ignored[0], ""
		if n > 1 {
			more = fmt.Sprintf("%d files and folders, such as ", n)
		}
		fmt.Fprintf(in.Stderr, "sgward: passed over %s%s: %s\n", more, text.Visible(one.Name), one.Reason)
	}
	return found
}
