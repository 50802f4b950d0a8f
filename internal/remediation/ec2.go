package remediation

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// RuleReader reads the rules of a group. *ec2.Client is one.
type RuleReader interface {
	DescribeSecurityGroupRules(context.Context, *ec2.DescribeSecurityGroupRulesInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupRulesOutput, error)
}

// Revoker closes, and looks where an answer leaves open what was closed.
// *ec2.Client is one.
type Revoker interface {
	RuleReader
	RevokeSecurityGroupIngress(context.Context, *ec2.RevokeSecurityGroupIngressInput, ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupIngressOutput, error)
	RevokeSecurityGroupEgress(context.Context, *ec2.RevokeSecurityGroupEgressInput, ...func(*ec2.Options)) (*ec2.RevokeSecurityGroupEgressOutput, error)
}

// GroupReader reads what a policy can ask for beyond the rules. *ec2.Client is
// one.
type GroupReader interface {
	DescribeSecurityGroups(context.Context, *ec2.DescribeSecurityGroupsInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error)
	GetManagedPrefixListEntries(context.Context, *ec2.GetManagedPrefixListEntriesInput, ...func(*ec2.Options)) (*ec2.GetManagedPrefixListEntriesOutput, error)
}

// InterfaceReader reads which network interfaces use a group. *ec2.Client is one.
type InterfaceReader interface {
	DescribeNetworkInterfaces(context.Context, *ec2.DescribeNetworkInterfacesInput, ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error)
}

// EC2 is all that remediation asks of EC2: five reads and no call that opens
// anything.
type EC2 interface {
	Revoker
	GroupReader
	InterfaceReader
}

var _ EC2 = (*ec2.Client)(nil)

// IPPermission writes one permission the way EC2 takes it. Ports are left out where
// the protocol has none, so that they can contradict nothing. A description is for
// calls that open; "" is none.
func IPPermission(p secgroup.Permission, description string) types.IpPermission {
	out := types.IpPermission{IpProtocol: aws.String(string(p.Protocol))}
	if p.Protocol.HasPorts() || p.Protocol.IsICMP() {
		from, to := p.FromTo()
		out.FromPort, out.ToPort = aws.Int32(int32(from)), aws.Int32(int32(to))
	}
	var described *string
	if description != "" {
		described = aws.String(description)
	}
	switch p.Peer.Kind() {
	case secgroup.CIDRPeerKind:
		if cidr := p.Peer.CIDR(); cidr.Addr().Is4() {
			out.IpRanges = []types.IpRange{{CidrIp: aws.String(cidr.String()), Description: described}}
		} else {
			out.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: aws.String(cidr.String()), Description: described}}
		}
	case secgroup.PrefixListPeerKind:
		out.PrefixListIds = []types.PrefixListId{{PrefixListId: aws.String(p.Peer.PrefixList()), Description: described}}
	case secgroup.GroupPeerKind:
		id, owner := p.Peer.Group()
		pair := types.UserIdGroupPair{GroupId: aws.String(id), Description: described}
		if owner != "" {
			pair.UserId = aws.String(owner)
		}
		out.UserIdGroupPairs = []types.UserIdGroupPair{pair}
	}
	return out
}

// ruleFields are the fields that EC2's different shapes of a rule share.
type ruleFields struct {
	id, groupID, protocol      *string
	egress                     *bool
	from, to                   *int32
	cidr4, cidr6, list         *string
	referenced, referencedUser *string
	description                *string
}

func (f ruleFields) rule() (secgroup.Rule, error) {
	out := secgroup.Rule{ID: aws.ToString(f.id), GroupID: aws.ToString(f.groupID), Description: aws.ToString(f.description)}
	wrap := func(err error) error { return fmt.Errorf("reading rule %q of %s: %w", out.ID, out.GroupID, err) }
	direction := secgroup.Ingress
	switch {
	case f.egress == nil:
		return out, wrap(errors.New("isEgress is missing"))
	case *f.egress:
		direction = secgroup.Egress
	}
	protocol, err := secgroup.ParseProtocol(aws.ToString(f.protocol))
	if err != nil {
		return out, wrap(err)
	}
	var peer secgroup.Peer
	switch {
	case aws.ToString(f.cidr4) != "":
		peer, err = secgroup.ParseCIDRPeer(*f.cidr4)
	case aws.ToString(f.cidr6) != "":
		peer, err = secgroup.ParseCIDRPeer(*f.cidr6)
	case aws.ToString(f.list) != "":
		peer = secgroup.PrefixListPeer(*f.list)
	default:
		peer = secgroup.GroupPeer(aws.ToString(f.referenced), aws.ToString(f.referencedUser))
	}
	if err != nil {
		return out, wrap(err)
	}
	if out.Permission, err = secgroup.NewPermission(direction, protocol, port(f.from), port(f.to), peer); err != nil {
		return out, wrap(err)
	}
	return out, nil
}

