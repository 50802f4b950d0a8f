package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sgward/internal/awsid"
	"sgward/internal/finding"
	"sgward/internal/input"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/text"
	"sgward/internal/undo"
)

type undoFlags struct {
	awsFlags
	outputFlags
	policy, actor string
	policyNamed   bool
	findings      []string
	groupID       string // restore what sgward closed in this group
	since         string // how far the search for closings goes back
	yes, dryRun   bool
	forbidden     bool // restore rules that the policy forbids
	unconfirmed   bool // restore rules that sgward is not known to have closed
}

func undoCommand(in Invocation) *cobra.Command {
	var f undoFlags
	cmd := &cobra.Command{
		Use:   "undo ALERT-ID|ALERT.json...",
		Short: "Restore the rules that sgward has closed",
		Long: "Undo restores exactly the rules that were closed, with your own credentials. Before it asks, it shows the rules to\n" +
			"open, who had opened them, and whether the policy still forbids them, with the exception to paste. Existing rules\n" +
			"are left as they are. It finds the rules\n" +
			"- by the id of an alert (a-...), as e-mail and chat show it: the id is made from the call that opened the rules,\n" +
			"  which CloudTrail's event history has, as it has the call with which sgward closed them;\n" +
			"- by a group: --group-id sg-... restores what sgward closed there, whatever the alert was;\n" +
			"- in the alert's JSON, bare or in the envelopes of SNS and SQS: the text of an e-mail is none.\n" +
			"Credentials must be of the alert's account. An id or group is looked up in one region (--region), from --since on;\n" +
			"calls take some minutes to appear in the history, 15 at most, and stay for 90 days. Descriptions are restored. Tags\n" +
			"are if the alert's JSON or the call that made the rule has them; undo says where they are not known.\n\n" +
			"Anybody can forge the text of an alert. So undo looks in CloudTrail's event history for the call with\n" +
			"which sgward closed the rule (by the role of remediate, or with app/sgward in the user agent), and names it. If\n" +
			"the history shows that there was none, the rule is refused. \"Not confirmed\" means that undo cannot tell: calls\n" +
			"take up to 15 minutes to appear and are kept for 90 days, and you may lack the permission to read them.\n\n" +
			"With --yes the plan is not reviewed. It restores only rules that the policy allows and CloudTrail confirms, and\n" +
			"refuses the others; --" + undo.FlagForbidden + " and --" + undo.FlagUnconfirmed + " restore those too.\n\n" +
			"It needs " + readPermissions + ",\n" +
			"AuthorizeSecurityGroupIngress or -Egress, CreateTags if a rule had tags, and cloudtrail:LookupEvents.\n" +
			"Exit status: 0 all rules exist, 1 error, or some are missing, 2 usage, 3 the policy forbids some, which exist or were\n" +
			"refused for that.",
		Example: "  sgward undo a-9bc16ee75906b5bf\n" +
			"  sgward undo --group-id sg-0123456789abcdef0 --since 2h\n" +
			"  sgward undo alert.json\n" +
			"  sgward undo --dry-run --finding f-0123456789abcdef alert.json\n" +
			"  sgward undo --yes --quiet alert.json",
		Args: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 && f.groupID == "" {
				return errNoAlertFile
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, files []string) error {
			f.policyNamed = cmd.Flags().Changed("policy")
			if cmd.Flags().Changed("since") && f.groupID == "" && !slices.ContainsFunc(files, undo.IsAlertID) {
				return usageError("--since goes with an alert's id or --group-id: an alert's JSON names its rules itself")
			}
			return f.run(cmd.Context(), in, files)
		},
	}
	f.outputFlags.add(cmd, report.Text, report.JSON)
	f.awsFlags.add(cmd)
	policyFlag(cmd, &f.policy)
	flags := cmd.Flags()
	flags.StringVar(&f.actor, "actor", "", actorUsage)
	flags.StringVar(&f.groupID, "group-id", "", "put back what sgward closed in this group")
	flags.StringVar(&f.since, "since", "24h", "look that far back for an id or a group: 2h, 3d, or a time or day (UTC) such as 2026-10-01")
	flags.StringArrayVar(&f.findings, "finding", nil, "put back only the finding of this id (repeats)")
	flags.BoolVar(&f.yes, "yes", false, "do not ask; refuse rules that the policy forbids or CloudTrail does not confirm")
	flags.BoolVar(&f.forbidden, undo.FlagForbidden, false, "with --yes: restore rules that the policy forbids too")
	flags.BoolVar(&f.unconfirmed, undo.FlagUnconfirmed, false, "restore rules that sgward did not close, as CloudTrail shows; with --yes also unconfirmed ones")
	flags.BoolVar(&f.dryRun, "dry-run", false, dryRunUsage)
	return cmd
}

