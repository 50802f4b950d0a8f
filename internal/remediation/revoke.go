package remediation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"sgward/internal/crash"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/secgroup"
)

// concurrency bounds how many groups are worked on at once. EC2 grants an account
// a burst of mutating calls and then a few a second: more would only be throttled.
const concurrency = 4

// errNotClosed is an accepted revoke that closed nothing.
var errNotClosed = errors.New("EC2 accepted the revoke, but the group still shows the rule")

// Closer closes openings in the region of its client. All fields but Mode must be
// set. A Mode other than enforce, the zero value too, sends no revoke. It is safe
// for concurrent use.
type Closer struct {
	EC2    Revoker
	Mode   finding.Mode
	Logger *slog.Logger
	Now    func() time.Time
}

// Closing is what became of one opening.
type Closing struct {
	// Rule is the opening's rule, with the id and description that EC2 gave for
	// what it removed.
	Rule secgroup.Rule
	// Outcome is revoked, already_closed, would_revoke or failed.
	Outcome finding.Outcome
	// At is when the answer came; the moment of asking where none did.
	At time.Time
	// Err is why it failed; nil for every other outcome.
	Err error
	// GroupGone is set on already_closed where EC2 does not know the group. Of one
	// that was made a moment ago this may only mean that it does not yet.
	GroupGone bool
}

// closings holds what became of the rules of one call by their identity.
type closings map[secgroup.Permission]Closing

// Close closes openings and returns what became of each, in the same order. It
// makes one call for each group and direction, and more only where an answer
// leaves something open. One group's failure stops no other.
func (c *Closer) Close(ctx context.Context, openings []Opening) []Closing {
	plan := NewPlan(openings)
	results := make([]closings, len(plan.Calls))
	var calls errgroup.Group
	calls.SetLimit(concurrency)
	for i, call := range plan.Calls {
		calls.Go(func() error {
			defer crash.Exit()
			results[i] = c.run(ctx, call)
			return nil
		})
	}
	_ = calls.Wait() // each opening has its own outcome

	type place struct {
		groupID    string
		permission secgroup.Permission
	}
	done := map[place]Closing{}
	for i, call := range plan.Calls {
		for permission, closing := range results[i] {
			done[place{call.GroupID, permission}] = closing
		}
	}
	out := make([]Closing, len(openings))
	for i, o := range openings {
		if err := o.check(); err != nil {
			out[i] = Closing{Rule: o.Rule, Outcome: finding.OutcomeFailed, At: c.Now(), Err: err}
			continue
		}
		closing := done[place{o.Rule.GroupID, o.Rule.Permission.Identity()}]
		closing.Rule = describeClosed(o.Rule, closing.Rule)
		out[i] = closing
	}
	return out
}

// describeClosed adds to an opening's rule what EC2 said of the one it removed.
func describeClosed(rule, closed secgroup.Rule) secgroup.Rule {
	if closed.ID != "" {
		rule.ID = closed.ID
	}
	if closed.Description != "" {
		rule.Description = closed.Description
	}
	return rule
}

// run brings every rule of a call to an outcome.
func (c *Closer) run(ctx context.Context, call Call) closings {
	log := c.Logger.With("groupId", call.GroupID, "direction", call.Direction.String(), "eventIds", call.EventIDs)
	if c.Mode != finding.Enforce {
		log.InfoContext(ctx, "would revoke", "mode", c.Mode, ruleAttrs(call.Rules))
		return c.all(call.Rules, finding.OutcomeWouldRevoke, nil)
	}
	g := groupCloser{Closer: c, log: log, groupID: call.GroupID, direction: call.Direction, done: closings{}}
	g.together(ctx, call.Rules)
	return g.done
}

// all gives every rule one outcome.
func (c *Closer) all(rules []secgroup.Rule, outcome finding.Outcome, err error) closings {
	out := make(closings, len(rules))
	now := c.Now()
	for _, r := range rules {
		out[r.Permission.Identity()] = Closing{Rule: r, Outcome: outcome, At: now, Err: err}
	}
	return out
}

