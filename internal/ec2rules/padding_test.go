package ec2rules_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/ec2rules"
)

// taggedRules is EC2 with rules that have one tag of so many bytes.
type taggedRules []int

func (sizes taggedRules) DescribeSecurityGroupRules(context.Context, *ec2.DescribeSecurityGroupRulesInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	out := &ec2.DescribeSecurityGroupRulesOutput{}
	for i, size := range sizes {
		out.SecurityGroupRules = append(out.SecurityGroupRules, types.SecurityGroupRule{
			SecurityGroupRuleId: aws.String([]string{"sgr-0", "sgr-1", "sgr-2"}[i]), GroupId: aws.String("sg-0"), IsEgress: aws.Bool(false),
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), CidrIpv4: aws.String("10.0.0.0/8"),
			Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String(strings.Repeat("x", size))}},
		})
	}
	return out, nil
}

// A region of rules that somebody has padded must not take all memory.
func TestPaddedRulesAreReadWithoutTheirTags(t *testing.T) {
	reader := &ec2rules.Unpadded{RuleReader: taggedRules{10, ec2rules.PaddedBytes, ec2rules.PaddedBytes - 2}}
	rules, all, err := ec2rules.SomeRules(t.Context(), reader, 1)
	require.NoError(t, err)
	assert.True(t, all)
	require.Len(t, rules, 3)
	assert.Len(t, rules[0].Tags, 1)
	assert.Empty(t, rules[1].Tags)
	assert.Len(t, rules[2].Tags, 1)
	assert.Equal(t, map[string]bool{"sgr-1": true}, reader.Padded)
}
