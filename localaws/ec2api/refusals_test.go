package ec2api_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/ec2api"
)

// Raw requests, as an SDK checks some of these before it sends them.
func TestBadRequestsAreNamedByTheirCode(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", "")
	rule := *s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))[0].SecurityGroupRuleId
	list, err := s.client.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("l"), AddressFamily: aws.String("IPv6"), MaxEntries: p32(1),
		Entries: []types.AddPrefixListEntry{{Cidr: aws.String("2001:db8::1/32")}}})
	require.NoError(t, err)
	ids := strings.NewReplacer("$group", group, "$rule", rule, "$list", *list.PrefixList.PrefixListId,
		"$aws", s.AddAWSPrefixList("", "com.amazonaws.us-east-1.s3"))
	before := s.Rules(group)
	events := s.eventCount()

	cases := map[string][]string{
		"MissingParameter": {
			"CreateSecurityGroup&GroupName=b", "DeleteSecurityGroup", "CreateTags&ResourceId.1=$group", "CreateTags&Tag.1.Key=k",
			"CreateTags&ResourceId.1=$group&Tag.1.Value=v", "ModifySecurityGroupRules", "ModifySecurityGroupRules&GroupId=$group",
			"ModifySecurityGroupRules&GroupId=$group&SecurityGroupRule.1.SecurityGroupRuleId=$rule",
			"CreateManagedPrefixList", "CreateManagedPrefixList&PrefixListName=x", "ModifyManagedPrefixList",
			"ModifyManagedPrefixList&PrefixListId=$list&AddEntry.1.Cidr=::/0", "GetManagedPrefixListEntries",
			"RestoreManagedPrefixListVersion&PrefixListId=$list&CurrentVersion=1", "AuthorizeSecurityGroupIngress&GroupId=$group",
			"AuthorizeSecurityGroupIngress&GroupId=$group&IpProtocol=tcp&FromPort=1&ToPort=1",
			"AuthorizeSecurityGroupIngress&GroupId=$group&IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.UserId=111122223333",
		},
		"InvalidParameterValue": {
			"AuthorizeSecurityGroupIngress&GroupId=$group&IpProtocol=tcp&FromPort=ssh&ToPort=22&CidrIp=0.0.0.0/0",
			"AuthorizeSecurityGroupIngress&GroupId=$group&IpProtocol=tcp&FromPort=22&ToPort=ssh&CidrIp=0.0.0.0/0",
			"AuthorizeSecurityGroupIngress&GroupId=$group&IpProtocol=tcp&FromPort=22&ToPort=22&CidrIp=nonsense",
			"AuthorizeSecurityGroupIngress&GroupId=$group&IpProtocol=-1&CidrIp=0.0.0.0/0&TagSpecification.1.ResourceType=vpc",
			"CreateSecurityGroup&GroupName=default&GroupDescription=d", "CreateSecurityGroup&GroupName=b&GroupDescription=%3C",
			"CreateSecurityGroup&GroupName=%3C&GroupDescription=d", "CreateVpc&CidrBlock=nonsense",
			"CreateManagedPrefixList&PrefixListName=x&MaxEntries=0&AddressFamily=IPv4",
			"CreateManagedPrefixList&PrefixListName=x&MaxEntries=1&AddressFamily=IPv5",
			"CreateManagedPrefixList&PrefixListName=x&MaxEntries=1&AddressFamily=IPv4&Entry.1.Cidr=::/0",
			"DescribeSecurityGroups&MaxResults=many", "DescribeSecurityGroups&Filter.1.Name=group-id", "DescribeRegions&RegionName.1=nowhere",
			"GetManagedPrefixListEntries&PrefixListId=$list&MaxResults=101", "DescribeTags&Filter.1.Name=colour",
			"RevokeSecurityGroupIngress&GroupId=$group&SecurityGroupRuleId.1=$rule&SecurityGroupRuleId.2=$rule",
		},
		"InvalidParameterCombination": {
			"AuthorizeSecurityGroupIngress&GroupId=$group&SourceSecurityGroupName=a&CidrIp=0.0.0.0/0",
			"ModifyManagedPrefixList&PrefixListId=$list&CurrentVersion=1&MaxEntries=2&AddEntry.1.Cidr=::/0",
			"UpdateSecurityGroupRuleDescriptionsIngress&GroupId=$group&SecurityGroupRuleDescription.1.SecurityGroupRuleId=$rule&IpPermissions.1.IpProtocol=-1",
		},
		"InvalidGroup.NotFound": {
			"DeleteSecurityGroup&GroupName=nobody", "DescribeSecurityGroups&GroupId.1=sg-0123456789abcdef0",
			"AuthorizeSecurityGroupIngress&GroupId=$group&SourceSecurityGroupName=nobody", "CreateTags&ResourceId.1=sg-0123456789abcdef0&Tag.1.Key=k",
		},
		"InvalidGroupId.Malformed": {
			"DeleteSecurityGroup&GroupId=sg-123", "DescribeSecurityGroups&GroupId.1=group",
			"AuthorizeSecurityGroupIngress&GroupId=$group&IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.GroupId=sg-XYZ",
		},
		"InvalidSecurityGroupRuleId.Malformed": {"DescribeSecurityGroupRules&SecurityGroupRuleId.1=$group"},
		"InvalidVpcID.NotFound":                {"DescribeVpcs&VpcId.1=vpc-0123456789abcdef0", "DeleteTags&ResourceId.1=vpc-0123456789abcdef0"},
		"InvalidVpc.Range":                     {"CreateVpc&CidrBlock=10.0.0.0/8"},
		"InvalidID":                            {"DeleteTags&ResourceId.1=i-0123456789abcdef0"},
		"InvalidPrefixListID.NotFound":         {"CreateTags&ResourceId.1=pl-0123456789abcdef0&Tag.1.Key=k", "DescribeManagedPrefixLists&PrefixListId.1=pl-0123456789abcdef0"},
		"InvalidPrefixListId.Malformed":        {"GetManagedPrefixListEntries&PrefixListId=nonsense"},
		"InvalidPrefixListVersion.NotFound": {
			"GetManagedPrefixListEntries&PrefixListId=$list&TargetVersion=2",
			"RestoreManagedPrefixListVersion&PrefixListId=$list&CurrentVersion=1&PreviousVersion=2",
		},
		"PrefixListMaxEntriesExceeded":       {"ModifyManagedPrefixList&PrefixListId=$list&CurrentVersion=1&AddEntry.1.Cidr=::/0"},
		"UnauthorizedOperation":              {"ModifyManagedPrefixList&PrefixListId=$aws&CurrentVersion=1&AddEntry.1.Cidr=0.0.0.0/0"},
		"InvalidNetworkInterfaceID.NotFound": {"DescribeNetworkInterfaces&NetworkInterfaceId.1=eni-0123456789abcdef0"},
	}
	writes := 0
	for code, requests := range cases {
		for _, request := range requests {
			_, _, body := s.post("Action=" + ids.Replace(request))
			assert.Contains(t, body, "<Code>"+code+"</Code>", request)
			if !strings.HasPrefix(request, "Describe") && !strings.HasPrefix(request, "Get") {
				writes++
			}
		}
	}
	assert.Equal(t, before, s.Rules(group), "nothing changed")
	assert.Equal(t, events+writes, s.eventCount(), "every refused write left its record")
}

