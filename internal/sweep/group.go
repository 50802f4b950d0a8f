package sweep

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/policy"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

const (
	// rulesPerPage is the most that EC2 gives in one answer.
	rulesPerPage = 1000
	// groupsPerRead is how many values EC2 takes for one filter.
	groupsPerRead = 200
)

// group is a security group with a rule that uses the edited list.
type group struct {
	policy.Group        // TagsKnown is set once it has been read
	owner        string // account id
	using        []secgroup.Rule
	others       []secgroup.Rule
	// gone are rules that an earlier step saw and the group no longer shows.
	gone []secgroup.Rule
}

// eachRule reads the rules that filters select, all of the region without any.
func (a *Sweeper) eachRule(ctx context.Context, filters []types.Filter, take func(types.SecurityGroupRule) error) error {
	pages := ec2.NewDescribeSecurityGroupRulesPaginator(a.EC2, &ec2.DescribeSecurityGroupRulesInput{
		Filters: filters, MaxResults: aws.Int32(rulesPerPage),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("reading security group rules: %w", err)
		}
		for _, r := range page.SecurityGroupRules {
			if err := take(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// usersOf returns the ids of the account's groups that have a rule whose peer is
// the list, sorted. Only ids are kept of a region's rules: there may be half a
// million. Groups that other accounts share are theirs to close.
func (a *Sweeper) usersOf(ctx context.Context, account, listID string) ([]string, error) {
	found := map[string]bool{}
	err := a.eachRule(ctx, nil, func(r types.SecurityGroupRule) error {
		owner := aws.ToString(r.GroupOwnerId)
		if aws.ToString(r.PrefixListId) == listID && (account == "" || owner == "" || owner == account) {
			found[aws.ToString(r.GroupId)] = true
		}
		return nil
	})
	return slices.Sorted(maps.Keys(found)), err
}

// readGroups reads groups with all their rules, in the order of their ids. Of a
// group that EC2 does not let this account describe, name, VPC and tags stay
// unknown.
func (a *Sweeper) readGroups(ctx context.Context, ids []string, listID string) ([]*group, error) {
	byID := map[string]*group{}
	for chunk := range slices.Chunk(ids, groupsPerRead) {
		for _, id := range chunk {
			byID[id] = &group{Group: policy.Group{ID: id}}
		}
		filters := []types.Filter{{Name: aws.String("group-id"), Values: chunk}}
		if err := a.eachRule(ctx, filters, func(r types.SecurityGroupRule) error {
			rule, err := remediation.ReadRule(r)
			if err != nil {
				return err
			}
			g := byID[rule.GroupID]
			if g == nil {
				return fmt.Errorf("reading security group rules: %q is of %q, which was not asked for", rule.ID, rule.GroupID)
			}
			g.owner = cmp.Or(g.owner, rule.OwnerID)
			if rule.Permission.Peer.PrefixList() == listID {
				g.using = append(g.using, rule)
			} else {
				g.others = append(g.others, rule)
			}
			return nil
		}); err != nil {
			return nil, err
		}
		switch err := a.describeGroups(ctx, filters, byID); {
		case err == nil:
		case remediation.IsTransient(err):
			return nil, err
		default:
			a.Logger.WarnContext(ctx, "groups not described", "errorCode", remediation.ErrorCode(err), "error", err.Error())
		}
	}
	out := make([]*group, 0, len(ids))
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		slices.SortFunc(byID[id].using, func(a, b secgroup.Rule) int { return cmp.Compare(a.ID, b.ID) })
		out = append(out, byID[id])
	}
	return out, nil
}

func (a *Sweeper) describeGroups(ctx context.Context, filters []types.Filter, byID map[string]*group) error {
	pages := ec2.NewDescribeSecurityGroupsPaginator(a.EC2, &ec2.DescribeSecurityGroupsInput{Filters: filters, MaxResults: aws.Int32(rulesPerPage)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("reading security groups: %w", err)
		}
		for _, found := range page.SecurityGroups {
			if g := byID[aws.ToString(found.GroupId)]; g != nil {
				g.Group = remediation.ReadGroup(found)
				g.owner = cmp.Or(g.owner, aws.ToString(found.OwnerId))
			}
		}
	}
	return nil
}
