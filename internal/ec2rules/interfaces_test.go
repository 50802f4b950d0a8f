package ec2rules_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/localaws/ec2api"
	"sgward/localaws/ec2api/ec2apitest"
)

func TestWhatIsBehindAnInterfaceIsNamed(t *testing.T) {
	for description, c := range map[string]struct {
		kind types.NetworkInterfaceType
		want string
	}{
		"ELB app/shop/50dc6c495c0c9188":                                               {"interface", "load balancer app/shop/50dc6c495c0c9188"},
		"ELB net/shop/50dc6c495c0c9188":                                               {"network_load_balancer", "load balancer net/shop/50dc6c495c0c9188"},
		"ELB old-shop":                                                                {"interface", "load balancer old-shop"},
		"Interface for NAT Gateway nat-0123456789abcdef0":                             {"nat_gateway", "NAT gateway nat-0123456789abcdef0"},
		"VPC Endpoint Interface vpce-0123456789abcdef0":                               {"vpc_endpoint", "VPC endpoint vpce-0123456789abcdef0"},
		"RDSNetworkInterface":                                                         {"interface", "RDS database"},
		"EFS mount target for fs-0123456789abcdef0 (fsmt-0123456789abcdef0)":          {"efs", "EFS file system fs-0123456789abcdef0"},
		"ElastiCache sessions-0001-001":                                               {"interface", "ElastiCache sessions-0001-001"},
		"arn:aws:ecs:eu-central-1:123456789012:attachment/4bd1a8f3":                   {"interface", "ECS task attachment eu-central-1:123456789012:attachment/4bd1a8f3"},
		"AWS Lambda VPC ENI-thumbnails-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9":          {"lambda", "Lambda functions"},
		"Amazon EKS shop":                                                             {"interface", "EKS cluster shop"},
		"Network Interface for Transit Gateway Attachment tgw-attach-0123456789abcd0": {"transit_gateway", "transit gateway attachment tgw-attach-0123456789abcd0"},
		"somebody's endpoint":                                                         {"vpc_endpoint", "VPC endpoint"},
		"of a gateway":                                                                {"natGateway", "NAT gateway"},
		"Elbow room":                                                                  {"interface", ""},
		"ELB \x1b[31mred":                                                             {"interface", ""},
		"RDSNetworkInterface, they say":                                               {"interface", ""},
		"":                                                                            {"interface", ""},
	} {
		n := types.NetworkInterface{NetworkInterfaceId: aws.String("eni-0123456789abcdef0"), Description: &description, InterfaceType: c.kind}
		assert.Equal(t, c.want, ec2rules.InterfaceOf(n, groupID).Service, description)
		n.Attachment = &types.NetworkInterfaceAttachment{InstanceId: aws.String("i-0123456789abcdef0")}
		got := ec2rules.InterfaceOf(n, groupID)
		assert.Equal(t, []string{"", "i-0123456789abcdef0"}, []string{got.Service, got.InstanceID}, "whatever an instance's interface is called")
	}
}

func TestEveryAddressOfAnInterfaceIsRead(t *testing.T) {
	public := func(ip string) *types.NetworkInterfaceAssociation {
		return &types.NetworkInterfaceAssociation{PublicIp: aws.String(ip)}
	}
	got := ec2rules.InterfaceOf(types.NetworkInterface{
		NetworkInterfaceId: aws.String("eni-0123456789abcdef0"), PrivateIpAddress: aws.String("10.0.0.7"), Association: public("198.51.100.7"),
		PrivateIpAddresses: []types.NetworkInterfacePrivateIpAddress{
			{PrivateIpAddress: aws.String("10.0.0.7"), Association: public("198.51.100.7")},
			{PrivateIpAddress: aws.String("10.0.0.8"), Association: public("198.51.100.8")}, {PrivateIpAddress: aws.String("10.0.0.9")},
		},
		Ipv6Addresses: []types.NetworkInterfaceIpv6Address{{Ipv6Address: aws.String("2001:db8::7")}, {Ipv6Address: aws.String("fd00::7")}},
	}, groupID)
	assert.Equal(t, finding.Interface{
		ID: "eni-0123456789abcdef0", GroupID: groupID, PrivateIP: "10.0.0.7", PublicIP: "198.51.100.7",
		MorePublicIPs: []string{"198.51.100.8"}, IPv6Addresses: []string{"2001:db8::7", "fd00::7"},
	}, got)
	assert.Equal(t, []string{"198.51.100.7", "198.51.100.8", "2001:db8::7"}, got.PublicAddresses(), "private ones are reached from inside only")
	assert.Empty(t, (&finding.Interface{PrivateIP: "10.0.0.7", IPv6Addresses: []string{"fd00::7", "no address"}}).PublicAddresses())
}

func TestInterfacesAreReadUpToALimit(t *testing.T) {
	c := ec2apitest.New(t, ec2api.WithSeed("ec2rules"))
	api := c.Client(ec2apitest.OwnKey, "us-east-1")
	id := c.Group(api, "web", 22)
	none, err := ec2rules.Interfaces(t.Context(), api, id, 1)
	require.NoError(t, err)
	assert.Empty(t, none)
	for i := range 12 {
		_, err := c.Server.AddNetworkInterface(ec2api.NetworkInterface{ID: fmt.Sprintf("eni-%017x", i), GroupIDs: []string{id}})
		require.NoError(t, err)
	}
	for limit, want := range map[int]int{1: 1, 7: 7, 20: 12} {
		found, err := ec2rules.Interfaces(t.Context(), ec2apitest.SmallPages{Client: api}, id, limit)
		require.NoError(t, err)
		assert.Len(t, found, want)
	}
}
