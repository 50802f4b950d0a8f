package ec2rules_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/ec2rules"
	"sgward/internal/secgroup"
	"sgward/localaws/ec2api"
	"sgward/localaws/ec2api/ec2apitest"
)

func TestARegionIsReadPageByPageThroughThrottles(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	var ids []string
	for i := range 12 {
		ids = append(ids, c.Group(api, fmt.Sprintf("group-%d", i), 22, 443))
	}
	_, err := api.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: ids[:1], Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("shop")}}})
	require.NoError(t, err)
	c.Server.ResetCalls()
	c.Server.FailNext("DescribeSecurityGroups", 2, "RequestLimitExceeded")
	c.Server.FailNext("DescribeSecurityGroupRules", 3, "RequestLimitExceeded")
	groups, err := ec2rules.Groups(t.Context(), ec2apitest.SmallPages{Client: api}, "us-east-1", ec2rules.All())
	require.NoError(t, err)
	require.Len(t, groups, 13, "with the default group")
	assert.GreaterOrEqual(t, c.Server.Calls().Of("DescribeSecurityGroups"), 3+2)
	assert.GreaterOrEqual(t, c.Server.Calls().Of("DescribeSecurityGroupRules"), 8+3)
	byID := map[string]secgroup.Group{}
	for i, g := range groups {
		byID[g.ID] = g
		assert.Equal(t, []any{"123456789012", "us-east-1", true}, []any{g.OwnerID, g.Region, g.TagsKnown})
		if i > 0 {
			assert.Less(t, groups[i-1].ID, g.ID)
		}
	}
	for _, id := range ids {
		assert.Equal(t, []string{"ingress tcp 22 from 0.0.0.0/0", "ingress tcp 443 from 0.0.0.0/0", "egress all traffic to 0.0.0.0/0"}, permissions(byID[id]))
	}
	assert.Equal(t, "shop", byID[ids[0]].Tags[0].Value)
	assert.Equal(t, []string{"group-0", "of group-0"}, []string{byID[ids[0]].Name, byID[ids[0]].Description})
}

func TestARegionThatCannotBeReadWholeIsAnErrorWithoutGroups(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	c.Group(api, "web", 22)
	for _, action := range []string{"DescribeSecurityGroups", "DescribeSecurityGroupRules"} {
		c.Server.FailNext(action, 1, "UnauthorizedOperation")
		groups, err := ec2rules.Groups(t.Context(), api, "us-east-1", ec2rules.All())
		require.Error(t, err)
		assert.Nil(t, groups)
		assert.Regexp(t, "^"+action+": UnauthorizedOperation: ", ec2rules.ErrorText(err))
	}
	c.Server.FailNext("DescribeSecurityGroupRules", 4, "RequestLimitExceeded")
	_, err := ec2rules.Groups(t.Context(), api, "us-east-1", ec2rules.All())
	assert.ErrorContains(t, err, "RequestLimitExceeded", "throttled for good")
}

// meanwhile changes what EC2 answers.
type meanwhile struct {
	*ec2.Client
	rules  func([]types.SecurityGroupRule) []types.SecurityGroupRule
	groups func([]types.SecurityGroup) []types.SecurityGroup
}

func (m meanwhile) DescribeSecurityGroupRules(ctx context.Context, in *ec2.DescribeSecurityGroupRulesInput, o ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	out, err := m.Client.DescribeSecurityGroupRules(ctx, in, o...)
	if err == nil && m.rules != nil {
		out.SecurityGroupRules = m.rules(out.SecurityGroupRules)
	}
	return out, err
}

func (m meanwhile) DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsInput, o ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	out, err := m.Client.DescribeSecurityGroups(ctx, in, o...)
	if err == nil && m.groups != nil {
		out.SecurityGroups = m.groups(out.SecurityGroups)
	}
	return out, err
}

func TestAGroupThatWasMadeBetweenTheReadsIsJudgedByItsRules(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	id := c.Group(api, "web", 22)
	groups, err := ec2rules.Groups(t.Context(), meanwhile{Client: api, groups: func([]types.SecurityGroup) []types.SecurityGroup { return nil }}, "us-east-1", ec2rules.All())
	require.NoError(t, err)
	for _, g := range groups {
		assert.Equal(t, []any{"123456789012", "", false}, []any{g.OwnerID, g.Name, g.TagsKnown})
		if g.ID == id {
			assert.Contains(t, permissions(g), "ingress tcp 22 from 0.0.0.0/0")
		}
	}
}

