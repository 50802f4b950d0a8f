package ec2api_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/ec2api"
)

func itoa(n int) string { return strconv.Itoa(n) }

func p32(n int32) *int32 { return &n }

func TestAuthorizeStoresTheCanonicalForm(t *testing.T) {
	cases := map[string]struct {
		ask  types.IpPermission
		want ec2api.Rule // ids left out
	}{
		"host bits are masked":           {tcp(22, "203.0.113.77/24"), ec2api.Rule{Protocol: "tcp", FromPort: 22, ToPort: 22, CIDRIPv4: "203.0.113.0/24"}},
		"any address over 0 is all":      {tcp(22, "198.51.100.7/0"), ec2api.Rule{Protocol: "tcp", FromPort: 22, ToPort: 22, CIDRIPv4: "0.0.0.0/0"}},
		"IPv6 is masked and shortened":   {tcp(22, "2001:DB8:0:0::1/32"), ec2api.Rule{Protocol: "tcp", FromPort: 22, ToPort: 22, CIDRIPv6: "2001:db8::/32"}},
		"6 is tcp":                       {perm("6", p32(1), p32(2), "0.0.0.0/0"), ec2api.Rule{Protocol: "tcp", FromPort: 1, ToPort: 2, CIDRIPv4: "0.0.0.0/0"}},
		"17 is udp":                      {perm("17", p32(53), p32(53), "0.0.0.0/0"), ec2api.Rule{Protocol: "udp", FromPort: 53, ToPort: 53, CIDRIPv4: "0.0.0.0/0"}},
		"names lose their case":          {perm("TCP", p32(1), p32(2), "0.0.0.0/0"), ec2api.Rule{Protocol: "tcp", FromPort: 1, ToPort: 2, CIDRIPv4: "0.0.0.0/0"}},
		"58 is icmpv6":                   {perm("58", p32(-1), p32(-1), "::/0"), ec2api.Rule{Protocol: "icmpv6", FromPort: -1, ToPort: -1, CIDRIPv6: "::/0"}},
		"icmpv6 needs no type":           {perm("icmpv6", nil, nil, "::/0"), ec2api.Rule{Protocol: "icmpv6", FromPort: -1, ToPort: -1, CIDRIPv6: "::/0"}},
		"icmp keeps type and code":       {perm("1", p32(8), p32(0), "0.0.0.0/0"), ec2api.Rule{Protocol: "icmp", FromPort: 8, ToPort: 0, CIDRIPv4: "0.0.0.0/0"}},
		"all protocols without ports":    {perm("-1", nil, nil, "0.0.0.0/0"), ec2api.Rule{Protocol: "-1", FromPort: -1, ToPort: -1, CIDRIPv4: "0.0.0.0/0"}},
		"all protocols drop their ports": {perm("-1", p32(22), p32(22), "0.0.0.0/0"), ec2api.Rule{Protocol: "-1", FromPort: -1, ToPort: -1, CIDRIPv4: "0.0.0.0/0"}},
		"GRE drops its ports":            {perm("47", p32(22), p32(22), "0.0.0.0/0"), ec2api.Rule{Protocol: "47", FromPort: -1, ToPort: -1, CIDRIPv4: "0.0.0.0/0"}},
		"port 0 is a port":               {tcp(0, "0.0.0.0/0"), ec2api.Rule{Protocol: "tcp", FromPort: 0, ToPort: 0, CIDRIPv4: "0.0.0.0/0"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			group := s.newGroup("a", "")
			answer := s.mustAuthorize(group, c.ask)
			stored := s.ingress(group)
			require.Len(t, stored, 1)
			require.Len(t, answer, 1)
			assert.Equal(t, stored[0].ID, *answer[0].SecurityGroupRuleId)
			assert.Equal(t, c.want.CIDRIPv4, aws.ToString(answer[0].CidrIpv4))
			assert.Equal(t, int32(c.want.FromPort), *answer[0].FromPort)
			c.want.ID, c.want.GroupID, c.want.Tags = stored[0].ID, group, map[string]string{}
			assert.Equal(t, c.want, stored[0])
		})
	}
}

