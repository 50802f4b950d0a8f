package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sgward/internal/authorize"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/pattern"
	"sgward/internal/remediation"
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
		Short: "Make a group that holds what a web server, a database or a scanner needs",
		Long: "Create makes a security group of a known-good pattern, or brings one of that name in the VPC up to it:\n\n" +
			"- web-server: in 80 and 443 from anywhere, 22 from --admin-cidr or --admin-group; out 443 and 80\n" +
			"- database: in its --port from --app-group or --app-cidr, 22 from the VPC or --admin-...; out 443\n" +
			"- scanner: in 22 from --management-cidr, " + pattern.ManagementNetwork + " unless told otherwise; out 443, with --updates 80\n\n" +
			"SSH to a web server is open to nobody who is not named. Better than an open port is Session Manager: --no-ssh.\n" +
			"Names (DNS), the instance's metadata and time are not held up by rules, so no pattern lets them out.\n" +
			"The rules by which every new group lets everything out are removed; from a group that network interfaces use only\n" +
			"with --prune. Each rule is judged before anything is made. What is there is kept, what is missing is added, what is\n" +
			"beyond the pattern is shown, and removed with --prune. Running it again goes on where it stopped.\n" +
			"It asks for " + readPermissions + ", DescribeVpcs, DescribeNetworkInterfaces,\n" +
			"CreateSecurityGroup, AuthorizeSecurityGroupIngress and -Egress, RevokeSecurityGroupEgress, CreateTags with --tag,\n" +
			"and RevokeSecurityGroupIngress with --prune.\n" +
			"Exit status: 0 the group is there, 1 error, 2 usage or an unsound policy, 3 refused by the policy; nothing is done then.",
		Example: "  sgward group create --pattern web-server --vpc-id vpc-0123456789abcdef0 --name web --admin-cidr 203.0.113.10/32\n" +
			"  sgward group create --pattern database --port postgresql --vpc-id vpc-0123456789abcdef0 --name orders-db \\\n" +
			"    --app-group sg-0123456789abcdef0 --dry-run",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), in) },
	}
	f.add(cmd)
	flags := cmd.Flags()
	var names []string
	for _, n := range pattern.Names() {
		names = append(names, string(n))
	}
	flags.StringVar(&f.pattern, "pattern", "", text.Or(names))
	flags.StringVar(&f.vpc, "vpc-id", "", "VPC of the group")
	flags.StringVar(&f.name, "name", "", "name of the group, one of its kind in the VPC")
	flags.StringVar(&f.description, "description", "", "what it is for")
	flags.StringVar(&f.port, "port", "", "of a database: "+text.Or(pattern.Engines()[:4])+" and so on, or ports (mysql if left out)")
	flags.StringArrayVar(&f.adminCIDRs, "admin-cidr", nil, "range that may use SSH (repeats)")
	flags.StringArrayVar(&f.adminGroups, "admin-group", nil, "security group that may use SSH (repeats)")
	flags.StringArrayVar(&f.appCIDRs, "app-cidr", nil, "range of whoever uses the database (repeats)")
	flags.StringArrayVar(&f.appGroups, "app-group", nil, "security group of whoever uses the database (repeats)")
	flags.StringArrayVar(&f.managementCIDRs, "management-cidr", nil, "range from which scanners are administered (repeats)")
	flags.StringArrayVar(&f.managementGroups, "management-group", nil, "security group from which scanners are administered (repeats)")
	flags.BoolVar(&f.noSSH, "no-ssh", false, "open SSH to nobody")
	flags.BoolVar(&f.updates, "updates", false, "let a scanner out to port 80 for updates")
	flags.BoolVar(&f.prune, "prune", false, "remove what a group has beyond the pattern")
	offer(cmd, "pattern", names...)
	offer(cmd, "port", pattern.Engines()...)
	return cmd
}