// errNoAlertFile is returned without a file.
var errNoAlertFile = errors.New("the alert is missing: name its id (a-...), a group with --group-id, or a file with the alert's JSON (- for standard input)")

// Usage texts that several commands share.
const (
	actorUsage  = "ARN of the role, user or root that makes the rule"
	dryRunUsage = "show what would be done, and do nothing"
	// readPermissions are the IAM actions that judging needs.
	readPermissions = "ec2:DescribeSecurityGroups, DescribeSecurityGroupRules, DescribeManagedPrefixLists, GetManagedPrefixListEntries"
)

func (f *undoFlags) run(ctx context.Context, in Invocation, files []string) error {
	items, left, err := f.find(ctx, in, files)
	if err != nil {
		return err
	}
	if !f.dryRun && !f.yes && len(items) > 0 && !isInteractive(in) {
		return usageError("stdin is not a terminal: pass --yes to restore %s, or --dry-run to see the plan", text.Plural(len(items), "rule"))
	}
	judge, err := f.judge(in)
	if err != nil {
		return err
	}
	undoer, err := f.undoer(ctx, judge, items)
	if err != nil {
		return err
	}
	p := undo.Printer{People: in.Stderr, Out: f.results(in), JSON: f.format == string(report.JSON), Quiet: f.quiet, Policy: judge, PolicyFile: f.policy}
	// An answer to what is shown is consent; --yes is none.
	undoer.Consent = undo.Consent{Forbidden: !f.yes || f.forbidden, Unconfirmed: !f.yes || f.unconfirmed, Contradicted: f.unconfirmed}
	steps := undoer.Plan(ctx, items)
	p.Left(left)
	if !f.quiet || !f.yes && !f.dryRun {
		p.Plan(steps)
	}
	if len(items) == 0 {
		if !f.quiet {
			fmt.Fprintln(in.Stderr, "Nothing to restore.")
		}
	} else if !f.dryRun && !f.yes {
		if question := undo.Question(undoer, steps); question != "" {
			if err := confirm(ctx, in, question); err != nil {
				return err
			}
		}
	}
	for _, step := range steps {
		p.Results(step, undoer.Put(ctx, step, f.dryRun))
	}
	if err := p.Err(left); err != nil {
		return err
	}
	if p.Forbidden() {
		return &statusError{status: StatusFindings}
	}
	return nil
}

// find finds the rules to restore: in the files, and in CloudTrail's history.
func (f *undoFlags) find(ctx context.Context, in Invocation, args []string) (items []undo.Item, left []undo.Left, err error) {
	var files, ids []string
	for _, arg := range args {
		if _, err := os.Stat(arg); err != nil && undo.IsAlertID(arg) {
			ids = append(ids, arg)
		} else {
			files = append(files, arg)
		}
	}
	if len(files) > 0 && (len(ids) > 0 || f.groupID != "") || len(ids) > 0 && f.groupID != "" {
		return nil, nil, usageError("want ids of alerts, or --group-id, or files with alerts: one of the three")
	}
	if len(files) > 0 {
		alerts, err := readAlerts(in, files)
		if err != nil {
			return nil, nil, err
		}
		if items, left, err = undo.Select(alerts, f.findings); err != nil {
			return nil, nil, fmt.Errorf("checking the alert: %w", err)
		}
		return items, left, nil
	}
	if f.groupID != "" && !awsid.IsGroup(f.groupID) {
		return nil, nil, usageError("--group-id %q: want a security group such as sg-0123456789abcdef0", f.groupID)
	}
	since, err := ago(f.since, time.Now())
	if err != nil {
		return nil, nil, usageError("--since %w", err)
	}
	config, err := f.config(ctx)
	if err != nil {
		return nil, nil, err
	}
	history := undo.NewHistory(config, since)
	if f.groupID != "" {
		items, left, err = history.OfGroup(ctx, f.groupID)
	}
	for _, id := range ids {
		found, more, problem := history.OfAlert(ctx, id)
		items, left, err = append(items, found...), append(left, more...), errors.Join(err, problem)
	}
	if err != nil {
		return nil, nil, err
	}
	if len(f.findings) > 0 {
		items = slices.DeleteFunc(items, func(it undo.Item) bool { return !slices.Contains(f.findings, it.Result.ID) })
	}
	return items, left, nil
}

