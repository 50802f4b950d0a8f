package inventory

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/ec2rules"
	"sgward/internal/secgroup"
)

// errIncomplete is the reason why an element of a dump is not usable as a whole.
var errIncomplete = errors.New("is not complete")

// permission is an IpPermission as it is written. EC2 writes one for all peers of the
// same ports.
type permission struct {
	protocol *string
	from, to *int32
	peers    []peer
	strange  []string // lists that are not known here
}

// peer is an element of one of the lists of a permission.
type peer struct {
	list               string
	at                 int
	value, user, about *string
}

// The lists of a permission, and the member that names the peer in each.
const (
	ranges4   = "IpRanges"
	ranges6   = "Ipv6Ranges"
	listPeers = "PrefixListIds"
	pairs     = "UserIdGroupPairs"
)

// decodeGroup reads an element of SecurityGroups. A permission that cannot be
// understood is in Unread; the error is of a group that cannot be told at all.
func decodeGroup(data []byte) (secgroup.Group, error) {
	c := cursor{text: data}
	out := secgroup.Group{TagsKnown: true}
	var ingress, egress []permission
	knowsIngress, knowsEgress := false, false
	c.object("SecurityGroups", func(key string) {
		switch key {
		case "GroupId":
			out.ID, _ = c.string(key)
		case "GroupName":
			out.Name, _ = c.string(key)
		case "VpcId":
			out.VPCID, _ = c.string(key)
		case "Description":
			out.Description, _ = c.string(key)
		case "OwnerId":
			out.OwnerID, _ = c.string(key)
		case "SecurityGroupArn":
			arn, _ := c.string(key)
			out.Region = regionOf(arn)
		case "Tags":
			out.Tags = c.tags(out.Tags)
		case "IpPermissions":
			ingress, knowsIngress = c.permissions(key)
		case "IpPermissionsEgress":
			egress, knowsEgress = c.permissions(key)
		default:
			c.skip()
		}
	})
	switch {
	case c.err != nil:
		return secgroup.Group{}, c.err
	case out.ID == "":
		return secgroup.Group{}, fmt.Errorf("%w: GroupId is missing", errIncomplete)
	case !knowsIngress:
		return secgroup.Group{}, fmt.Errorf("%w: IpPermissions of %s is missing", errIncomplete, out.ID)
	case !knowsEgress:
		return secgroup.Group{}, fmt.Errorf("%w: IpPermissionsEgress of %s is missing", errIncomplete, out.ID)
	}
	out.Rules = make([]secgroup.Rule, 0, peersOf(ingress)+peersOf(egress))
	addPermissions(&out, "IpPermissions", ingress, false)
	addPermissions(&out, "IpPermissionsEgress", egress, true)
	return out, nil
}

func (c *cursor) tags(tags []secgroup.Tag) []secgroup.Tag {
	c.list("Tags", func(int) {
		var t secgroup.Tag
		c.object("Tags", func(key string) {
			switch key {
			case "Key":
				t.Key, _ = c.string(key)
			case "Value":
				t.Value, _ = c.string(key)
			default:
				c.skip()
			}
		})
		tags = append(tags, t)
	})
	return tags
}

func (c *cursor) permissions(field string) (out []permission, known bool) {
	known = c.list(field, func(int) {
		var p permission
		c.object(field, func(key string) {
			switch key {
			case "IpProtocol":
				p.protocol = c.optional(field + "." + key)
			case "FromPort":
				p.from = c.number(field + "." + key)
			case "ToPort":
				p.to = c.number(field + "." + key)
			case ranges4, ranges6, listPeers, pairs:
				p.peers = c.peers(field, key, p.peers)
			default:
				if c.peek() != '[' {
					c.skip()
					return
				}
				// A new kind of peer, or a slip in the name of an old one, lets somebody in.
				n := 0
				if c.list(key, func(int) { c.skip(); n++ }); n > 0 {
					p.strange = append(p.strange, key)
				}
			}
		})
		out = append(out, p)
	})
	return out, known
}

func (c *cursor) peers(field, list string, peers []peer) []peer {
	c.list(field+"."+list, func(i int) {
		p := peer{list: list, at: i}
		c.object(list, func(key string) {
			switch key {
			case "CidrIp", "CidrIpv6", "PrefixListId", "GroupId":
				if memberOf(list) == key {
					p.value = c.optional(key)
				} else {
					c.skip()
				}
			case "UserId":
				p.user = c.optional(key)
			case "Description":
				p.about = c.optional(key)
			default:
				c.skip()
			}
		})
		peers = append(peers, p)
	})
	return peers
}