// check reads the command line. The owners of groups, and the VPC's ranges, are
// filled in later.
func (f *groupCreateFlags) check() (w pattern.Wish, tags []secgroup.Tag, err error) {
	usage := func(flag string, err error) error { return usageError("--%s: %w", flag, err) }
	if w.Pattern, err = pattern.Parse(f.pattern); err != nil {
		return w, nil, usage("pattern", err)
	}
	if f.vpc == "" {
		return w, nil, usageError("--vpc-id is missing: want the VPC that the group is to be in")
	}
	if err := (explainFlags{vpc: f.vpc, actor: f.actor}).checkForms(func(flag string) string { return "--" + flag }); err != nil {
		return w, nil, &statusError{StatusUsage, err}
	}
	if err := authorize.CheckName(f.name); err != nil {
		return w, nil, usage("name", err)
	}
	if f.description == "" {
		f.description = w.Pattern.Description()
	}
	if err := authorize.CheckDescription(f.description); err != nil {
		return w, nil, usage("description", err)
	}
	if f.port != "" {
		if w.Port, err = pattern.ParsePort(f.port); err != nil {
			return w, nil, usage("port", err)
		}
	}
	for _, kind := range []struct {
		name          string
		cidrs, groups []string
		into          *[]secgroup.Peer
	}{
		{"admin", f.adminCIDRs, f.adminGroups, &w.Admin},
		{"app", f.appCIDRs, f.appGroups, &w.App},
		{"management", f.managementCIDRs, f.managementGroups, &w.Management},
	} {
		for _, text := range kind.cidrs {
			peer, err := secgroup.ParseCIDRPeer(text)
			if err != nil {
				return w, nil, usage(kind.name+"-cidr", err)
			}
			*kind.into = append(*kind.into, peer)
		}
		for _, text := range kind.groups {
			if !isPeerGroup(text) {
				return w, nil, usageError("--%s-group %q: want a security group such as sg-0123456789abcdef0, or ACCOUNT/sg-... of another account", kind.name, text)
			}
			owner, id, ok := strings.Cut(text, "/")
			if !ok {
				owner, id = "", text
			}
			*kind.into = append(*kind.into, secgroup.GroupPeer(id, owner))
		}
	}
	w.NoSSH, w.Updates = f.noSSH, f.updates
	tags, err = f.settableTags()
	return w, tags, err
}

func (f *groupCreateFlags) run(ctx context.Context, in Invocation) error {
	wish, tags, err := f.check()
	if err != nil {
		return err
	}
	a, err := f.connect(ctx)
	if err != nil {
		return err
	}
	if wish.VPC, err = authorize.VPCRanges(ctx, a.client, f.vpc); err != nil {
		return err
	}
	for _, peers := range [][]secgroup.Peer{wish.Admin, wish.App, wish.Management} {
		for i, peer := range peers {
			peers[i] = a.owning(peer)
		}
	}
	rules, err := pattern.Rules(wish)
	if err != nil {
		return usageError("--pattern %s: %w", f.pattern, err)
	}
	c := groupCreation{groupCreateFlags: f, account: a, rules: rules, asked: secgroup.Group{
		Name: f.name, VPCID: f.vpc, Tags: tags, TagsKnown: true,
		OwnerID: a.id, Region: a.region, Description: f.description,
	}}
	c.ipv6 = slices.ContainsFunc(wish.VPC, func(p netip.Prefix) bool { return p.Addr().Is6() })
	if err := c.create(ctx); err != nil {
		return err
	}
	if wish.Pattern == pattern.WebServer && !f.noSSH && !slices.ContainsFunc(c.out.held, admitsSSH) && len(wish.Admin) == 0 {
		c.out.Notes = append(c.out.Notes, "SSH is open to nobody: use Session Manager, or name one address with --admin-cidr.")
	}
	return c.out.end(in, &f.groupFlags)
}

func admitsSSH(r secgroup.Rule) bool {
	ports, ok := r.Permission.PortRange()
	return r.Permission.Direction == secgroup.Ingress && ok && ports.Contains(22)
}

// groupCreation brings one group up to a pattern.
type groupCreation struct {
	*groupCreateFlags
	account account
	rules   []secgroup.Rule // of the pattern
	asked   secgroup.Group  // as it was asked for
	ipv6    bool            // the VPC has IPv6
	out     *groupResult
}

func (c *groupCreation) create(ctx context.Context) error {
	g, err := ec2rules.GroupNamed(ctx, c.account.client, c.account.region, c.vpc, c.name)
	exists := err == nil
	if err != nil && !errors.Is(err, ec2rules.ErrNoGroup) {
		return err
	}
	if !exists {
		g = c.asked
		g.Rules = authorize.Default(c.ipv6)
	}
	unwanted, kept, err := c.beyond(ctx, g, exists)
	if err != nil {
		return err
	}
	without := g
	without.Rules = slices.DeleteFunc(slices.Clone(g.Rules), func(r secgroup.Rule) bool {
		_, goes := secgroup.FindRule(unwanted, r.Permission)
		return goes
	})
	judged, allowed, err := c.account.judge(ctx, without, c.rules)
	if err != nil {
		return err
	}
	if !allowed {
		kind := changeRefused
		if exists {
			kind = changeThere
		}
		c.out = groupResultOf(g, kind)
		c.out.refuse(judged, c.rules)
		return nil
	}
	if exists {
		c.out = groupResultOf(g, changeThere)
		c.drift(g)
	} else {
		made := false
		g, made, err = authorize.Make(ctx, c.account.client, c.asked, c.ipv6, c.dryRun)
		if err != nil {
			return err
		}
		if !made { // somebody was quicker, and may want other rules in it
			return c.create(ctx)
		}
		kind := changeMade
		if c.dryRun {
			kind = changeWouldMake
		}
		c.out = groupResultOf(g, kind)
	}
	c.fill(ctx, g, unwanted, kept)
	return nil
}

