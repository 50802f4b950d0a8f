package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sgward/internal/policytest"
	"sgward/internal/report"
)

func policyTestCommand(in Invocation) *cobra.Command {
	var policyFile string
	var output outputFlags
	cmd := &cobra.Command{
		Use:   "test [FILE...]",
		Short: "Run unit tests of a policy",
		Long: "Test runs files of policy unit tests (policy_test.yaml if none is named): rules or event files, each with\n" +
			"its expected decision. docs/POLICY.md shows the form.\n" +
			"Exit status: 0 all pass, 1 some fail, 2 a file is not sound.",
		Example: "  sgward policy test\n  sgward policy test --policy new-policy.yaml policy_test.yaml",
		RunE: func(cmd *cobra.Command, files []string) error {
			if len(files) == 0 {
				files = []string{"policy_test.yaml"}
			}
			passed, failed := 0, 0
			for _, file := range files {
				outcomes, err := policytest.Run(cmd.Context(), file, policyFile)
				for _, o := range outcomes {
					if o.Passed {
						passed++
					} else {
						failed++
					}
					if err := writeTestOutcome(output.results(in), output, o); err != nil {
						return fmt.Errorf("writing the results: %w", err)
					}
				}
				if err != nil {
					return &statusError{StatusUsage, err}
				}
			}
			if output.format == string(report.Text) && !output.quiet {
				if _, err := fmt.Fprintf(in.Stdout, "%d passed, %d failed\n", passed, failed); err != nil {
					return fmt.Errorf("writing the results: %w", err)
				}
			}
			if failed > 0 {
				return &statusError{status: StatusError}
			}
			return nil
		},
	}
	output.add(cmd, report.Text, report.JSON)
	cmd.Flags().StringVar(&policyFile, "policy", "", "policy file (default: the test file's, or policy.yaml beside it)")
	return cmd
}

// writeTestOutcome writes an outcome. Text, and JSON with quiet, leave out tests that
// passed.
func writeTestOutcome(w io.Writer, output outputFlags, o policytest.Outcome) error {
	if output.format == string(report.JSON) {
		if o.Passed && output.quiet {
			return nil
		}
		return writeJSON(w, o)
	}
	_, err := io.WriteString(w, o.Text())
	return err
}
