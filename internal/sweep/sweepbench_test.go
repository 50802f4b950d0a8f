package sweep_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/alert"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/policyyaml"
	"sgward/internal/sweep"
	"sgward/internal/sweep/sweeptest"
)

// vast is a region that is made up page by page: groups with so many rules each, of
// which the first opens PostgreSQL to the world.
type vast struct {
	sweeptest.EC2
	groups, rules int
}

// paged returns what a page of n things holds, and the token of the next.
func paged(token *string, size *int32, n int) (from, to int, next *string) {
	if token != nil {
		if _, err := fmt.Sscan(*token, &from); err != nil {
			panic(err)
		}
	}
	to = min(n, from+int(aws.ToInt32(size)))
	if to < n {
		next = aws.String(fmt.Sprint(to))
	}
	return from, to, next
}

func (v vast) DescribeSecurityGroups(_ context.Context, in *ec2.DescribeSecurityGroupsInput, _ ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	from, to, next := paged(in.NextToken, in.MaxResults, v.groups)
	out := &ec2.DescribeSecurityGroupsOutput{NextToken: next}
	for i := from; i < to; i++ {
		out.SecurityGroups = append(out.SecurityGroups, types.SecurityGroup{
			GroupId: aws.String(fmt.Sprintf("sg-%017x", i)), GroupName: aws.String(fmt.Sprint("name ", i)), OwnerId: aws.String(sweeptest.Account),
			Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String(fmt.Sprint("team ", i%50))}},
		})
	}
	return out, nil
}

func (v vast) DescribeSecurityGroupRules(_ context.Context, in *ec2.DescribeSecurityGroupRulesInput, _ ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	from, to, next := paged(in.NextToken, in.MaxResults, v.groups*v.rules)
	out := &ec2.DescribeSecurityGroupRulesOutput{NextToken: next}
	for i := from; i < to; i++ {
		group, k := i/v.rules, i%v.rules
		cidr := fmt.Sprintf("10.%d.%d.0/24", k, group%256)
		switch {
		case k == 0:
			cidr = "0.0.0.0/0"
		case k < 10:
			cidr = fmt.Sprintf("52.%d.%d.0/24", k, group%256)
		}
		out.SecurityGroupRules = append(out.SecurityGroupRules, types.SecurityGroupRule{
			SecurityGroupRuleId: aws.String(fmt.Sprintf("sgr-%017x", i)), GroupId: aws.String(fmt.Sprintf("sg-%017x", group)), GroupOwnerId: aws.String(sweeptest.Account),
			IsEgress: aws.Bool(false), IpProtocol: aws.String("tcp"), FromPort: aws.Int32(int32(5400 + k)), ToPort: aws.Int32(int32(5432 + k)),
			CidrIpv4: &cidr, Description: aws.String(fmt.Sprintf("a rule of team %d for ticket OPS-%d", group%50, i)),
		})
	}
	return out, nil
}

// BenchmarkSweep judges 10,000 groups with 50 rules each by the policy of this
// repository and tells of one finding in each. EC2's answers are made in memory: what
// is measured is sgward's own work, with the alert and without the memory.
func BenchmarkSweep(b *testing.B) {
	text, err := os.ReadFile("../../policy.yaml")
	require.NoError(b, err)
	p, err := policy.Compile(policyyaml.Document("policy.yaml", text))
	require.NoError(b, err)
	var told finding.Alert
	sweeper, err := sweep.New(sweep.Config{
		EC2: vast{groups: 10_000, rules: 50}, Region: sweeptest.Region, Policy: p, Mode: finding.Enforce, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Publish: func(_ context.Context, a finding.Alert) error {
			told = alert.Complete(a)
			_, err := alert.NewMessage(told)
			return err
		},
	})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, err := sweeper.Sweep(b.Context(), cloudtrail.Event{EventID: "run", AccountID: sweeptest.Account, Region: sweeptest.Region})
		require.NoError(b, err)
	}
	assert.Len(b, told.Findings, 10_000)
	assert.Equal(b, 500_000, told.Sweep.Rules)
}
