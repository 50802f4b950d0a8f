package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/input"
	"sgward/internal/policy"
	"sgward/internal/report"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// explainFlags describe a rule, its place and its maker.
type explainFlags struct {
	policy, event, mode string
	rule                input.Rule
	place               input.Place
	tags, standing      []string
	listOwner           string
	listEntries         []string
	details             bool
	failOn              string
	outputFlags
}

func explainCommand(in Invocation) *cobra.Command {
	var f explainFlags
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Explain the policy's verdict on a rule or an event",
		Long: "Explain prints the verdict on a rule given by flags, or on each rule of a CloudTrail event given as a file,\n" +
			"with the statements that led to it and their lines. It calls no AWS API: facts that only EC2 has are listed as\n" +
			"unknown. A rule that is \"compliant on its own\" is forbidden only together with others of its group: say with\n" +
			"--standing which those are.\n" +
			"Exit status: 0 compliant or exempt, 1 error, 2 usage or an unsound policy, 3 revoke, alert, or undetermined, as\n" +
			"\"compliant on its own\" is.",
		Example: "  sgward explain --port mysql --cidr 0.0.0.0/0\n" +
			"  sgward explain --port ssh --cidr 203.0.113.10/32 --standing none\n" +
			"  sgward explain --port 5432 --cidr 52.64.0.0/10 --standing 'tcp 5432 52.0.0.0/10'\n" +
			"  sgward explain --event events/ingress-two-half-worlds.json",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.event != "" {
				if err := nothingBeside(cmd); err != nil {
					return err
				}
			}
			return explain(cmd.Context(), in, f, completeLists{
				tags: cmd.Flags().Changed("group-tag"), standing: cmd.Flags().Changed("standing"),
			})
		},
	}
	flags := cmd.Flags()
	policyFlag(cmd, &f.policy)
	f.add(cmd, report.Text, report.JSON)
	failOnFlag(cmd, &f.failOn)
	flags.StringVar(&f.event, "event", "", "file with one CloudTrail event: of EventBridge, of lookup-events, or the bare record (- for standard input)")
	flags.StringVar(&f.rule.Direction, "direction", "ingress", "ingress or egress")
	flags.StringVar(&f.rule.Protocol, "protocol", "tcp", "tcp, udp, icmp, icmpv6, -1 or a protocol number")
	flags.StringVar(&f.rule.Port, "port", "", portUsage+" (tcp and udp; all ports if left out)")
	flags.StringVar(&f.rule.CIDR, "cidr", "", "peer: an IPv4 or IPv6 range")
	flags.StringVar(&f.rule.PrefixList, "prefix-list", "", "peer: a prefix list (pl-...)")
	flags.StringVar(&f.listOwner, "prefix-list-owner", "", "account that owns the prefix list, or AWS; left out, it is not known")
	flags.StringSliceVar(&f.listEntries, "prefix-list-entry", nil, "range that the prefix list holds (repeats), or none; left out, its entries are not known")
	flags.StringVar(&f.rule.SourceGroup, "source-group", "", "peer: a security group (sg-..., or ACCOUNT/sg-... of another account)")
	flags.StringVar(&f.place.Account, "account", "", "account of the group")
	flags.StringVar(&f.place.Region, "region", "", "region of the group")
	flags.StringVar(&f.place.Group, "group-id", "", "group that holds the rule")
	flags.StringVar(&f.place.VPC, "vpc-id", "", "VPC of the group")
	flags.StringArrayVar(&f.tags, "group-tag", nil, "tag of the group, KEY=VALUE (repeats)")
	flags.StringArrayVar(&f.standing, "standing", nil,
		"existing rule of the group, as 'PROTOCOL [PORTS] PEER' such as 'tcp 22 52.0.0.0/10' (repeats), or none; if left out, they are unknown")
	flags.StringVar(&f.place.Actor, "actor", "", "ARN of the role, user or root that makes the rule")
	flags.StringVar(&f.mode, "mode", string(finding.Enforce), "observe or enforce: how the outcome is worded")
	flags.BoolVar(&f.details, "details", false, detailsUsage)
	offerFiles(cmd, "event", recordFiles...)
	offer(cmd, "region", regionNames()...)
	offer(cmd, "port", secgroup.ServiceNames()...)
	offer(cmd, "mode", string(finding.Enforce), string(finding.Observe))
	offer(cmd, "direction", "ingress", "egress")
	offer(cmd, "protocol", "tcp", "udp", "icmp", "icmpv6", "-1")
	return cmd
}