// groupCloser works on one group in one direction, one call after another.
type groupCloser struct {
	*Closer
	log       *slog.Logger
	groupID   string
	direction secgroup.Direction
	done      closings
}

func (g *groupCloser) settle(rules []secgroup.Rule, outcome finding.Outcome, err error) {
	for permission, closing := range g.all(rules, outcome, err) {
		g.done[permission] = closing
	}
}

// together sends rules in one call. NotFound for several says that one of them is
// absent and nothing was done: they are then sent apart.
func (g *groupCloser) together(ctx context.Context, rules []secgroup.Rule) {
	silent, err := g.send(ctx, rules)
	switch {
	case err == nil:
		g.look(ctx, silent)
	case ec2rules.IsPermissionNotFound(err) && len(rules) > 1:
		g.apart(ctx, rules)
	default:
		g.refused(rules, err)
	}
}

// refused settles rules whose call was answered with an error that speaks of all
// of them.
func (g *groupCloser) refused(rules []secgroup.Rule, err error) {
	if ec2rules.IsPermissionNotFound(err) || ec2rules.IsGroupNotFound(err) {
		for permission, closing := range g.all(rules, finding.OutcomeAlreadyClosed, nil) {
			closing.GroupGone = ec2rules.IsGroupNotFound(err)
			g.done[permission] = closing
		}
		return
	}
	g.settle(rules, finding.OutcomeFailed, err)
}

// apart closes rules of which at least one is not there. What a read shows goes in
// one call; the others one by one, as a read may lag behind and only EC2's answer
// about a single permission says that it is gone.
func (g *groupCloser) apart(ctx context.Context, rules []secgroup.Rule) {
	held, err := g.held(ctx)
	if err != nil {
		g.log.WarnContext(ctx, "rules not read", "errorCode", ec2rules.ErrorCode(err), "error", err.Error())
	}
	var listed, unlisted []secgroup.Rule
	for _, r := range rules {
		if held[r.Permission.Identity()] {
			listed = append(listed, r)
		} else {
			unlisted = append(unlisted, r)
		}
	}
	if len(listed) > 1 && len(unlisted) > 0 {
		silent, err := g.send(ctx, listed)
		switch {
		case err == nil:
			g.look(ctx, silent)
			listed = nil
		case !ec2rules.IsPermissionNotFound(err):
			g.refused(listed, err)
			listed = nil
		}
	}
	g.oneByOne(ctx, append(listed, unlisted...))
}

// oneByOne closes rules with a call for each. An error that is not about the rule
// would meet the next one too: it ends the round.
func (g *groupCloser) oneByOne(ctx context.Context, rules []secgroup.Rule) {
	for i := range rules {
		one := rules[i : i+1]
		silent, err := g.send(ctx, one)
		switch {
		case err == nil:
			g.look(ctx, silent)
		case ec2rules.IsPermissionNotFound(err):
			g.refused(one, err)
		default:
			g.refused(rules[i:], err)
			return
		}
	}
}

// look settles rules that an accepted call did not mention, as some endpoints list
// nothing. A rule that is no longer shown was revoked. One that is still shown is
// sent once more, as the read may lag: NotFound then proves that it is gone.
func (g *groupCloser) look(ctx context.Context, rules []secgroup.Rule) {
	again := g.stillHeld(ctx, rules)
	if len(again) == 0 {
		return
	}
	for i := range again {
		one := again[i : i+1]
		silent, err := g.send(ctx, one)
		switch {
		case err == nil:
			if left := g.stillHeld(ctx, silent); len(left) > 0 {
				g.settle(left, finding.OutcomeFailed, errNotClosed)
				g.log.ErrorContext(ctx, "revoke failed", "error", errNotClosed.Error(), ruleAttrs(left))
			}
		case ec2rules.IsPermissionNotFound(err) || ec2rules.IsGroupNotFound(err):
			g.settle(one, finding.OutcomeRevoked, nil)
		default:
			g.settle(again[i:], finding.OutcomeFailed, err)
			return
		}
	}
}

