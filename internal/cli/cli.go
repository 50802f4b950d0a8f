// Package cli is the command line of sgward. It never exits the process, reads the
// environment or prints on its own: Run takes all of that as arguments, and returns the
// exit status.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sgward/internal/crash"
	"sgward/internal/text"
)

// Exit statuses, the same for every command and format.
const (
	StatusClean    = 0 // nothing to report
	StatusError    = 1 // the command failed, a policy test failed, or sgward crashed
	StatusUsage    = 2 // the command line, or the policy, is wrong
	StatusFindings = 3 // a finding other than exempt was printed
)

// Invocation is a command's surroundings.
type Invocation struct {
	Args           []string // without the program's name
	LookupEnv      func(string) (string, bool)
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Build          Build
}

// statusError is an error with an exit status of its own. A nil err prints
// nothing.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

// usageError is a mistake on the command line or in a policy file.
func usageError(format string, args ...any) error {
	return &statusError{StatusUsage, fmt.Errorf(format, args...)}
}

// rootCommand is the whole tree of commands.
func rootCommand(in Invocation) *cobra.Command {
	root := &cobra.Command{
		Use:   "sgward",
		Short: "Close security group openings that a policy forbids",
		Long: "sgward judges security group rules by a policy: rules that were made, that exist, or that you plan.\n" +
			"Exit status: 0 clean, 1 error, 2 usage or an unsound policy, 3 findings.",
		Version:       in.Build.String(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(in.Args)
	root.SetIn(in.Stdin)
	root.SetOut(in.Stdout)
	root.SetErr(in.Stderr)
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n") // as the command prints it
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { showHelp(in, cmd) })
	root.SetHelpCommand(helpCommand(root))
	root.AddCommand(demoCommand(in), localCommand(in), explainCommand(in), replayCommand(in), auditCommand(in), checkCommand(in), groupCommand(in), undoCommand(in), redriveCommand(in), doctorCommand(in), policyCommand(in), versionCommand(in))
	root.InitDefaultCompletionCmd(in.Args...)
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			needsCommand(cmd)
			cmd.Short = "Print a script that completes commands and flags in your shell"
		}
	}
	return root
}

// Run runs one command and returns its exit status. Errors have been printed on Stderr by
// then. A panic is reported there too, because Go's exit status of a panic means usage
// here.
func Run(ctx context.Context, in Invocation) (status int) {
	defer func() {
		if reason := recover(); reason != nil {
			crash.Report(in.Stderr, reason)
			status = crash.Status
		}
	}()
	in.Stderr = in.forPeople(in.Stderr)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &pipe{Writer: in.Stdout, cancel: cancel}
	if !isTerminal(in.Stdout) {
		in.Stdout = out
	}
	root := rootCommand(in)
	// An error that cobra returns before a command runs is a usage error.
	reached := false
	root.PersistentPreRun = func(*cobra.Command, []string) { reached = true }

	cmd, err := root.ExecuteContextC(ctx)
	var own *statusError
	switch {
	case out.ended(err):
		return StatusError
	case err == nil:
		return StatusClean
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(in.Stderr, "sgward: interrupted")
		return StatusError
	case errors.As(err, &own):
		if own.err != nil {
			fmt.Fprintf(in.Stderr, "sgward: %s\n", awsErrorText(own.err))
		}
		return own.status
	case !reached:
		fmt.Fprintf(in.Stderr, "sgward: %v\nTry '%s --help'.\n", err, cmd.CommandPath())
		return StatusUsage
	default:
		fmt.Fprintf(in.Stderr, "sgward: %s\n", awsErrorText(err))
		return StatusError
	}
}

// helpAlone runs a command that needs another: it prints help, and a script that left the
// command out notices by the status.
func helpAlone(cmd *cobra.Command, _ []string) error {
	return cmp.Or(cmd.Help(), error(&statusError{status: StatusUsage}))
}

// commandGroup returns a command that only holds others.
func commandGroup(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	needsCommand(cmd)
	cmd.AddCommand(children...)
	return cmd
}

func needsCommand(cmd *cobra.Command) {
	cmd.Args = cobra.NoArgs
	cmd.RunE = helpAlone
}

// flagError adds to the error of an unknown flag the one that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) < 2 {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := text.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		return fmt.Errorf("%w: did you mean --%s?", err, near)
	}
	return err
}

// helpCommand is cobra's, except that an unknown topic is a usage error.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]", Short: "Help about any command",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usageError("no help for %q. Try 'sgward --help'", strings.Join(args, " "))
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

// offer makes the shell complete the values of a flag.
func offer(cmd *cobra.Command, flag string, values ...string) {
	// The only errors are a missing flag or repeated values, and TestShellsCompleteValues
	// covers both.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// Command returns the tree of commands, for the man pages and completion scripts of a release. It is not for running.
func Command(build Build) *cobra.Command {
	return rootCommand(Invocation{Build: build, LookupEnv: func(string) (string, bool) { return "", false }, Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard})
}
