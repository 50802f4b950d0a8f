package cli

import (
	"errors"
	"fmt"
	"io/fs"
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
				p, err := readPolicy(file)
				if err != nil {
					unsound++
					fmt.Fprintln(in.Stderr, err)
					continue
				}
				if err := report(in, file, p); err != nil {
					return err
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
		Args:  cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			_, err := in.Stdout.Write(policy.Schema())
			return err
		},
	}
}

// report says of a sound policy how large it is, and what will not stay as it is.
func report(in Invocation, file string, p *policy.Policy) error {
	for _, w := range p.Warnings(time.Now()) {
		fmt.Fprintf(in.Stderr, "%s (warning)\n", w)
	}
	if _, err := fmt.Fprintf(in.Stdout, "%s: sound, %s\n", file, p.Summary()); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// readPolicy compiles a policy file, cited by the path that the caller typed.
func readPolicy(file string) (*policy.Policy, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		if file == defaultPolicy && errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: reading policy: %w: there is none in this folder, name one", file, err)
		}
		return nil, fmt.Errorf("%s: reading policy: %w", filepath.Clean(file), err)
	}
	return policy.Parse(filepath.ToSlash(filepath.Clean(file)), data)
}
