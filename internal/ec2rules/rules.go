package ec2rules

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/secgroup"
)

// Rules reads all rules of groups. A rule that cannot be parsed is an error: without it a
// group could look safe.
func Rules(ctx context.Context, client RuleReader, f Filter) ([]secgroup.Rule, error) {
	var out []secgroup.Rule
	for filters := range f.requests() {
		if err := eachRule(ctx, client, filters, func(r types.SecurityGroupRule) error {
			rule, err := RuleOf(r)
			out = append(out, rule)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// SomeRules reads rules of the whole region, at most pages responses of 1,000, and reports
// whether these are all. Rules that cannot be parsed are dropped, so the result never
// proves a group safe.
func SomeRules(ctx context.Context, client RuleReader, pages int) (rules []secgroup.Rule, all bool, err error) {
	p := newRulePages(client, nil)
	for ; p.HasMorePages(); pages-- {
		if pages == 0 {
			return rules, false, nil
		}
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, false, rulesError(nil, err)
		}
		for _, r := range page.SecurityGroupRules {
			if rule, err := RuleOf(r); err == nil {
				rules = append(rules, rule)
			}
		}
	}
	return rules, true, nil
}

// GroupsUsing returns the sorted ids of the account's groups that have a rule with the
// prefix list as peer; of any account's if accountID is "". EC2 has no filter for this,
// and a region may have half a million rules, so only ids are kept and rules are not
// parsed.
func GroupsUsing(ctx context.Context, client RuleReader, accountID, listID string) ([]string, error) {
	found := map[string]bool{}
	err := eachRule(ctx, client, nil, func(r types.SecurityGroupRule) error {
		owner := aws.ToString(r.GroupOwnerId)
		if aws.ToString(r.PrefixListId) == listID && (accountID == "" || owner == "" || owner == accountID) {
			found[aws.ToString(r.GroupId)] = true
		}
		return nil
	})
	return slices.Sorted(maps.Keys(found)), err
}

// eachRule reads the rules that filters select, or all of the region without filters, page
// by page.
func eachRule(ctx context.Context, client RuleReader, filters []types.Filter, take func(types.SecurityGroupRule) error) error {
	for pages := newRulePages(client, filters); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return rulesError(filters, err)
		}
		for _, r := range page.SecurityGroupRules {
			if err := take(r); err != nil {
				return err
			}
		}
	}
	return nil
}

func newRulePages(client RuleReader, filters []types.Filter) *ec2.DescribeSecurityGroupRulesPaginator {
	return ec2.NewDescribeSecurityGroupRulesPaginator(client, &ec2.DescribeSecurityGroupRulesInput{
		Filters: filters, MaxResults: aws.Int32(perPage),
	})
}

// rulesError names the group if the call was for one.
func rulesError(filters []types.Filter, err error) error {
	if len(filters) == 1 && len(filters[0].Values) == 1 {
		return fmt.Errorf("reading the rules of %s: %w", filters[0].Values[0], err)
	}
	return fmt.Errorf("reading security group rules: %w", err)
}
