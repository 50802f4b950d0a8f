package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"sgward/internal/awsid"
	"sgward/internal/inventory"
	"sgward/internal/logfile"
	"sgward/internal/report"
	"sgward/internal/text"
)

// auditFlags say which groups are judged, and by what.
type auditFlags struct {
	judgeFlags
	awsFlags
	files, regions, roles []string
	allRegions            bool
	externalID, baseline  string
}

func auditCommand(in Invocation) *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Judge the security groups that exist now",
		Long: "Audit judges every group as a whole, all its rules together, and changes nothing. It reads the groups from EC2,\n" +
			"with whatever credentials the AWS CLI would use, or from files that the AWS CLI has written.\n\n" +
			"Live it also reads which network interfaces use a group, what is behind them and their public addresses, and\n" +
			"resolves prefix lists. It asks for ec2:DescribeSecurityGroups, DescribeSecurityGroupRules,\n" +
			"DescribeNetworkInterfaces and GetManagedPrefixListEntries, DescribeRegions with --all-regions, and\n" +
			"sts:AssumeRole with --assume-role, which reads those accounts in place of your own.\n\n" +
			"A file holds the answer of \"aws ec2 describe-security-groups\" or \"describe-security-group-rules\", or both in two\n" +
			"files: together they tell more. Those of describe-network-interfaces, describe-prefix-lists and of\n" +
			"get-managed-prefix-list-entries, in a file named after the list (pl-....json), add what live reading would.\n" +
			"A file may be gzipped, a folder, or - for standard input; --region says where files are from that do not.\n\n" +
			"Who made a rule is not known, so what hangs on that is an alert. Groups that nobody uses, default groups with\n" +
			"rules and the like are told as notes, which are no findings: text and HTML show them, and SARIF at the level note.\n" +
			"Exit status: 0 nothing found but what exceptions cover, 1 error or something not read, 2 usage or an unsound policy,\n" +
			"3 findings.",
		Example: "  sgward audit --all-regions\n" +
			"  sgward audit --assume-role arn:aws:iam::111122223333:role/audit,arn:aws:iam::123456789012:role/audit --regions eu-central-1,us-east-1\n" +
			"  aws ec2 describe-security-groups > groups.json && sgward audit --from-file groups.json\n" +
			"  sgward audit --format json > known.json; sgward audit --baseline known.json\n" +
			"  sgward audit --all-regions --format html > audit.html",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), in) },
	}
	f.judgeFlags.add(cmd)
	f.awsFlags.add(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&f.files, "from-file", nil, "judge what these files or folders hold, and call no AWS API (- for standard input; repeats)")
	flags.StringSliceVar(&f.regions, "regions", nil, "read these regions (repeats)")
	flags.BoolVar(&f.allRegions, "all-regions", false, "read every region that the account has enabled")
	flags.StringSliceVar(&f.roles, "assume-role", nil, "read the accounts of these roles, by ARN (repeats)")
	flags.StringVar(&f.externalID, "external-id", "", "external id that the roles ask for")
	flags.StringVar(&f.baseline, "baseline", "", "JSON of an earlier audit: report only what is new or worse")
	return cmd
}

// roleForm is the ARN of a role that can be assumed.
var roleForm = regexp.MustCompile(`^arn:aws[a-z-]*:iam::(\d{12}):role/[\w+=,.@/-]+$`)

// check refuses flags that contradict each other or lack their form.
func (f *auditFlags) check() error {
	live := len(f.regions)+len(f.roles) > 0 || f.allRegions || f.profile != "" || f.endpoint != "" || f.externalID != ""
	switch {
	case len(f.files) > 0 && live:
		return usageError("--from-file calls no AWS API: leave out --regions, --all-regions, --assume-role, --external-id, --profile and --endpoint-url")
	case f.allRegions && len(f.regions) > 0:
		return usageError("--all-regions and --regions: want one of them")
	case f.region != "" && len(f.regions) > 0:
		return usageError("--region and --regions: want one of them")
	case f.externalID != "" && len(f.roles) == 0:
		return usageError("--external-id is for --assume-role")
	}
	regions := f.regions
	if f.region != "" {
		regions = []string{f.region}
	}
	for _, region := range regions {
		if !awsid.IsRegion(region) {
			return usageError("--region %q: want a region such as eu-central-1", region)
		}
	}
	for _, arn := range f.roles {
		if !roleForm.MatchString(arn) {
			return usageError("--assume-role %q: want the ARN of a role such as arn:aws:iam::123456789012:role/audit", arn)
		}
	}
	return nil
}

