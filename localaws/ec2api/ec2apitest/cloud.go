// Package ec2apitest runs the stand-in for EC2 for tests that use the SDK over HTTP.
package ec2apitest

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
	"sgward/localaws/ec2api"
)

// OwnKey is an access key of the stand-in's own account.
const OwnKey = "AKIAIOSFODNN7EXAMPLE"

// Cloud is the stand-in for EC2 on a server that ends with the test.
type Cloud struct {
	Server *ec2api.Server
	t      *testing.T
	url    string
}

// New starts the stand-in.
func New(t *testing.T, options ...ec2api.Option) *Cloud {
	t.Helper()
	server := ec2api.New(options...)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	return &Cloud{server, t, web.URL}
}

// Client returns a client of a region with the credentials behind a key. It retries at
// once.
func (c *Cloud) Client(key, region string) *ec2.Client {
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

// Group makes a group with TCP rules for ports from 0.0.0.0/0 and returns its id.
func (c *Cloud) Group(api *ec2.Client, name string, ports ...int32) string {
	c.t.Helper()
	made, err := api.CreateSecurityGroup(c.t.Context(), &ec2.CreateSecurityGroupInput{GroupName: &name, Description: aws.String("of " + name)})
	require.NoError(c.t, err)
	for _, port := range ports {
		c.Authorize(api, *made.GroupId, types.IpPermission{
			IpProtocol: aws.String("tcp"), FromPort: &port, ToPort: &port, IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}},
		})
	}
	return *made.GroupId
}

// Authorize adds ingress rules to a group.
func (c *Cloud) Authorize(api *ec2.Client, id string, p types.IpPermission) {
	c.t.Helper()
	_, err := api.AuthorizeSecurityGroupIngress(c.t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &id, IpPermissions: []types.IpPermission{p}})
	require.NoError(c.t, err)
}

// SmallPages asks for the smallest pages that EC2 gives.
type SmallPages struct{ *ec2.Client }

// DescribeSecurityGroups asks for five groups.
func (s SmallPages) DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsInput, o ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	in.MaxResults = aws.Int32(5)
	return s.Client.DescribeSecurityGroups(ctx, in, o...)
}

// DescribeSecurityGroupRules asks for five rules.
func (s SmallPages) DescribeSecurityGroupRules(ctx context.Context, in *ec2.DescribeSecurityGroupRulesInput, o ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	in.MaxResults = aws.Int32(5)
	return s.Client.DescribeSecurityGroupRules(ctx, in, o...)
}

// DescribeNetworkInterfaces asks for five interfaces.
func (s SmallPages) DescribeNetworkInterfaces(ctx context.Context, in *ec2.DescribeNetworkInterfacesInput, o ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error) {
	in.MaxResults = aws.Int32(5)
	return s.Client.DescribeNetworkInterfaces(ctx, in, o...)
}
