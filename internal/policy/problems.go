package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one error or warning about a policy file.
type Problem struct {
	File string
	Line int // from 1
	Text string
}

// String prints "policy.yaml:14: text".
func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text) }

// Problems lists every problem of a policy file by line. Compile returns it as its error.
type Problems []Problem //nolint:errname // also used for warnings

// Error prints one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
}
