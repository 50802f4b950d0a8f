package cli

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sgward/internal/awsid"
	"sgward/internal/input"
	"sgward/internal/replay"
	"sgward/internal/report"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// replayFlags select the history and the policy.
type replayFlags struct {
	judgeFlags
	awsFlags
	athenaFlags
	accountHistory    bool
	compare           string
	since, until      string
	suggest           string
	accounts, regions []string
}

func replayCommand(in Invocation) *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay PATH...",
		Short: "Judge a history of CloudTrail records by the policy",
		Long: "Replay judges recorded calls: each new rule is judged as sgward would have judged it then, and the report says\n" +
			"when it was closed, if the history shows that. Replay changes nothing. It calls AWS for --account-history, s3://\n" +
			"and --run only.\n\n" +
			"PATH is a CloudTrail log file, a folder with any number of them, a file of EventBridge events or of bare\n" +
			"records, the output of \"aws cloudtrail lookup-events\", the result of the query of --athena (CSV or JSON lines),\n" +
			"or - for standard input; all of them plain or gzipped.\n" +
			"s3://BUCKET/PREFIX/ reads them from a bucket without copying them; it needs s3:ListBucket and s3:GetObject, and\n" +
			"kms:Decrypt for a trail with a key. --since, --until, --accounts and --regions then choose the files to read.\n" +
			"--account-history reads the last 90 days of the account from CloudTrail itself, with no trail and no bucket; it\n" +
			"needs cloudtrail:LookupEvents, and ec2:DescribeRegions unless --regions names the regions.\n" +
			"--athena prints the query that reduces CloudTrail's table in Athena to the calls that replay reads. --since,\n" +
			"--until, --accounts and --regions are conditions on its partitions. With --run, replay runs it, says what it cost\n" +
			"and judges the result; it needs athena:StartQueryExecution, GetQueryExecution and StopQueryExecution, and the\n" +
			"permissions to read the table and to write the result.\n" +
			"--suggest writes an exception for each opening that violates the policy and that no call has closed, for review:\n" +
			"the file does not load until reason and owner are filled in. Data stores, and ports that the policy closes to the\n" +
			"world, get none if the world can reach them.\n" +
			"An exception of the policy counts if it applied when the call was made. Verdicts that need facts from EC2 (prefix\n" +
			"lists, group tags, rules older than the history) are \"needs a look\" (in JSON \"inspect\"): sgward would have read EC2\n" +
			"first. A run that is interrupted writes no report.\n" +
			"Exit status: 0 nothing found, or only excepted rules, 1 error or input not read, 2 usage or an unsound policy,\n" +
			"3 findings, or differences with --compare.",
		Example: "  sgward replay --account-history\n" +
			"  sgward replay --since 2026-10-01 s3://my-trail-bucket/AWSLogs/\n" +
			"  sgward replay AWSLogs/\n" +
			"  sgward replay --out history.html AWSLogs/\n" +
			"  sgward replay --fail-on revoke --quiet AWSLogs/\n" +
			"  sgward replay --since 2026-10-01 --until 2026-10-31 --accounts 123456789012 AWSLogs/\n" +
			"  sgward replay --compare stricter.yaml AWSLogs/\n" +
			"  sgward replay --account-history --suggest suggested.yaml\n" +
			"  sgward replay --athena security.cloudtrail --since 2024-01-01 > query.sql\n" +
			"  sgward replay --athena security.cloudtrail --since 2024-01-01 --run --output s3://my-athena-results/\n" +
			"  aws cloudtrail lookup-events --lookup-attributes \\\n" +
			"    AttributeKey=EventName,AttributeValue=AuthorizeSecurityGroupIngress | sgward replay -",
		ValidArgsFunction: completeFiles(append(slices.Clone(recordFiles), "csv")...),
		RunE: func(cmd *cobra.Command, paths []string) error {
			if err := f.check(cmd.Flags(), paths); err != nil {
				return err
			}
			if f.table != "" && !f.runs {
				return f.printQuery(in)
			}
			return f.run(cmd.Context(), in, paths)
		},
	}
	f.judgeFlags.add(cmd)
	f.awsFlags.add(cmd)
	f.athenaFlags.add(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.accountHistory, "account-history", false, "read the account's last 90 days from CloudTrail, in --regions or in all that are enabled")
	flags.StringVar(&f.compare, "compare", "", "another policy file: report only differences")
	offerFiles(cmd, "compare", policyFiles...)
	flags.StringVar(&f.suggest, "suggest", "", "write the exceptions for what is still open into this new file, to be reviewed")
	flags.StringVar(&f.since, "since", "", "judge calls from this time or day on (UTC), such as 2026-10-01 or 2026-10-01T12:00:00Z")
	flags.StringVar(&f.until, "until", "", "judge calls before this time, or to the end of this day (UTC)")
	flags.StringSliceVar(&f.accounts, "accounts", nil, "read these accounts only (repeats)")
	flags.StringSliceVar(&f.regions, "regions", nil, "read these regions (repeats)")
	offer(cmd, "regions", regionNames()...)
	return cmd
}

