package group

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

// Order asks for a group.
type Order struct {
	Wish
	VPCID, Name, Description string
	Tags                     []secgroup.Tag
	// Prune removes the rules that a group has beyond the pattern.
	Prune bool
}

// WishError is a contradiction in a wish, or between a wish and its pattern.
type WishError struct{ Err error }

func (e *WishError) Error() string { return e.Err.Error() }
func (e *WishError) Unwrap() error { return e.Err }

// Create makes the group, or brings an existing one of its name in the VPC up to the
// pattern. It fills in the owners of referenced groups and the ranges of the VPC. The
// error is a *WishError if the order itself is at fault.
func Create(ctx context.Context, a Account, o Order) (*Report, error) {
	var err error
	if o.VPC, err = vpcRanges(ctx, a.client, o.VPCID); err != nil {
		return nil, err
	}
	for _, peers := range [][]secgroup.Peer{o.Admin, o.App, o.Management} {
		for i, peer := range peers {
			peers[i] = a.owning(peer)
		}
	}
	rules, err := Rules(o.Wish)
	if err != nil {
		return nil, &WishError{err}
	}
	c := creation{Account: a, rules: rules, prune: o.Prune, asked: secgroup.Group{
		Name: o.Name, VPCID: o.VPCID, Tags: o.Tags, TagsKnown: true,
		OwnerID: a.ID, Region: a.Region, Description: o.Description,
	}}
	c.ipv6 = slices.ContainsFunc(o.VPC, func(p netip.Prefix) bool { return p.Addr().Is6() })
	if err := c.create(ctx); err != nil {
		return nil, err
	}
	if o.Pattern == WebServer && !o.NoSSH && !slices.ContainsFunc(c.out.Rules, admitsSSH) && len(o.Admin) == 0 {
		c.out.Notes = append(c.out.Notes, "SSH is closed: use Session Manager, or name one address with --admin-cidr.")
	}
	return c.out, nil
}

func admitsSSH(r secgroup.Rule) bool {
	ports, ok := r.Permission.PortRange()
	return r.Permission.Direction == secgroup.Ingress && ok && ports.Contains(22)
}

// creation brings one group up to a pattern.
type creation struct {
	Account
	asked secgroup.Group  // as asked for
	rules []secgroup.Rule // of the pattern
	prune bool
	ipv6  bool // the VPC has IPv6
	out   *Report
}

func (c *creation) create(ctx context.Context) error {
	g, err := ec2rules.GroupNamed(ctx, c.client, c.Region, c.asked.VPCID, c.asked.Name)
	exists := err == nil
	if err != nil && !errors.Is(err, ec2rules.ErrNoGroup) {
		return err
	}
	if !exists {
		g = c.asked
		g.Rules = initialRules(c.ipv6)
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
	judged, allowed, err := c.judge(ctx, without, c.rules)
	if err != nil {
		return err
	}
	if !allowed {
		state := Refused
		if exists {
			state = There
		}
		c.out = reportOf(g, state)
		c.out.refuse(judged, c.rules, Terms{})
		return nil
	}
	if exists {
		c.out = reportOf(g, There)
		c.drift(g)
	} else {
		made := false
		g, made, err = makeGroup(ctx, c.client, c.asked, c.ipv6, c.DryRun)
		if err != nil {
			return err
		}
		if !made { // someone else made it first, and may want other rules in it
			return c.create(ctx)
		}
		state := Made
		if c.DryRun {
			state = WouldMake
		}
		c.out = reportOf(g, state)
	}
	c.fill(ctx, g, unwanted, kept)
	return nil
}

// beyond returns the rules that a group has beyond the pattern: those to remove, and those
// to keep. The default egress rules are removed from a group that nothing uses yet; in a
// used group something may depend on them.
func (c *creation) beyond(ctx context.Context, g secgroup.Group, exists bool) (unwanted, kept []secgroup.Rule, err error) {
	free := !exists
	if exists && !c.prune {
		users, err := ec2rules.Interfaces(ctx, c.client, g.ID, 1)
		if err != nil {
			return nil, nil, err
		}
		free = len(users) == 0
	}
	for _, r := range g.Rules {
		_, wanted := secgroup.FindRule(c.rules, r.Permission)
		_, original := secgroup.FindRule(initialRules(true), r.Permission)
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

// drift lists how an existing group differs from the order, beside its rules.
func (c *creation) drift(g secgroup.Group) {
	if g.Description != c.asked.Description {
		c.out.Notes = append(c.out.Notes, fmt.Sprintf("The group's description is %q, not %q: EC2 cannot change it.", g.Description, c.asked.Description))
	}
	for _, t := range c.asked.Tags {
		if !slices.Contains(g.Tags, t) {
			c.out.Notes = append(c.out.Notes, fmt.Sprintf("The group has no tag %q; tags of an existing group are left alone.", t.Key+"="+t.Value))
		}
	}
}

// fill makes missing rules and removes unwanted ones. Egress comes first: a group that
// admits anyone already limits what leaves. Rules are removed after their replacements are
// made.
func (c *creation) fill(ctx context.Context, g secgroup.Group, unwanted, kept []secgroup.Rule) {
	of := func(rules []secgroup.Rule, d secgroup.Direction) []secgroup.Rule {
		return slices.DeleteFunc(slices.Clone(rules), func(r secgroup.Rule) bool { return r.Permission.Direction != d })
	}
	for _, d := range []secgroup.Direction{secgroup.Egress, secgroup.Ingress} {
		c.putAll(ctx, g, of(c.rules, d))
		if c.out.Failed() {
			for _, r := range of(unwanted, d) {
				c.out.note(Left, r, "to be removed once the pattern's own rules exist", nil)
			}
			continue
		}
		c.remove(ctx, g, of(unwanted, d))
	}
	for _, r := range kept {
		note := "beyond the pattern; --prune removes it"
		if _, original := secgroup.FindRule(initialRules(true), r.Permission); original {
			note = "beyond the pattern, and the group is in use; --prune removes it"
		}
		c.out.note(Left, r, note, nil)
	}
}

// putAll makes rules. If a dry run has not made the group, EC2 cannot be asked.
func (c *creation) putAll(ctx context.Context, g secgroup.Group, rules []secgroup.Rule) {
	if g.ID != "" {
		c.put(ctx, g, rules, c.out)
		return
	}
	for _, r := range rules {
		c.out.note(WouldMake, r, "", nil)
	}
}

// remove revokes rules by the values that were read.
func (c *creation) remove(ctx context.Context, g secgroup.Group, rules []secgroup.Rule) {
	openings := make([]remediation.Opening, len(rules))
	for i, r := range rules {
		r.GroupID = g.ID
		openings[i] = remediation.Opening{Rule: r}
		if c.DryRun {
			c.out.note(WouldRemove, r, "", nil)
		}
	}
	if c.DryRun {
		return
	}
	closer := remediation.Closer{EC2: c.client, Mode: finding.Enforce, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	for _, done := range closer.Close(ctx, openings) {
		if done.Outcome == finding.OutcomeFailed {
			c.out.note(Failed, done.Rule, "", done.Err)
			continue
		}
		c.out.note(Removed, done.Rule, "", nil)
	}
}
