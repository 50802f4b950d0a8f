package audit

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"sgward/internal/finding"
	"sgward/internal/remediation"
	"sgward/internal/secgroup"
)

// EC2 is all that audit asks of EC2: reads, and the calls that close. *ec2.Client is
// one.
type EC2 interface {
	remediation.Revoker
	remediation.GroupReader
	DescribeManagedPrefixLists(context.Context, *ec2.DescribeManagedPrefixListsInput, ...func(*ec2.Options)) (*ec2.DescribeManagedPrefixListsOutput, error)
}

var _ EC2 = (*ec2.Client)(nil)

// isPassing reports that the same call may well succeed later: throttling, faults of
// the service, and what is no answer at all.
func isPassing(err error) bool {
	var answer smithy.APIError
	return !errors.As(err, &answer) || retry.NewStandard().IsErrorRetryable(err)
}

// codeOf returns EC2's code for an error, or "" for one that is not EC2's answer.
func codeOf(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) {
		return answer.ErrorCode()
	}
	return ""
}

// messageOf returns EC2's own words where there are any, else the error's.
func messageOf(err error) string {
	var answer smithy.APIError
	if errors.As(err, &answer) && answer.ErrorMessage() != "" {
		return answer.ErrorMessage()
	}
	return err.Error()
}

// ruleOf reads a rule of DescribeSecurityGroupRules. One that cannot be understood
// is an error: left out, it could make a group look safe.
func ruleOf(r types.SecurityGroupRule) (secgroup.Rule, error) {
	wrap := func(err error) error {
		return fmt.Errorf("reading rule %q of %s: %w", aws.ToString(r.SecurityGroupRuleId), aws.ToString(r.GroupId), err)
	}
	if r.IsEgress == nil {
		return secgroup.Rule{}, wrap(errors.New("isEgress is missing"))
	}
	direction := secgroup.Ingress
	if *r.IsEgress {
		direction = secgroup.Egress
	}
	fields := finding.Rule{
		SecurityGroupRuleID: aws.ToString(r.SecurityGroupRuleId), Direction: direction.String(), IPProtocol: aws.ToString(r.IpProtocol),
		FromPort: intOf(r.FromPort), ToPort: intOf(r.ToPort),
		CidrIPv4: aws.ToString(r.CidrIpv4), CidrIPv6: aws.ToString(r.CidrIpv6), PrefixListID: aws.ToString(r.PrefixListId),
		Description: aws.ToString(r.Description), Tags: tagsOf(r.Tags),
	}
	if g := r.ReferencedGroupInfo; g != nil {
		fields.ReferencedGroupID, fields.ReferencedGroupUserID = aws.ToString(g.GroupId), aws.ToString(g.UserId)
	}
	out, err := fields.SecurityGroupRule(aws.ToString(r.GroupId), aws.ToString(r.GroupOwnerId))
	if err != nil {
		return secgroup.Rule{}, wrap(err)
	}
	return out, nil
}

func intOf(p *int32) *int {
	if p == nil {
		return nil
	}
	n := int(*p)
	return &n
}

func tagsOf(tags []types.Tag) []secgroup.Tag {
	var out []secgroup.Tag
	for _, t := range tags {
		out = append(out, secgroup.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)})
	}
	return out
}
