package authorize

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"sgward/internal/ec2rules"
	"sgward/internal/secgroup"
)

// EC2 is the part of EC2's API that this package needs. *ec2.Client implements it.
type EC2 interface {
	ec2rules.Authorizer
	ec2rules.GroupReader
	ec2rules.ListReader
}

var _ EC2 = (*ec2.Client)(nil)

// Outcome is the result of putting a rule into a group. The zero value is invalid.
type Outcome string

// The outcomes.
const (
	Made      Outcome = "made"
	There     Outcome = "already_there" // the group holds a rule with the same permission
	WouldMake Outcome = "would_make"    // a dry run: EC2 would have made it
	Failed    Outcome = "failed"
)

// RuleResult is the result for one rule. Its ID is that of the group's rule, if EC2 returned
// it.
type RuleResult struct {
	Rule    secgroup.Rule
	Outcome Outcome
	// Differs lists the differences between the existing rule and the one asked for, in
	// words that end a sentence. It is set on already_there only.
	Differs []string
	// Err is set if the outcome is failed.
	Err error
}

// Put puts rules into a group that ec2rules.Group has read, and returns their results in
// the same order. Tags apply to a whole call, so it makes one call for each direction and
// set of tags. If EC2 refuses a call, the rules are sent one by one, so that no rule
// blocks another. A dry run asks EC2 whether it would accept each call, and makes nothing.
func Put(ctx context.Context, client EC2, g secgroup.Group, rules []secgroup.Rule, dryRun bool) []RuleResult {
	p := &putter{client: client, group: g, dryRun: dryRun, out: make([]RuleResult, len(rules))}
	for i, r := range rules {
		p.out[i].Rule = r
	}
	for _, call := range p.plan() {
		p.send(ctx, call)
	}
	return p.out
}

type putter struct {
	client EC2
	group  secgroup.Group
	dryRun bool
	out    []RuleResult
}

// plan settles the rules that exist and returns the others, by their index in out, grouped
// by call.
func (p *putter) plan() [][]int {
	type kind struct {
		direction secgroup.Direction
		tags      string
	}
	var calls [][]int
	last := map[kind]int{}
	for i := range p.out {
		r := p.out[i].Rule
		if held, ok := secgroup.FindRule(p.group.Rules, r.Permission); ok {
			p.there(i, held)
			continue
		}
		k := kind{r.Permission.Direction, fmt.Sprintf("%q", sortedTags(r.Tags))}
		at, known := last[k]
		if !known || len(calls[at]) == ec2rules.MaxRulesPerCall {
			at = len(calls)
			calls = append(calls, nil)
			last[k] = at
		}
		calls[at] = append(calls[at], i)
	}
	return calls
}

func (p *putter) there(i int, held secgroup.Rule) {
	p.out[i].Outcome, p.out[i].Differs = There, differences(p.out[i].Rule, held)
	p.out[i].Rule.ID = held.ID
}

// send makes one call. EC2 accepts it completely or not at all, and does not always say
// which rule was at fault.
func (p *putter) send(ctx context.Context, call []int) {
	rules := make([]secgroup.Rule, len(call))
	for n, i := range call {
		rules[n] = p.out[i].Rule
	}
	made, err := ec2rules.Authorize(ctx, p.client, p.group.ID, rules[0].Permission.Direction, rules, rules[0].Tags, p.dryRun)
	switch {
	case p.dryRun && ec2rules.IsDryRun(err):
		p.settle(call, WouldMake, nil)
	case err == nil && p.dryRun:
		p.settle(call, Failed, errors.New("EC2 treated a dry run as a real call: check the group's rules"))
	case err == nil:
		p.settle(call, Made, nil)
		for _, i := range call {
			if r, ok := secgroup.FindRule(made, p.out[i].Rule.Permission); ok {
				p.out[i].Rule.ID = r.ID
			}
		}
	case len(call) > 1 && aboutOneRule(err):
		for _, i := range call {
			p.send(ctx, []int{i})
		}
	case ec2rules.IsDuplicate(err):
		p.duplicate(ctx, call[0])
	default:
		p.settle(call, Failed, err)
	}
}

// duplicate handles a rule that EC2 holds although the group was read without it: it was
// made meanwhile, or the read lagged behind.
func (p *putter) duplicate(ctx context.Context, i int) {
	rules, err := ec2rules.Rules(ctx, p.client, ec2rules.WithIDs(p.group.ID))
	held, ok := secgroup.FindRule(rules, p.out[i].Rule.Permission)
	if err != nil || !ok {
		p.out[i].Outcome = There
		p.out[i].Differs = []string{"the existing rule could not be read: compare description and tags yourself"}
		return
	}
	p.there(i, held)
}

func (p *putter) settle(call []int, outcome Outcome, err error) {
	for _, i := range call {
		p.out[i].Outcome, p.out[i].Err = outcome, err
	}
}

// aboutOneRule reports that an error may be about one rule of the call, so that the others
// are worth another call: a duplicate, a missing referenced group, the quota. Denials, and
// errors without a response, would hit each of them.
func aboutOneRule(err error) bool {
	return !ec2rules.IsTransient(err) && !ec2rules.IsDenied(err)
}

// differences lists the differences between the existing rule and the one asked for.
func differences(asked, held secgroup.Rule) []string {
	var out []string
	if asked.Description != held.Description {
		out = append(out, fmt.Sprintf("its description is %q, not %q", held.Description, asked.Description))
	}
	if there, here := sortedTags(held.Tags), sortedTags(asked.Tags); !slices.Equal(there, here) {
		out = append(out, fmt.Sprintf("its tags are %s, not %s", tagWords(there), tagWords(here)))
	}
	return out
}

func sortedTags(tags []secgroup.Tag) []secgroup.Tag {
	out := secgroup.SettableTags(tags)
	slices.SortFunc(out, func(a, b secgroup.Tag) int { return strings.Compare(a.Key, b.Key) })
	return out
}

func tagWords(tags []secgroup.Tag) string {
	if len(tags) == 0 {
		return "none"
	}
	words := make([]string, len(tags))
	for i, t := range tags {
		words[i] = fmt.Sprintf("%q", t.Key+"="+t.Value)
	}
	return strings.Join(words, ", ")
}
