package sweeptest

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
)

// Altered changes some of EC2's answers.
type Altered struct {
	EC2
	Group func(*types.SecurityGroup)
	Rule  func(*types.SecurityGroupRule)
}

// DescribeSecurityGroups is EC2's.
func (e Altered) DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsInput, o ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	out, err := e.EC2.DescribeSecurityGroups(ctx, in, o...)
	if err == nil && e.Group != nil {
		for i := range out.SecurityGroups {
			e.Group(&out.SecurityGroups[i])
		}
	}
	return out, err
}

// DescribeSecurityGroupRules is EC2's.
func (e Altered) DescribeSecurityGroupRules(ctx context.Context, in *ec2.DescribeSecurityGroupRulesInput, o ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	out, err := e.EC2.DescribeSecurityGroupRules(ctx, in, o...)
	if err == nil && e.Rule != nil {
		for i := range out.SecurityGroupRules {
			e.Rule(&out.SecurityGroupRules[i])
		}
	}
	return out, err
}

// Denying refuses to close anything of some groups, as a service control policy does.
type Denying struct {
	EC2
	Groups []string
}

// RevokeSecurityGroupIngress is EC2's.
func (e Denying) RevokeSecurityGroupIngress(ctx context.Context, in *ec2.RevokeSecurityGroupIngressInput, o ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	if slices.Contains(e.Groups, *in.GroupId) {
		return nil, &smithy.GenericAPIError{Code: "UnauthorizedOperation", Message: "an explicit deny in a service control policy"}
	}
	return e.EC2.RevokeSecurityGroupIngress(ctx, in, o...)
}
