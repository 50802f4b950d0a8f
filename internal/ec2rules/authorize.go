package ec2rules

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/secgroup"
)

// errAuthorizeFalse is an undocumented response: it makes no rules and is not an error.
var errAuthorizeFalse = errors.New("EC2 answered the authorize with return=false")

// Authorizer authorizes rules. *ec2.Client implements it.
type Authorizer interface {
	AuthorizeSecurityGroupIngress(context.Context, *ec2.AuthorizeSecurityGroupIngressInput, ...func(*ec2.Options)) (*ec2.AuthorizeSecurityGroupIngressOutput, error)
	AuthorizeSecurityGroupEgress(context.Context, *ec2.AuthorizeSecurityGroupEgressInput, ...func(*ec2.Options)) (*ec2.AuthorizeSecurityGroupEgressOutput, error)
}

// Authorize makes one call that authorizes rules of one group in one direction, with their
// descriptions. EC2 gives all of them the same tags. It returns the rules that the
// response names; some implementations of the API do not name all. A dry run makes
// nothing, and its success is an error: see IsDryRun.
func Authorize(ctx context.Context, client Authorizer, groupID string, d secgroup.Direction, rules []secgroup.Rule, tags []secgroup.Tag, dryRun bool) ([]secgroup.Rule, error) {
	var accepted *bool
	var made []types.SecurityGroupRule
	permissions := ipPermissions(rules, true)
	spec := TagSpecification(types.ResourceTypeSecurityGroupRule, tags)
	switch d {
	case secgroup.Ingress:
		out, err := client.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{
			GroupId: aws.String(groupID), IpPermissions: permissions, DryRun: aws.Bool(dryRun), TagSpecifications: spec,
		})
		if err != nil {
			return nil, fmt.Errorf("authorizing ingress of %s: %w", groupID, err)
		}
		accepted, made = out.Return, out.SecurityGroupRules
	case secgroup.Egress:
		out, err := client.AuthorizeSecurityGroupEgress(ctx, &ec2.AuthorizeSecurityGroupEgressInput{
			GroupId: aws.String(groupID), IpPermissions: permissions, DryRun: aws.Bool(dryRun), TagSpecifications: spec,
		})
		if err != nil {
			return nil, fmt.Errorf("authorizing egress of %s: %w", groupID, err)
		}
		accepted, made = out.Return, out.SecurityGroupRules
	default:
		return nil, fmt.Errorf("authorizing rules of %s: %w", groupID, errDirection)
	}
	if accepted != nil && !*accepted {
		return nil, errAuthorizeFalse
	}
	var out []secgroup.Rule
	for _, m := range made {
		if r, err := RuleOf(m); err == nil { // only the id is needed
			out = append(out, r)
		}
	}
	return out, nil
}

// TagSpecification returns the tags for a new resource; nil if there are none. Tags that
// only AWS can set are left out.
func TagSpecification(resource types.ResourceType, tags []secgroup.Tag) []types.TagSpecification {
	spec := types.TagSpecification{ResourceType: resource}
	for _, t := range tags {
		if t.IsOwnedByAWS() {
			continue
		}
		spec.Tags = append(spec.Tags, types.Tag{Key: aws.String(t.Key), Value: aws.String(t.Value)})
	}
	if len(spec.Tags) == 0 {
		return nil
	}
	return []types.TagSpecification{spec}
}
