package undo

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"sgward/internal/authorize"
	"sgward/internal/caller"
	"sgward/internal/ec2rules"
	"sgward/internal/eventhistory"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Undoer restores rules in one account. Client and Now must be set.
type Undoer struct {
	// Client returns the client for a region.
	Client func(region string) authorize.EC2
	// Trail is the event history of a region; nil confirms nothing.
	Trail func(region string) Trail
	// Consent covers rules that would otherwise be refused.
	Consent Consent
	// Policy judges the restored rules; it may be nil.
	Policy *policy.Policy
	// Actor will restore them, as far as known.
	Actor policy.Actor
	Now   func() time.Time
}

// Connect returns an Undoer with credentials of the items' account. actor is the ARN of
// the maker, "" for that of the credentials. There must be items.
func Connect(ctx context.Context, config aws.Config, p *policy.Policy, actor string, items []Item) (*Undoer, error) {
	account, who, err := caller.Of(ctx, sts.NewFromConfig(config))
	if err != nil {
		return nil, err
	}
	for _, of := range Accounts(items) {
		if of != account {
			return nil, fmt.Errorf("the alert is of account %s and the credentials are of account %s: use credentials of %s, for example with --profile", of, account, of)
		}
	}
	if actor != "" {
		who = policy.Actor{Known: true, ARN: actor}
	}
	clients, trails := map[string]authorize.EC2{}, map[string]Trail{}
	for _, region := range Regions(items) {
		there := config.Copy()
		there.Region = region
		clients[region], trails[region] = ec2.NewFromConfig(there), eventhistory.New(there)
	}
	return &Undoer{
		Client: func(region string) authorize.EC2 { return clients[region] },
		Trail:  func(region string) Trail { return trails[region] },
		Policy: p, Actor: who, Now: time.Now,
	}, nil
}

// Step is the part of an undo in one group.
type Step struct {
	Group secgroup.Group // its id, account and region only, if Err is set
	Items []Item
	// Judged is the policy's current verdict on each item, under the item's finding id;
	// nil without a policy.
	Judged []finding.Finding
	// Confirmed says of each item whether sgward closed it; empty if Err is set.
	Confirmed []Confirmation
	// Err is why nothing can be restored in the group; it wraps ec2rules.ErrNoGroup for
	// one that is gone.
	Err error
}

// Plan reads the groups of the items and judges their rules as restored. It changes
// nothing. Steps are in the order of their first item; a group that cannot be read is a
// step with an error, and does not affect others.
func (u *Undoer) Plan(ctx context.Context, items []Item) []Step {
	type place struct{ region, groupID string }
	var steps []Step
	at := map[place]int{}
	for _, it := range items {
		p := place{it.Region, it.Rule.GroupID}
		i, known := at[p]
		if !known {
			i = len(steps)
			at[p] = i
			steps = append(steps, Step{Group: secgroup.Group{ID: it.Rule.GroupID, OwnerID: it.AccountID, Region: it.Region}})
		}
		steps[i].Items = append(steps[i].Items, it)
	}
	var open []Item
	for i := range steps {
		if steps[i].Err = u.look(ctx, &steps[i]); steps[i].Err == nil {
			open = append(open, steps[i].Items...)
		}
	}
	confirmed := u.confirm(ctx, open)
	for i := range steps {
		if s := &steps[i]; s.Err == nil {
			s.Confirmed, confirmed = confirmed[:len(s.Items)], confirmed[len(s.Items):]
		}
	}
	return steps
}

func (u *Undoer) look(ctx context.Context, s *Step) error {
	client := u.Client(s.Group.Region)
	g, err := ec2rules.Group(ctx, client, s.Group.Region, s.Group.ID)
	if err != nil {
		return err
	}
	s.Group = g
	if u.Policy == nil {
		return nil
	}
	s.Judged, err = authorize.Judge(ctx, client, u.Policy, g, s.rules(), u.Actor, u.Now())
	for i := range s.Judged {
		s.Judged[i].ID = s.Items[i].Result.ID
	}
	return err
}

func (s *Step) rules() []secgroup.Rule {
	out := make([]secgroup.Rule, len(s.Items))
	for i := range s.Items {
		out[i] = s.Items[i].Rule
	}
	return out
}

// Put restores a step's rules and returns their results, in the order of its items. A rule
// that the Consent does not cover is Refused. Put reads the group again, because it may have
// changed since Plan. If the step has an error, or the group cannot be read any more, all
// results are that failure.
func (u *Undoer) Put(ctx context.Context, s Step, dryRun bool) []authorize.RuleResult {
	client := u.Client(s.Group.Region)
	if s.Err == nil && !dryRun {
		s.Group, s.Err = ec2rules.Group(ctx, client, s.Group.Region, s.Group.ID)
	}
	out := make([]authorize.RuleResult, len(s.Items))
	var rules []secgroup.Rule
	var at []int // of rules, in out
	for i, r := range s.rules() {
		out[i] = authorize.RuleResult{Rule: r, Outcome: authorize.Failed, Err: s.Err}
		if s.Err != nil {
			continue
		}
		if refused := u.Refusal(&s, i); refused != nil {
			out[i].Outcome, out[i].Err = Refused, refused
			continue
		}
		rules, at = append(rules, r), append(at, i)
	}
	if len(rules) > 0 {
		for i, r := range authorize.Put(ctx, client, s.Group, rules, dryRun) {
			out[at[i]] = r
		}
	}
	return out
}
