package ec2api_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// manyRules is one permission with a peer for each of n rules.
func manyRules(n int) types.IpPermission {
	ask := tcp(22)
	for i := range n {
		ask.IpRanges = append(ask.IpRanges, types.IpRange{CidrIp: aws.String(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256))})
	}
	return ask
}

func TestAThousandRulesInOneCallComeAndGo(t *testing.T) {
	s := newStage(t)
	s.SetRuleQuota(1000)
	group := s.newGroup("a", s.newVPC())
	rules := s.mustAuthorize(group, manyRules(1000))
	require.Len(t, rules, 1000)
	assert.Equal(t, "10.3.231.0/24", *rules[999].CidrIpv4, "in the order of the request, the tenth after the ninth")
	out, err := s.revoke(group, manyRules(1000))
	require.NoError(t, err)
	assert.Len(t, out.RevokedSecurityGroupRules, 1000)
	assert.Empty(t, s.ingress(group))
}

// The time per page must not depend on how far in the listing it is, nor on how
// many groups there are beside it: compare the sizes.
func BenchmarkRulePages(b *testing.B) {
	for _, groups := range []int{10, 100} {
		b.Run(fmt.Sprintf("%dx1000", groups), func(b *testing.B) {
			s := newStage(b)
			s.SetRuleQuota(1000)
			for i := range groups {
				s.mustAuthorize(s.newGroup(fmt.Sprint("g", i), ""), manyRules(1000))
			}
			pages := 0
			for b.Loop() {
				p := ec2.NewDescribeSecurityGroupRulesPaginator(s.client, &ec2.DescribeSecurityGroupRulesInput{MaxResults: p32(1000)})
				for ; p.HasMorePages(); pages++ {
					_, err := p.NextPage(b.Context())
					require.NoError(b, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(pages), "us/page")
		})
	}
}
