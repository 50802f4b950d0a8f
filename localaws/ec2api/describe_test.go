package ec2api_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/localaws/ec2api"
)

func TestANewGroupLetsEverythingOutAndNothingIn(t *testing.T) {
	s := newStage(t)
	out, err := s.client.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("web"), Description: aws.String("web servers"), VpcId: aws.String(s.newVPC()),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeSecurityGroup,
			Tags: []types.Tag{{Key: aws.String("Owner"), Value: aws.String("TeamA")}}}}})
	require.NoError(t, err)
	assert.Equal(t, "TeamA", *out.Tags[0].Value)
	rules := s.Rules(*out.GroupId)
	require.Len(t, rules, 1)
	assert.Equal(t, ec2api.Rule{ID: rules[0].ID, GroupID: *out.GroupId, Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1,
		CIDRIPv4: "0.0.0.0/0", Tags: map[string]string{}}, rules[0])

	shown, err := s.client.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*out.GroupId}})
	require.NoError(t, err)
	group := shown.SecurityGroups[0]
	assert.Equal(t, "web servers", *group.Description)
	assert.Equal(t, *out.SecurityGroupArn, *group.SecurityGroupArn)
	assert.Empty(t, group.IpPermissions)
	require.Len(t, group.IpPermissionsEgress, 1)
	assert.Nil(t, group.IpPermissionsEgress[0].FromPort, "all protocols have no ports here")

	six, err := s.client.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.1.0.0/16"), AmazonProvidedIpv6CidrBlock: aws.Bool(true)})
	require.NoError(t, err)
	assert.Len(t, s.Rules(s.newGroup("six", *six.Vpc.VpcId)), 2, "IPv6 has its own way out")
}

func TestCreateGroupRefusesWhatEC2Refuses(t *testing.T) {
	s := newStage(t)
	s.newGroup("taken", "")
	for code, in := range map[string]ec2.CreateSecurityGroupInput{
		"InvalidGroup.Duplicate": {GroupName: aws.String("taken"), Description: aws.String("d")},
		"InvalidVpcID.NotFound":  {GroupName: aws.String("a"), Description: aws.String("d"), VpcId: aws.String("vpc-0123456789abcdef0")},
		"InvalidParameterValue":  {GroupName: aws.String("sg-mine"), Description: aws.String("d")},
		"MissingParameter":       {GroupName: aws.String("a"), Description: aws.String("")},
	} {
		_, err := s.client.CreateSecurityGroup(t.Context(), &in)
		assertCode(t, err, code)
	}
	assert.NotEmpty(t, s.newGroup("taken", s.newVPC()), "a name is taken within its VPC only")
}

func TestAGroupInUseCannotBeDeleted(t *testing.T) {
	s := newStage(t)
	remove := func(id string) error {
		_, err := s.client.DeleteSecurityGroup(t.Context(), &ec2.DeleteSecurityGroupInput{GroupId: &id})
		return err
	}
	source, group := s.newGroup("source", ""), s.newGroup("a", "")
	self := types.IpPermission{IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &source}}}
	s.mustAuthorize(source, self) // naming oneself is no obstacle
	s.mustAuthorize(group, self)
	assertCode(t, remove(source), "DependencyViolation")
	_, err := s.revoke(group, self)
	require.NoError(t, err)
	assert.NoError(t, remove(source))
	assertCode(t, remove(source), "InvalidGroup.NotFound")
	assert.Nil(t, s.Rules(source))

	_, err = s.AddNetworkInterface(ec2api.NetworkInterface{GroupIDs: []string{group}})
	require.NoError(t, err)
	assertCode(t, remove(group), "DependencyViolation")
	assertCode(t, remove(s.Groups()[0].ID), "CannotDelete")
	assert.NotEmpty(t, s.newGroup("source", ""), "the name is free again")
}