// stillHeld reads the group and returns which of the rules it shows. The others
// are settled: as revoked, or as failed where the group cannot be read.
func (g *groupCloser) stillHeld(ctx context.Context, rules []secgroup.Rule) []secgroup.Rule {
	if len(rules) == 0 {
		return nil
	}
	held, err := g.held(ctx)
	if err != nil {
		err = fmt.Errorf("looking whether the accepted revoke took effect: %w", err)
		g.settle(rules, finding.OutcomeFailed, err)
		g.log.ErrorContext(ctx, "revoke failed", "errorCode", ec2rules.ErrorCode(err), "error", err.Error(), ruleAttrs(rules))
		return nil
	}
	var left []secgroup.Rule
	for i, r := range rules {
		if held[r.Permission.Identity()] {
			left = append(left, r)
		} else {
			g.settle(rules[i:i+1], finding.OutcomeRevoked, nil)
		}
	}
	return left
}

func (g *groupCloser) held(ctx context.Context) (map[secgroup.Permission]bool, error) {
	rules, err := ec2rules.Rules(ctx, g.EC2, ec2rules.WithIDs(g.groupID))
	if err != nil {
		return nil, err
	}
	out := make(map[secgroup.Permission]bool, len(rules))
	for _, r := range rules {
		out[r.Permission.Identity()] = true
	}
	return out, nil
}

// send makes one revoke call and settles the rules that its answer names. It
// returns the rules on which an accepted call is silent.
func (g *groupCloser) send(ctx context.Context, rules []secgroup.Rule) (silent []secgroup.Rule, err error) {
	attrs := ruleAttrs(rules)
	g.log.InfoContext(ctx, "revoking", attrs)
	answer, err := ec2rules.Revoke(ctx, g.EC2, g.groupID, g.direction, rules)
	switch {
	case err == nil:
	case ec2rules.IsPermissionNotFound(err) || ec2rules.IsGroupNotFound(err):
		g.log.InfoContext(ctx, "nothing revoked", "errorCode", ec2rules.ErrorCode(err), attrs)
		return nil, err
	default:
		g.log.ErrorContext(ctx, "revoke failed", "errorCode", ec2rules.ErrorCode(err), "error", err.Error(), attrs)
		return nil, err
	}
	asked := make(map[secgroup.Permission]secgroup.Rule, len(rules))
	for _, r := range rules {
		asked[r.Permission.Identity()] = r
	}
	var revoked, closed []secgroup.Rule
	// What the answer does not name, or not so that it can be understood, is looked for.
	for _, got := range answer.Revoked {
		if r, ok := asked[got.Permission.Identity()]; ok {
			revoked = append(revoked, describeClosed(r, got))
			delete(asked, got.Permission.Identity())
		}
	}
	for _, p := range answer.Unknown {
		if r, ok := asked[p.Identity()]; ok {
			closed = append(closed, r)
			delete(asked, p.Identity())
		}
	}
	for _, r := range rules {
		if _, open := asked[r.Permission.Identity()]; open {
			silent = append(silent, r)
		}
	}
	g.settle(revoked, finding.OutcomeRevoked, nil)
	g.settle(closed, finding.OutcomeAlreadyClosed, nil)
	g.log.InfoContext(ctx, "revoke answered", "revoked", len(revoked), "alreadyClosed", len(closed),
		"notMentioned", len(silent), ruleAttrs(revoked))
	return silent, nil
}

// ruleAttrs names rules in a log line: ids and permissions, no untrusted text.
func ruleAttrs(rules []secgroup.Rule) slog.Attr {
	const most = 20
	var ids, permissions []string
	for i, r := range rules {
		if i == most {
			break
		}
		ids = append(ids, r.ID)
		permissions = append(permissions, r.Permission.String())
	}
	return slog.Group("rules", "count", len(rules), "ids", ids, "permissions", permissions)
}
