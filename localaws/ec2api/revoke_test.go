package ec2api_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (s *stage) revoke(groupID string, perms ...types.IpPermission) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	return s.revokeAs(s.client, groupID, perms...)
}

func (s *stage) revokeAs(client *ec2.Client, groupID string, perms ...types.IpPermission) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	return client.RevokeSecurityGroupIngress(s.t.Context(), &ec2.RevokeSecurityGroupIngressInput{
		GroupId: &groupID, IpPermissions: perms})
}

// remaining is the CIDRs that a group's ingress still names.
func (s *stage) remaining(groupID string) []string {
	out := []string{}
	for _, r := range s.ingress(groupID) {
		out = append(out, r.CIDRIPv4+r.CIDRIPv6)
	}
	return out
}

func TestRevokeByPropertiesTakesTheOneRuleAndLeavesItsNeighbours(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", s.newVPC())
	ask := tcp(5432, "0.0.0.0/0", "10.0.0.0/8", "::/0")
	ask.IpRanges[0].Description = aws.String("quick test")
	rules := s.mustAuthorize(group, ask, tcp(443, "0.0.0.0/0"))

	// No description, host bits and the number of the protocol: still that rule.
	out, err := s.revoke(group, perm("6", p32(5432), p32(5432), "203.0.113.9/0"))
	require.NoError(t, err)
	assert.True(t, *out.Return)
	assert.Empty(t, out.UnknownIpPermissions)
	require.Len(t, out.RevokedSecurityGroupRules, 1)
	revoked := out.RevokedSecurityGroupRules[0]
	assert.Equal(t, types.RevokedSecurityGroupRule{
		SecurityGroupRuleId: rules[0].SecurityGroupRuleId, GroupId: &group, IsEgress: aws.Bool(false),
		IpProtocol: aws.String("tcp"), FromPort: p32(5432), ToPort: p32(5432), CidrIpv4: aws.String("0.0.0.0/0"),
		Description: aws.String("quick test"),
	}, revoked)
	assert.Equal(t, []string{"10.0.0.0/8", "::/0", "0.0.0.0/0"}, s.remaining(group))

	// A description that does not match does not protect.
	other := tcp(5432, "10.0.0.0/8")
	other.IpRanges[0].Description = aws.String("something else")
	_, err = s.revoke(group, other)
	require.NoError(t, err)
	assert.Equal(t, []string{"::/0", "0.0.0.0/0"}, s.remaining(group))
}

func TestRevokeOfWhatIsAbsentFailsWholeOutsideTheDefaultVPC(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", s.newVPC())
	s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))
	for name, absent := range map[string]types.IpPermission{
		"another port":     tcp(23, "0.0.0.0/0"),
		"a part of it":     tcp(22, "0.0.0.0/1"),
		"the other family": tcp(22, "::/0"),
		"the protocol":     perm("udp", p32(22), p32(22), "0.0.0.0/0"),
		"all protocols":    perm("-1", nil, nil, "0.0.0.0/0"),
	} {
		_, err := s.revoke(group, tcp(22, "0.0.0.0/0"), absent)
		assertCode(t, err, "InvalidPermission.NotFound")
		assert.Equal(t, []string{"0.0.0.0/0"}, s.remaining(group), name)
	}
	_, err := s.client.RevokeSecurityGroupEgress(t.Context(), &ec2.RevokeSecurityGroupEgressInput{
		GroupId: &group, IpPermissions: []types.IpPermission{tcp(22, "0.0.0.0/0")}})
	assertCode(t, err, "InvalidPermission.NotFound")
}

func TestRevokeOfWhatIsAbsentIsSilentInTheDefaultVPC(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", "")
	s.mustAuthorize(group, tcp(22, "0.0.0.0/0"), tcp(80, "0.0.0.0/0"))
	out, err := s.revoke(group, tcp(22, "0.0.0.0/0"), tcp(23, "0.0.0.0/0", "::/0"))
	require.NoError(t, err)
	assert.True(t, *out.Return)
	require.Len(t, out.RevokedSecurityGroupRules, 1)
	assert.Equal(t, int32(22), *out.RevokedSecurityGroupRules[0].FromPort)
	require.Len(t, out.UnknownIpPermissions, 1)
	unknown := out.UnknownIpPermissions[0]
	assert.Equal(t, int32(23), *unknown.FromPort)
	assert.Equal(t, "0.0.0.0/0", *unknown.IpRanges[0].CidrIp)
	assert.Equal(t, "::/0", *unknown.Ipv6Ranges[0].CidrIpv6)
	assert.Len(t, s.ingress(group), 1)
}

