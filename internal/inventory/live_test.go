package inventory

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

const (
	theirKey = "AKIAI44QH8DHBEXAMPLE"
)

// twoAccounts starts the stand-in with its own account and theirKey's.
func twoAccounts(t *testing.T) *ec2apitest.Cloud {
	t.Helper()
	return ec2apitest.New(t, ec2api.WithSeed("inventory"), ec2api.WithIdentity(theirKey, ec2api.Identity{Account: "111122223333", User: "them"}))
}

func TestALiveRegionAndItsDumpTellTheSame(t *testing.T) {
	c := twoAccounts(t)
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	id := c.Group(api, "web", 22, 443)
	c.Authorize(api, id, types.IpPermission{IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &id}}})
	live, err := ec2rules.Groups(t.Context(), api, "us-east-1", ec2rules.All())
	require.NoError(t, err)
	out, err := api.DescribeSecurityGroups(t.Context(), &ec2.DescribeSecurityGroupsInput{})
	require.NoError(t, err)
	s, err := ReadDumps(t.Context(), []Source{source("dump", encoded(t, "SecurityGroups", out.SecurityGroups))}, "us-east-1", nil)
	require.NoError(t, err)
	require.Empty(t, s.Problems)
	require.Len(t, s.Groups, len(live))
	p := shippedPolicy(t)
	for i := range live {
		assert.Equal(t, permissions(live[i]), permissions(s.Groups[i]))
		a, b := Judge(p, live[i], ec2rules.PrefixLists{}, now), Judge(p, s.Groups[i], ec2rules.PrefixLists{}, now)
		require.Len(t, b, len(a))
		for j := range a {
			assert.Equal(t, a[j].ID, b[j].ID)
		}
	}
}

// meanwhile changes what EC2 answers.
type meanwhile struct {
	*ec2.Client
	groups func([]types.SecurityGroup) []types.SecurityGroup
}

func (m meanwhile) DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsInput, o ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	out, err := m.Client.DescribeSecurityGroups(ctx, in, o...)
	if err == nil && m.groups != nil {
		out.SecurityGroups = m.groups(out.SecurityGroups)
	}
	return out, err
}

func TestPlacesAreReadEachOnItsOwn(t *testing.T) {
	c := twoAccounts(t)
	own, far, theirs := c.Client(ec2apitest.OwnKey, "us-east-1"), c.Client(ec2apitest.OwnKey, "eu-central-1"), c.Client(theirKey, "us-east-1")
	web := c.Group(own, "web", 22)
	c.Group(far, "far", 3306)
	db := c.Group(theirs, "db", 5432)
	for i := range 7 { // two small pages
		_, err := c.Server.AddNetworkInterface(ec2api.NetworkInterface{ID: fmt.Sprintf("eni-%017x", 9-i), GroupIDs: []string{web}, PublicIPv4: "198.51.100.7", InstanceID: "i-0123456789abcdef0"})
		require.NoError(t, err)
	}
	places := []Place{
		{AccountID: "123456789012", Region: "us-east-1", API: ec2apitest.SmallPages{Client: own}}, {AccountID: "123456789012", Region: "eu-central-1", API: ec2apitest.SmallPages{Client: far}}, {AccountID: "111122223333", Region: "us-east-1", API: ec2apitest.SmallPages{Client: theirs}},
	}
	var seen [3]int
	counted := make(chan int, 3)
	s, err := ReadLive(t.Context(), places, func(groups int) { counted <- groups })
	require.NoError(t, err)
	for i := range seen {
		seen[i] = <-counted
	}
	assert.Equal(t, [3]int{2, 2, 2}, seen)
	assert.Empty(t, s.Problems)
	assert.Equal(t, []string{"111122223333", "123456789012"}, s.Own)
	require.Len(t, s.Groups, 6)
	g := find(t, s, web)
	attached, known := s.Attached(&g)
	assert.True(t, known)
	require.Len(t, attached, 7)
	assert.Equal(t, "eni-00000000000000003", attached[0].ID, "in order")
	assert.Equal(t, []string{"198.51.100.7"}, attached[0].PublicAddresses())

	c.Server.SetAuthorizer(func(action, key string) string {
		if key == theirKey && action == "DescribeSecurityGroups" || key == ec2apitest.OwnKey && action == "DescribeNetworkInterfaces" {
			return "UnauthorizedOperation"
		}
		return ""
	})
	s, err = ReadLive(t.Context(), places, nil)
	require.NoError(t, err)
	require.Len(t, s.Problems, 3)
	assert.Regexp(t, "^account 123456789012, us-east-1: DescribeNetworkInterfaces: UnauthorizedOperation: ", texts(s.Problems)[0])
	assert.Regexp(t, "^account 123456789012, eu-central-1: DescribeNetworkInterfaces: ", texts(s.Problems)[1])
	assert.Regexp(t, "^account 111122223333, us-east-1: DescribeSecurityGroups: ", texts(s.Problems)[2])
	require.Len(t, s.Groups, 4, "what could be read is there")
	_, known = s.Attached(&g)
	assert.False(t, known)
	assert.NotContains(t, texts(s.Problems), db)
}

func TestASharedGroupIsDistinguishedFromOnesOwn(t *testing.T) {
	c := twoAccounts(t)
	own := c.Client(ec2apitest.OwnKey, "us-east-1")
	id := c.Group(own, "web", 22)
	shared := func(gs []types.SecurityGroup) []types.SecurityGroup {
		for i := range gs {
			if aws.ToString(gs[i].GroupId) == id {
				gs[i].OwnerId = aws.String("111122223333")
			}
		}
		return gs
	}
	s, err := ReadLive(t.Context(), []Place{{AccountID: "123456789012", Region: "us-east-1", API: meanwhile{Client: own, groups: shared}}}, nil)
	require.NoError(t, err)
	for _, g := range s.Groups {
		assert.Equal(t, g.ID == id, s.IsShared(&g))
	}
	_, known := s.Attached(&s.Groups[0])
	assert.Equal(t, s.Groups[0].ID != id, known, "whatever uses it may be its owner's")
	assert.False(t, (&Snapshot{}).IsShared(&secgroup.Group{OwnerID: "111122223333"}), "of dumps nobody says whose they are")
}

func TestReadingLiveEndsWhenItIsCancelled(t *testing.T) {
	c := twoAccounts(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := ReadLive(ctx, []Place{{AccountID: "123456789012", Region: "us-east-1", API: c.Client(ec2apitest.OwnKey, "us-east-1")}}, nil)
	require.ErrorIs(t, err, context.Canceled)
}