func TestAuthorizeRefusesWhatEC2Refuses(t *testing.T) {
	both := tcp(22, "0.0.0.0/0")
	both.IpRanges[0].Description = aws.String("<!channel>")
	long := tcp(22, "0.0.0.0/0")
	long.IpRanges[0].Description = aws.String(strings.Repeat("x", 256))
	list := types.IpPermission{IpProtocol: aws.String("tcp"), FromPort: p32(1), ToPort: p32(1),
		PrefixListIds: []types.PrefixListId{{PrefixListId: aws.String("pl-0123456789abcdef0")}}}
	peer := types.IpPermission{IpProtocol: aws.String("-1"),
		UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: aws.String("sg-0123456789abcdef0")}}}
	cases := map[string]struct {
		ask  types.IpPermission
		code string
	}{
		"a bare address":                {tcp(22, "203.0.113.7"), "InvalidParameterValue"},
		"a CIDR of 33 bits":             {tcp(22, "203.0.113.0/33"), "InvalidParameterValue"},
		"IPv6 where IPv4 belongs":       {types.IpPermission{IpProtocol: aws.String("-1"), IpRanges: []types.IpRange{{CidrIp: aws.String("::/0")}}}, "InvalidParameterValue"},
		"IPv4 where IPv6 belongs":       {types.IpPermission{IpProtocol: aws.String("-1"), Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: aws.String("0.0.0.0/0")}}}, "InvalidParameterValue"},
		"tcp without ports":             {perm("tcp", nil, nil, "0.0.0.0/0"), "InvalidParameterValue"},
		"tcp with one port":             {perm("tcp", p32(22), nil, "0.0.0.0/0"), "InvalidParameterValue"},
		"tcp with the ports reversed":   {perm("tcp", p32(23), p32(22), "0.0.0.0/0"), "InvalidParameterValue"},
		"port 65536":                    {perm("tcp", p32(0), p32(65536), "0.0.0.0/0"), "InvalidParameterValue"},
		"icmp without a type":           {perm("icmp", nil, nil, "0.0.0.0/0"), "InvalidParameterValue"},
		"icmp type of 256":              {perm("icmp", p32(256), p32(0), "0.0.0.0/0"), "InvalidParameterValue"},
		"all icmp types with one code":  {perm("icmp", p32(-1), p32(3), "0.0.0.0/0"), "InvalidParameterValue"},
		"a protocol nobody knows":       {perm("tpc", p32(1), p32(1), "0.0.0.0/0"), "InvalidParameterValue"},
		"protocol 256":                  {perm("256", nil, nil, "0.0.0.0/0"), "InvalidParameterValue"},
		"no protocol":                   {types.IpPermission{IpRanges: tcp(22, "0.0.0.0/0").IpRanges}, "MissingParameter"},
		"no peer":                       {tcp(22), "MissingParameter"},
		"one peer twice":                {tcp(22, "203.0.113.0/24", "203.0.113.9/24"), "InvalidParameterValue"},
		"a description with a bracket":  {both, "InvalidParameterValue"},
		"a description too long":        {long, "InvalidParameterValue"},
		"a prefix list that is not":     {list, "InvalidPrefixListID.NotFound"},
		"a group that is not":           {peer, "InvalidGroup.NotFound"},
		"one bad among several is none": {tcp(22, "198.51.100.0/24", "nonsense"), "InvalidParameterValue"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			group := s.newGroup("a", "")
			_, err := s.authorize(group, c.ask)
			assertCode(t, err, c.code)
			assert.Empty(t, s.ingress(group))
		})
	}
}

func TestARuleThatExistsRejectsTheWholeCall(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", "")
	first := tcp(22, "0.0.0.0/0")
	first.IpRanges[0].Description = aws.String("first")
	s.mustAuthorize(group, first)

	_, err := s.authorize(group, tcp(443, "0.0.0.0/0"), perm("6", p32(22), p32(22), "10.9.8.7/0"))
	assertCode(t, err, "InvalidPermission.Duplicate")
	assert.ErrorContains(t, err, `the specified rule "peer: 0.0.0.0/0, TCP, from port: 22, to port: 22, ALLOW" already exists`)
	require.Len(t, s.ingress(group), 1)
	assert.Equal(t, "first", s.ingress(group)[0].Description)

	// The same permission the other way is another rule.
	_, err = s.client.AuthorizeSecurityGroupEgress(t.Context(), &ec2.AuthorizeSecurityGroupEgressInput{
		GroupId: &group, IpPermissions: []types.IpPermission{tcp(22, "0.0.0.0/0")}})
	assert.NoError(t, err)
}

func TestTheFlatFormOpensWhatItSays(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("by-name", "")
	out, err := s.client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupName: aws.String("by-name"), IpProtocol: aws.String("tcp"), FromPort: p32(22), ToPort: p32(22), CidrIp: aws.String("0.0.0.0/0")})
	require.NoError(t, err)
	require.Len(t, out.SecurityGroupRules, 1)
	assert.Equal(t, group, *out.SecurityGroupRules[0].GroupId)
	assert.Equal(t, "0.0.0.0/0", *out.SecurityGroupRules[0].CidrIpv4)

	source := s.newGroup("source", "")
	out, err = s.client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &group, SourceSecurityGroupName: aws.String("source")})
	require.NoError(t, err)
	var protocols []string
	for _, r := range out.SecurityGroupRules {
		assert.Equal(t, source, *r.ReferencedGroupInfo.GroupId)
		protocols = append(protocols, *r.IpProtocol)
	}
	assert.Equal(t, []string{"tcp", "udp", "icmp"}, protocols)

	_, err = s.client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &group, IpPermissions: []types.IpPermission{tcp(1, "0.0.0.0/0")}, CidrIp: aws.String("0.0.0.0/0")})
	assertCode(t, err, "InvalidParameterCombination")
	_, err = s.client.AuthorizeSecurityGroupEgress(t.Context(), &ec2.AuthorizeSecurityGroupEgressInput{
		GroupId: &group, IpProtocol: aws.String("tcp"), FromPort: p32(22), ToPort: p32(22), CidrIp: aws.String("0.0.0.0/0")})
	assertCode(t, err, "InvalidParameterCombination")
	_, err = s.client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		IpPermissions: []types.IpPermission{tcp(1, "0.0.0.0/0")}})
	assertCode(t, err, "MissingParameter")
	_, err = s.client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: aws.String("someid"), IpPermissions: []types.IpPermission{tcp(1, "0.0.0.0/0")}})
	assertCode(t, err, "InvalidGroupId.Malformed")
}