// beyond returns what a group holds and the pattern does not: what goes, and what
// stays. The rules that let everything out go from a group that nothing uses yet;
// whoever uses one may live by them.
func (c *groupCreation) beyond(ctx context.Context, g secgroup.Group, exists bool) (unwanted, kept []secgroup.Rule, err error) {
	free := !exists
	if exists && !c.prune {
		users, err := ec2rules.Interfaces(ctx, c.account.client, g.ID, 1)
		if err != nil {
			return nil, nil, err
		}
		free = len(users) == 0
	}
	for _, r := range g.Rules {
		_, wanted := secgroup.FindRule(c.rules, r.Permission)
		_, original := secgroup.FindRule(authorize.Default(true), r.Permission)
		switch {
		case wanted:
		case c.prune, original && free:
			unwanted = append(unwanted, r)
		default:
			kept = append(kept, r)
		}
	}
	return unwanted, kept, nil
}

// drift says how an existing group differs from what was asked for, beside its
// rules.
func (c *groupCreation) drift(g secgroup.Group) {
	if g.Description != c.asked.Description {
		c.out.Notes = append(c.out.Notes, fmt.Sprintf("The group's description is %q, not %q: EC2 lets nobody change it.", g.Description, c.asked.Description))
	}
	for _, t := range c.asked.Tags {
		if !slices.Contains(g.Tags, t) {
			c.out.Notes = append(c.out.Notes, fmt.Sprintf("The group has no tag %q; tags of an existing group are left alone.", t.Key+"="+t.Value))
		}
	}
}

// fill makes what is missing and removes what is unwanted. Egress comes first: from
// the moment that a group lets anybody in, it lets nothing out but what it should.
// What is removed goes after what takes its place.
func (c *groupCreation) fill(ctx context.Context, g secgroup.Group, unwanted, kept []secgroup.Rule) {
	of := func(rules []secgroup.Rule, d secgroup.Direction) []secgroup.Rule {
		return slices.DeleteFunc(slices.Clone(rules), func(r secgroup.Rule) bool { return r.Permission.Direction != d })
	}
	for _, d := range []secgroup.Direction{secgroup.Egress, secgroup.Ingress} {
		c.putAll(ctx, g, of(c.rules, d))
		if c.out.failed() {
			for _, r := range of(unwanted, d) {
				c.out.note(changeLeft, r, "it goes once the pattern's own rules are there", nil)
			}
			continue
		}
		c.remove(ctx, g, of(unwanted, d))
	}
	for _, r := range kept {
		note := "beyond the pattern; --prune removes it"
		if _, original := secgroup.FindRule(authorize.Default(true), r.Permission); original {
			note = "beyond the pattern, and the group is in use; --prune removes it"
		}
		c.out.note(changeLeft, r, note, nil)
	}
}

// putAll makes rules. Of a group that a dry run has not made, EC2 cannot be asked.
func (c *groupCreation) putAll(ctx context.Context, g secgroup.Group, rules []secgroup.Rule) {
	if g.ID != "" {
		c.put(ctx, c.account, g, rules, c.out)
		return
	}
	for _, r := range rules {
		c.out.note(changeWouldMake, r, "", nil)
	}
}

// remove revokes rules by the values that were read.
func (c *groupCreation) remove(ctx context.Context, g secgroup.Group, rules []secgroup.Rule) {
	openings := make([]remediation.Opening, len(rules))
	for i, r := range rules {
		r.GroupID = g.ID
		openings[i] = remediation.Opening{Rule: r}
		if c.dryRun {
			c.out.note(changeWouldRemove, r, "", nil)
		}
	}
	if c.dryRun {
		return
	}
	closer := remediation.Closer{EC2: c.account.client, Mode: finding.Enforce, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	for _, done := range closer.Close(ctx, openings) {
		if done.Outcome == finding.OutcomeFailed {
			c.out.note(changeFailed, done.Rule, "", done.Err)
			continue
		}
		c.out.note(changeRemoved, done.Rule, "", nil)
	}
}
