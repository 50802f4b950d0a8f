package group

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/ec2rules"
	"sgward/internal/secgroup"
)

// maker makes groups in VPCs. *ec2.Client implements it.
type maker interface {
	ec2rules.GroupReader
	DescribeVpcs(context.Context, *ec2.DescribeVpcsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcsOutput, error)
	CreateSecurityGroup(context.Context, *ec2.CreateSecurityGroupInput, ...func(*ec2.Options)) (*ec2.CreateSecurityGroupOutput, error)
}

var _ maker = (*ec2.Client)(nil)

// visibleWithin limits the wait for a new group: EC2 may not know it everywhere at once.
const visibleWithin = time.Minute

// vpcRanges returns the address ranges of a VPC, IPv4 first.
func vpcRanges(ctx context.Context, client maker, vpcID string) ([]netip.Prefix, error) {
	out, err := client.DescribeVpcs(ctx, &ec2.DescribeVpcsInput{VpcIds: []string{vpcID}})
	if ec2rules.IsVPCNotFound(err) || err == nil && len(out.Vpcs) == 0 {
		return nil, fmt.Errorf("reading %s: there is no such VPC in this account and region", vpcID)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", vpcID, err)
	}
	vpc := out.Vpcs[0]
	texts := []string{aws.ToString(vpc.CidrBlock)}
	for _, a := range vpc.CidrBlockAssociationSet {
		if a.CidrBlockState != nil && a.CidrBlockState.State == types.VpcCidrBlockStateCodeAssociated && aws.ToString(a.CidrBlock) != texts[0] {
			texts = append(texts, aws.ToString(a.CidrBlock))
		}
	}
	for _, a := range vpc.Ipv6CidrBlockAssociationSet {
		if a.Ipv6CidrBlockState != nil && a.Ipv6CidrBlockState.State == types.VpcCidrBlockStateCodeAssociated {
			texts = append(texts, aws.ToString(a.Ipv6CidrBlock))
		}
	}
	var ranges []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("reading %s: its range %q is not a CIDR", vpcID, text)
		}
		ranges = append(ranges, p.Masked())
	}
	return ranges, nil
}

// makeGroup makes a group with the name, description, VPC and tags of g and returns it
// with the rules of every new group (initialRules). If someone else has just made it, that
// one is returned and made is false. A dry run asks EC2 whether it would make it, and
// returns g as it would be.
func makeGroup(ctx context.Context, client maker, g secgroup.Group, ipv6, dryRun bool) (_ secgroup.Group, made bool, err error) {
	g.Rules = initialRules(ipv6)
	out, err := client.CreateSecurityGroup(ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String(g.Name), Description: aws.String(g.Description), VpcId: aws.String(g.VPCID), DryRun: aws.Bool(dryRun),
		TagSpecifications: ec2rules.TagSpecification(types.ResourceTypeSecurityGroup, g.Tags),
	})
	switch {
	case dryRun && ec2rules.IsDryRun(err):
		return g, true, nil
	case ec2rules.IsDuplicate(err):
		found, err := ec2rules.GroupNamed(ctx, client, g.Region, g.VPCID, g.Name)
		return found, false, err
	case err != nil:
		return g, false, fmt.Errorf("making group %s in %s: %w", g.Name, g.VPCID, err)
	}
	g.ID = aws.ToString(out.GroupId)
	waiter := ec2.NewSecurityGroupExistsWaiter(client, func(o *ec2.SecurityGroupExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 200*time.Millisecond, 5*time.Second
	})
	if err := waiter.Wait(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{g.ID}}, visibleWithin); err != nil {
		return g, true, errors.Join(fmt.Errorf("waiting for EC2 to show the new group %s: run this again to go on", g.ID), err)
	}
	return g, true, nil
}

// initialRules returns the rules of a new group: all egress, over IPv6 if its VPC has that
// (https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html).
func initialRules(ipv6 bool) []secgroup.Rule {
	worlds := []string{"0.0.0.0/0", "::/0"}
	if !ipv6 {
		worlds = worlds[:1]
	}
	var out []secgroup.Rule
	for _, world := range worlds {
		out = append(out, secgroup.Rule{Permission: secgroup.Permission{
			Direction: secgroup.Egress, Protocol: secgroup.AllProtocols, Peer: secgroup.CIDRPeer(netip.MustParsePrefix(world)),
		}})
	}
	return out
}
