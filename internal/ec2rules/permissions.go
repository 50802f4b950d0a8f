package ec2rules

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/secgroup"
)

// ipPermissions converts permissions to EC2's form, one peer each.
func ipPermissions(rules []secgroup.Rule, describe bool) []types.IpPermission {
	out := make([]types.IpPermission, len(rules))
	for i, r := range rules {
		description := ""
		if describe {
			description = r.Description
		}
		out[i] = ipPermission(r.Permission, description)
	}
	return out
}

// ipPermission converts one permission to EC2's form. Ports are left out if the protocol
// has none. A description is for calls that authorize; "" means none.
func ipPermission(p secgroup.Permission, description string) types.IpPermission {
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

// RuleOf converts a rule of DescribeSecurityGroupRules. A rule that cannot be parsed is an
// error: without it a group could look safe.
func RuleOf(r types.SecurityGroupRule) (secgroup.Rule, error) {
	f := ruleFields{
		id: r.SecurityGroupRuleId, groupID: r.GroupId, protocol: r.IpProtocol, egress: r.IsEgress,
		from: r.FromPort, to: r.ToPort, cidr4: r.CidrIpv4, cidr6: r.CidrIpv6, list: r.PrefixListId, description: r.Description,
	}
	if g := r.ReferencedGroupInfo; g != nil {
		f.referenced, f.referencedUser = g.GroupId, g.UserId
	}
	out, err := f.rule()
	out.OwnerID = aws.ToString(r.GroupOwnerId)
	out.Tags = tagsOf(r.Tags)
	return out, err
}

// tagsOf reads the tags of a rule or group.
func tagsOf(tags []types.Tag) []secgroup.Tag {
	var out []secgroup.Tag
	for _, t := range tags {
		out = append(out, secgroup.Tag{Key: aws.ToString(t.Key), Value: aws.ToString(t.Value)})
	}
	return out
}