func port(p *int32) *int {
	if p == nil {
		return nil
	}
	n := int(*p)
	return &n
}

// ReadRule reads a rule of DescribeSecurityGroupRules. One that cannot be
// understood is an error: left out, it could make a group look safe.
func ReadRule(r types.SecurityGroupRule) (secgroup.Rule, error) {
	f := ruleFields{
		id: r.SecurityGroupRuleId, groupID: r.GroupId, protocol: r.IpProtocol, egress: r.IsEgress,
		from: r.FromPort, to: r.ToPort, cidr4: r.CidrIpv4, cidr6: r.CidrIpv6, list: r.PrefixListId, description: r.Description,
	}
	if g := r.ReferencedGroupInfo; g != nil {
		f.referenced, f.referencedUser = g.GroupId, g.UserId
	}
	out, err := f.rule()
	out.OwnerID = aws.ToString(r.GroupOwnerId)
	out.Tags = ReadTags(r.Tags)
	return out, err
}

// readRevoked reads a rule of a revoke's answer.
func readRevoked(r types.RevokedSecurityGroupRule) (secgroup.Rule, error) {
	return ruleFields{
		id: r.SecurityGroupRuleId, groupID: r.GroupId, protocol: r.IpProtocol, egress: r.IsEgress,
		from: r.FromPort, to: r.ToPort, cidr4: r.CidrIpv4, cidr6: r.CidrIpv6, list: r.PrefixListId,
		referenced: r.ReferencedGroupId, description: r.Description,
	}.rule()
}

// readUnknown reads what an answer lists as not held by the group. EC2 warns that
// the format may differ from the request's: what cannot be read is left out, and
// so counts as not answered.
func readUnknown(p types.IpPermission, d secgroup.Direction) []secgroup.Permission {
	f := ruleFields{protocol: p.IpProtocol, egress: aws.Bool(d == secgroup.Egress), from: p.FromPort, to: p.ToPort}
	var peers []ruleFields
	for _, r := range p.IpRanges {
		f := f
		f.cidr4 = r.CidrIp
		peers = append(peers, f)
	}
	for _, r := range p.Ipv6Ranges {
		f := f
		f.cidr6 = r.CidrIpv6
		peers = append(peers, f)
	}
	for _, r := range p.PrefixListIds {
		f := f
		f.list = r.PrefixListId
		peers = append(peers, f)
	}
	for _, r := range p.UserIdGroupPairs {
		f := f
		f.referenced, f.referencedUser = r.GroupId, r.UserId
		peers = append(peers, f)
	}
	var out []secgroup.Permission
	for _, f := range peers {
		if r, err := f.rule(); err == nil {
			out = append(out, r.Permission)
		}
	}
	return out
}

// ReadGroup reads what a policy can ask of a group.
func ReadGroup(g types.SecurityGroup) policy.Group {
	return policy.Group{
		ID: aws.ToString(g.GroupId), Name: aws.ToString(g.GroupName), VPCID: aws.ToString(g.VpcId),
		Tags: ReadTags(g.Tags), TagsKnown: true,
	}
}

// ReadTags reads the tags of a rule or group.
func ReadTags(tags []types.Tag) []secgroup.Tag {
	var out []secgroup.Tag
	for _, t := range tags {
		out = append(out, secgroup.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)})
	}
	return out
}

// ListRules reads all rules of a group. A group that does not exist has none: EC2
// takes the id as a filter. A rule that cannot be understood is an error, since
// leaving it out could make a group look safe.
func ListRules(ctx context.Context, client RuleReader, groupID string) ([]secgroup.Rule, error) {
	pages := ec2.NewDescribeSecurityGroupRulesPaginator(client, &ec2.DescribeSecurityGroupRulesInput{
		Filters:    []types.Filter{{Name: aws.String("group-id"), Values: []string{groupID}}},
		MaxResults: aws.Int32(1000),
	})
	var out []secgroup.Rule
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("reading the rules of %s: %w", groupID, err)
		}
		for _, r := range page.SecurityGroupRules {
			rule, err := ReadRule(r)
			if err != nil {
				return nil, err
			}
			out = append(out, rule)
		}
	}
	return out, nil
}
