package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"sgward/internal/doctor"
	"sgward/internal/ec2rules"
	"sgward/internal/input"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/stack"
	"sgward/internal/text"
)

type doctorFlags struct {
	accountFlags
	outputFlags
	stack, policy, failOn string
	policyNamed           bool
	selfTest, yes         bool
	confirm               bool
	vpc                   string
}

// The values of doctor's --fail-on.
const (
	failOnFailure = "failure"
	failOnWarning = "warning"
)

func doctorCommand(in Invocation) *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check that each part of a deployed stack exists and works",
		Long: "Doctor follows the path of an event through a deployed stack and checks each part: the trail, the rules, the functions\n" +
			"and their policy, the queues, the topic and its subscribers, keys, alarms, the last event and the last sweep. A line\n" +
			"that is not ok has the command that mends it. It only reads. docs/DOCTOR.md has the checks.\n\n" +
			"With --self-test it makes, after a yes, a group that nothing uses, opens in it a rule that the deployed policy forbids,\n" +
			"reports when detect judged it, when it was closed and when the alert was published, and deletes the group,\n" +
			"after Ctrl-C too. Subscribers get that alert. It needs ec2:CreateSecurityGroup, AuthorizeSecurityGroupIngress,\n" +
			"DeleteSecurityGroup and CreateTags beside the reading permissions.\n\n" +
			"With --confirm it looks in the account for answers to \"To confirm on live AWS\" of docs/LIMITS.md, and prints them as a\n" +
			"page to send to the maintainers: it holds no account ids, keys, addresses or ids of resources.\n\n" +
			"--organization examines the stacks of every active account of the organization by a role of that name, many at once,\n" +
			"and your own without one: each account and region has a line, with the failures and their remedies. It needs\n" +
			"organizations:ListAccounts, in the management account or a delegated administrator's, or --accounts-file.\n" +
			"--assume-role examines the accounts of those roles in place of your own.\n\n" +
			"A check for which you lack a permission says which, and the others go on: AWS's ReadOnlyAccess has all of them.\n" +
			"If policy.yaml or the file of --policy is there, the functions' policy is compared with it.\n" +
			"Exit status: 0 no failure, 1 error, or a check could not be made, 2 usage, 3 a failure (--fail-on sets which lines count).",
		Example: "  sgward doctor\n" +
			"  sgward doctor --stack sgward --regions eu-central-1,us-east-1\n" +
			"  sgward doctor --all-regions --quiet --fail-on warning\n" +
			"  sgward doctor --organization security/audit --regions eu-central-1,us-east-1\n" +
			"  sgward doctor --self-test --vpc-id vpc-0123456789abcdef0\n" +
			"  sgward doctor --confirm > confirmed.md",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.policyNamed = cmd.Flags().Changed("policy")
			if !slices.Contains([]string{failOnFailure, failOnWarning}, f.failOn) {
				return usageError("--fail-on %q: want %s", f.failOn, text.Or([]string{failOnFailure, failOnWarning}))
			}
			if err := f.check(); err != nil {
				return err
			}
			switch {
			case f.selfTest && f.confirm:
				return usageError("want --self-test or --confirm, not both")
			case f.selfTest && f.areSet():
				return usageError("--self-test tests one account and region: name the region with --region")
			case f.confirm && f.areSet():
				return usageError("--confirm writes a page of one account and region: name the region with --region")
			}
			if f.selfTest {
				return f.test(cmd.Context(), in)
			}
			if f.vpc != "" || f.yes {
				return usageError("--vpc-id and --yes go with --self-test")
			}
			if f.confirm {
				return f.confirmPoints(cmd.Context(), in)
			}
			return f.run(cmd.Context(), in)
		},
	}
	f.outputFlags.add(cmd, report.Text, report.JSON)
	f.accountFlags.add(cmd)
	policyFlag(cmd, &f.policy)
	flags := cmd.Flags()
	flags.StringVar(&f.stack, "stack", stack.DefaultName, stackNameUsage)
	flags.StringVar(&f.failOn, "fail-on", failOnFailure, "the mildest line that makes the exit status 3: failure or warning")
	flags.BoolVar(&f.selfTest, "self-test", false, "open a forbidden rule in a throw-away group, and follow it to its alert")
	flags.StringVar(&f.vpc, "vpc-id", "", "VPC of the group")
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
	flags.BoolVar(&f.confirm, "confirm", false, "answer the open points of docs/LIMITS.md from this account, as a page without its ids")
	offer(cmd, "fail-on", failOnFailure, failOnWarning)
	return cmd
}

// doctorSession is the name of the session of an assumed role in CloudTrail.
const doctorSession = "sgward-doctor"

func (f *doctorFlags) run(ctx context.Context, in Invocation) error {
	held, err := f.judge()
	if err != nil {
		return err
	}
	opened, err := f.accounts(ctx, in, doctorSession)
	if err != nil {
		return err
	}
	accounts := make([]doctor.Account, len(opened))
	for i := range opened {
		a := &opened[i]
		accounts[i] = doctor.Account{ID: a.ID, Name: a.Name, AWS: a.config, Open: func(ctx context.Context) (string, []string, error) {
			if !f.others() && !f.allRegions { // each region says itself if the account has not enabled it
				return "", f.named(a), nil
			}
			regions, err := f.resolve(ctx, a)
			if err != nil && a.role != "" {
				err = &roleError{a.role, err}
			}
			return a.ID, regions, err
		}}
	}
	var done examined
	screen := startScreen(in, f.quiet, func() string {
		out := "examining stack " + text.Visible(f.stack)
		if f.others() {
			out += fmt.Sprintf(": %d of %s, %s", done.accounts.Load(), text.Plural(len(accounts), "account"), text.Plural(done.regions.Load(), "region"))
		}
		return out
	})
	reports := doctor.ExamineAll(ctx, accounts, doctor.Config{StackName: f.stack, Policy: held}, &done)
	screen.end()
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(reports) == 1 && reports[0].Err != nil && !f.others() {
		return regionOff(reports[0])
	}
	f.explain(reports)
	return f.print(in, reports)
}

