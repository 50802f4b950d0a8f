package cli

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sgward/internal/finding"
	"sgward/internal/input"
	"sgward/localaws"
	"sgward/localaws/tour"
)

// scenePause is the time to read between two scenes of the demo on a terminal.
const scenePause = 1500 * time.Millisecond

// stackFlags are the common flags of demo and local.
type stackFlags struct {
	template, buildDir, policy string
	logs                       bool
}

func (f *stackFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.template, "template", "template.yaml", "the SAM template that wires the pipeline")
	cmd.Flags().StringVar(&f.buildDir, "build-dir", "build", "the folder into which \"make build\" put the functions")
	cmd.Flags().StringVar(&f.policy, "policy", "", "policy file (default: the one packed with the functions)")
	cmd.Flags().BoolVar(&f.logs, "logs", false, "show the functions' own log lines on standard error")
}

// resolve checks the policy and finds the files that the flags leave out: in the current
// folder, else beside the executable, so that both ./build/sgward and an installed one
// work from anywhere.
func (f *stackFlags) resolve(cmd *cobra.Command, in Invocation) (io.Writer, error) {
	if f.policy != "" {
		if _, err := input.Policy(f.policy); err != nil {
			return nil, usageError("%w", err)
		}
	}
	if executable, err := os.Executable(); err == nil {
		dir := filepath.Dir(executable)
		if !cmd.Flags().Changed("template") {
			f.template = firstThere(f.template, filepath.Join(dir, "template.yaml"), filepath.Join(dir, "..", "template.yaml"))
		}
		if !cmd.Flags().Changed("build-dir") {
			f.buildDir = firstWith("*/bootstrap", f.buildDir, dir, filepath.Join(dir, "build"))
		}
	}
	if f.logs {
		return bare(in.Stderr), nil
	}
	return nil, nil //nolint:nilnil // no writer is a valid one: no logs
}

// firstThere returns the first path that exists, or the first of all for the error to
// name.
func firstThere(paths ...string) string {
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return paths[0]
}

// firstWith is firstThere for folders that hold a file that matches pattern.
func firstWith(pattern string, dirs ...string) string {
	for _, dir := range dirs {
		if found, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil && len(found) > 0 {
			return dir
		}
	}
	return dirs[0]
}

func demoCommand(in Invocation) *cobra.Command {
	var flags stackFlags
	var fast bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch sgward close openings, on this machine, without AWS",
		Long: "Demo plays a scripted tour in a few seconds: the real functions, wired as template.yaml says, between\n" +
			"stand-ins for AWS inside this process. No AWS account is needed or touched. With --policy it tells the story as that\n" +
			"policy ends it, and checks that. Run \"make build\" first,\n" +
			"or \"make demo\" for both.\n" +
			"Exit status: 0 if everything ended as expected, 1 if not, 2 usage.",
		Example: "  sgward demo\n  sgward demo --fast --policy my-policy.yaml",
		Args:    cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			logs, err := flags.resolve(cmd, in)
			if err != nil {
				return err
			}
			terminal := in.terminal(in.Stdout)
			pause := scenePause
			if fast || !isTerminal(in.Stdout) {
				pause = 0
			}
			return tour.Demo(cmd.Context(), tour.DemoConfig{
				TemplatePath: flags.template, BuildDir: flags.buildDir, PolicyFile: flags.policy,
				Out: bare(in.Stdout), Color: bool(terminal.Color), Width: terminal.Width, Pause: pause, Logs: logs,
			})
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&fast, "fast", false, "do not pause between the scenes")
	return cmd
}

func localCommand(in Invocation) *cobra.Command {
	var flags stackFlags
	var listen, mode, record string
	cmd := &cobra.Command{
		Use:   "local",
		Short: "Keep the pipeline running on this machine for any AWS client",
		Long: "Local runs the real functions, wired as template.yaml says, between stand-ins for AWS, serves EC2 security\n" +
			"groups, SNS, STS and what else it takes to any AWS client, and prints every step and every alert. It is for tests and tours: everything is kept\n" +
			"in memory, and credentials are not checked. Run \"make build\" first, or \"make local\" for both.\n" +
			"docs/TUTORIAL.md uses it.\n" +
			"Exit status: 0 when it is ended by Ctrl-C, 1 error, 2 usage.",
		Example: "  sgward local --record seen\n" +
			"  AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test aws --endpoint-url http://127.0.0.1:4566 --region us-east-1 \\\n" +
			"    ec2 describe-security-groups",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if m := finding.Mode(mode); m != finding.Enforce && m != finding.Observe {
				return usageError("--mode is enforce or observe, not %q", mode)
			}
			if _, _, err := net.SplitHostPort(listen); err != nil {
				return usageError("--listen %q: want a host and a port such as %s", listen, localaws.DefaultListen)
			}
			logs, err := flags.resolve(cmd, in)
			if err != nil {
				return err
			}
			terminal := in.terminal(in.Stdout)
			err = tour.Watch(cmd.Context(), tour.WatchConfig{
				TemplatePath: flags.template, BuildDir: flags.buildDir, PolicyFile: flags.policy,
				Listen: listen, Mode: finding.Mode(mode), RecordDir: record,
				Out: bare(in.Stdout), Color: bool(terminal.Color), Width: terminal.Width, Logs: logs,
			})
			if errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("%w: stop the program that uses it, or choose another with --listen 127.0.0.1:0", err)
			}
			return err
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&listen, "listen", localaws.DefaultListen, "where to serve AWS clients; port 0 takes a free one")
	cmd.Flags().StringVar(&mode, "mode", string(finding.Enforce), "enforce or observe")
	cmd.Flags().StringVar(&record, "record", "", "keep alerts (for undo) and CloudTrail records (for replay) in this folder")
	offer(cmd, "mode", string(finding.Enforce), string(finding.Observe))
	return cmd
}
