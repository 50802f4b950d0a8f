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

// concurrency limits how many groups are handled at once. EC2 grants an account a burst of
// mutating calls and then a few per second: more would be throttled.
const concurrency = 4

// errNotClosed is for an accepted revoke that closed nothing.
var errNotClosed = errors.New("EC2 accepted the revoke, but the group still shows the rule")

// Closer closes openings in the region of its client. All fields but Mode must be set. A
// Mode other than enforce, the zero value too, sends no revoke. It is safe for concurrent
// use.
type Closer struct {
	EC2    EC2
	Mode   finding.Mode
	Logger *slog.Logger
	Now    func() time.Time

	pace ec2rules.Pace
}

// Closing is the result for one opening.
type Closing struct {
	// Rule is the opening's rule, with the id and description that EC2 returned for the
	// removed one.
	Rule secgroup.Rule
	// Outcome is revoked, already_closed, would_revoke or failed. Empty if it is not known
	// yet whether the rule is gone: Err says why, and a later try can tell.
	Outcome finding.Outcome
	// At is the time of the answer, or of the call if there was none.
	At time.Time
	// Err is set if the outcome is failed or empty.
	Err error
	// answerLost is set on revoked if EC2's answer was lost, and a repeat found the rule gone.
	answerLost bool
	// groupGone is set on already_closed if EC2 does not know the group. A new group may
	// only not be known yet.
	groupGone bool
	// removed is the rule that EC2's answer names as removed, zero if it names none.
	removed secgroup.Rule
	// attemptLost is set if an earlier attempt had no answer: if removed is another rule, that attempt may have removed
	// the opening's own.
	attemptLost bool
}

// closings holds the results for the rules of one call by identity.
type closings map[secgroup.Permission]Closing

// Close closes openings and returns their results in the same order. It makes one call for
// each group and direction, and more only if an answer leaves something open. One group's
// failure does not affect others.
func (c *Closer) Close(ctx context.Context, openings []Opening) []Closing {
	calls := plan(openings)
	results := make([]closings, len(calls))
	var sending errgroup.Group
	sending.SetLimit(concurrency)
	for i, call := range calls {
		sending.Go(func() error {
			defer crash.Exit()
			results[i] = c.run(ctx, call)
			return nil
		})
	}
	_ = sending.Wait() // each opening has its own outcome

	type place struct {
		groupID    string
		permission secgroup.Permission
	}
	done := map[place]Closing{}
	for i, call := range calls {
		for permission, closing := range results[i] {
			done[place{call.groupID, permission}] = closing
		}
	}
	// Several calls may have made and removed rules of equal values: the removed one is
	// the rule of one of them.
	owned := map[string]bool{} // by rule id
	for _, o := range openings {
		owned[o.Rule.ID] = true
	}
	out := make([]Closing, len(openings))
	for i, o := range openings {
		if err := o.check(); err != nil {
			out[i] = Closing{Rule: o.Rule, Outcome: finding.OutcomeFailed, At: c.Now(), Err: err}
			continue
		}
		closing := done[place{o.Rule.GroupID, o.Rule.Permission.Identity()}]
		closing.Rule = o.Rule
		switch id := closing.removed.ID; {
		case id != "" && id != o.Rule.ID && o.Rule.ID != "" && owned[id]:
			closing.Outcome, closing.answerLost = finding.OutcomeAlreadyClosed, false
			if closing.attemptLost {
				closing.Outcome, closing.answerLost = finding.OutcomeRevoked, true
			}
		default:
			closing.Rule = describeClosed(o.Rule, closing.removed)
		}
		out[i] = closing
	}
	return out
}

// describeClosed adds EC2's description of the removed rule to an opening's rule.
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
func (c *Closer) run(ctx context.Context, call revokeCall) closings {
	log := c.Logger.With("groupId", call.groupID, "direction", call.direction.String(), "eventIds", call.eventIDs)
	if c.Mode != finding.Enforce {
		log.InfoContext(ctx, "would revoke", "mode", c.Mode, ruleAttrs(call.rules))
		return c.all(call.rules, finding.OutcomeWouldRevoke, nil)
	}
	g := groupCloser{Closer: c, log: log, call: call, done: closings{}, lost: map[secgroup.Permission]bool{}}
	g.together(ctx, call.rules)
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
	log  *slog.Logger
	call revokeCall
	done closings
	// lost holds the rules of calls whose answer was lost: they may have been removed.
	lost map[secgroup.Permission]bool
}

// maxSingly is the number of rules up to which a retry asks EC2 one by one whether they
// are gone, instead of waiting until a read proves it.
const maxSingly = 3

func (g *groupCloser) settle(rules []secgroup.Rule, outcome finding.Outcome, err error) {
	for permission, closing := range g.all(rules, outcome, err) {
		g.done[permission] = closing
	}
}

// together sends rules in one call. NotFound for several says that one of them is absent
// and that EC2 did nothing: they are then sent apart.
func (g *groupCloser) together(ctx context.Context, rules []secgroup.Rule) {
	silent, err := g.send(ctx, rules)
	switch {
	case err == nil:
		g.verify(ctx, silent)
	case ec2rules.IsPermissionNotFound(err) && len(rules) > 1:
		g.apart(ctx, rules)
	default:
		g.refused(rules, err)
	}
}

