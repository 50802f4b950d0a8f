package cli

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sgward/internal/group"
	"sgward/internal/input"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

type groupAllowFlags struct {
	groupFlags
	rule               input.Rule
	group, description string
	lasts              time.Duration // --for
	owner              string
}

// longestTemporary limits --for: an exception of more days ends with a day.
const longestTemporary = 30 * 24 * time.Hour

func groupAllowCommand(in Invocation) *cobra.Command {
	var f groupAllowFlags
	cmd := &cobra.Command{
		Use:   "allow --group-id sg-... --port PORT --cidr RANGE --description TEXT",
		Short: "Add a rule to a group if the policy allows it",
		Long: "Allow judges a rule together with the group's other rules, and adds it if the policy allows it. An existing rule\n" +
			"is left as it is; differences of its description or tags are reported. It needs\n" +
			readPermissions + ",\n" +
			"AuthorizeSecurityGroupIngress or -Egress, and CreateTags with --tag or --for.\n" +
			"With --for the rule gets the tag " + policy.UntilTag + " with its end, for a sweep to report or to close it: see Temporary rules\n" +
			"in docs/POLICY.md. If the policy forbids the rule, nothing is done, and the exception to review is printed with that end.\n" +
			"Exit status: 0 the rule exists, 1 error, 2 usage or an unsound policy, 3 refused by the policy; nothing is done then.",
		Example: "  sgward group allow --group-id sg-0123456789abcdef0 --port 22 --cidr 203.0.113.10/32 --description 'SSH from the office'\n" +
			"  sgward group allow --group-id sg-0123456789abcdef0 --direction egress --port 3306 \\\n" +
			"    --source-group sg-0123456789abcdef1 --description 'to the database'\n" +
			"  sgward group allow --for 8h --group-id sg-0123456789abcdef0 --port 22 --cidr 203.0.113.10/32 --description 'vendor on site'",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd, in) },
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.group, "group-id", "", "group that holds the rule")
	flags.StringVar(&f.rule.Direction, "direction", "ingress", "ingress or egress")
	flags.StringVar(&f.rule.Protocol, "protocol", "tcp", "tcp, udp, icmp, icmpv6, -1 or a protocol number")
	flags.StringVar(&f.rule.Port, "port", "", portUsage+" (tcp and udp)")
	flags.StringVar(&f.rule.CIDR, "cidr", "", "peer: an IPv4 or IPv6 range")
	flags.StringVar(&f.rule.PrefixList, "prefix-list", "", "peer: a prefix list (pl-...)")
	flags.StringVar(&f.rule.SourceGroup, "source-group", "", "peer: a security group (sg-..., or ACCOUNT/sg-... of another account)")
	flags.StringVar(&f.description, "description", "", "its purpose")
	flags.DurationVar(&f.lasts, "for", 0, "how long the rule is meant to last, such as 30m or 8h (default for ever)")
	flags.Lookup("for").DefValue = "" // not "0s"
	flags.StringVar(&f.owner, "owner", "", "owner in the exception that is printed if the policy forbids the rule")
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "group" { // the flags omit "group" where people do
			name = "group-id"
		}
		return pflag.NormalizedName(name)
	})
	offer(cmd, "port", secgroup.ServiceNames()...)
	offer(cmd, "direction", "ingress", "egress")
	offer(cmd, "protocol", "tcp", "udp", "icmp", "icmpv6", "-1")
	return cmd
}

// check reads the rule from the flags.
func (f *groupAllowFlags) check() (secgroup.Rule, error) {
	peers := 0
	for _, peer := range []string{f.rule.CIDR, f.rule.PrefixList, f.rule.SourceGroup} {
		if peer != "" {
			peers++
		}
	}
	switch {
	case f.group == "":
		return secgroup.Rule{}, usageError("--group-id is missing: want the group for the rule")
	case peers != 1:
		return secgroup.Rule{}, usageError("want one of --cidr, --prefix-list and --source-group; found %d", peers)
	case f.description == "":
		return secgroup.Rule{}, usageError("--description is missing: want the purpose of the rule")
	}
	place := input.Place{Group: f.group, Actor: f.actor}
	rule, err := f.rule.Read(place, input.Flag)
	if err == nil {
		err = place.Check(input.Flag)
	}
	if err != nil {
		return secgroup.Rule{}, &statusError{StatusUsage, err}
	}
	if f.rule.Port == "" && rule.Permission.Protocol.HasPorts() {
		return secgroup.Rule{}, usageError("--port is missing: want one, a range, or 0-65535 for all of them")
	}
	if err := secgroup.CheckDescription(f.description); err != nil {
		return secgroup.Rule{}, usageError("--description: %w", err)
	}
	rule.Description = f.description
	rule.Tags, err = f.settableTags()
	for _, t := range rule.Tags {
		if _, ok := policy.ParseMoment(t.Value); err == nil && t.Key == policy.UntilTag && !ok {
			err = usageError("--tag %s=%s: want a time in UTC such as 2027-03-01T18:00Z, or --for", t.Key, text.Visible(t.Value))
		}
	}
	return rule, err
}

// terms reads the terms of an exception. The end is a whole minute, and never too early.
func (f *groupAllowFlags) terms(cmd *cobra.Command, now time.Time) (group.Terms, error) {
	out := group.Terms{Owner: strings.TrimSpace(f.owner)}
	if cmd.Flags().Changed("owner") && (out.Owner == "" || strings.ContainsFunc(out.Owner, func(r rune) bool { return !unicode.IsPrint(r) })) {
		return out, usageError("--owner %q: want who answers for the exception, in printable characters", f.owner)
	}
	if !cmd.Flags().Changed("for") {
		return out, nil
	}
	if f.lasts < time.Minute || f.lasts > longestTemporary {
		return out, usageError("--for %s: want from 1m to %dh, such as 8h", f.lasts, int(longestTemporary.Hours()))
	}
	if slices.ContainsFunc(f.tags, func(t string) bool { return strings.HasPrefix(t, policy.UntilTag+"=") }) {
		return out, usageError("--tag: --for sets the tag %s", policy.UntilTag)
	}
	out.Until = now.UTC().Add(f.lasts + time.Minute - time.Nanosecond).Truncate(time.Minute)
	return out, nil
}

func (f *groupAllowFlags) run(cmd *cobra.Command, in Invocation) error {
	ctx := cmd.Context()
	rule, err := f.check()
	if err != nil {
		return err
	}
	terms, err := f.terms(cmd, time.Now())
	if err != nil {
		return err
	}
	a, err := f.connect(ctx)
	if err != nil {
		return err
	}
	result, err := group.Allow(ctx, a, f.group, rule, terms)
	if err != nil {
		return err
	}
	return f.end(in, result)
}