// roleError says that an account could not be read by a role.
type roleError struct {
	role string
	error
}

func (e *roleError) Unwrap() error { return e.error }

// examined counts what has been examined.
type examined struct{ accounts, regions atomic.Int64 }

func (e *examined) Account() { e.accounts.Add(1) }

func (e *examined) Region() { e.regions.Add(1) }

// judge reads the policy that the functions should hold; nil if the default file is missing.
func (f *doctorFlags) judge() (*policy.Policy, error) {
	p, err := input.Policy(f.policy)
	if !f.policyNamed && errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no policy is a valid one: nothing is compared
	}
	if err != nil {
		return nil, &statusError{StatusUsage, err}
	}
	return p, nil
}

// regionOff adds to the error of a region that the account may not have enabled.
func regionOff(r *doctor.Report) error {
	switch ec2rules.ErrorCode(r.Err) {
	case "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "OptInRequired":
		if r.Region == "" {
			return r.Err
		}
		return fmt.Errorf("%s in %s; the account may not have enabled that region: aws account get-region-opt-status --region-name %s", awsErrorText(r.Err), r.Region, r.Region)
	default:
		return r.Err
	}
}

func (f *doctorFlags) print(in Invocation, reports []*doctor.Report) error {
	p := &doctor.Printer{Out: f.results(in), JSON: f.format == string(report.JSON), Quiet: f.quiet, Color: in.terminal(in.Stdout).Color, ErrorText: awsErrorText}
	var err error
	if f.others() {
		err = p.PrintAccounts(reports, f.stack)
	} else {
		for _, r := range reports {
			err = cmp.Or(err, p.Print(r, f.stack))
		}
	}
	if err != nil {
		return err
	}
	failures, incomplete := 0, 0
	for _, r := range reports {
		failures += r.Count(doctor.Failure)
		if f.failOn == failOnWarning {
			failures += r.Count(doctor.Warning)
		}
		incomplete += r.Errors()
	}
	switch {
	case incomplete > 0:
		return &statusError{StatusError, fmt.Errorf("%s could not be completed: %w", text.Plural(incomplete, "check"), doctor.ErrIncomplete)}
	case failures > 0:
		return &statusError{status: StatusFindings}
	default:
		return nil
	}
}

// explain gives each report without a stack a line with the reason.
func (f *doctorFlags) explain(reports []*doctor.Report) {
	// An account may leave regions unused. One of several that has no stack at all is not watched.
	watched := map[string]bool{}
	for _, r := range reports {
		var none *stack.MissingError
		if !errors.As(r.Err, &none) {
			watched[r.AccountID] = true
		}
	}
	for _, r := range reports {
		var none *stack.MissingError
		switch {
		case r.Err == nil:
		case errors.As(r.Err, &none):
			l := doctor.Line{Check: "stack", Status: doctor.Failure, Text: none.Error()}
			if f.others() && !none.Exists {
				l.Text, l.Fix = "no stack named "+f.stack, "deploy it (docs/ORGANISATION.md)"
				if len(none.Others) > 0 {
					l.Fix = "deploy it (docs/ORGANISATION.md), or name one with --stack: " + strings.Join(none.Others, ", ")
				}
			}
			if f.allRegions && (watched[r.AccountID] || !f.others()) {
				l.Status = doctor.Warning
			}
			r.Lines = []doctor.Line{l}
		case r.Region == "":
			l := doctor.Line{Check: "account", Text: "the account cannot be examined", Err: r.Err}
			var closed *roleError
			if errors.As(r.Err, &closed) {
				l.Text += " as " + closed.role
			}
			r.Lines = []doctor.Line{l}
		default:
			r.Lines = []doctor.Line{{Check: "stack", Text: "the region cannot be examined", Err: regionOff(r)}}
		}
	}
}

// confirmPoints prints the account's answers to the open points.
func (f *doctorFlags) confirmPoints(ctx context.Context, in Invocation) error {
	if f.format != string(report.Text) {
		return usageError("--confirm writes a page of Markdown only")
	}
	config, err := f.config(ctx)
	if err != nil {
		return err
	}
	screen := startScreen(in, f.quiet, func() string { return "looking for answers: CloudTrail answers two calls a second" })
	points, mode, err := doctor.Confirm(ctx, doctor.Config{AWS: config, StackName: f.stack})
	screen.end()
	if err != nil {
		return err
	}
	unread := 0
	for _, p := range points {
		if p.Err != nil {
			unread++
		}
	}
	if _, err := fmt.Fprint(in.Stdout, doctor.Page(points, config.Region, mode, in.Build.Version, time.Now(), awsErrorText)); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	if unread > 0 {
		return &statusError{StatusError, fmt.Errorf("%s could not be read: %w", text.Plural(unread, "point"), doctor.ErrIncomplete)}
	}
	return nil
}