func TestGroupsAreFilteredAndPaged(t *testing.T) {
	s := newStage(t)
	vpc := s.newVPC()
	var made []string
	for i := range 23 {
		made = append(made, s.newGroup(fmt.Sprintf("g%02d", i), vpc))
	}
	_, err := s.client.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: made[3:5],
		Tags: []types.Tag{{Key: aws.String("Owner"), Value: aws.String("TeamA")}}})
	require.NoError(t, err)
	find := func(in *ec2.DescribeSecurityGroupsInput) []string {
		t.Helper()
		var ids []string
		pages := ec2.NewDescribeSecurityGroupsPaginator(s.client, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			require.NoError(t, err)
			if in.MaxResults != nil {
				assert.LessOrEqual(t, len(page.SecurityGroups), int(*in.MaxResults))
			}
			for _, g := range page.SecurityGroups {
				ids = append(ids, *g.GroupId)
			}
		}
		return ids
	}
	by := func(name string, values ...string) []string {
		t.Helper()
		return find(&ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{{Name: &name, Values: values}}})
	}
	assert.Len(t, find(&ec2.DescribeSecurityGroupsInput{}), 25, "two default groups too")
	paged := find(&ec2.DescribeSecurityGroupsInput{MaxResults: p32(5), Filters: []types.Filter{{Name: aws.String("vpc-id"), Values: []string{vpc}}}})
	assert.Equal(t, made, paged[1:], "every group once, in order")

	assert.Equal(t, made[3:5], by("tag:Owner", "TeamA"))
	assert.Equal(t, made[3:5], by("tag:Owner", "nobody", "Team?"))
	assert.Equal(t, made[3:5], by("tag-key", "Own*"))
	assert.Equal(t, made[7:8], by("group-name", "g07"))
	assert.Equal(t, made[10:20], by("group-name", "g1*"))
	assert.Equal(t, made[7:8], by("group-name", `g\07`, "g077", "g0*8?", "g0"), "no part of a name is the name")
	assert.Empty(t, by("group-name", `g0\*`, `g0\7*x`))
	assert.Equal(t, made[7:8], by("group-name", "*0*7"))
	assert.Equal(t, made[:2], by("group-id", made[1], made[0], "sg-0123456789abcdef0"))
	assert.Empty(t, by("owner-id", "111122223333"))
	assert.Equal(t, made[4:5], find(&ec2.DescribeSecurityGroupsInput{GroupIds: []string{made[4]}}))

	_, err = s.client.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{GroupNames: []string{"g07"}})
	assertCode(t, err, "InvalidGroup.NotFound") // names count in the default VPC only
	_, err = s.client.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{Filters: []types.Filter{{Name: aws.String("colour"), Values: []string{"x"}}}})
	assertCode(t, err, "InvalidParameterValue")
	for _, n := range []int32{4, 1001} {
		_, err = s.client.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{MaxResults: &n})
		assertCode(t, err, "InvalidParameterValue")
	}
	_, err = s.client.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{NextToken: aws.String("nonsense")})
	assertCode(t, err, "InvalidNextToken")
}

func TestRulesAreFilteredAndPagedAcrossGroups(t *testing.T) {
	s := newStage(t)
	vpc := s.newVPC()
	groups := []string{s.newGroup("a", vpc), s.newGroup("b", vpc)}
	want := map[string][]string{}
	for i := range 13 {
		group := groups[i%2]
		rule := s.mustAuthorize(group, tcp(int32(1000+i), "203.0.113.0/24"))[0]
		want[group] = append(want[group], *rule.SecurityGroupRuleId)
	}
	tagged := want[groups[1]][2]
	_, err := s.client.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{tagged},
		Tags: []types.Tag{{Key: aws.String("sgward"), Value: aws.String("exempt")}}})
	require.NoError(t, err)
	find := func(in *ec2.DescribeSecurityGroupRulesInput) (ids []string, pages int) {
		t.Helper()
		p := ec2.NewDescribeSecurityGroupRulesPaginator(s.client, in)
		for ; p.HasMorePages(); pages++ {
			page, err := p.NextPage(t.Context())
			require.NoError(t, err)
			for _, r := range page.SecurityGroupRules {
				if !*r.IsEgress {
					ids = append(ids, *r.SecurityGroupRuleId)
				}
			}
		}
		return ids, pages
	}
	filter := func(name string, values ...string) []types.Filter {
		return []types.Filter{{Name: &name, Values: values}}
	}

	got, pages := find(&ec2.DescribeSecurityGroupRulesInput{MaxResults: p32(5), Filters: filter("group-id", groups...)})
	assert.Equal(t, append(append([]string{}, want[groups[0]]...), want[groups[1]]...), got, "every rule once, by group")
	assert.Equal(t, 3, pages, "15 rules in pages of 5")
	got, _ = find(&ec2.DescribeSecurityGroupRulesInput{Filters: filter("group-id", groups[1])})
	assert.Equal(t, want[groups[1]], got)
	got, _ = find(&ec2.DescribeSecurityGroupRulesInput{Filters: filter("tag:sgward", "exempt")})
	assert.Equal(t, []string{tagged}, got)
	got, _ = find(&ec2.DescribeSecurityGroupRulesInput{Filters: filter("security-group-rule-id", tagged, "sgr-0123456789abcdef0")})
	assert.Equal(t, []string{tagged}, got)
	got, _ = find(&ec2.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{tagged}})
	assert.Equal(t, []string{tagged}, got)
	got, pages = find(&ec2.DescribeSecurityGroupRulesInput{MaxResults: p32(5), SecurityGroupRuleIds: want[groups[0]]})
	assert.Equal(t, want[groups[0]], got)
	assert.Equal(t, 2, pages)

	_, err = s.client.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{
		SecurityGroupRuleIds: []string{tagged, "sgr-0123456789abcdef0"}})
	assertCode(t, err, "InvalidSecurityGroupRuleId.NotFound")
	_, err = s.client.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{Filters: filter("vpc-id", vpc)})
	assertCode(t, err, "InvalidParameterValue")
	_, err = s.client.DescribeSecurityGroupRules(t.Context(), &ec2.DescribeSecurityGroupRulesInput{MaxResults: p32(4)})
	assertCode(t, err, "InvalidParameterValue")
}

