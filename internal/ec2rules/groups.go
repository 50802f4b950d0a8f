package ec2rules

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/secgroup"
)

const (
	// perPage is the most results that EC2 returns in one response.
	perPage = 1000
	// filterValues is the most values that EC2 accepts in one filter.
	filterValues = 200
)

// ErrNoGroup says that EC2 does not list the group. A new group may be missing for a
// moment.
var ErrNoGroup = errors.New("there is no such security group in this account and region")

// RuleReader reads rules. *ec2.Client implements it.
type RuleReader interface {
	DescribeSecurityGroupRules(context.Context, *ec2.DescribeSecurityGroupRulesInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error)
}

// GroupDescriber reads groups without their rules. *ec2.Client implements it.
type GroupDescriber interface {
	DescribeSecurityGroups(context.Context, *ec2.DescribeSecurityGroupsInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error)
}

// GroupReader reads groups with their rules. *ec2.Client implements it.
type GroupReader interface {
	GroupDescriber
	RuleReader
}

// Filter selects security groups. The zero value selects none.
type Filter struct {
	all bool
	ids []string
}

// All selects every group of the region, including those that other accounts share.
func All() Filter { return Filter{all: true} }

// WithIDs selects groups by id. Ids that do not exist are not errors.
func WithIDs(ids ...string) Filter { return Filter{ids: ids} }

// requests yields the filters of each request to send. All pages of one request come
// before the next.
func (f Filter) requests() iter.Seq[[]types.Filter] {
	return func(yield func([]types.Filter) bool) {
		if f.all {
			yield(nil)
			return
		}
		for ids := range slices.Chunk(f.ids, filterValues) {
			if !yield([]types.Filter{{Name: aws.String("group-id"), Values: ids}}) {
				return
			}
		}
	}
}

// Groups reads groups with all their rules, in the order of Group.Compare. region is the
// client's. It reads all or fails: groups are nil beside an error. It makes two reads, so
// a group that was made between them has only an id, an owner and rules.
func Groups(ctx context.Context, client GroupReader, region string, f Filter) ([]secgroup.Group, error) {
	byID := map[string]*secgroup.Group{}
	for filters := range f.requests() {
		if err := describeEach(ctx, client, filters, func(g types.SecurityGroup) {
			found := GroupOf(g)
			byID[found.ID] = &found
		}); err != nil {
			return nil, err
		}
		if err := rulesInto(ctx, client, filters, byID); err != nil {
			return nil, err
		}
	}
	out := make([]secgroup.Group, 0, len(byID))
	for _, g := range byID {
		g.Region = region
		g.Arrange()
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b secgroup.Group) int { return a.Compare(&b) })
	return out, nil
}

// rulesInto reads the rules that filters select into their groups, and makes those
// groups that byID lacks.
func rulesInto(ctx context.Context, client RuleReader, filters []types.Filter, byID map[string]*secgroup.Group) error {
	return eachRule(ctx, client, filters, func(r types.SecurityGroupRule) error {
		id := aws.ToString(r.GroupId)
		g := byID[id]
		if g == nil {
			g = &secgroup.Group{ID: id, OwnerID: aws.ToString(r.GroupOwnerId)}
			byID[id] = g
		}
		rule, err := RuleOf(r)
		if err != nil {
			g.Unread = append(g.Unread, err.Error())
			return nil
		}
		g.Rules = append(g.Rules, rule)
		return nil
	})
}

// Held reads the rules of one group and nothing else of it. Unread names those that
// cannot be understood.
func Held(ctx context.Context, client RuleReader, id string) (secgroup.Group, error) {
	g := secgroup.Group{ID: id}
	for filters := range WithIDs(id).requests() {
		if err := rulesInto(ctx, client, filters, map[string]*secgroup.Group{id: &g}); err != nil {
			return secgroup.Group{}, err
		}
	}
	return g, nil
}

// GroupsByID reads groups as Groups does. Where EC2 refuses to describe them, which
// undescribed then says, they have an id, an owner and rules only; an id that is of no
// group is among them too.
func GroupsByID(ctx context.Context, client GroupReader, region string, ids []string) (groups []secgroup.Group, undescribed, err error) {
	groups, err = Groups(ctx, client, region, WithIDs(ids...))
	if err == nil || IsTransient(err) {
		return groups, nil, err
	}
	undescribed = err
	byID := map[string]*secgroup.Group{}
	for filters := range WithIDs(ids...).requests() {
		if err := rulesInto(ctx, client, filters, byID); err != nil {
			return nil, nil, err
		}
	}
	for _, id := range ids {
		g := secgroup.Group{ID: id}
		if read := byID[id]; read != nil {
			g = *read
		}
		g.Region = region
		g.Arrange()
		groups = append(groups, g)
	}
	return groups, undescribed, nil
}

