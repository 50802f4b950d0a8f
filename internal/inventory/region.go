package inventory

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
)

const (
	// perPage is the most that EC2 gives in one answer.
	perPage = 1000
	// listsAtOnce bounds how many prefix lists are read at the same time.
	listsAtOnce = 4
)

// EC2 is what reading groups and what their rules name asks of EC2. *ec2.Client is
// one. How often a throttled call is tried again is the client's matter.
type EC2 interface {
	remediation.RuleReader
	remediation.GroupReader
}

var _ EC2 = (*ec2.Client)(nil)

// ReadRegion reads all groups of the region that api speaks to, those that other
// accounts share too, with all their rules, in the order of their ids. It reads all
// or fails: an error is never beside groups. The two reads are not of one moment: a
// group that was made between them has an id, an owner and rules only.
func ReadRegion(ctx context.Context, api EC2, region string) ([]Group, error) {
	byID := map[string]*Group{}
	groups := ec2.NewDescribeSecurityGroupsPaginator(api, &ec2.DescribeSecurityGroupsInput{MaxResults: aws.Int32(perPage)})
	for groups.HasMorePages() {
		page, err := groups.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading security groups: %w", err)
		}
		for _, g := range page.SecurityGroups {
			found := GroupOf(g, region)
			byID[found.ID] = &found
		}
	}
	rules := ec2.NewDescribeSecurityGroupRulesPaginator(api, &ec2.DescribeSecurityGroupRulesInput{MaxResults: aws.Int32(perPage)})
	for rules.HasMorePages() {
		page, err := rules.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading security group rules: %w", err)
		}
		for _, r := range page.SecurityGroupRules {
			id := aws.ToString(r.GroupId)
			g := byID[id]
			if g == nil {
				g = &Group{Group: policy.Group{ID: id}, AccountID: aws.ToString(r.GroupOwnerId), Region: region}
				byID[id] = g
			}
			rule, err := remediation.ReadRule(r)
			if err != nil {
				g.Unread = append(g.Unread, err.Error())
				continue
			}
			g.Rules = append(g.Rules, rule)
		}
	}
	out := make([]Group, 0, len(byID))
	for _, g := range byID {
		out = append(out, *g)
	}
	for i := range out {
		out[i].arrange()
	}
	slices.SortFunc(out, func(a, b Group) int { return a.compare(&b) })
	return out, nil
}

// PrefixLists is what ReadPrefixLists found. Its fields are those of Surroundings.
type PrefixLists struct {
	// Entries are the ranges of each list that could be read, none in an empty list.
	Entries map[string][]netip.Prefix
	// Unreadable says of every other list why.
	Unreadable map[string]string
}

// ReadPrefixLists reads the entries of prefix lists. A list that may not be read (a
// shared one, often) is unknown and Unreadable says why. The error is of a call that
// may well succeed later, or of ctx: which lists those are is not known then.
func ReadPrefixLists(ctx context.Context, api remediation.GroupReader, ids []string) (PrefixLists, error) {
	type result struct {
		entries []netip.Prefix
		err     error
	}
	results := make([]result, len(ids))
	var workers sync.WaitGroup
	slots := make(chan struct{}, listsAtOnce)
	for i, id := range ids {
		slots <- struct{}{}
		workers.Go(func() {
			defer func() { <-slots }()
			entries, err := remediation.ReadPrefixList(ctx, api, id, 0)
			results[i] = result{remediation.Ranges(entries), err}
		})
	}
	workers.Wait()
	out := PrefixLists{Entries: map[string][]netip.Prefix{}, Unreadable: map[string]string{}}
	for i, id := range ids {
		switch err := results[i].err; {
		case err == nil:
			out.Entries[id] = results[i].entries
		case remediation.IsTransient(err):
			return PrefixLists{}, err
		case remediation.ErrorCode(err) == "": // what it holds is at fault
			out.Unreadable[id] = err.Error()
		default:
			out.Unreadable[id] = fmt.Sprintf("%s cannot be read (%s, %s)", id, remediation.ErrorCode(err), remediation.ErrorMessage(err))
		}
	}
	return out, nil
}

// ReadInterfaces reads all network interfaces of the region that api speaks to and
// returns them by the id of each group that they use, in the order of their ids.
func ReadInterfaces(ctx context.Context, api remediation.InterfaceReader) (map[string][]finding.Interface, error) {
	out := map[string][]finding.Interface{}
	pages := ec2.NewDescribeNetworkInterfacesPaginator(api, &ec2.DescribeNetworkInterfacesInput{MaxResults: aws.Int32(perPage)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading network interfaces: %w", err)
		}
		for _, n := range page.NetworkInterfaces {
			addInterface(out, n)
		}
	}
	sortInterfaces(out)
	return out, nil
}

// GroupOf returns a group of DescribeSecurityGroups without its rules, which other
// calls tell in full.
func GroupOf(g types.SecurityGroup, region string) Group {
	return Group{
		Group:     remediation.ReadGroup(g),
		AccountID: aws.ToString(g.OwnerId), Region: region, Description: aws.ToString(g.Description),
	}
}
