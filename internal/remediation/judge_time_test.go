package remediation_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/remediation"
)

// nestedRules is a group whose rules take long to add up: each range lies in that of the
// one before, and all name addresses of their own.
type nestedRules struct {
	*cloud
	rules int
}

func (n *nestedRules) DescribeSecurityGroupRules(ctx context.Context, in *ec2.DescribeSecurityGroupRulesInput, f ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	out, err := n.cloud.DescribeSecurityGroupRules(ctx, in, f...)
	if err != nil || in.Filters[0].Values[0] != groupB {
		return out, err
	}
	for i := range n.rules {
		r := ranged(false, "tcp", int32(1+i), int32(65000-i), fmt.Sprintf("%d.%d.%d.0/24", 11+i%60, i/60%256, i/15360))
		id, group := fmt.Sprintf("sgr-%017x", 0x100000+i), groupB
		r.SecurityGroupRuleId, r.GroupId = &id, &group
		out.SecurityGroupRules = append(out.SecurityGroupRules, r)
	}
	return out, nil
}

func TestAGroupThatTakesTooLongToJudgeHoldsUpNoOther(t *testing.T) {
	s := newStage(t, `
version: 1
world: {ipv4: 24, ipv6: 32}
statements:
  - {id: database, severity: high, effect: revoke, ingress: {from: {public: {ipv4: 11, ipv6: 32}}, ports: [0-65535/tcp]}}
`)
	remediation.LimitJudging(t, 20*time.Millisecond)
	slow := s.open(groupB, ranged(false, "tcp", 1, 65000, "52.1.2.0/25"))
	quick := s.open(groupA, in(3306, "0.0.0.0/0"))
	whole := s.unknown(groupA)
	whole.Detection.Event.EventTime = whole.Detection.Event.EventTime.Add(-10 * time.Second)
	began := time.Now()
	errs := s.deliverTo(&nestedRules{cloud: s.cloud, rules: 12000}, slow, quick, whole)
	took := time.Since(began)
	require.ErrorContains(t, errs[0], "adding up the group's rules took longer")
	require.NoError(t, errs[1])
	require.NoError(t, errs[2])
	assert.Less(t, took, 20*time.Second)
	assert.Equal(t, []string{"revoked 0.0.0.0/0"}, s.told())

	s.alerts = nil
	s.deliverTo(&nestedRules{cloud: s.cloud, rules: 12000}, again(slow))
	r := only(t, s.alert())
	assert.Equal(t, finding.OutcomeFailed, r.Outcome)
	assert.Equal(t, policy.Undetermined, r.Verdict)
	assert.Contains(t, r.ErrorMessage, "took longer")
}
