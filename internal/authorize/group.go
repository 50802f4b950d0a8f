package authorize

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/inventory"
	"sgward/internal/remediation"
)

// ErrNoGroup says that the account has no such group in the region.
var ErrNoGroup = errors.New("there is no such security group in this account and region")

// Group reads one group with its rules. The error wraps ErrNoGroup where EC2 does not
// know it.
func Group(ctx context.Context, client inventory.EC2, region, id string) (inventory.Group, error) {
	out, err := client.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}})
	return oneGroup(ctx, client, region, id, out, err)
}

// GroupNamed reads the group of a name in a VPC, as Group does.
func GroupNamed(ctx context.Context, client inventory.EC2, region, vpcID, name string) (inventory.Group, error) {
	out, err := client.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{
		{Name: aws.String("vpc-id"), Values: []string{vpcID}},
		{Name: aws.String("group-name"), Values: []string{literal(name)}},
	}})
	return oneGroup(ctx, client, region, name, out, err)
}

func oneGroup(ctx context.Context, client inventory.EC2, region, what string, out *ec2.DescribeSecurityGroupsOutput, err error) (inventory.Group, error) {
	switch {
	case remediation.IsGroupNotFound(err), err == nil && len(out.SecurityGroups) == 0:
		return inventory.Group{}, fmt.Errorf("reading group %s: %w", what, ErrNoGroup)
	case err != nil:
		return inventory.Group{}, fmt.Errorf("reading group %s: %w", what, err)
	}
	g := inventory.GroupOf(out.SecurityGroups[0], region)
	g.Rules, err = remediation.ListRules(ctx, client, g.ID)
	return g, err
}

// literal takes the meaning from what EC2's filters would read as a wildcard.
func literal(name string) string {
	var out []rune
	for _, r := range name {
		if r == '*' || r == '?' || r == '\\' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}
