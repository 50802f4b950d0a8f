package ec2api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/ec2api"
)

func TestInjectedErrorsHitTheCallsTheyAreMeantFor(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", "")
	s.FailNext("RevokeSecurityGroupIngress", 2, "RequestLimitExceeded")
	s.Inject(ec2api.Fault{Action: "RevokeSecurityGroupIngress", AccessKey: "AKIAOTHER", Times: 1, Code: "InternalError"})
	s.Inject(ec2api.Fault{Code: "InternalError"}) // no times: nothing

	s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))
	for range 2 {
		_, err := s.revoke(group, tcp(22, "0.0.0.0/0"))
		assertCode(t, err, "RequestLimitExceeded")
		var status interface{ HTTPStatusCode() int }
		require.ErrorAs(t, err, &status)
		assert.Equal(t, http.StatusServiceUnavailable, status.HTTPStatusCode())
	}
	assert.Equal(t, "Client.RequestLimitExceeded", s.lastDetail()["errorCode"])
	_, err := s.revoke(group, tcp(22, "0.0.0.0/0"))
	assert.NoError(t, err)
	assert.Empty(t, s.ingress(group))

	_, err = s.revokeAs(s.clientFor("AKIAOTHER", "us-east-1"), group, tcp(22, "0.0.0.0/0"))
	assertCode(t, err, "InternalError")
}

func TestTheSDKRetriesAThrottleThroughToTheEnd(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", "")
	s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))
	s.ResetCalls()
	s.FailNext("RevokeSecurityGroupIngress", 1, "RequestLimitExceeded")
	_, err := s.client.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group,
		IpPermissions: []types.IpPermission{tcp(22, "0.0.0.0/0")}}, func(o *ec2.Options) {
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) { r.MaxBackoff = time.Millisecond })
	})
	require.NoError(t, err)
	assert.Equal(t, 2, s.Calls().Of("RevokeSecurityGroupIngress"))
}

func TestAnAnswerThatIsLostStillChangedTheGroup(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", s.newVPC())
	s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))
	s.Inject(ec2api.Fault{Action: "RevokeSecurityGroupIngress", Times: 1, HangUp: true})
	_, err := s.revoke(group, tcp(22, "0.0.0.0/0"))
	require.Error(t, err)
	assert.Empty(t, s.ingress(group))
	assert.NotContains(t, s.lastDetail(), "errorCode")
	_, err = s.revoke(group, tcp(22, "0.0.0.0/0"))
	assertCode(t, err, "InvalidPermission.NotFound")
}

func TestACallerThatGivesUpDuringADelayChangesNothing(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", "")
	s.Inject(ec2api.Fault{Times: 1, Delay: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := s.client.AuthorizeSecurityGroupIngress(ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group,
		IpPermissions: []types.IpPermission{tcp(22, "0.0.0.0/0")}})
	require.Error(t, err)
	assert.Empty(t, s.ingress(group))
}

func TestARoleThatMayNotRevokeIsReported(t *testing.T) {
	s := newStage(t, ec2api.WithIdentity("ASIAREMEDIATE", ec2api.Identity{Role: "remediate", Session: "lambda"}))
	s.SetAuthorizer(func(action, accessKey string) string {
		if accessKey == "ASIAREMEDIATE" && action == "RevokeSecurityGroupIngress" {
			s.Calls() // no lock is held
			return "UnauthorizedOperation"
		}
		return ""
	})
	group := s.newGroup("a", "")
	s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))
	_, err := s.revokeAs(s.clientFor("ASIAREMEDIATE", "us-east-1"), group, tcp(22, "0.0.0.0/0"))
	assertCode(t, err, "UnauthorizedOperation")
	assert.ErrorContains(t, err, "assumed-role/remediate/lambda is not authorized to perform: ec2:RevokeSecurityGroupIngress")
	assert.Equal(t, "Client.UnauthorizedOperation", s.lastDetail()["errorCode"])
	assert.Len(t, s.ingress(group), 1)
	_, err = s.revoke(group, tcp(22, "0.0.0.0/0"))
	assert.NoError(t, err, "others may")
}

