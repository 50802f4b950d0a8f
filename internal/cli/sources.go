package cli

import (
	"fmt"

	"sgward/internal/logfile"
	"sgward/internal/text"
)

// findSources finds the files of the given paths, and says which it ignores.
func findSources(in Invocation, quiet bool, paths []string) logfile.Found {
	found := logfile.Find(paths, in.Stdin)
	if n := len(found.Ignored); n > 0 && !quiet {
		one, more := found.Ignored[0], ""
		if n > 1 {
			more = fmt.Sprintf("%d files and folders, such as ", n)
		}
		fmt.Fprintf(in.Stderr, "sgward: ignored %s%s: %s\n", more, text.Visible(one.Name), one.Reason)
	}
	return found
}

// sourceName names a source for people.
func sourceName(s string) string {
	if s == "-" {
		return "standard input"
	}
	return s
}

// namedSources names sources for people.
func namedSources(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, sourceName(name))
	}
	return out
}
