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

// EC2 is what this package asks of EC2. *ec2.Client is one.
type EC2 interface {
	ec2rules.Authorizer
	ec2rules.GroupReader
	ec2rules.EntryReader
}

var _ EC2 = (*ec2.Client)(nil)

// Outcome is what became of a rule that was to be put into a group. The zero value
// is none.
type Outcome string

// The outcomes.
const (
	Made      Outcome = "made"
	There     Outcome = "already_there" // the group holds a rule that lets the same through
	WouldMake Outcome = "would_make"    // a dry run: EC2 would have made it
	Failed    Outcome = "failed"
)

// Result is what became of one rule. Its ID is that of the group's rule, where EC2
// told it.
type Result struct {
	Rule    secgroup.Rule
	Outcome Outcome
	// Differs says how the rule that is there differs from the one asked for, in
	// words that end a sentence. It is set on already_there only.
	Differs []string
	// Err is why it failed; nil for every other outcome.
	Err error
}

// Put puts rules into a group that ec2rules.Group has read, and returns what became of each,
// in the same order. Tags hold for a whole call, so it makes one call for each
// direction and set of tags, and more only where EC2 refuses one: one by one then,
// so that no rule keeps another from being made. A dry run asks EC2 whether it would
// take each call, and makes nothing.
func Put(ctx context.Context, client EC2, g secgroup.Group, rules []secgroup.Rule, dryRun bool) []Result {
	p := &putter{client: client, group: g, dryRun: dryRun, out: make([]Result, len(rules))}
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
	out    []Result
}

// plan settles the rules that are there and returns the others, by their place in
// out, a call each.
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

// send makes one call. EC2 takes it whole or not at all, and does not always say
// which rule it minded.
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
		p.settle(call, Failed, errors.New("EC2 took a dry run for an order: look at what the group holds now"))
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

// duplicate is a rule that EC2 holds although the group was read without it: it was
// made meanwhile, or the read lagged behind.
func (p *putter) duplicate(ctx context.Context, i int) {
	rules, err := ec2rules.Rules(ctx, p.client, ec2rules.WithIDs(p.group.ID))
	held, ok := secgroup.FindRule(rules, p.out[i].Rule.Permission)
	if err != nil || !ok {
		p.out[i].Outcome = There
		p.out[i].Differs = []string{"what it looks like there could not be read: compare description and tags yourself"}
		return
	}
	p.there(i, held)
}

func (p *putter) settle(call []int, outcome Outcome, err error) {
	for _, i := range call {
		p.out[i].Outcome, p.out[i].Err = outcome, err
	}
}

// aboutOneRule reports that an error may be about one rule of the call, so that the
// others are worth another call: a duplicate, a referenced group that is gone, the
// quota. Denials, and what is no answer at all, would meet each of them.
func aboutOneRule(err error) bool {
	return !ec2rules.IsTransient(err) && !ec2rules.IsDenied(err)
}

// differences says how a rule that is there differs from the one asked for.
func differences(asked, held secgroup.Rule) []string {
	var out []string
	if asked.Description != held.Description {
		out = append(out, fmt.Sprintf("its description is %q there, not %q", held.Description, asked.Description))
	}
	if there, here := sortedTags(held.Tags), sortedTags(asked.Tags); !slices.Equal(there, here) {
		out = append(out, fmt.Sprintf("its tags are %s there, not %s", tagWords(there), tagWords(here)))
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