func TestOnePermissionFansOutIntoOneRulePerPeer(t *testing.T) {
	s := newStage(t)
	vpc := s.newVPC()
	group, source := s.newGroup("a", vpc), s.newGroup("source", vpc)
	list, err := s.client.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("offices"), AddressFamily: aws.String("IPv4"), MaxEntries: p32(3)})
	require.NoError(t, err)
	ask := tcp(5432, "203.0.113.0/24", "198.51.100.7/32", "2001:db8::/64")
	ask.PrefixListIds = []types.PrefixListId{{PrefixListId: list.PrefixList.PrefixListId}}
	ask.UserIdGroupPairs = []types.UserIdGroupPair{
		{GroupId: &source, Description: aws.String("app")},
		{GroupId: aws.String("sg-0123456789abcdef0"), UserId: aws.String("111122223333")}, // another account's, on trust
	}
	out, err := s.client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{
		GroupId: &group, IpPermissions: []types.IpPermission{ask},
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroupRule,
			Tags: []types.Tag{{Key: aws.String("Owner"), Value: aws.String("TeamA")}}}},
	})
	require.NoError(t, err)
	require.Len(t, out.SecurityGroupRules, 6)
	for _, r := range out.SecurityGroupRules {
		assert.Equal(t, "TeamA", *r.Tags[0].Value)
		assert.Equal(t, "arn:aws:ec2:us-east-1:123456789012:security-group-rule/"+*r.SecurityGroupRuleId, *r.SecurityGroupRuleArn)
	}
	assert.Equal(t, "2001:db8::/64", *out.SecurityGroupRules[2].CidrIpv6)
	assert.Equal(t, *list.PrefixList.PrefixListId, *out.SecurityGroupRules[3].PrefixListId)
	assert.Equal(t, source, *out.SecurityGroupRules[4].ReferencedGroupInfo.GroupId)
	assert.Equal(t, "app", *out.SecurityGroupRules[4].Description)
	assert.Equal(t, "111122223333", *out.SecurityGroupRules[5].ReferencedGroupInfo.UserId)

	// Shown together again, as one permission.
	shown, err := s.client.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{group}})
	require.NoError(t, err)
	perms := shown.SecurityGroups[0].IpPermissions
	require.Len(t, perms, 1)
	assert.Len(t, perms[0].IpRanges, 2)
	assert.Len(t, perms[0].Ipv6Ranges, 1)
	assert.Len(t, perms[0].PrefixListIds, 1)
	assert.Len(t, perms[0].UserIdGroupPairs, 2)

	// A group elsewhere cannot be a peer.
	far := s.newGroup("far", s.newVPC())
	_, err = s.authorize(group, types.IpPermission{IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &far}}})
	assertCode(t, err, "InvalidGroup.NotFound")
}

func TestQuotaCountsPerDirectionAndFamily(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", s.newVPC())
	cidrs := func(n int, format string) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf(format, i)
		}
		return out
	}
	s.mustAuthorize(group, tcp(22, cidrs(60, "203.0.113.%d/32")...))
	s.mustAuthorize(group, tcp(22, cidrs(60, "2001:db8:%x::/48")...))
	_, err := s.authorize(group, tcp(22, "198.51.100.7/32"))
	assertCode(t, err, "RulesPerSecurityGroupLimitExceeded")
	_, err = s.authorize(group, tcp(22, "2001:db8:ffff::/48"))
	assertCode(t, err, "RulesPerSecurityGroupLimitExceeded")
	assert.Len(t, s.ingress(group), 120)

	s.SetRuleQuota(1000)
	s.mustAuthorize(group, tcp(22, "198.51.100.7/32"))

	// A prefix list counts with its size, in both families.
	s.SetRuleQuota(60)
	full := s.newGroup("b", s.newVPC())
	list, err := s.client.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("large"), AddressFamily: aws.String("IPv4"), MaxEntries: p32(60)})
	require.NoError(t, err)
	s.mustAuthorize(full, types.IpPermission{IpProtocol: aws.String("-1"),
		PrefixListIds: []types.PrefixListId{{PrefixListId: list.PrefixList.PrefixListId}}})
	_, err = s.authorize(full, tcp(22, "2001:db8::/48"))
	assertCode(t, err, "RulesPerSecurityGroupLimitExceeded")
}