func TestAPageStaysRightWhenRulesGoMeanwhile(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", s.newVPC())
	for i := range 12 {
		s.mustAuthorize(group, tcp(int32(i), "203.0.113.0/24"))
	}
	in := &ec2.DescribeSecurityGroupRulesInput{MaxResults: p32(6), Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{group}}}}
	first, err := s.client.DescribeSecurityGroupRules(t.Context(), in)
	require.NoError(t, err)
	last := first.SecurityGroupRules[5]
	_, err = s.revoke(group, tcp(*last.FromPort, "203.0.113.0/24"), tcp(0, "203.0.113.0/24"))
	require.NoError(t, err)
	in.NextToken = first.NextToken
	second, err := s.client.DescribeSecurityGroupRules(t.Context(), in)
	require.NoError(t, err)
	assert.Equal(t, *last.FromPort+1, *second.SecurityGroupRules[0].FromPort)
}

func TestInterfacesAreFoundByGroup(t *testing.T) {
	s := newStage(t)
	group, other := s.newGroup("a", ""), s.newGroup("b", "")
	id, err := s.AddNetworkInterface(ec2api.NetworkInterface{GroupIDs: []string{other, group}, PrivateIPv4: "10.0.0.5",
		PublicIPv4: "198.51.100.7", IPv6: []string{"2001:db8::5"}, InstanceID: "i-0123456789abcdef0"})
	require.NoError(t, err)
	_, err = s.AddNetworkInterface(ec2api.NetworkInterface{GroupIDs: []string{other}})
	require.NoError(t, err)
	out, err := s.client.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{
		Filters: []types.Filter{{Name: aws.String("group-id"), Values: []string{group}}}})
	require.NoError(t, err)
	require.Len(t, out.NetworkInterfaces, 1)
	n := out.NetworkInterfaces[0]
	assert.Equal(t, id, *n.NetworkInterfaceId)
	assert.Equal(t, "198.51.100.7", *n.Association.PublicIp)
	assert.Equal(t, "i-0123456789abcdef0", *n.Attachment.InstanceId)
	assert.Equal(t, "2001:db8::5", *n.Ipv6Addresses[0].Ipv6Address)
	assert.Equal(t, "b", *n.Groups[0].GroupName)

	_, err = s.AddNetworkInterface(ec2api.NetworkInterface{GroupIDs: []string{"sg-0123456789abcdef0"}})
	assert.Error(t, err)
}

func TestRegionsAndVPCsAreListed(t *testing.T) {
	s := newStage(t, ec2api.WithRegions("us-east-1", "eu-west-1"))
	regions, err := s.client.DescribeRegions(t.Context(), &ec2.DescribeRegionsInput{})
	require.NoError(t, err)
	require.Len(t, regions.Regions, 2)
	assert.Equal(t, "eu-west-1", *regions.Regions[1].RegionName)
	assert.Equal(t, "opt-in-not-required", *regions.Regions[1].OptInStatus)

	vpc := s.newVPC()
	vpcs, err := s.client.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{})
	require.NoError(t, err)
	require.Len(t, vpcs.Vpcs, 2)
	assert.True(t, *vpcs.Vpcs[0].IsDefault)
	one, err := s.client.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{Filters: []types.Filter{{Name: aws.String("is-default"), Values: []string{"false"}}}})
	require.NoError(t, err)
	require.Len(t, one.Vpcs, 1)
	assert.Equal(t, vpc, *one.Vpcs[0].VpcId)
}

