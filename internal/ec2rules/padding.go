package ec2rules

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// PaddedBytes is from how many bytes of tags and description a rule counts as padded. A
// rule can hold 77 KB of them, and nobody needs so much to describe one: whoever pads
// rules wants CloudTrail to leave out a call's parameters, or a reader to run out of
// memory.
const PaddedBytes = 16 << 10

// Unpadded reads rules, padded ones without their tags. The zero value is not ready:
// RuleReader must be set. It is not safe for concurrent use.
type Unpadded struct {
	RuleReader
	// Padded holds the ids of the padded rules read so far.
	Padded map[string]bool
}

// DescribeSecurityGroupRules is RuleReader's.
func (u *Unpadded) DescribeSecurityGroupRules(ctx context.Context, in *ec2.DescribeSecurityGroupRulesInput, options ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	out, err := u.RuleReader.DescribeSecurityGroupRules(ctx, in, options...)
	if err != nil {
		return out, err
	}
	for i := range out.SecurityGroupRules {
		r := &out.SecurityGroupRules[i]
		if !isPadded(r) {
			continue
		}
		if u.Padded == nil {
			u.Padded = map[string]bool{}
		}
		u.Padded[aws.ToString(r.SecurityGroupRuleId)] = true
		r.Tags = nil
	}
	return out, nil
}

func isPadded(r *types.SecurityGroupRule) bool {
	n := len(aws.ToString(r.Description))
	for _, tag := range r.Tags {
		n += len(aws.ToString(tag.Key)) + len(aws.ToString(tag.Value))
	}
	return n >= PaddedBytes
}