func TestEveryKnownActionCanBeTriedDry(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", "")
	rule := *s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))[0].SecurityGroupRuleId
	list, err := s.client.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("l"), AddressFamily: aws.String("IPv4"), MaxEntries: p32(1)})
	require.NoError(t, err)
	pl := *list.PrefixList.PrefixListId
	all := "&IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0"
	requests := map[string]string{
		"DescribeRegions": "", "DescribeVpcs": "", "DescribeSecurityGroups": "", "DescribeSecurityGroupRules": "", "DescribeNetworkInterfaces": "",
		"DescribeTags": "", "DescribeManagedPrefixLists": "", "GetManagedPrefixListEntries": "&PrefixListId=" + pl,
		"GetManagedPrefixListAssociations": "&PrefixListId=" + pl,
		"CreateVpc":                        "&CidrBlock=10.0.0.0/16", "CreateSecurityGroup": "&GroupName=b&GroupDescription=d", "DeleteSecurityGroup": "&GroupId=" + group,
		"AuthorizeSecurityGroupIngress": "&GroupId=" + group + all, "AuthorizeSecurityGroupEgress": "&GroupId=" + group + strings.ReplaceAll(all, "0.0.0.0/0", "10.0.0.0/8"),
		"RevokeSecurityGroupIngress": "&GroupId=" + group + "&SecurityGroupRuleId.1=" + rule, "RevokeSecurityGroupEgress": "&GroupId=" + group + all,
		"CreateTags": "&Tag.1.Key=k&ResourceId.1=" + group, "DeleteTags": "&ResourceId.1=" + group,
		"ModifySecurityGroupRules": "&GroupId=" + group + "&SecurityGroupRule.1.SecurityGroupRuleId=" + rule +
			"&SecurityGroupRule.1.SecurityGroupRule.IpProtocol=-1&SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.0.0.0/8",
		"UpdateSecurityGroupRuleDescriptionsIngress": "&GroupId=" + group + "&SecurityGroupRuleDescription.1.SecurityGroupRuleId=" + rule,
		"UpdateSecurityGroupRuleDescriptionsEgress":  "&GroupId=" + group + all,
		"CreateManagedPrefixList":                    "&PrefixListName=x&MaxEntries=1&AddressFamily=IPv4", "ModifyManagedPrefixList": "&PrefixListId=" + pl + "&MaxEntries=9",
		"RestoreManagedPrefixListVersion": "&CurrentVersion=1&PreviousVersion=1&PrefixListId=" + pl,
	}
	_, _, answer := s.post("Action=None")
	_, known, _ := strings.Cut(answer, "This stand-in knows: ")
	known, _, _ = strings.Cut(known, ".</Message>")
	require.Len(t, strings.Split(known, ", "), len(requests), "a request here for each: %s", known)
	groups, rules := s.Groups(), s.Rules(group)
	for action, rest := range requests {
		_, err := url.ParseQuery(rest)
		require.NoError(t, err)
		_, _, body := s.post("DryRun=true&Action=" + action + rest)
		assert.Contains(t, body, "<Code>DryRunOperation</Code>", action)
	}
	assert.Equal(t, groups, s.Groups())
	assert.Equal(t, rules, s.Rules(group))
}

func TestOtherPartitionsAndAccountsHaveTheirOwnNames(t *testing.T) {
	s := newStage(t, ec2api.WithAccount("111122223333"))
	s.client = s.clientFor(demoKey, "us-gov-west-1")
	rule := s.mustAuthorize(s.newGroup("a", ""), tcp(22, "0.0.0.0/0"))[0]
	assert.Equal(t, "arn:aws-us-gov:ec2:us-gov-west-1:111122223333:security-group-rule/"+*rule.SecurityGroupRuleId, *rule.SecurityGroupRuleArn)
	assert.Equal(t, "arn:aws-us-gov:iam::111122223333:user/demo", s.lastDetail()["userIdentity"].(map[string]any)["arn"])
	s.client = s.clientFor(demoKey, "cn-north-1")
	s.newGroup("a", "")
	assert.Equal(t, "cn-north-1", s.lastEvent()["region"])
	assert.Equal(t, "arn:aws-cn:iam::111122223333:user/demo", s.lastDetail()["userIdentity"].(map[string]any)["arn"])
}