func TestARuleOfAnUnknownKindIsNamedInItsGroup(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	id := c.Group(api, "web", 22)
	groups, err := ec2rules.Groups(t.Context(), meanwhile{Client: api, rules: func(rules []types.SecurityGroupRule) []types.SecurityGroupRule {
		return append(rules, types.SecurityGroupRule{GroupId: &id, SecurityGroupRuleId: aws.String("sgr-0123456789abcdef0"), IsEgress: aws.Bool(false), IpProtocol: aws.String("tcp"), FromPort: aws.Int32(1), ToPort: aws.Int32(2)})
	}}, "us-east-1", ec2rules.All())
	require.NoError(t, err)
	for _, g := range groups {
		if g.ID == id {
			assert.Equal(t, []string{`reading rule "sgr-0123456789abcdef0" of ` + id + `: building permission: peer is missing`}, g.Unread)
			assert.Len(t, g.Rules, 2)
		} else {
			assert.Empty(t, g.Unread)
		}
	}
}

func TestTheRegionsAreThoseThatTheAccountHas(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	names, err := ec2rules.Regions(t.Context(), c.Client(ec2apitest.OwnKey, "us-east-1"))
	require.NoError(t, err)
	assert.Contains(t, names, "eu-central-1")
	assert.IsNonDecreasing(t, names)
	c.Server.FailNext("DescribeRegions", 1, "UnauthorizedOperation")
	_, err = ec2rules.Regions(t.Context(), c.Client(ec2apitest.OwnKey, "us-east-1"))
	assert.Regexp(t, "^DescribeRegions: UnauthorizedOperation: ", ec2rules.ErrorText(err))
}