func TestTagsAreSetReplacedAndRemoved(t *testing.T) {
	s := newStage(t)
	group := s.newGroup("a", "")
	rule := s.mustAuthorize(group, tcp(22, "0.0.0.0/0"))[0]
	tag := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
	_, err := s.client.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{group, *rule.SecurityGroupRuleId},
		Tags: []types.Tag{tag("b", "1"), tag("a", "1"), tag("b", "2")}})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a": "1", "b": "2"}, s.ingress(group)[0].Tags)

	out, err := s.client.DescribeTags(t.Context(), &ec2.DescribeTagsInput{Filters: []types.Filter{{Name: aws.String("resource-id"), Values: []string{group}}}})
	require.NoError(t, err)
	require.Len(t, out.Tags, 2)
	assert.Equal(t, types.ResourceTypeSecurityGroup, out.Tags[0].ResourceType)
	all, err := s.client.DescribeTags(t.Context(), &ec2.DescribeTagsInput{Filters: []types.Filter{{Name: aws.String("key"), Values: []string{"b"}}}})
	require.NoError(t, err)
	assert.Len(t, all.Tags, 2)

	_, err = s.client.DeleteTags(t.Context(), &ec2.DeleteTagsInput{Resources: []string{group},
		Tags: []types.Tag{tag("a", "other value"), {Key: aws.String("b")}}})
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"a": "1"}, s.Groups()[1].Tags)
	_, err = s.client.DeleteTags(t.Context(), &ec2.DeleteTagsInput{Resources: []string{group}})
	require.NoError(t, err)
	assert.Empty(t, s.Groups()[1].Tags)

	_, err = s.client.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{group, "sgr-0123456789abcdef0"}, Tags: []types.Tag{tag("c", "1")}})
	assertCode(t, err, "InvalidSecurityGroupRuleId.NotFound")
	_, err = s.client.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{group}, Tags: []types.Tag{tag("aws:c", "1")}})
	assertCode(t, err, "InvalidParameterValue")
	assert.Empty(t, s.Groups()[1].Tags)
}

func TestPrefixListsKeepTheirVersions(t *testing.T) {
	s := newStage(t)
	made, err := s.client.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("offices"), AddressFamily: aws.String("IPv4"), MaxEntries: p32(300),
		Entries: []types.AddPrefixListEntry{{Cidr: aws.String("203.0.113.9/24"), Description: aws.String("head office")}}})
	require.NoError(t, err)
	id := made.PrefixList.PrefixListId
	assert.Equal(t, int64(1), *made.PrefixList.Version)

	var add []types.AddPrefixListEntry
	for i := range 250 {
		add = append(add, types.AddPrefixListEntry{Cidr: aws.String(fmt.Sprintf("198.51.100.%d/32", i))})
	}
	modify := func(version int64, add []types.AddPrefixListEntry, remove ...string) error {
		in := &ec2.ModifyManagedPrefixListInput{PrefixListId: id, CurrentVersion: &version, AddEntries: add}
		for _, cidr := range remove {
			in.RemoveEntries = append(in.RemoveEntries, types.RemovePrefixListEntry{Cidr: aws.String(cidr)})
		}
		_, err := s.client.ModifyManagedPrefixList(t.Context(), in)
		return err
	}
	require.NoError(t, modify(1, add, "203.0.113.0/24"))
	assertCode(t, modify(1, add), "PrefixListVersionMismatch")
	assertCode(t, modify(2, nil, "192.0.2.0/24"), "InvalidParameterValue")
	assertCode(t, modify(2, []types.AddPrefixListEntry{{Cidr: aws.String("2001:db8::/32")}}), "InvalidParameterValue")

	entries := func(version int64) (cidrs []string, pages int) {
		p := ec2.NewGetManagedPrefixListEntriesPaginator(s.client, &ec2.GetManagedPrefixListEntriesInput{PrefixListId: id, TargetVersion: &version})
		for ; p.HasMorePages(); pages++ {
			page, err := p.NextPage(t.Context())
			require.NoError(t, err)
			for _, e := range page.Entries {
				cidrs = append(cidrs, *e.Cidr)
			}
		}
		return cidrs, pages
	}
	old, _ := entries(1)
	assert.Equal(t, []string{"203.0.113.0/24"}, old)
	now, pages := entries(2)
	assert.Len(t, now, 250)
	assert.Equal(t, 3, pages, "a page holds 100")

	_, err = s.client.RestoreManagedPrefixListVersion(t.Context(), &ec2.RestoreManagedPrefixListVersionInput{
		PrefixListId: id, CurrentVersion: aws.Int64(2), PreviousVersion: aws.Int64(1)})
	require.NoError(t, err)
	restored, _ := entries(3)
	assert.Equal(t, old, restored)

	aws1 := s.AddAWSPrefixList("us-east-1", "com.amazonaws.us-east-1.s3", netip.MustParsePrefix("203.0.113.0/24"))
	lists, err := s.client.DescribeManagedPrefixLists(t.Context(), &ec2.DescribeManagedPrefixListsInput{
		Filters: []types.Filter{{Name: aws.String("owner-id"), Values: []string{"AWS"}}}})
	require.NoError(t, err)
	require.Len(t, lists.PrefixLists, 1)
	assert.Equal(t, aws1, *lists.PrefixLists[0].PrefixListId)
	_, err = s.client.GetManagedPrefixListEntries(t.Context(), &ec2.GetManagedPrefixListEntriesInput{PrefixListId: aws.String("pl-0123456789abcdef0")})
	assertCode(t, err, "InvalidPrefixListID.NotFound")
}

