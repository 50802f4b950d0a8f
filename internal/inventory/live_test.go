package inventory

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/ec2rules"
	"sgward/internal/sdkhttp"
	"sgward/internal/secgroup"
	"sgward/localaws/ec2api"
)

const (
	ownKey   = "AKIAIOSFODNN7EXAMPLE"
	theirKey = "AKIAI44QH8DHBEXAMPLE"
)

// cloud is the stand-in with two accounts.
type cloud struct {
	t      *testing.T
	server *ec2api.Server
	url    string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	server := ec2api.New(ec2api.WithSeed("inventory"),
		ec2api.WithIdentity(theirKey, ec2api.Identity{Account: "111122223333", User: "them"}))
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return &cloud{t, server, web.URL}
}

// client speaks to a region with the credentials behind a key.
func (c *cloud) client(key, region string) *ec2.Client {
	return ec2.New(ec2.Options{
		Region: region, BaseEndpoint: &c.url, HTTPClient: sdkhttp.Client(http.DefaultClient),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = 4
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
		}),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: "secret"}, nil
		}),
	})
}

// group makes a group with tcp rules for ports from the world.
func (c *cloud) group(api *ec2.Client, name string, ports ...int32) string {
	c.t.Helper()
	made, err := api.CreateSecurityGroup(c.t.Context(), &ec2.CreateSecurityGroupInput{GroupName: &name, Description: aws.String("of " + name)})
	require.NoError(c.t, err)
	for _, port := range ports {
		c.authorize(api, *made.GroupId, types.IpPermission{
			IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}},
		})
	}
	return *made.GroupId
}

func (c *cloud) authorize(api *ec2.Client, id string, p types.IpPermission) {
	c.t.Helper()
	_, err := api.AuthorizeSecurityGroupIngress(c.t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{p}})
	require.NoError(c.t, err)
}

// smallPages asks for the smallest pages that EC2 gives.
type smallPages struct{ *ec2.Client }

func (s smallPages) DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsInput, o ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	in.MaxResults = aws.Int32(5)
	return s.Client.DescribeSecurityGroups(ctx, in, o...)
}

func (s smallPages) DescribeSecurityGroupRules(ctx context.Context, in *ec2.DescribeSecurityGroupRulesInput, o ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	in.MaxResults = aws.Int32(5)
	return s.Client.DescribeSecurityGroupRules(ctx, in, o...)
}

func (s smallPages) DescribeNetworkInterfaces(ctx context.Context, in *ec2.DescribeNetworkInterfacesInput, o ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error) {
	in.MaxResults = aws.Int32(5)
	return s.Client.DescribeNetworkInterfaces(ctx, in, o...)
}

func TestALiveRegionAndItsDumpTellTheSame(t *testing.T) {
	c := newCloud(t)
	api := c.client(ownKey, "us-east-1")
	id := c.group(api, "web", 22, 443)
	c.authorize(api, id, types.IpPermission{IpProtocol: aws.String("-1"), UserIdGroupPairs: []types.UserIdGroupPair{{GroupId: &id}}})
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
	c := newCloud(t)
	own, far, theirs := c.client(ownKey, "us-east-1"), c.client(ownKey, "eu-central-1"), c.client(theirKey, "us-east-1")
	web := c.group(own, "web", 22)
	c.group(far, "far", 3306)
	db := c.group(theirs, "db", 5432)
	for i := range 7 { // two small pages
		_, err := c.server.AddNetworkInterface(ec2api.NetworkInterface{ID: fmt.Sprintf("eni-%017x", 9-i), GroupIDs: []string{web}, PublicIPv4: "198.51.100.7", InstanceID: "i-0123456789abcdef0"})
		require.NoError(t, err)
	}
	places := []Place{
		{"123456789012", "us-east-1", smallPages{own}}, {"123456789012", "eu-central-1", smallPages{far}}, {"111122223333", "us-east-1", smallPages{theirs}},
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

	c.server.SetAuthorizer(func(action, key string) string {
		if key == theirKey && action == "DescribeSecurityGroups" || key == ownKey && action == "DescribeNetworkInterfaces" {
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
	c := newCloud(t)
	own := c.client(ownKey, "us-east-1")
	id := c.group(own, "web", 22)
	shared := func(gs []types.SecurityGroup) []types.SecurityGroup {
		for i := range gs {
			if aws.ToString(gs[i].GroupId) == id {
				gs[i].OwnerId = aws.String("111122223333")
			}
		}
		return gs
	}
	s, err := ReadLive(t.Context(), []Place{{"123456789012", "us-east-1", meanwhile{Client: own, groups: shared}}}, nil)
	require.NoError(t, err)
	for _, g := range s.Groups {
		assert.Equal(t, g.ID == id, s.IsShared(&g))
	}
	_, known := s.Attached(&s.Groups[0])
	assert.Equal(t, s.Groups[0].ID != id, known, "whatever uses it may be its owner's")
	assert.False(t, (&Snapshot{}).IsShared(&secgroup.Group{OwnerID: "111122223333"}), "of dumps nobody says whose they are")
}

func TestReadingLiveEndsWhenItIsCancelled(t *testing.T) {
	c := newCloud(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := ReadLive(ctx, []Place{{"123456789012", "us-east-1", c.client(ownKey, "us-east-1")}}, nil)
	require.ErrorIs(t, err, context.Canceled)
}
