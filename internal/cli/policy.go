package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sgward/internal/input"
	"sgward/internal/policy"
	"sgward/internal/report"
)

func policyCommand(in Invocation) *cobra.Command {
	return commandGroup("policy", "Check policy files", lintCommand(in), policyTestCommand(in), packageCommand(in), schemaCommand(in))
}

func lintCommand(in Invocation) *cobra.Command {
	var output outputFlags
	cmd := &cobra.Command{
		Use:   "lint [FILE...]",
		Short: "List every problem of policy files by line",
		Long: "Lint reads policy files (policy.yaml if none is named) and lists every problem with its line.\n" +
			"Exceptions that have expired, will within 14 days, or change no verdict are warnings: the policy still loads.\n" +
			"Text writes problems to standard error; json writes one problem or warning per line to standard output.\n" +
			"Exit status: 0 sound, 1 error, 2 problems.",
		Example: "  sgward policy lint\n  sgward policy lint --format json policies/*.yaml",
		RunE: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				files = []string{input.DefaultPolicy}
			}
			unsound := 0
			for _, file := range files {
				p, err := input.Policy(file)
				if err != nil {
					unsound++
				}
				if err := printProblems(in, output, file, p, err); err != nil {
					return fmt.Errorf("writing the result: %w", err)
				}
			}
			switch {
			case unsound > 0 && len(files) == 1:
				return &statusError{status: StatusUsage} // its problems are printed
			case unsound > 0:
				return usageError("%d of %d policy files not sound", unsound, len(files))
			}
			return nil
		},
	}
	output.add(cmd, report.Text, report.JSON)
	return cmd
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

// lintLine is one problem or warning: one line of JSON.
type lintLine struct {
	File  string `json:"file"`
	Line  int    `json:"line,omitempty"` // absent if the file cannot be read
	Level string `json:"level"`          // error or warning
	Text  string `json:"text"`
}

// printProblems prints the problems of a policy file, or the size and warnings of a valid
// one.
func printProblems(in Invocation, output outputFlags, file string, p *policy.Policy, unsound error) error {
	if output.format == string(report.JSON) {
		return lintJSON(in, file, p, unsound)
	}
	if unsound != nil {
		_, err := fmt.Fprintln(in.Stderr, unsound)
		return err
	}
	for _, w := range p.Warnings(time.Now()) {
		if _, err := fmt.Fprintf(in.Stderr, "%s (warning)\n", w); err != nil {
			return err
		}
	}
	if output.quiet {
		return nil
	}
	_, err := fmt.Fprintf(output.results(in), "%s: sound, %s\n", file, p.Summary())
	return err
}

func lintJSON(in Invocation, file string, p *policy.Policy, unsound error) error {
	var lines []lintLine
	var problems policy.Problems
	switch {
	case unsound == nil:
		for _, w := range p.Warnings(time.Now()) {
			lines = append(lines, lintLine{w.File, w.Line, "warning", w.Text})
		}
	case errors.As(unsound, &problems):
		for _, problem := range problems {
			lines = append(lines, lintLine{problem.File, problem.Line, "error", problem.Text})
		}
	default:
		lines = append(lines, lintLine{File: file, Level: "error", Text: strings.TrimLeft(strings.TrimPrefix(unsound.Error(), filepath.Clean(file)), ": ")})
	}
	for _, l := range lines {
		if err := writeJSON(in.Stdout, l); err != nil {
			return err
		}
	}
	return nil
}
