package group

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"sgward/internal/authorize"
	"sgward/internal/caller"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// Account holds the credentials and the policy for making groups.
type Account struct {
	ID     string
	Region string
	Actor  policy.Actor
	Policy *policy.Policy
	// DryRun makes nothing, and reports what would be made.
	DryRun bool

	client *ec2.Client
}

// Connect returns the account of the credentials. actor is the ARN of the rules' maker, ""
// for that of the credentials.
func Connect(ctx context.Context, config aws.Config, p *policy.Policy, actor string) (Account, error) {
	a := Account{client: ec2.NewFromConfig(config), Region: config.Region, Policy: p}
	var err error
	a.ID, a.Actor, err = caller.Of(ctx, sts.NewFromConfig(config))
	if actor != "" {
		a.Actor = policy.Actor{Known: true, ARN: actor}
	}
	return a, err
}

// Terms are the terms of the exception that a refused rule would need.
type Terms = authorize.Terms

// Allow adds a rule to a group if the policy does not forbid it. terms are of the exception
// that it would need. A rule with an end gets the tag policy.UntilTag; an existing one is
// left as it is.
func Allow(ctx context.Context, a Account, groupID string, rule secgroup.Rule, terms Terms) (*Report, error) {
	if !terms.Until.IsZero() {
		rule.Tags = append(slices.Clone(rule.Tags), policy.EndTag(terms.Until))
	}
	rule.Permission.Peer = a.owning(rule.Permission.Peer)
	g, err := ec2rules.Group(ctx, a.client, a.Region, groupID)
	if err != nil {
		return nil, err
	}
	rules := []secgroup.Rule{rule}
	judged, allowed, err := a.judge(ctx, g, rules)
	if err != nil {
		return nil, err
	}
	out := reportOf(g, There)
	if !allowed {
		out.refuse(judged, rules, terms)
		return out, nil
	}
	a.put(ctx, g, rules, out)
	if !terms.Until.IsZero() {
		out.Notes = append(out.Notes, a.endNotes(judged[0], rule, terms.Until)...)
	}
	return out, nil
}

// endNotes says what ends a temporary rule, and what does not.
func (a Account) endNotes(f finding.Finding, rule secgroup.Rule, until time.Time) []string {
	end := policy.EndTag(until).Value
	if x := f.Exception; x != nil {
		expiry, ok := policy.ParseExpiry(x.Expires)
		out := []string{"The exception " + text.Visible(x.ID) + " allows the rule until " + policy.EndOf(x.Expires) + ". From then on the policy forbids it."}
		if ok && !expiry.Equal(until) {
			out[0] += " The rule's own end is " + end + "."
		}
		return out
	}
	if !a.Policy.ReportsEnds(rule.Permission.Direction) {
		return []string{"The policy allows this rule for ever, and no statement of it says ended: true for " + rule.Permission.Direction.String() +
			": no sweep reports its end at " + end + ", so remove it yourself."}
	}
	return nil
}

// owning sets this account as the owner of a referenced group without one.
func (a Account) owning(peer secgroup.Peer) secgroup.Peer {
	if id, owner := peer.Group(); id != "" && owner == "" {
		return secgroup.GroupPeer(id, a.ID)
	}
	return peer
}

// judge returns the policy's verdicts on rules in a group, and whether it allows all of
// them.
func (a Account) judge(ctx context.Context, g secgroup.Group, rules []secgroup.Rule) ([]finding.Finding, bool, error) {
	judged, err := authorize.Judge(ctx, a.client, a.Policy, g, rules, a.Actor, time.Now())
	if err != nil {
		return nil, false, err
	}
	for _, j := range judged {
		if !authorize.Allowed(j) {
			return judged, false, nil
		}
	}
	return judged, true, nil
}

// put makes rules and records their results.
func (a Account) put(ctx context.Context, g secgroup.Group, rules []secgroup.Rule, out *Report) {
	for _, r := range authorize.Put(ctx, a.client, g, rules, a.DryRun) {
		out.note(Outcome(r.Outcome), r.Rule, strings.Join(r.Differs, "; "), r.Err)
	}
}