func (f *replayFlags) run(ctx context.Context, in Invocation, paths []string) error {
	from, err := f.sources(paths)
	if err != nil {
		return err
	}
	o, err := f.options()
	if err != nil {
		return err
	}
	p, format, err := f.read(in)
	if err != nil {
		return err
	}
	o.Policy = p
	run := report.Run{
		Command: report.Replay, Version: in.Build.Version, Policy: namedPolicy(p), Sources: from.names(), Chosen: f.chosen(),
		Now: time.Now().UTC(),
	}
	if f.compare != "" {
		if o.Other, err = input.Policy(f.compare); err != nil {
			return &statusError{StatusUsage, err}
		}
		other := namedPolicy(o.Other)
		if a, b := filepath.Base(run.Policy.Name), filepath.Base(other.Name); a != b { // short names tell them apart
			run.Policy.Name, other.Name = a, b
		}
		run.Other = &other
	}
	if f.suggest != "" {
		if _, err := os.Lstat(f.suggest); err == nil {
			return usageError("--suggest %s: the file exists, and may have been reviewed: name a new one", f.suggest)
		}
	}
	suggested := suggestions{policy: p, now: run.Now, seen: map[string]bool{}, open: map[place]map[secgroup.Permission][]netip.Prefix{}}
	return f.write(in, format, advised(run, p, run.Now), func(w report.Writer) ([]text.Problem, error) {
		return f.replay(ctx, in, from, o, format, suggested.watch(w))
	}, func() error {
		if f.suggest == "" {
			return nil
		}
		return suggested.write(in, f.suggest, f.quiet)
	})
}

// replay judges the history and writes the report. It returns the parts that could not be
// read.
func (f *replayFlags) replay(ctx context.Context, in Invocation, from historySources, o replay.Options, format report.Format, w report.Writer) ([]text.Problem, error) {
	o.Progress = &replay.Progress{}
	found, err := f.find(ctx, in, from, &o)
	if err != nil {
		return nil, err
	}
	screen := startScreen(in, f.quiet, found.howFar(o.Progress, time.Now()))
	defer screen.end()
	var early []text.Problem
	for _, p := range found.local.Problems {
		early = append(early, text.Problem{Place: sourceName(p.Source), Text: p.Text})
	}
	summary, err := replay.Run(ctx, found.all, o, func(e report.Entry) error {
		screen.end() // all has been read: now the report is written
		return w.Entry(e)
	})
	screen.end()
	if err != nil {
		return nil, err
	}
	summary.Problems = append(early, summary.Problems...)
	if summary.History.Records == 0 && len(summary.Problems) > 0 && format != report.SARIF { // which has a place for the problems
		return nil, nothingJudged(summary.Problems)
	}
	return summary.Problems, w.Close(summary)
}

// options reads the flags that choose calls.
func (f *replayFlags) options() (replay.Options, error) {
	o := replay.Options{Accounts: f.accounts, Regions: f.regions}
	var err error
	if o.Since, err = moment(f.since, false); err != nil {
		return o, usageError("--since %w", err)
	}
	if o.Until, err = moment(f.until, true); err != nil {
		return o, usageError("--until %w", err)
	}
	if !o.Since.IsZero() && !o.Until.IsZero() && !o.Since.Before(o.Until) {
		return o, usageError("--since %s is not before --until %s", f.since, f.until)
	}
	for _, a := range f.accounts {
		if !awsid.IsAccount(a) {
			return o, usageError("--accounts %q: want an account id of 12 digits", a)
		}
	}
	for _, r := range f.regions {
		if !awsid.IsRegion(r) {
			return o, usageError("--regions %q: want a region such as eu-central-1", r)
		}
	}
	return o, nil
}

// chosen describes the chosen calls, as report.Run needs it.
func (f *replayFlags) chosen() string {
	var parts []string
	for _, flag := range []struct{ word, value string }{
		{"since", f.since}, {"until", f.until}, {"of", strings.Join(f.accounts, " and ")}, {"in", strings.Join(f.regions, " and ")},
	} {
		if flag.value != "" {
			parts = append(parts, flag.word+" "+flag.value)
		}
	}
	return strings.Join(parts, ", ")
}

// moment reads a time, or a day in UTC: its start, or its end.
func moment(s string, end bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q: want a day such as 2026-10-01, or a time such as 2026-10-01T12:00:00Z", s)
	}
	if end {
		t = t.AddDate(0, 0, 1)
	}
	return t, nil
}