// nothingBeside refuses flags that describe a rule beside an event, where they have no
// effect.
func nothingBeside(cmd *cobra.Command) error {
	var idle []string
	for _, flag := range []string{"direction", "protocol", "port", "account", "region", "group-id", "vpc-id", "group-tag", "standing", "actor", "prefix-list-owner", "prefix-list-entry"} {
		if cmd.Flags().Changed(flag) {
			idle = append(idle, "--"+flag)
		}
	}
	if len(idle) > 0 {
		return usageError("%s: not with --event, which has the rule, its group and its maker", strings.Join(idle, ", "))
	}
	return nil
}

// completeLists says which lists of the flags are complete, even if empty.
type completeLists struct{ tags, standing bool }

func explain(ctx context.Context, in Invocation, f explainFlags, lists completeLists) error {
	given := 0
	for _, peer := range []string{f.rule.CIDR, f.rule.PrefixList, f.rule.SourceGroup, f.event} {
		if peer != "" {
			given++
		}
	}
	if given != 1 {
		return usageError("want one of --cidr, --prefix-list, --source-group and --event; found %d", given)
	}
	if f.rule.PrefixList == "" && f.listOwner+strings.Join(f.listEntries, "") != "" {
		return usageError("--prefix-list-owner and --prefix-list-entry go with --prefix-list")
	}
	if f.mode != string(finding.Observe) && f.mode != string(finding.Enforce) {
		return usageError("--mode %q: want observe or enforce", f.mode)
	}
	if err := checkRegion(f.place.Region); err != nil {
		return err
	}
	p, err := input.Policy(f.policy)
	if err != nil {
		return &statusError{StatusUsage, err}
	}
	q, err := f.question(ctx, in, lists)
	if err != nil {
		return err
	}
	q.req.Time = time.Now()
	judgements, steps := p.Explain(q.req)
	var out strings.Builder
	if err := f.write(&out, in.terminal(in.Stdout), q, judgements, steps); err != nil {
		return err
	}
	if _, err := io.WriteString(f.results(in), out.String()); err != nil {
		return fmt.Errorf("writing the explanation: %w", err)
	}
	counts := func(j policy.Judgement) bool { return report.FailOn(f.failOn).Counts(j.Verdict, j.Severity) }
	if q.missing && report.FailOn(f.failOn).Counts(policy.Undetermined, policy.NoSeverity) || slices.ContainsFunc(judgements, counts) {
		return &statusError{status: StatusFindings}
	}
	return nil
}

// question is the input of explain.
type question struct {
	req policy.Request
	// call is the event's call; zero for a rule given by flags. note describes it, and
	// missing is set if it opened rules that its record leaves out.
	call    cloudtrail.Call
	note    string
	missing bool
}

// question builds the input from an event file or from the flags.
func (f explainFlags) question(ctx context.Context, in Invocation, lists completeLists) (question, error) {
	if f.event != "" {
		c, err := f.readCall(ctx, in)
		return askOf(c), err
	}
	rule, err := f.rule.Read(f.place, input.Flag)
	if err == nil {
		err = f.place.Check(input.Flag)
	}
	if err != nil {
		return question{}, &statusError{StatusUsage, err}
	}
	q := question{req: f.place.Request(time.Time{})}
	q.req.Group.TagsKnown, q.req.Rules, q.req.StandingKnown = lists.tags, []secgroup.Rule{rule}, lists.standing
	if q.req.Group.Tags, err = input.Tags(f.tags, "group-tag", input.Flag); err != nil {
		return question{}, &statusError{StatusUsage, err}
	}
	if q.req.Standing, err = f.standingRules(); err != nil {
		return question{}, &statusError{StatusUsage, err}
	}
	if f.rule.PrefixList != "" {
		list, err := input.PrefixList(f.listOwner, f.listEntries, "prefix-list-owner", "prefix-list-entry", input.Flag)
		if err != nil {
			return question{}, &statusError{StatusUsage, err}
		}
		q.req.PrefixLists = map[string]secgroup.PrefixList{f.rule.PrefixList: list}
	}
	return q, nil
}

