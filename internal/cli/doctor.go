package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"sgward/internal/crash"
	"sgward/internal/doctor"
	"sgward/internal/ec2rules"
	"sgward/internal/input"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/stack"
	"sgward/internal/text"
)

type doctorFlags struct {
	awsFlags
	outputFlags
	stack, policy, failOn string
	policyNamed           bool
	regions               []string
	allRegions            bool
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
		Short: "Examine a deployed stack: is every part there, and does it work",
		Long: "Doctor follows the way of an event through a deployed stack and says of each part whether it is well: the trail, the\n" +
			"rules, the functions and their policy, the queues, the topic and who is subscribed, keys, alarms, the last event and\n" +
			"the last sweep. A line that is not has the command that mends it. It only reads. docs/DOCTOR.md has the checks.\n\n" +
			"With --self-test it opens, after a yes, a rule that the deployed policy forbids in a group that it makes for that and\n" +
			"nothing uses, says when detect judged it, when it was closed and when the alert was published, and deletes the group,\n" +
			"after Ctrl-C too. Subscribers get that alert. It needs ec2:CreateSecurityGroup, AuthorizeSecurityGroupIngress,\n" +
			"DeleteSecurityGroup and CreateTags beside the reading permissions.\n\n" +
			"With --confirm it looks in the account for answers to \"To confirm on live AWS\" of docs/LIMITS.md, and prints them as a\n" +
			"page to send to the maintainers: it holds no account ids, keys, addresses or ids of resources.\n\n" +
			"A check for which you lack a permission says which, and the others go on: AWS's ReadOnlyAccess has all of them.\n" +
			"If policy.yaml or the file of --policy is there, the functions' policy is compared with it.\n" +
			"Exit status: 0 no failure, 1 error, or a check could not be made, 2 usage, 3 a failure (--fail-on sets which lines count).",
		Example: "  sgward doctor\n" +
			"  sgward doctor --stack sgward --regions eu-central-1,us-east-1\n" +
			"  sgward doctor --all-regions --quiet --fail-on warning\n" +
			"  sgward doctor --self-test --vpc-id vpc-0123456789abcdef0\n" +
			"  sgward doctor --confirm > confirmed.md",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.policyNamed = cmd.Flags().Changed("policy")
			if !slices.Contains([]string{failOnFailure, failOnWarning}, f.failOn) {
				return usageError("--fail-on %q: want %s", f.failOn, text.Or([]string{failOnFailure, failOnWarning}))
			}
			if f.allRegions && len(f.regions) > 0 {
				return usageError("want --regions or --all-regions, not both")
			}
			if f.selfTest && f.confirm {
				return usageError("want --self-test or --confirm, not both")
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
	f.awsFlags.add(cmd)
	policyFlag(cmd, &f.policy)
	flags := cmd.Flags()
	flags.StringVar(&f.stack, "stack", stack.DefaultName, stackNameUsage)
	flags.StringSliceVar(&f.regions, "regions", nil, "read these regions (repeats)")
	flags.BoolVar(&f.allRegions, "all-regions", false, "read every region that the account has enabled")
	flags.StringVar(&f.failOn, "fail-on", failOnFailure, "the mildest line that makes the exit status 3: failure or warning")
	flags.BoolVar(&f.selfTest, "self-test", false, "open a forbidden rule in a throw-away group, and watch what becomes of it")
	flags.StringVar(&f.vpc, "vpc-id", "", "VPC of the group")
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
	flags.BoolVar(&f.confirm, "confirm", false, "answer the open points of docs/LIMITS.md from this account, as a page without its ids")
	offer(cmd, "regions", regionNames()...)
	offer(cmd, "fail-on", failOnFailure, failOnWarning)
	return cmd
}

// regionsAtOnce limits the regions that are examined at the same time.
const regionsAtOnce = 4

func (f *doctorFlags) run(ctx context.Context, in Invocation) error {
	held, err := f.judge()
	if err != nil {
		return err
	}
	if f.region == "" && len(f.regions) > 0 {
		f.region = f.regions[0]
	}
	config, err := f.config(ctx)
	if err != nil {
		return err
	}
	regions := []string{config.Region}
	switch {
	case f.allRegions:
		if regions, err = ec2rules.Regions(ctx, ec2.NewFromConfig(config)); err != nil {
			return err
		}
	case len(f.regions) > 0:
		regions = slices.Compact(slices.Sorted(slices.Values(f.regions)))
	}
	return f.examine(ctx, in, config, regions, held)
}

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

// examination is what came of one region.
type examination struct {
	region string
	report *doctor.Report
	err    error
}

func (f *doctorFlags) examine(ctx context.Context, in Invocation, config aws.Config, regions []string, held *policy.Policy) error {
	done := make([]examination, len(regions))
	screen := startScreen(in, f.quiet, func() string { return "examining stack " + text.Visible(f.stack) })
	var running errgroup.Group
	running.SetLimit(regionsAtOnce)
	for i, region := range regions {
		running.Go(func() error {
			defer crash.Exit()
			there := config.Copy()
			there.Region = region
			r, err := doctor.Examine(ctx, doctor.Config{AWS: there, StackName: f.stack, Policy: held})
			done[i] = examination{region, r, err}
			return nil
		})
	}
	_ = running.Wait() // each region has its own error
	screen.end()
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(done) == 1 && done[0].err != nil {
		return regionOff(done[0])
	}
	return f.print(in, done)
}

// regionOff adds to the error of a region that the account may not have enabled.
func regionOff(e examination) error {
	switch ec2rules.ErrorCode(e.err) {
	case "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "OptInRequired":
		return fmt.Errorf("%s in %s; the account may not have enabled that region: aws account get-region-opt-status --region-name %s", awsErrorText(e.err), e.region, e.region)
	default:
		return e.err
	}
}

func (f *doctorFlags) print(in Invocation, done []examination) error {
	p := &doctor.Printer{Out: f.results(in), JSON: f.format == string(report.JSON), Quiet: f.quiet, Ink: in.paper(in.Stdout).Ink, ErrorText: awsErrorText}
	failures, incomplete := 0, 0
	for _, e := range done {
		r := f.missing(e)
		if err := p.Print(r, f.stack); err != nil {
			return err
		}
		failures += r.Count(doctor.Failure)
		if f.failOn == failOnWarning {
			failures += r.Count(doctor.Warning)
		}
		incomplete += r.Errors()
	}
	switch {
	case incomplete > 0:
		return &statusError{StatusError, fmt.Errorf("%s could not be told: %w", text.Plural(incomplete, "line"), doctor.ErrIncomplete)}
	case failures > 0:
		return &statusError{status: StatusFindings}
	default:
		return nil
	}
}

// missing turns a region without a stack into a line among the others.
func (f *doctorFlags) missing(e examination) *doctor.Report {
	if e.err == nil {
		return e.report
	}
	r := e.report
	if r == nil {
		r = &doctor.Report{Region: e.region}
	}
	var none *stack.MissingError
	if errors.As(e.err, &none) {
		status := doctor.Failure
		if f.allRegions {
			status = doctor.Warning // most accounts have regions that they do not use
		}
		r.Lines = []doctor.Line{{Check: "stack", Status: status, Text: none.Error()}}
	} else {
		r.Lines = []doctor.Line{{Check: "stack", Text: "the region cannot be examined", Err: regionOff(e)}}
	}
	return r
}

// confirmPoints prints what the account shows of the open points.
func (f *doctorFlags) confirmPoints(ctx context.Context, in Invocation) error {
	if f.format != string(report.Text) || f.allRegions || len(f.regions) > 0 {
		return usageError("--confirm writes one page, of one region: name it with --region")
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
