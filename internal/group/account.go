package group

import (
	"context"
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

// Allow adds a rule to a group if the policy does not forbid it.
func Allow(ctx context.Context, a Account, groupID string, rule secgroup.Rule) (*Result, error) {
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
	out := resultOf(g, There)
	if !allowed {
		out.refuse(judged, rules)
	} else {
		a.put(ctx, g, rules, out)
	}
	return out, nil
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
func (a Account) put(ctx context.Context, g secgroup.Group, rules []secgroup.Rule, out *Result) {
	for _, r := range authorize.Put(ctx, a.client, g, rules, a.DryRun) {
		out.note(State(r.Outcome), r.Rule, strings.Join(r.Differs, "; "), r.Err)
	}
}