func TestAGroupThatIsGoneIsSaidToBe(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	id := c.Group(api, "web", 22)
	g, err := ec2rules.Group(t.Context(), api, "us-east-1", id)
	require.NoError(t, err)
	assert.Equal(t, []string{"web", "us-east-1"}, []string{g.Name, g.Region})
	named, err := ec2rules.GroupNamed(t.Context(), api, "us-east-1", g.VPCID, "web")
	require.NoError(t, err)
	assert.Equal(t, g, named)
	inDefault, err := ec2rules.DescribeGroupNamed(t.Context(), api, "web")
	require.NoError(t, err)
	assert.Equal(t, id, inDefault.ID)

	for _, name := range []string{"we?", "w*", `web\`} {
		_, err = ec2rules.GroupNamed(t.Context(), api, "us-east-1", g.VPCID, name)
		assert.ErrorIs(t, err, ec2rules.ErrNoGroup, "a name is no pattern")
	}
	_, err = ec2rules.Group(t.Context(), api, "us-east-1", "sg-0123456789abcdef0")
	assert.ErrorIs(t, err, ec2rules.ErrNoGroup)
	_, err = ec2rules.DescribeGroupNamed(t.Context(), api, "no-such")
	assert.ErrorIs(t, err, ec2rules.ErrNoGroup)
	c.Server.FailNext("DescribeSecurityGroups", 1, "UnauthorizedOperation")
	_, err = ec2rules.Group(t.Context(), api, "us-east-1", id)
	require.NotErrorIs(t, err, ec2rules.ErrNoGroup, "not to be allowed to look is not to see nothing")
	assert.True(t, ec2rules.IsDenied(err))
}

// filters notes the values of every filter that is asked for, "" for none.
type filters struct {
	*ec2.Client
	seen *[]string
}

func (f filters) note(in []types.Filter) {
	values := ""
	for _, filter := range in {
		values += fmt.Sprintf("%s:%d ", *filter.Name, len(filter.Values))
	}
	*f.seen = append(*f.seen, values)
}

func (f filters) DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsInput, o ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	f.note(in.Filters)
	return f.Client.DescribeSecurityGroups(ctx, in, o...)
}

func (f filters) DescribeSecurityGroupRules(ctx context.Context, in *ec2.DescribeSecurityGroupRulesInput, o ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	f.note(in.Filters)
	return f.Client.DescribeSecurityGroupRules(ctx, in, o...)
}

func TestAFilterSelectsWhatItNamesAndNoMore(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	first, last := c.Group(api, "first", 22), c.Group(api, "last", 443)
	c.Group(api, "other", 3306)
	ids := []string{first}
	for i := range 200 {
		ids = append(ids, fmt.Sprintf("sg-%017x", i))
	}
	ids = append(ids, last)
	var seen []string
	groups, err := ec2rules.Groups(t.Context(), filters{api, &seen}, "us-east-1", ec2rules.WithIDs(ids...))
	require.NoError(t, err)
	require.Len(t, groups, 2, "what does not exist is no error")
	assert.ElementsMatch(t, []string{first, last}, []string{groups[0].ID, groups[1].ID})
	assert.Equal(t, []string{"group-id:200 ", "group-id:200 ", "group-id:2 ", "group-id:2 "}, seen, "EC2 takes 200 values")

	rules, err := ec2rules.Rules(t.Context(), api, ec2rules.WithIDs(ids...))
	require.NoError(t, err)
	assert.Len(t, rules, 4)
	for _, none := range []ec2rules.Filter{{}, ec2rules.WithIDs()} {
		seen = nil
		groups, err = ec2rules.Groups(t.Context(), filters{api, &seen}, "us-east-1", none)
		require.NoError(t, err)
		assert.Empty(t, groups)
		assert.Empty(t, seen, "no id is not every id")
	}
}

func TestARuleThatCannotBeUnderstoodIsAnErrorWhereItCouldLookSafe(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	id := c.Group(api, "web", 22)
	strange := meanwhile{Client: api, rules: func(rules []types.SecurityGroupRule) []types.SecurityGroupRule {
		return append(rules, types.SecurityGroupRule{GroupId: &id, SecurityGroupRuleId: aws.String("sgr-0123456789abcdef0"), PrefixListId: aws.String(listID)})
	}}
	rules, err := ec2rules.Rules(t.Context(), strange, ec2rules.WithIDs(id))
	require.ErrorContains(t, err, `reading rule "sgr-0123456789abcdef0" of `+id+": isEgress is missing")
	assert.Nil(t, rules)

	held, err := ec2rules.Held(t.Context(), strange, id)
	require.NoError(t, err)
	assert.Len(t, held.Rules, 2)
	assert.Equal(t, []string{`reading rule "sgr-0123456789abcdef0" of ` + id + ": isEgress is missing"}, held.Unread)
	c.Server.FailNext("DescribeSecurityGroups", 1, "UnauthorizedOperation")
	groups, _, err := ec2rules.GroupsByID(t.Context(), strange, "us-east-1", []string{id})
	require.NoError(t, err)
	assert.Len(t, groups[0].Rules, 2)
	assert.Equal(t, held.Unread, groups[0].Unread)

	some, all, err := ec2rules.SomeRules(t.Context(), strange, 20)
	require.NoError(t, err)
	assert.True(t, all)
	assert.NotEmpty(t, some)
	using, err := ec2rules.GroupsUsing(t.Context(), strange, "123456789012", listID)
	require.NoError(t, err)
	assert.Equal(t, []string{id}, using, "it is read again as a whole, and then an error")
}

func TestSomeRulesEndsAtItsPages(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	for i := range 5 {
		c.Group(api, fmt.Sprintf("group-%d", i), 22, 443)
	}
	rules, all, err := ec2rules.SomeRules(t.Context(), ec2apitest.SmallPages{Client: api}, 2)
	require.NoError(t, err)
	assert.False(t, all)
	assert.Len(t, rules, 10)
	_, all, err = ec2rules.SomeRules(t.Context(), ec2apitest.SmallPages{Client: api}, 100)
	require.NoError(t, err)
	assert.True(t, all)
}

// An unknown direction is not taken for one of the two.
func TestNothingIsSentForAnUnknownDirection(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	id := c.Group(api, "web", 22)
	g, err := ec2rules.Group(t.Context(), api, "us-east-1", id)
	require.NoError(t, err)
	c.Server.ResetCalls()
	_, err = ec2rules.Revoke(t.Context(), api, new(ec2rules.Pace), id, 0, g.Rules)
	require.ErrorContains(t, err, "the direction is unknown")
	_, err = ec2rules.Authorize(t.Context(), api, id, 0, g.Rules, nil, false)
	require.ErrorContains(t, err, "the direction is unknown")
	assert.Empty(t, c.Server.Calls())
}

func TestGroupsThatMayNotBeDescribedHaveTheirRulesOnly(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	id := c.Group(api, "web", 22)
	groups, undescribed, err := ec2rules.GroupsByID(t.Context(), api, "us-east-1", []string{id})
	require.NoError(t, err)
	require.NoError(t, undescribed)
	require.Len(t, groups, 1)
	assert.Equal(t, "web", groups[0].Name)

	c.Server.FailNext("DescribeSecurityGroups", 1, "UnauthorizedOperation")
	groups, undescribed, err = ec2rules.GroupsByID(t.Context(), api, "us-east-1", []string{id})
	require.NoError(t, err)
	assert.True(t, ec2rules.IsDenied(undescribed))
	require.Len(t, groups, 1)
	assert.Equal(t, []any{id, "", "123456789012", "us-east-1", false}, []any{groups[0].ID, groups[0].Name, groups[0].OwnerID, groups[0].Region, groups[0].TagsKnown})
	assert.Equal(t, []string{"ingress tcp 22 from 0.0.0.0/0", "egress all traffic to 0.0.0.0/0"}, permissions(groups[0]))

	c.Server.FailNext("DescribeSecurityGroupRules", 1, "UnauthorizedOperation")
	_, _, err = ec2rules.GroupsByID(t.Context(), api, "us-east-1", []string{id})
	require.NoError(t, err, "the second read of the rules succeeds")
	c.Server.FailNext("DescribeSecurityGroupRules", 2, "UnauthorizedOperation")
	_, _, err = ec2rules.GroupsByID(t.Context(), api, "us-east-1", []string{id})
	assert.True(t, ec2rules.IsDenied(err))
	c.Server.FailNext("DescribeSecurityGroups", 10, "RequestLimitExceeded")
	_, _, err = ec2rules.GroupsByID(t.Context(), api, "us-east-1", []string{id})
	require.ErrorContains(t, err, "DescribeSecurityGroups", "what is throttled is not taken for refused")
}