// ago reads how far back to look: a number of hours and the like, or a moment.
func ago(s string, now time.Time) (time.Time, error) {
	length := s
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil {
			length = strconv.Itoa(24*n) + "h"
		}
	}
	if d, err := time.ParseDuration(length); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	at, err := moment(s, false)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q: want 2h, 3d, or a time or day (UTC) such as 2026-10-01 or 2026-10-01T12:00:00Z", s)
	}
	if !at.Before(now) {
		return time.Time{}, fmt.Errorf("%q: it is in the future", s)
	}
	return at, nil
}

// readAlerts reads all files before anything is done.
func readAlerts(in Invocation, files []string) ([]finding.Alert, error) {
	var out []finding.Alert
	for _, file := range files {
		name := file
		if file == "-" {
			name = "standard input"
		}
		data, err := readBounded(in, file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		alerts, err := undo.Read(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, alerts...)
	}
	return out, nil
}

// mostAlertBytes is many times the size of what SQS returns at once.
const mostAlertBytes = 32 << 20

// readBounded reads a file, or standard input for "-".
func readBounded(in Invocation, file string) ([]byte, error) {
	from := in.Stdin
	if file != "-" {
		opened, err := os.Open(file)
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err // its message names the file a second time
		}
		if err != nil {
			return nil, fmt.Errorf("reading the alert: %w", err)
		}
		defer func() { _ = opened.Close() }() // it was only read
		from = opened
	}
	data, err := io.ReadAll(io.LimitReader(from, mostAlertBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the alert: %w", err)
	}
	if len(data) > mostAlertBytes {
		return nil, fmt.Errorf("reading the alert: it has more than %d MB: SNS carries 256 KB", mostAlertBytes>>20)
	}
	return data, nil
}

// judge reads the policy. Undo also works with the alert alone: a missing default policy
// only means that the plan shows less.
func (f *undoFlags) judge(in Invocation) (*policy.Policy, error) {
	p, err := input.Policy(f.policy)
	if !f.policyNamed && errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(in.Stderr, "%s is missing: undo cannot check whether the policy still forbids a rule. Name it with --policy.\n", f.policy)
		return nil, nil //nolint:nilnil // no policy is a valid one: it judges nothing
	}
	if err != nil {
		return nil, &statusError{StatusUsage, err}
	}
	return p, nil
}

// undoer checks that the flags fit the items, and connects to their account.
func (f *undoFlags) undoer(ctx context.Context, judge *policy.Policy, items []undo.Item) (*undo.Undoer, error) {
	if len(items) == 0 {
		return &undo.Undoer{}, nil
	}
	if err := (input.Place{Actor: f.actor}).Check(input.Flag); err != nil {
		return nil, &statusError{StatusUsage, err}
	}
	regions := undo.Regions(items)
	if f.region != "" && (len(regions) > 1 || regions[0] != f.region) {
		return nil, usageError("--region %s: the alert is of %s, where its groups are", f.region, strings.Join(regions, ", "))
	}
	from := f.awsFlags
	from.region = regions[0]
	config, err := from.config(ctx)
	if err != nil {
		return nil, err
	}
	return undo.Connect(ctx, config, judge, f.actor, items)
}
