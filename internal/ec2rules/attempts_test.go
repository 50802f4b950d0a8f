package ec2rules_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/ec2rules"
	"sgward/internal/metric"
	"sgward/internal/secgroup"
	"sgward/internal/secgroup/secgrouptest"
	"sgward/localaws/ec2api"
	"sgward/localaws/ec2api/ec2apitest"
)

func TestFailedAttemptsAreCountedThoughTheCallSucceeds(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	var attempts ec2rules.Attempts
	api := ec2.New(c.Client(ec2apitest.OwnKey, "us-east-1").Options(), attempts.Watch)
	group := c.Group(api, "web", 22)
	require.Equal(t, []metric.Metric{metric.Counted("Ec2Throttles", 0), metric.Counted("Ec2Errors", 0)}, attempts.Metrics())

	c.Server.FailNext("DescribeSecurityGroupRules", 2, "RequestLimitExceeded")
	_, err := ec2rules.Held(t.Context(), api, group)
	require.NoError(t, err)
	c.Server.FailNext("DescribeSecurityGroupRules", 1, "UnauthorizedOperation")
	_, err = ec2rules.Held(t.Context(), api, group)
	require.Error(t, err)
	assert.Equal(t, []metric.Metric{metric.Counted("Ec2Throttles", 2), metric.Counted("Ec2Errors", 1)}, attempts.Metrics())
	assert.Equal(t, []metric.Metric{metric.Counted("Ec2Throttles", 0), metric.Counted("Ec2Errors", 0)}, attempts.Metrics(), "counted once")
}

func TestAGroupThatIsGoneIsNoError(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	var attempts ec2rules.Attempts
	api := ec2.New(c.Client(ec2apitest.OwnKey, "us-east-1").Options(), attempts.Watch)
	_, err := ec2rules.Revoke(t.Context(), api, &ec2rules.Pace{}, groupID, secgroup.Ingress, []secgroup.Rule{*secgrouptest.TCP(3306, "0.0.0.0/0")})
	require.True(t, ec2rules.IsGroupNotFound(err), "%v", err)
	assert.Equal(t, []metric.Metric{metric.Counted("Ec2Throttles", 0), metric.Counted("Ec2Errors", 0)}, attempts.Metrics())
}
