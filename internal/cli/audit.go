package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"sgward/internal/inventory"
	"sgward/internal/logfile"
	"sgward/internal/report"
	"sgward/internal/text"
)

// auditFlags select the groups and the policy.
type auditFlags struct {
	judgeFlags
	accountFlags
	files    []string
	baseline string
}

func auditCommand(in Invocation) *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit [PATH...]",
		Short: "Judge the security groups that exist now",
		Long: "Audit judges every group as a whole, all its rules together, and changes nothing. It reads the groups from EC2,\n" +
			"with whatever credentials the AWS CLI would use, or from files that the AWS CLI has written.\n\n" +
			"Live it also reads the network interfaces that use a group, with their services and public addresses, and\n" +
			"resolves prefix lists. It needs ec2:DescribeSecurityGroups, DescribeSecurityGroupRules,\n" +
			"DescribeNetworkInterfaces, DescribeManagedPrefixLists and GetManagedPrefixListEntries, DescribeRegions with\n" +
			"--all-regions, and sts:AssumeRole with --assume-role, which reads those accounts in place of your own.\n" +
			"--organization reads every active account of the organization by a role of that name, many at once, and your own\n" +
			"without one. It needs organizations:ListAccounts, in the management account or a delegated administrator's, or\n" +
			"--accounts-file.\n\n" +
			"A file holds the answer of \"aws ec2 describe-security-groups\" or \"describe-security-group-rules\", or both in two\n" +
			"files, which hold more together. Those of describe-network-interfaces, describe-prefix-lists,\n" +
			"describe-managed-prefix-lists (the owners) and get-managed-prefix-list-entries (the entries), in a file named\n" +
			"after the list (pl-....json), add what live reading would.\n" +
			"PATH is such a file, gzipped or not, a folder, or - for standard input; --from-file names more. --region is for\n" +
			"files that do not name their region.\n\n" +
			"EC2 does not record who made a rule, so clauses on actors can only alert. Unused groups, default groups with\n" +
			"rules and the like are notes, which are not findings: text and HTML show them, and SARIF at the level note.\n" +
			"Exit status: 0 nothing found, or only excepted rules, 1 error or input not read, 2 usage or an unsound policy,\n" +
			"3 findings.",
		Example: "  sgward audit --all-regions\n" +
			"  sgward audit --assume-role arn:aws:iam::111122223333:role/audit,arn:aws:iam::123456789012:role/audit --regions eu-central-1,us-east-1\n" +
			"  sgward audit --organization security/audit --regions eu-central-1,us-east-1 --out audit.html\n" +
			"  sgward audit --organization audit --accounts-file accounts.txt --all-regions --format json\n" +
			"  aws ec2 describe-security-groups > groups.json && sgward audit groups.json\n" +
			"  sgward audit --format json > known.json; sgward audit --baseline known.json\n" +
			"  sgward audit --all-regions --out audit.html\n" +
			"  sgward audit --all-regions --fail-on revoke --quiet",
		ValidArgsFunction: completeFiles(recordFiles...),
		RunE: func(cmd *cobra.Command, paths []string) error {
			f.files = append(f.files, paths...)
			return f.run(cmd.Context(), in)
		},
	}
	f.judgeFlags.add(cmd)
	f.accountFlags.add(cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&f.files, "from-file", nil, "judge the groups in these files or folders, and call no AWS API (- for standard input; repeats)")
	offerFiles(cmd, "from-file", recordFiles...)
	flags.StringVar(&f.baseline, "baseline", "", "JSON of an earlier audit: report only new or worse findings")
	offerFiles(cmd, "baseline", recordFiles...)
	return cmd
}

// check refuses files together with flags for reading live.
func (f *auditFlags) check() error {
	if len(f.files) > 0 && (f.areSet() || f.profile != "" || f.endpoint != "") {
		return usageError("files are judged without AWS: leave out the files, or --regions, --all-regions, --assume-role, --organization, --accounts-file, --external-id, --profile and --endpoint-url")
	}
	return f.accountFlags.check()
}

func (f *auditFlags) run(ctx context.Context, in Invocation) error {
	if err := f.check(); err != nil {
		return err
	}
	p, format, err := f.read(in)
	if err != nil {
		return err
	}
	a := audit{policy: p, lines: format == report.JSON || format == report.CSV}
	if f.baseline != "" {
		if a.baseline, err = readBaseline(in, f.baseline); err != nil {
			return err
		}
	}
	snapshot, sources, err := f.snapshot(ctx, in, &a)
	if err != nil {
		return err
	}
	if len(snapshot.Groups) == 0 && len(snapshot.Problems) > 0 && format != report.SARIF { // which has a place for the problems
		var problems []text.Problem
		for _, p := range snapshot.Problems {
			problems = append(problems, problemOf(p))
		}
		return nothingJudged(problems)
	}
	run := report.Run{
		Command: report.Audit, Version: in.Build.Version, Policy: namedPolicy(p), Sources: namedSources(sources), Now: time.Now().UTC(),
	}
	a.now = run.Now
	return f.write(in, format, advised(run, p, run.Now), func(w report.Writer) ([]text.Problem, error) {
		summary, err := a.write(ctx, snapshot, w)
		return summary.Problems, err
	}, func() error {
		if !f.quiet {
			f.remark(in, &a, snapshot)
		}
		return nil
	})
}

// remark prints why ids may differ from those of another audit, and which findings of the
// baseline are gone.
func (f *auditFlags) remark(in Invocation, a *audit, s *inventory.Snapshot) {
	nowhere := 0
	for i := range s.Groups {
		if s.Groups[i].Region == "" {
			nowhere++
		}
	}
	if nowhere > 0 {
		fmt.Fprintf(in.Stderr, "sgward: no file names the region of %s, on which verdicts and ids of findings may depend: set it with --region\n", text.Plural(nowhere, "group"))
	}
	if gone := len(a.baseline) - a.known; gone > 0 {
		fmt.Fprintf(in.Stderr, "sgward: %d of the %s in %s are gone: closed since, compliant now, or in groups that were not read\n",
			gone, text.Plural(len(a.baseline), "finding"), text.Visible(f.baseline))
	}
}

// snapshot reads the groups, and names their sources.
func (f *auditFlags) snapshot(ctx context.Context, in Invocation, a *audit) (*inventory.Snapshot, []string, error) {
	if len(f.files) > 0 {
		snapshot, err := f.fromFiles(ctx, in)
		return snapshot, f.files, err
	}
	return f.fromAWS(ctx, in, a)
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
		early = append(early, inventory.Problem{Place: sourceName(p.Source), Text: p.Text})
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