// standingRules reads the group's other rules. They get the direction of the explained
// rule: rules of the other direction do not affect its verdict.
func (f explainFlags) standingRules() ([]secgroup.Rule, error) {
	if slices.Equal(f.standing, []string{"none"}) {
		return nil, nil
	}
	var out []secgroup.Rule
	for _, text := range f.standing {
		words := strings.Fields(text)
		if len(words) < 2 || len(words) > 3 {
			return nil, fmt.Errorf("--standing %q: want PROTOCOL [PORTS] PEER such as 'tcp 22 52.0.0.0/10', or none alone", text)
		}
		one := input.Rule{Direction: f.rule.Direction, Protocol: words[0]}
		if len(words) == 3 {
			one.Port = words[1]
		}
		switch peer := words[len(words)-1]; {
		case strings.HasPrefix(peer, "pl-"):
			one.PrefixList = peer
		case strings.Contains(peer, "sg-"):
			one.SourceGroup = peer
		default:
			one.CIDR = peer
		}
		rule, err := one.Read(input.Place{Account: f.place.Account}, func(field string) string {
			if field == "prefix-list" || field == "source-group" {
				return "peer"
			}
			return field
		})
		if err != nil {
			return nil, fmt.Errorf("--standing %q: %w", text, err)
		}
		out = append(out, rule)
	}
	return out, nil
}

// askOf builds the question about the rules of a call.
func askOf(c cloudtrail.Call) question {
	return question{
		req:  finding.RequestOf(c, time.Time{}),
		call: c, note: text.VisibleLines(noteOf(c)), missing: c.RulesMissing(),
	}
}

// noteOf describes a call, and the gaps of its record.
func noteOf(c cloudtrail.Call) string {
	if c.Skipped != "" {
		note := "Nothing to judge: " + c.Skipped + "."
		switch {
		case c.EventName == "":
		case c.Kind.Opens():
			note = "Nothing to judge: " + strings.TrimSpace(c.EventName+" "+c.EventID) + ": " + c.Skipped
		default:
			note = "Nothing to judge: " + strings.TrimSpace(c.EventName+" "+c.EventID)
		}
		if !c.Kind.Opens() {
			note += "\nJudged are the calls that can open a group: " + strings.Join(cloudtrail.Names(cloudtrail.Openings()...), ", ") + "."
		}
		return note
	}
	note := fmt.Sprintf("%s %s in %s, account %s", c.EventName, c.EventID, c.Region, c.AccountID)
	if group := c.Group.String(); group != "" {
		note += ", group " + group
	}
	switch {
	case c.Kind == cloudtrail.KindModify:
		note += "\nThe record has neither the direction nor the old values: the rules are read before anything is revoked."
	case c.Incomplete:
		note += "\nThe record lists fewer rules than the call asked for: the group is read and judged as a whole too."
	case c.From == cloudtrail.RulesUnknown && c.Group.String() == "":
		note += "\nThe record leaves out its parameters: an alert asks people to look at this call."
	case c.From == cloudtrail.RulesUnknown:
		note += "\nThe record leaves out the rules: the group is read and judged as a whole."
	case c.From == cloudtrail.RulesFromRequest:
		note += "\nThe record holds only what the caller typed: the group is read before anything is revoked."
	}
	return note
}

// readCall reads the call of the event file; "-" is standard input.
func (f explainFlags) readCall(ctx context.Context, in Invocation) (cloudtrail.Call, error) {
	data, err := readEvent(in, f.event)
	if err != nil {
		return cloudtrail.Call{}, err
	}
	c, err := input.Call(ctx, data)
	if err != nil {
		name := f.event
		if name == "-" {
			name = "standard input"
		}
		return cloudtrail.Call{}, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

func readEvent(in Invocation, file string) ([]byte, error) {
	if file == "-" {
		data, err := io.ReadAll(in.Stdin)
		if err != nil {
			return nil, fmt.Errorf("reading standard input: %w", err)
		}
		return data, nil
	}
	data, err := os.ReadFile(file)
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // its message names the file a second time
	}
	if err != nil {
		return nil, fmt.Errorf("reading event: %s: %w", file, err)
	}
	return data, nil
}