func (f *auditFlags) run(ctx context.Context, in Invocation) error {
	if err := f.check(); err != nil {
		return err
	}
	p, format, err := f.read()
	if err != nil {
		return err
	}
	a := audit{policy: p, lines: format == report.JSON || format == report.CSV}
	if f.baseline != "" {
		if a.baseline, err = readBaseline(in, f.baseline); err != nil {
			return err
		}
	}
	snapshot, sources, err := f.snapshot(ctx, in)
	if err != nil {
		return err
	}
	run := report.Run{
		Command: report.Audit, Version: in.Version, Policy: namedPolicy(p), Sources: sources, Now: time.Now().UTC(),
	}
	a.now = run.Now
	w, err := report.New(format, in.Stdout, run, f.look(in))
	if err != nil {
		return err
	}
	tally := report.Count(w)
	summary, err := a.write(ctx, snapshot, tally)
	if err != nil {
		return err
	}
	for _, problem := range summary.Problems {
		fmt.Fprintln(in.Stderr, "sgward: "+text.Visible(problem.Place+": "+problem.Text))
	}
	if !f.quiet {
		f.remark(in, &a, snapshot)
	}
	switch {
	case len(summary.Problems) > 0:
		return &statusError{StatusError, fmt.Errorf("%s: the report is incomplete", text.Plural(len(summary.Problems), "problem"))}
	case tally.Findings() > 0:
		return &statusError{status: StatusFindings}
	default:
		return nil
	}
}

// remark says what makes ids differ from those of another audit, and what has become of
// those of the baseline.
func (f *auditFlags) remark(in Invocation, a *audit, s *inventory.Snapshot) {
	nowhere := 0
	for i := range s.Groups {
		if s.Groups[i].Region == "" {
			nowhere++
		}
	}
	if nowhere > 0 {
		fmt.Fprintf(in.Stderr, "sgward: no file tells the region of %s, on which verdicts and ids of findings may depend: --region says it\n", text.Plural(nowhere, "group"))
	}
	if gone := len(a.baseline) - a.known; gone > 0 {
		fmt.Fprintf(in.Stderr, "sgward: %d of the %s in %s did not come up again: closed since, compliant now, or not in what was read\n",
			gone, text.Plural(len(a.baseline), "finding"), text.Visible(f.baseline))
	}
}

// snapshot reads the groups, and says what it read them from.
func (f *auditFlags) snapshot(ctx context.Context, in Invocation) (*inventory.Snapshot, []string, error) {
	if len(f.files) > 0 {
		snapshot, err := f.fromFiles(ctx, in)
		return snapshot, f.files, err
	}
	return f.fromAWS(ctx, in)
}

// fromFiles reads dumps.
func (f *auditFlags) fromFiles(ctx context.Context, in Invocation) (*inventory.Snapshot, error) {
	found := findSources(in, f.quiet, f.files)
	var sources []inventory.Source
	total := ""
	bytes := int64(0)
	for _, s := range found.Sources {
		sources = append(sources, inventory.Source{Name: s.Name, Open: func() (io.ReadCloser, error) {
			if s.Name == "-" {
				return io.NopCloser(in.Stdin), nil
			}
			return os.Open(s.Name)
		}})
		bytes += s.Size
	}
	if !slices.ContainsFunc(found.Sources, func(s logfile.Source) bool { return s.Size < 0 }) {
		total = " of " + text.Bytes(bytes)
	}
	var read atomic.Int64
	screen := startScreen(in, f.quiet, func() string { return text.Bytes(read.Load()) + total + " read" })
	defer screen.end()
	snapshot, err := inventory.ReadDumps(ctx, sources, f.region, func(n int) { read.Add(int64(n)) })
	if err != nil {
		return nil, err
	}
	var early []inventory.Problem
	for _, p := range found.Problems {
		early = append(early, inventory.Problem{Place: p.Source, Text: p.Text})
	}
	snapshot.Problems = slices.Concat(early, snapshot.Problems)
	return snapshot, nil
}

func readBaseline(in Invocation, name string) (inventory.Baseline, error) {
	if name == "-" {
		return inventory.ReadBaseline("-", in.Stdin)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the baseline: %w", err)
	}
	known, err := inventory.ReadBaseline(name, file)
	return known, errors.Join(err, file.Close())
}