func TestRevokeByRuleIDIsAllOrNothing(t *testing.T) {
	for _, inDefault := range []bool{true, false} {
		s := newStage(t)
		vpc := ""
		if !inDefault {
			vpc = s.newVPC()
		}
		group, other := s.newGroup("a", vpc), s.newGroup("b", vpc)
		rules := s.mustAuthorize(group, tcp(22, "0.0.0.0/0", "::/0"))
		elsewhere := s.mustAuthorize(other, tcp(22, "0.0.0.0/0"))
		egress := s.Rules(group)[0]
		require.True(t, egress.Egress)
		revoke := func(ids ...string) (*ec2.RevokeSecurityGroupIngressOutput, error) {
			return s.client.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{
				GroupId: &group, SecurityGroupRuleIds: ids})
		}
		for name, bad := range map[string]string{
			"unknown": "sgr-0123456789abcdef0", "of another group": *elsewhere[0].SecurityGroupRuleId, "egress": egress.ID,
		} {
			_, err := revoke(*rules[0].SecurityGroupRuleId, bad)
			assertCode(t, err, "InvalidSecurityGroupRuleId.NotFound")
			assert.Len(t, s.ingress(group), 2, name)
		}
		_, err := revoke("sgr-nonsense")
		assertCode(t, err, "InvalidSecurityGroupRuleId.Malformed")

		out, err := revoke(*rules[1].SecurityGroupRuleId)
		require.NoError(t, err)
		assert.Equal(t, "::/0", *out.RevokedSecurityGroupRules[0].CidrIpv6)
		assert.Equal(t, []string{"0.0.0.0/0"}, s.remaining(group))
		_, err = revoke(*rules[1].SecurityGroupRuleId)
		assertCode(t, err, "InvalidSecurityGroupRuleId.NotFound")
	}
}

func TestRevokeTakesTheFlatFormGroupsAndEgress(t *testing.T) {
	s := newStage(t)
	group, source := s.newGroup("a", ""), s.newGroup("source", "")
	s.mustAuthorize(group, tcp(22, "0.0.0.0/0"), types.IpPermission{IpProtocol: aws.String("-1"),
		UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &source}}})
	out, err := s.client.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{
		GroupName: aws.String("a"), IpProtocol: aws.String("tcp"), FromPort: p32(22), ToPort: p32(22), CidrIp: aws.String("0.0.0.0/0")})
	require.NoError(t, err)
	assert.Len(t, out.RevokedSecurityGroupRules, 1)

	out, err = s.revoke(group, types.IpPermission{IpProtocol: aws.String("-1"),
		UserIdGroupPairs: []types.UserIdGroupPair{{GroupName: aws.String("source")}}})
	require.NoError(t, err)
	require.Len(t, out.RevokedSecurityGroupRules, 1)
	assert.Equal(t, source, *out.RevokedSecurityGroupRules[0].ReferencedGroupId)

	gone, err := s.client.RevokeSecurityGroupEgress(t.Context(), &ec2.RevokeSecurityGroupEgressInput{
		GroupId: &group, IpPermissions: []types.IpPermission{perm("-1", p32(0), p32(0), "0.0.0.0/0")}})
	require.NoError(t, err)
	assert.True(t, *gone.RevokedSecurityGroupRules[0].IsEgress)
	assert.Empty(t, s.Rules(group))

	_, err = s.client.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group})
	assertCode(t, err, "MissingParameter")
	_, err = s.client.RevokeSecurityGroupIngress(t.Context(), &ec2.RevokeSecurityGroupIngressInput{GroupId: &group,
		SecurityGroupRuleIds: []string{"sgr-0123456789abcdef0"}, IpPermissions: []types.IpPermission{tcp(1, "0.0.0.0/0")}})
	assertCode(t, err, "InvalidParameterCombination")
}

func TestWhatWasRevokedCanBeOpenedAgain(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", s.newVPC())
	first := s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))
	_, err := s.revoke(group, tcp(22, "0.0.0.0/0"))
	require.NoError(t, err)
	second := s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))
	assert.NotEqual(t, *first[0].SecurityGroupRuleId, *second[0].SecurityGroupRuleId)
}
