package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"sgward/internal/policy"
)

// defaultPolicy is where commands look for a policy.
const defaultPolicy = "policy.yaml"

func policyCommand(in Invocation) *cobra.Command {
	return group("policy", "Check policy files", lintCommand(in), policyTestCommand(in), schemaCommand(in))
}

func lintCommand(in Invocation) *cobra.Command {
	return &cobra.Command{
		Use:   "lint [FILE...]",
		Short: "List every problem of policy files by line",
		Long: "Lint reads policy files (policy.yaml if none is named) and lists every problem with its line.\n" +
			"Exceptions that have expired, or will within 14 days, are warnings: they keep no policy from loading.\n" +
			"Exit status: 0 sound, 2 problems.",
		RunE: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				files = []string{defaultPolicy}
			}
			unsound := 0
			for _, file := range files {
				if err := lint(in, file); err != nil {
					unsound++
					fmt.Fprintln(in.Stderr, err)
				}
			}
			if unsound > 0 {
				return usageError("%d of %d policy files not sound", unsound, len(files))
			}
			return nil
		},
	}
}

func schemaCommand(in Invocation) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of policy files, for editors",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := in.Stdout.Write(policy.Schema())
			return err
		},
	}
}

// lint reports one file. The error holds all its problems, cited by the path that
// the caller typed.
func lint(in Invocation, file string) error {
	p, err := readPolicy(file)
	if err != nil {
		return err
	}
	warnings := p.Warnings(time.Now())
	for _, w := range warnings {
		fmt.Fprintf(in.Stderr, "%s (warning)\n", w)
	}
	_, err = fmt.Fprintf(in.Stdout, "%s: sound, %s\n", file, p.Summary())
	return err
}

// readPolicy compiles a policy file, cited by the path that the caller typed.
func readPolicy(file string) (*policy.Policy, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, fmt.Errorf("%s: reading policy: %w", filepath.Clean(file), err)
	}
	return policy.Parse(filepath.ToSlash(filepath.Clean(file)), data)
}