// refused settles rules whose call failed with an error about all of them.
func (g *groupCloser) refused(rules []secgroup.Rule, err error) {
	switch {
	case ec2rules.IsPermissionNotFound(err) || ec2rules.IsGroupNotFound(err):
		g.gone(rules, ec2rules.IsGroupNotFound(err))
	default:
		g.settle(rules, finding.OutcomeFailed, err)
	}
}

// gone settles rules that EC2 does not hold. What an earlier attempt without an answer
// may have removed, it has removed.
func (g *groupCloser) gone(rules []secgroup.Rule, groupGone bool) {
	for permission, closing := range g.all(rules, finding.OutcomeAlreadyClosed, nil) {
		closing.groupGone = groupGone
		if g.lost[permission] {
			closing.Outcome, closing.answerLost, closing.groupGone = finding.OutcomeRevoked, true, false
		}
		g.done[permission] = closing
	}
}

// apart closes rules of which at least one is missing. Those that a read shows go in one
// call. Of the others a read that may lag behind proves nothing: they go one by one,
// because EC2's answer about a single permission proves that it is gone.
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
	switch {
	case err != nil:
	case g.call.late:
		g.gone(unlisted, false)
		unlisted = nil
	case g.call.retried && len(unlisted) > maxSingly:
		g.settle(unlisted, "", errLagging)
		unlisted = nil
	}
	if len(listed) > 1 && (len(listed) < len(rules)) {
		silent, err := g.send(ctx, listed)
		switch {
		case err == nil:
			g.verify(ctx, silent)
			listed = nil
		case !ec2rules.IsPermissionNotFound(err):
			g.refused(listed, err)
			listed = nil
			if !ec2rules.IsGroupNotFound(err) {
				g.settle(unlisted, "", errLagging)
				unlisted = nil
			}
		}
	}
	shown := len(listed)
	if err != nil { // nothing says what is gone
		shown += len(unlisted)
	}
	g.oneByOne(ctx, append(listed, unlisted...), shown)
}

// oneByOne closes rules with a call for each. An error that is not about the rule would
// hit the next one too and ends the round. The first rules, as many as listed, were in the
// group a moment ago and fail with it; whether the others are there stays unknown.
func (g *groupCloser) oneByOne(ctx context.Context, rules []secgroup.Rule, listed int) {
	for i := range rules {
		one := rules[i : i+1]
		silent, err := g.send(ctx, one)
		switch {
		case err == nil:
			g.verify(ctx, silent)
		case ec2rules.IsPermissionNotFound(err):
			g.refused(one, err)
		default:
			open := max(listed, i+1)
			g.refused(rules[i:open], err)
			if ec2rules.IsGroupNotFound(err) {
				g.refused(rules[open:], err)
			} else {
				g.settle(rules[open:], "", errLagging)
			}
			return
		}
	}
}

// verify settles rules that an accepted call did not mention, because some endpoints list
// nothing. A rule that is no longer shown was revoked. One that is still shown is sent
// once more, as the read may lag: NotFound then proves that it is gone.
func (g *groupCloser) verify(ctx context.Context, rules []secgroup.Rule) {
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

// stillHeld reads the group and returns those rules that it shows. The others are settled:
// as revoked, or as failed if the group cannot be read.
func (g *groupCloser) stillHeld(ctx context.Context, rules []secgroup.Rule) []secgroup.Rule {
	if len(rules) == 0 {
		return nil
	}
	held, err := g.held(ctx)
	if err != nil {
		err = fmt.Errorf("verifying the accepted revoke: %w", err)
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
	// A rule that cannot be understood is none that was judged.
	group, err := ec2rules.Held(ctx, g.EC2, g.call.groupID)
	if err != nil {
		return nil, err
	}
	out := make(map[secgroup.Permission]bool, len(group.Rules))
	for _, r := range group.Rules {
		out[r.Permission.Identity()] = true
	}
	return out, nil
}

// send makes one revoke call and settles the rules that its answer names. It returns the
// rules that an accepted call does not mention.
func (g *groupCloser) send(ctx context.Context, rules []secgroup.Rule) (silent []secgroup.Rule, err error) {
	attrs := ruleAttrs(rules)
	g.log.InfoContext(ctx, "revoking", attrs)
	answer, err := ec2rules.Revoke(ctx, g.EC2, &g.pace, g.call.groupID, g.call.direction, rules)
	if answer.AnswerLost {
		for _, r := range rules {
			g.lost[r.Permission.Identity()] = true
		}
	}
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
	// Rules that the answer leaves out, or that cannot be parsed, are verified.
	for _, got := range answer.Revoked {
		if r, ok := asked[got.Permission.Identity()]; ok {
			revoked = append(revoked, describeClosed(r, got))
			closing := g.all([]secgroup.Rule{r}, finding.OutcomeRevoked, nil)[r.Permission.Identity()]
			closing.removed, closing.attemptLost = got, g.lost[r.Permission.Identity()]
			g.done[r.Permission.Identity()] = closing
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
	g.gone(closed, false)
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
