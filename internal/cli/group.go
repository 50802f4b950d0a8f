package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sgward/internal/group"
	"sgward/internal/input"
	"sgward/internal/report"
	"sgward/internal/secgroup"
)

func groupCommand(in Invocation) *cobra.Command {
	return commandGroup("group", "Make compliant security groups and rules", groupCreateCommand(in), groupAllowCommand(in))
}

// groupFlags are the flags of every command that makes rules in a group.
type groupFlags struct {
	awsFlags
	outputFlags
	policy, actor string
	tags          []string
	dryRun        bool
}

func (f *groupFlags) add(cmd *cobra.Command) {
	f.outputFlags.add(cmd, report.Text, report.JSON)
	f.awsFlags.add(cmd)
	policyFlag(cmd, &f.policy)
	flags := cmd.Flags()
	flags.StringVar(&f.actor, "actor", "", actorUsage)
	flags.StringArrayVar(&f.tags, "tag", nil, "tag for new resources, KEY=VALUE (repeats)")
	flags.BoolVar(&f.dryRun, "dry-run", false, dryRunUsage)
}

// connect reads the policy and identifies the credentials.
func (f *groupFlags) connect(ctx context.Context) (group.Account, error) {
	p, err := input.Policy(f.policy)
	if err != nil {
		return group.Account{}, &statusError{StatusUsage, err}
	}
	config, err := f.config(ctx)
	if err != nil {
		return group.Account{}, err
	}
	a, err := group.Connect(ctx, config, p, f.actor)
	a.DryRun = f.dryRun
	return a, err
}

// settableTags reads the tags for new resources.
func (f *groupFlags) settableTags() ([]secgroup.Tag, error) {
	out, err := input.Tags(f.tags, "tag", input.Flag)
	if err != nil {
		return nil, &statusError{StatusUsage, err}
	}
	if len(secgroup.SettableTags(out)) < len(out) {
		return nil, usageError("--tag: keys that begin with aws: are for AWS to set")
	}
	if err := secgroup.CheckTags(out); err != nil {
		return nil, usageError("--tag: %w", err)
	}
	return out, nil
}

// errFailed is returned after a partial failure; the result has the details.
var errFailed = errors.New("not everything is done: see above; run this again to continue")

// end writes the result and returns the command's error.
func (f *groupFlags) end(in Invocation, result *group.Report) error {
	if !f.quiet {
		fmt.Fprint(in.Stderr, result.Advice(f.policy))
	}
	out := result.Text(f.quiet)
	if f.format == string(report.JSON) {
		var err error
		if out, err = result.JSON(); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(f.results(in), out); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	switch {
	case result.Refused():
		return &statusError{status: StatusFindings}
	case result.Failed():
		return errFailed
	default:
		return nil
	}
}
