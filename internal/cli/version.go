package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// Build identifies the build of sgward that runs. Empty fields are unknown.
type Build struct {
	Version   string // "v1.2.3"
	Commit    string // its full hash
	Date      string // of the commit, RFC 3339 in UTC: the same commit gives the same bytes
	GoVersion string // "go1.27.4"
	Platform  string // "linux/amd64"
}

// ReadBuild completes what the linker was given with what Go recorded. `go install MODULE@VERSION` gives the linker nothing.
func ReadBuild(linked Build) Build {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "(devel)" {
		linked.Version = cmp.Or(linked.Version, info.Main.Version)
	}
	linked.Version = cmp.Or(linked.Version, "unversioned")
	linked.GoVersion, linked.Platform = runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH
	return linked
}

// String is what `sgward version` prints after the name:
// "v1.2.3 (commit 0123456789abcdef0123456789abcdef01234567, 2027-01-31T09:30:00Z, go1.27.4, linux/amd64)".
func (b Build) String() string {
	var details []string
	if b.Commit != "" {
		details = append(details, "commit "+b.Commit)
	}
	for _, detail := range []string{b.Date, b.GoVersion, b.Platform} {
		if detail != "" {
			details = append(details, detail)
		}
	}
	if details == nil {
		return b.Version
	}
	return b.Version + " (" + strings.Join(details, ", ") + ")"
}

func versionCommand(in Invocation) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print version, commit, date, Go version and platform",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(in.Stdout, "sgward", in.Build)
			return err
		},
	}
}