// memberOf is the member that names the peer in the elements of a list.
func memberOf(list string) string {
	switch list {
	case ranges4:
		return "CidrIp"
	case ranges6:
		return "CidrIpv6"
	case listPeers:
		return "PrefixListId"
	default:
		return "GroupId"
	}
}

// optional reads a string, or nil.
func (c *cursor) optional(field string) *string {
	if s, known := c.string(field); known {
		return &s
	}
	return nil
}

func peersOf(permissions []permission) int {
	n := 0
	for i := range permissions {
		n += len(permissions[i].peers)
	}
	return n
}

// addPermissions takes permissions apart into rules of one peer each.
func addPermissions(g *secgroup.Group, key string, permissions []permission, egress bool) {
	for i := range permissions {
		p := &permissions[i]
		for _, list := range p.strange {
			g.Unread = append(g.Unread, fmt.Sprintf("%s[%d] of %s has a list %q, which is not known here: whom it lets in was not judged", key, i, g.ID, list))
		}
		if len(p.peers)+len(p.strange) == 0 {
			g.Unread = append(g.Unread, fmt.Sprintf("%s[%d] of %s has no peer: want %s, %s, %s or %s", key, i, g.ID, ranges4, ranges6, listPeers, pairs))
		}
		for _, from := range p.peers {
			r := types.SecurityGroupRule{
				GroupId: &g.ID, GroupOwnerId: &g.OwnerID, IsEgress: &egress, IpProtocol: p.protocol, FromPort: p.from, ToPort: p.to, Description: from.about,
			}
			switch from.list {
			case ranges4:
				r.CidrIpv4 = from.value
			case ranges6:
				r.CidrIpv6 = from.value
			case listPeers:
				r.PrefixListId = from.value
			default:
				r.ReferencedGroupInfo = &types.ReferencedSecurityGroup{GroupId: from.value, UserId: from.user}
			}
			rule, err := ec2rules.RuleOf(r)
			if err != nil {
				g.Unread = append(g.Unread, fmt.Sprintf("%s[%d].%s[%d]: %v", key, i, from.list, from.at, err))
				continue
			}
			g.Rules = append(g.Rules, rule)
		}
	}
}

// decodeRule reads an element of SecurityGroupRules as a group of this rule, or with
// it in Unread.
func decodeRule(data []byte) (secgroup.Group, error) {
	c := cursor{text: data}
	var r types.SecurityGroupRule
	var out secgroup.Group
	var arn string
	var tags []secgroup.Tag
	c.object("SecurityGroupRules", func(key string) {
		switch key {
		case "SecurityGroupRuleId":
			r.SecurityGroupRuleId = c.optional(key)
		case "SecurityGroupRuleArn":
			arn, _ = c.string(key)
		case "GroupId":
			out.ID, _ = c.string(key)
		case "GroupOwnerId":
			out.OwnerID, _ = c.string(key)
		case "IsEgress":
			r.IsEgress = c.bool(key)
		case "IpProtocol":
			r.IpProtocol = c.optional(key)
		case "FromPort":
			r.FromPort = c.number(key)
		case "ToPort":
			r.ToPort = c.number(key)
		case "CidrIpv4":
			r.CidrIpv4 = c.optional(key)
		case "CidrIpv6":
			r.CidrIpv6 = c.optional(key)
		case "PrefixListId":
			r.PrefixListId = c.optional(key)
		case "ReferencedGroupInfo":
			r.ReferencedGroupInfo = c.reference(key)
		case "Description":
			r.Description = c.optional(key)
		case "Tags":
			tags = c.tags(tags)
		default:
			c.skip()
		}
	})
	switch {
	case c.err != nil:
		return secgroup.Group{}, c.err
	case out.ID == "":
		return secgroup.Group{}, fmt.Errorf("%w: GroupId of rule %q is missing", errIncomplete, aws.ToString(r.SecurityGroupRuleId))
	}
	out.Region = regionOf(arn)
	r.GroupId, r.GroupOwnerId = &out.ID, &out.OwnerID
	if rule, err := ec2rules.RuleOf(r); err != nil {
		out.Unread = []string{err.Error()}
	} else {
		rule.Tags = tags
		out.Rules = []secgroup.Rule{rule}
	}
	return out, nil
}

func (c *cursor) reference(field string) *types.ReferencedSecurityGroup {
	var out types.ReferencedSecurityGroup
	c.object(field, func(key string) {
		switch key {
		case "GroupId":
			out.GroupId = c.optional(key)
		case "UserId":
			out.UserId = c.optional(key)
		default:
			c.skip()
		}
	})
	return &out
}