func TestASharedPrefixListIsSeenAndEditedByItsOwnerOnly(t *testing.T) {
	const other, third = "111122223333", "222233334444"
	s := newStage(t, ec2api.WithIdentity("AKIAOTHER", ec2api.Identity{Account: other}), ec2api.WithIdentity("AKIATHIRD", ec2api.Identity{Account: third}))
	theirs, thirds := s.clientFor("AKIAOTHER", "us-east-1"), s.clientFor("AKIATHIRD", "us-east-1")
	made, err := theirs.CreateManagedPrefixList(t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("l"), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(5), Entries: []types.AddPrefixListEntry{{Cidr: aws.String("10.0.0.0/8")}}})
	require.NoError(t, err)
	id := made.PrefixList.PrefixListId
	read := func() (*ec2.GetManagedPrefixListEntriesOutput, error) {
		return s.client.GetManagedPrefixListEntries(t.Context(), &ec2.GetManagedPrefixListEntriesInput{PrefixListId: id})
	}
	_, err = read()
	assertCode(t, err, "InvalidPrefixListID.NotFound")
	require.Error(t, s.SharePrefixList("pl-0123456789abcdef0", ec2api.DefaultAccount))
	require.NoError(t, s.SharePrefixList(*id, ec2api.DefaultAccount))
	require.NoError(t, s.SharePrefixList(*id, third))

	edit := &ec2.ModifyManagedPrefixListInput{PrefixListId: id, CurrentVersion: aws.Int64(1), AddEntries: []types.AddPrefixListEntry{{Cidr: aws.String("0.0.0.0/1")}}}
	_, err = s.client.ModifyManagedPrefixList(t.Context(), edit)
	assertCode(t, err, "UnauthorizedOperation")
	_, err = theirs.ModifyManagedPrefixList(t.Context(), edit)
	require.NoError(t, err)
	seen, err := read()
	require.NoError(t, err)
	assert.Len(t, seen.Entries, 2, "the others see the edit")
	described, err := s.client.DescribeManagedPrefixLists(t.Context(), &ec2.DescribeManagedPrefixListsInput{
		Filters: []types.Filter{{Name: aws.String("prefix-list-id"), Values: []string{*id, "pl-0123456789abcdef0"}}}})
	require.NoError(t, err)
	require.Len(t, described.PrefixLists, 1)
	assert.Equal(t, other, *described.PrefixLists[0].OwnerId)

	group := s.newGroup("uses it", "")
	_, err = s.client.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: []types.IpPermission{{
		IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), PrefixListIds: []types.PrefixListId{{PrefixListId: id}}}}})
	require.NoError(t, err)
	for client, want := range map[*ec2.Client]int{theirs: 1, s.client: 1, thirds: 0} {
		used, err := client.GetManagedPrefixListAssociations(t.Context(), &ec2.GetManagedPrefixListAssociationsInput{PrefixListId: id})
		require.NoError(t, err)
		require.Len(t, used.PrefixListAssociations, want, "the owner sees who uses it, others see their own use")
		for _, a := range used.PrefixListAssociations {
			assert.Equal(t, []string{group, ec2api.DefaultAccount}, []string{*a.ResourceId, *a.ResourceOwner})
		}
	}
}