func describeEach(ctx context.Context, client GroupDescriber, filters []types.Filter, take func(types.SecurityGroup)) error {
	pages := ec2.NewDescribeSecurityGroupsPaginator(client, &ec2.DescribeSecurityGroupsInput{Filters: filters, MaxResults: aws.Int32(perPage)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("reading security groups: %w", err)
		}
		for _, g := range page.SecurityGroups {
			take(g)
		}
	}
	return nil
}

// Group reads one group with its rules. region is the client's. The error wraps ErrNoGroup
// if EC2 does not list the group; a rule that cannot be parsed is an error too.
func Group(ctx context.Context, client GroupReader, region, id string) (secgroup.Group, error) {
	g, err := DescribeGroup(ctx, client, id)
	return withRules(ctx, client, region, g, err)
}

// GroupNamed reads the group with a name in a VPC, as Group does.
func GroupNamed(ctx context.Context, client GroupReader, region, vpcID, name string) (secgroup.Group, error) {
	g, err := describeOne(ctx, client, name, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{vpcID}},
		{Name: aws.String("group-name"), Values: []string{literal(name)}},
	}})
	return withRules(ctx, client, region, g, err)
}

func withRules(ctx context.Context, client RuleReader, region string, g secgroup.Group, err error) (secgroup.Group, error) {
	if err != nil {
		return g, err
	}
	g.Region = region
	g.Rules, err = Rules(ctx, client, WithIDs(g.ID))
	return g, err
}

// DescribeGroup reads one group without its rules. The error wraps ErrNoGroup if EC2 does
// not list it.
func DescribeGroup(ctx context.Context, client GroupDescriber, id string) (secgroup.Group, error) {
	return describeOne(ctx, client, id, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}})
}

// DescribeGroupAndClients is DescribeGroup with the groups that its ingress rules
// reference, those of the most rules first.
func DescribeGroupAndClients(ctx context.Context, client GroupDescriber, id string) (g secgroup.Group, clients []secgroup.Peer, err error) {
	found, err := describeRaw(ctx, client, id, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{id}}}})
	if err != nil {
		return g, nil, err
	}
	rules := map[secgroup.Peer]int{}
	for _, p := range found.IpPermissions {
		for _, pair := range p.UserIdGroupPairs {
			peer := secgroup.GroupPeer(aws.ToString(pair.GroupId), aws.ToString(pair.UserId))
			if rules[peer]++; rules[peer] == 1 && aws.ToString(pair.GroupId) != id {
				clients = append(clients, peer)
			}
		}
	}
	slices.SortStableFunc(clients, func(a, b secgroup.Peer) int { return rules[b] - rules[a] })
	return GroupOf(found), clients, nil
}

// DescribeGroupNamed reads the group with a name in the default VPC, as DescribeGroup
// does.
func DescribeGroupNamed(ctx context.Context, client GroupDescriber, name string) (secgroup.Group, error) {
	return describeOne(ctx, client, name, &ec2.DescribeSecurityGroupsInput{GroupNames: []string{name}})
}

// literal escapes the characters that EC2's filters read as wildcards.
func literal(name string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `\`, `\\`).Replace(name)
}

func describeOne(ctx context.Context, client GroupDescriber, called string, in *ec2.DescribeSecurityGroupsInput) (secgroup.Group, error) {
	found, err := describeRaw(ctx, client, called, in)
	if err != nil {
		return secgroup.Group{}, err
	}
	return GroupOf(found), nil
}

func describeRaw(ctx context.Context, client GroupDescriber, called string, in *ec2.DescribeSecurityGroupsInput) (types.SecurityGroup, error) {
	out, err := client.DescribeSecurityGroups(ctx, in)
	switch {
	case IsGroupNotFound(err), err == nil && len(out.SecurityGroups) == 0:
		return types.SecurityGroup{}, fmt.Errorf("reading group %s: %w", called, ErrNoGroup)
	case err != nil:
		return types.SecurityGroup{}, fmt.Errorf("reading group %s: %w", called, err)
	}
	return out.SecurityGroups[0], nil
}

// GroupOf converts a group of DescribeSecurityGroups without its rules, which
// DescribeSecurityGroupRules returns in full.
func GroupOf(g types.SecurityGroup) secgroup.Group {
	return secgroup.Group{
		ID: aws.ToString(g.GroupId), Name: aws.ToString(g.GroupName), VPCID: aws.ToString(g.VpcId),
		OwnerID: aws.ToString(g.OwnerId), Description: aws.ToString(g.Description),
		Tags: tagsOf(g.Tags), TagsKnown: true,
	}
}
