package ec2api_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func update(id string, port int32, cidr, description string) types.SecurityGroupRuleUpdate {
	request := &types.SecurityGroupRuleRequest{IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, CidrIpv4: &cidr}
	if description != "" {
		request.Description = &description
	}
	return types.SecurityGroupRuleUpdate{SecurityGroupRuleId: &id, SecurityGroupRule: request}
}

func (s *stage) modify(group string, updates ...types.SecurityGroupRuleUpdate) error {
	_, err := s.client.ModifySecurityGroupRules(s.t.Context(), &ec2.ModifySecurityGroupRulesInput{
		GroupId: &group, SecurityGroupRules: updates})
	return err
}

func TestModifyReplacesTheWholeRuleUnderItsID(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", s.newVPC())
	ask := tcp(443, "10.0.0.0/8")
	ask.IpRanges[0].Description = aws.String("harmless")
	rules := s.mustAuthorize(group, ask, tcp(80, "10.0.0.0/8"))
	id := *rules[0].SecurityGroupRuleId

	require.NoError(t, s.modify(group, update(id, 22, "198.51.100.7/0", "")))
	now := s.ingress(group)
	assert.Equal(t, id, now[0].ID, "same id, same place")
	assert.Equal(t, "0.0.0.0/0", now[0].CIDRIPv4)
	assert.Equal(t, 22, now[0].FromPort)
	assert.Empty(t, now[0].Description, "a description that is not sent is removed")

	// Compare-and-revoke: the values before the edit are no longer there.
	_, err := s.revoke(group, tcp(443, "10.0.0.0/8"))
	assertCode(t, err, "InvalidPermission.NotFound")
	_, err = s.revoke(group, tcp(22, "0.0.0.0/0"))
	assert.NoError(t, err)
}

func TestModifyIsAllOrNothing(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", s.newVPC())
	rules := s.mustAuthorize(group, tcp(1, "10.0.0.0/8"), tcp(2, "10.0.0.0/8"), tcp(3, "10.0.0.0/8"))
	ids := []string{*rules[0].SecurityGroupRuleId, *rules[1].SecurityGroupRuleId}
	before := s.Rules(group)

	assertCode(t, s.modify(group, update(ids[0], 9, "10.0.0.0/8", ""), update(ids[1], 3, "10.0.0.0/8", "")), "InvalidPermission.Duplicate")
	assertCode(t, s.modify(group, update(ids[0], 9, "10.0.0.0/8", ""), update(ids[1], 9, "10.1.2.3/8", "")), "InvalidPermission.Duplicate")
	assertCode(t, s.modify(group, update(ids[0], 9, "10.0.0.0/8", ""), update("sgr-0123456789abcdef0", 9, "10.0.0.0/8", "")), "InvalidSecurityGroupRuleId.NotFound")
	assertCode(t, s.modify(group, update(ids[0], 9, "nonsense", "")), "InvalidParameterValue")
	_, _, body := s.post("Action=ModifySecurityGroupRules&GroupId=" + group)
	assert.Contains(t, body, "<Code>MissingParameter</Code>")
	none := types.SecurityGroupRuleUpdate{SecurityGroupRuleId: &ids[0], SecurityGroupRule: &types.SecurityGroupRuleRequest{IpProtocol: aws.String("-1")}}
	assertCode(t, s.modify(group, none), "MissingParameter")
	two := update(ids[0], 9, "10.0.0.0/8", "")
	two.SecurityGroupRule.CidrIpv6 = aws.String("::/0")
	assertCode(t, s.modify(group, two), "InvalidParameterCombination")
	assert.Equal(t, before, s.Rules(group))

	require.NoError(t, s.modify(group, update(ids[0], 2, "10.0.0.0/8", ""), update(ids[1], 1, "10.0.0.0/8", "")), "two rules may trade places")
	assert.Equal(t, 2, s.ingress(group)[0].FromPort)
	assert.Equal(t, 1, s.ingress(group)[1].FromPort)
	out, err := s.revoke(group, tcp(1, "10.0.0.0/8"))
	require.NoError(t, err)
	assert.Equal(t, ids[1], *out.RevokedSecurityGroupRules[0].SecurityGroupRuleId)
}

func TestModifyKeepsTheDirectionAndTheTags(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", "")
	egress := s.Rules(group)[0]
	_, err := s.client.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{egress.ID},
		Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}})
	require.NoError(t, err)
	require.NoError(t, s.modify(group, update(egress.ID, 443, "0.0.0.0/0", "only TLS")))
	now := s.Rules(group)[0]
	assert.True(t, now.Egress)
	assert.Equal(t, "only TLS", now.Description)
	assert.Equal(t, map[string]string{"k": "v"}, now.Tags)
}

func TestDescriptionsChangeByPropertiesAndByID(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", s.newVPC())
	id := *s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))[0].SecurityGroupRuleId
	ask := tcp(22, "0.0.0.0/0")
	ask.IpRanges[0].Description = aws.String("exempt")
	_, err := s.client.UpdateSecurityGroupRuleDescriptionsIngress(t.Context(), &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{
		GroupId: &group, IpPermissions: []types.IpPermission{ask}})
	require.NoError(t, err)
	assert.Equal(t, "exempt", s.ingress(group)[0].Description)
	_, err = s.client.UpdateSecurityGroupRuleDescriptionsIngress(t.Context(), &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{
		GroupId: &group, SecurityGroupRuleDescriptions: []types.SecurityGroupRuleDescription{{SecurityGroupRuleId: &id}}})
	require.NoError(t, err)
	assert.Empty(t, s.ingress(group)[0].Description)
	_, err = s.client.UpdateSecurityGroupRuleDescriptionsEgress(t.Context(), &ec2.UpdateSecurityGroupRuleDescriptionsEgressInput{
		GroupId: &group, IpPermissions: []types.IpPermission{ask}})
	assertCode(t, err, "InvalidPermission.NotFound")
}