func TestATokenBucketThrottlesPerActionRegionAndAccount(t *testing.T) {
	s := newStage(t)
	s.SetRateLimit("DescribeVpcs", 2, 0.5)
	call := func(region string) error {
		_, err := s.clientFor(demoKey, region).DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
		return err
	}
	require.NoError(t, call("us-east-1"))
	require.NoError(t, call("us-east-1"))
	assertCode(t, call("us-east-1"), "RequestLimitExceeded")
	assert.NoError(t, call("eu-west-1"), "another region has its own bucket")
	_, err := s.client.DescribeRegions(t.Context(), &ec2.DescribeRegionsInput{})
	assert.NoError(t, err, "another action has none")

	s.clock.Advance(time.Second)
	assertCode(t, call("us-east-1"), "RequestLimitExceeded")
	s.clock.Advance(time.Second)
	assert.NoError(t, call("us-east-1"))
	assertCode(t, call("us-east-1"), "RequestLimitExceeded")
	s.clock.Advance(time.Hour)
	for range 2 {
		assert.NoError(t, call("us-east-1"))
	}
	assertCode(t, call("us-east-1"), "RequestLimitExceeded") // a bucket holds no more than its burst
	s.SetRateLimit("DescribeVpcs", 0, 0)
	assert.NoError(t, call("us-east-1"))
}

func TestReadsLagBehindWrites(t *testing.T) {
	s := newStage(t)
	old := s.newGroup("old", s.newVPC())
	kept := *s.mustAuthorize(old, tcp(22, "10.0.0.0/8"))[0].SecurityGroupRuleId
	s.clock.Advance(time.Minute)
	s.SetReadLag(2 * time.Second)
	shown := func(group string) (cidrs []string) {
		out, err := s.client.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{
			Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{group}}}})
		require.NoError(t, err)
		for _, r := range out.SecurityGroupRules {
			if !*r.IsEgress {
				cidrs = append(cidrs, *r.CidrIpv4)
			}
		}
		return cidrs
	}
	added := *s.mustAuthorize(old, tcp(22, "0.0.0.0/0"))[0].SecurityGroupRuleId
	assert.Equal(t, []string{"10.0.0.0/8"}, shown(old), "not to be seen yet")
	assert.Len(t, s.ingress(old), 2, "though it is there")
	_, err := s.client.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{added}})
	assertCode(t, err, "InvalidSecurityGroupRuleId.NotFound")

	s.clock.Advance(time.Second)
	_, err = s.revoke(old, tcp(22, "10.0.0.0/8"))
	require.NoError(t, err, "writes do not lag")
	assert.Equal(t, []string{"10.0.0.0/8"}, shown(old))
	s.clock.Advance(time.Second)
	assert.Equal(t, []string{"10.0.0.0/8", "0.0.0.0/0"}, shown(old), "the first change, not yet the second")
	out, err := s.client.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{kept}})
	require.NoError(t, err)
	assert.Len(t, out.SecurityGroupRules, 1, "a rule that has gone is still shown")
	s.clock.Advance(time.Second)
	assert.Equal(t, []string{"0.0.0.0/0"}, shown(old))

	require.NoError(t, s.modify(old, update(added, 23, "198.51.100.0/24", "")))
	assert.Equal(t, []string{"0.0.0.0/0"}, shown(old))
	s.clock.Advance(2 * time.Second)
	assert.Equal(t, []string{"198.51.100.0/24"}, shown(old))

	young := s.newGroup("young", "")
	_, err = s.client.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{young}})
	assertCode(t, err, "InvalidGroup.NotFound")
	s.clock.Advance(2 * time.Second)
	_, err = s.client.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{young}})
	assert.NoError(t, err)
}

func TestCallsAreCountedByActionAndCaller(t *testing.T) {
	s := newStage(t, ec2api.WithIdentity("ASIAREMEDIATE", ec2api.Identity{Account: "111122223333", Role: "remediate"}))
	group := s.newGroup("a", "")
	s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))
	_, err := s.authorize(group, tcp(22, "0.0.0.0/0"))
	require.Error(t, err)
	_, err = s.clientFor("ASIAREMEDIATE", "us-east-1").DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	require.NoError(t, err)

	calls := s.Calls()
	assert.Equal(t, 4, calls.Of())
	assert.Equal(t, 2, calls.Of("AuthorizeSecurityGroupIngress"))
	assert.Equal(t, 3, calls.By(demoKey))
	assert.Equal(t, 1, calls[ec2api.CallKey{Account: "111122223333", AccessKey: "ASIAREMEDIATE", Action: "DescribeVpcs"}])
	s.ResetCalls()
	assert.Zero(t, s.Calls().Of())
	assert.Equal(t, 4, calls.Of(), "a snapshot stays as it was")
}

func TestReadLagOfOneRequest(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", "")
	s.SetReadLag(time.Minute)
	s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))
	s.clock.Advance(2 * time.Second)
	for lag, seen := range map[time.Duration]bool{0: true, time.Second: true, 3 * time.Second: false, time.Hour: false} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("Action=DescribeSecurityGroupRules&Filter.1.Name=group-id&Filter.1.Value.1="+group))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r.WithContext(ec2api.WithReadLag(r.Context(), lag)))
		assert.Equal(t, seen, strings.Contains(w.Body.String(), "<fromPort>22</fromPort>"), lag)
	}
}
