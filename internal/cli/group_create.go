package cli

import (
	"cmp"
	"context"
	"errors"

	"github.com/spf13/cobra"

	"sgward/internal/group"
	"sgward/internal/input"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

type groupCreateFlags struct {
	groupFlags
	pattern, vpc, name, description, port    string
	adminCIDRs, appCIDRs, managementCIDRs    []string
	adminGroups, appGroups, managementGroups []string
	noSSH, updates, prune                    bool
}

func groupCreateCommand(in Invocation) *cobra.Command {
	var f groupCreateFlags
	cmd := &cobra.Command{
		Use:   "create --pattern PATTERN --vpc-id vpc-... --name NAME",
		Short: "Make a group for a web server, a database or a scanner",
		Long: "Create makes a security group of a known-good pattern, or brings one of that name in the VPC up to it:\n\n" +
			"- web-server: in 80 and 443 from anywhere, 22 from --admin-cidr or --admin-group; out 443 and 80\n" +
			"- database: in its --port from --app-group or --app-cidr, 22 from the VPC or --admin-...; out 443\n" +
			"- scanner: in 22 from --management-cidr, " + group.ManagementNetwork + " by default; out 443, with --updates 80\n\n" +
			"Without --admin-cidr or --admin-group, SSH to a web server stays closed. Session Manager (--no-ssh) is better than\n" +
			"an open port. DNS, instance metadata and NTP bypass security groups, so no pattern needs a rule for them.\n" +
			"The default egress rules of a new group are removed; if network interfaces use the group, only with --prune.\n" +
			"Each rule is judged before anything is made. Existing rules stay, missing ones are added; extra ones are listed,\n" +
			"and removed with --prune. Run it again to continue after a failure.\n" +
			"It needs " + readPermissions + ", DescribeVpcs, DescribeNetworkInterfaces,\n" +
			"CreateSecurityGroup, AuthorizeSecurityGroupIngress and -Egress, RevokeSecurityGroupEgress, CreateTags with --tag,\n" +
			"and RevokeSecurityGroupIngress with --prune.\n" +
			"Exit status: 0 the group exists, 1 error, 2 usage or an unsound policy, 3 refused by the policy; nothing is done then.",
		Example: "  sgward group create --pattern web-server --vpc-id vpc-0123456789abcdef0 --name web --admin-cidr 203.0.113.10/32\n" +
			"  sgward group create --pattern database --port postgresql --vpc-id vpc-0123456789abcdef0 --name orders-db \\\n" +
			"    --app-group sg-0123456789abcdef0 --dry-run",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), in) },
	}
	f.add(cmd)
	flags := cmd.Flags()
	var names []string
	for _, n := range group.Patterns() {
		names = append(names, string(n))
	}
	flags.StringVar(&f.pattern, "pattern", "", text.Or(names))
	flags.StringVar(&f.vpc, "vpc-id", "", "VPC of the group")
	flags.StringVar(&f.name, "name", "", "name of the group, unique in the VPC")
	flags.StringVar(&f.description, "description", "", "its purpose")
	flags.StringVar(&f.port, "port", "", "of a database: "+text.Or(group.Engines()[:4])+" and so on, or ports (mysql if left out)")
	flags.StringArrayVar(&f.adminCIDRs, "admin-cidr", nil, "range that may use SSH (repeats)")
	flags.StringArrayVar(&f.adminGroups, "admin-group", nil, "security group that may use SSH (repeats)")
	flags.StringArrayVar(&f.appCIDRs, "app-cidr", nil, "range of the database's clients (repeats)")
	flags.StringArrayVar(&f.appGroups, "app-group", nil, "security group of the database's clients (repeats)")
	flags.StringArrayVar(&f.managementCIDRs, "management-cidr", nil, "range from which scanners are administered (repeats)")
	flags.StringArrayVar(&f.managementGroups, "management-group", nil, "security group from which scanners are administered (repeats)")
	flags.BoolVar(&f.noSSH, "no-ssh", false, "do not open SSH")
	flags.BoolVar(&f.updates, "updates", false, "allow egress to port 80 for updates (scanner)")
	flags.BoolVar(&f.prune, "prune", false, "remove rules beyond the pattern")
	offer(cmd, "pattern", names...)
	offer(cmd, "port", group.Engines()...)
	return cmd
}

// check reads the flags.
func (f *groupCreateFlags) check() (o group.Order, err error) {
	usage := func(flag string, err error) error { return usageError("--%s: %w", flag, err) }
	if o.Pattern, err = group.ParsePattern(f.pattern); err != nil {
		return o, usage("pattern", err)
	}
	if f.vpc == "" {
		return o, usageError("--vpc-id is missing: want the VPC for the group")
	}
	if err := (input.Place{VPC: f.vpc, Actor: f.actor}).Check(input.Flag); err != nil {
		return o, &statusError{StatusUsage, err}
	}
	if err := secgroup.CheckName(f.name); err != nil {
		return o, usage("name", err)
	}
	o.VPCID, o.Name, o.Description = f.vpc, f.name, cmp.Or(f.description, o.Pattern.Description())
	if err := secgroup.CheckDescription(o.Description); err != nil {
		return o, usage("description", err)
	}
	if f.port != "" {
		if o.Port, err = group.ParsePort(f.port); err != nil {
			return o, usage("port", err)
		}
	}
	for _, kind := range []struct {
		name          string
		cidrs, groups []string
		into          *[]secgroup.Peer
	}{
		{"admin", f.adminCIDRs, f.adminGroups, &o.Admin},
		{"app", f.appCIDRs, f.appGroups, &o.App},
		{"management", f.managementCIDRs, f.managementGroups, &o.Management},
	} {
		if *kind.into, err = input.Peers(input.Flag, kind.name+"-cidr", kind.cidrs, kind.name+"-group", kind.groups); err != nil {
			return o, &statusError{StatusUsage, err}
		}
	}
	o.NoSSH, o.Updates, o.Prune = f.noSSH, f.updates, f.prune
	o.Tags, err = f.settableTags()
	return o, err
}

func (f *groupCreateFlags) run(ctx context.Context, in Invocation) error {
	order, err := f.check()
	if err != nil {
		return err
	}
	a, err := f.connect(ctx)
	if err != nil {
		return err
	}
	result, err := group.Create(ctx, a, order)
	var wish *group.WishError
	if errors.As(err, &wish) {
		return usageError("--pattern %s: %w", f.pattern, wish)
	}
	if err != nil {
		return err
	}
	return f.end(in, result)
}
