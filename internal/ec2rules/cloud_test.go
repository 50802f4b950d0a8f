package ec2rules_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/require"

	"sgward/internal/sdkhttp"
	"sgward/internal/secgroup"
	"sgward/localaws/ec2api"
)

const (
	groupID = "sg-0000000000000000a"
	listID  = "pl-0123456789abcdef0"
	ownKey  = "AKIAIOSFODNN7EXAMPLE"
)

// cloud is the stand-in for EC2.
type cloud struct {
	t      *testing.T
	server *ec2api.Server
	url    string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	server := ec2api.New(ec2api.WithSeed("ec2rules"))
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

func (c *cloud) list(api *ec2.Client, cidrs ...string) string {
	c.t.Helper()
	var entries []types.AddPrefixListEntry
	for _, cidr := range cidrs {
		entries = append(entries, types.AddPrefixListEntry{Cidr: aws.String(cidr)})
	}
	out, err := api.CreateManagedPrefixList(c.t.Context(), &ec2.CreateManagedPrefixListInput{
		PrefixListName: aws.String("offices"), AddressFamily: aws.String("IPv4"), MaxEntries: aws.Int32(int32(len(entries))), Entries: entries,
	})
	require.NoError(c.t, err)
	return *out.PrefixList.PrefixListId
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

// permissions are what a group's rules let through.
func permissions(g secgroup.Group) []string {
	var out []string
	for _, r := range g.Rules {
		out = append(out, r.Permission.String())
	}
	return out
}
