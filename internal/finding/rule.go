package finding

import (
	"errors"
	"fmt"
	"slices"

	"sgward/internal/secgroup"
)

// Rule is a security group rule in EC2's own fields. Exactly one of CidrIPv4,
// CidrIPv6, PrefixListID and ReferencedGroupID is set. FromPort and ToPort are
// ports for TCP and UDP, type and code for ICMP, and absent otherwise.
type Rule struct {
	SecurityGroupRuleID   string         `json:"securityGroupRuleId,omitempty"`
	Direction             string         `json:"direction"` // "ingress", "egress" or "unknown"
	IPProtocol            string         `json:"ipProtocol"`
	FromPort              *int           `json:"fromPort,omitempty"`
	ToPort                *int           `json:"toPort,omitempty"`
	CidrIPv4              string         `json:"cidrIpv4,omitempty"`
	CidrIPv6              string         `json:"cidrIpv6,omitempty"`
	PrefixListID          string         `json:"prefixListId,omitempty"`
	ReferencedGroupID     string         `json:"referencedGroupId,omitempty"`
	ReferencedGroupUserID string         `json:"referencedGroupUserId,omitempty"`
	Description           string         `json:"description,omitempty"`
	Tags                  []secgroup.Tag `json:"tags,omitempty"`
}

// RuleOf writes a rule down.
func RuleOf(r secgroup.Rule) Rule {
	p := r.Permission
	out := Rule{
		SecurityGroupRuleID: r.ID,
		Direction:           p.Direction.String(),
		IPProtocol:          string(p.Protocol),
		Description:         r.Description,
		Tags:                slices.Clone(r.Tags),
	}
	if p.Protocol.HasPorts() || p.Protocol.IsICMP() {
		from, to := p.FromTo()
		out.FromPort, out.ToPort = &from, &to
	}
	switch p.Peer.Kind() {
	case secgroup.CIDRPeerKind:
		if p.Peer.CIDR().Addr().Is4() {
			out.CidrIPv4 = p.Peer.CIDR().String()
		} else {
			out.CidrIPv6 = p.Peer.CIDR().String()
		}
	case secgroup.PrefixListPeerKind:
		out.PrefixListID = p.Peer.PrefixList()
	case secgroup.GroupPeerKind:
		out.ReferencedGroupID, out.ReferencedGroupUserID = p.Peer.Group()
	}
	return out
}

// SecurityGroupRule reads the rule back. groupID and ownerID come from the
// Finding. It is an error where the fields do not name one protocol, sound ports
// and exactly one peer; a direction of "unknown" gives the zero Direction.
func (r Rule) SecurityGroupRule(groupID, ownerID string) (secgroup.Rule, error) {
	var direction secgroup.Direction
	var err error
	if r.Direction != "unknown" {
		if direction, err = secgroup.ParseDirection(r.Direction); err != nil {
			return secgroup.Rule{}, err
		}
	}
	protocol, err := secgroup.ParseProtocol(r.IPProtocol)
	if err != nil {
		return secgroup.Rule{}, err
	}
	peer, err := r.peer()
	if err != nil {
		return secgroup.Rule{}, err
	}
	permission, err := secgroup.NewPermission(direction, protocol, r.FromPort, r.ToPort, peer)
	if err != nil {
		return secgroup.Rule{}, err
	}
	return secgroup.Rule{
		ID: r.SecurityGroupRuleID, GroupID: groupID, OwnerID: ownerID,
		Permission: permission, Description: r.Description, Tags: slices.Clone(r.Tags),
	}, nil
}

func (r Rule) peer() (secgroup.Peer, error) {
	var peers []secgroup.Peer
	for _, c := range []struct {
		field, text string
		v4          bool
	}{{"cidrIpv4", r.CidrIPv4, true}, {"cidrIpv6", r.CidrIPv6, false}} {
		if c.text == "" {
			continue
		}
		peer, err := secgroup.ParseCIDRPeer(c.text)
		if err != nil {
			return secgroup.Peer{}, fmt.Errorf("reading %s: %w", c.field, err)
		}
		if peer.CIDR().Addr().Is4() != c.v4 {
			return secgroup.Peer{}, fmt.Errorf("reading %s: %q is of the other address family", c.field, c.text)
		}
		peers = append(peers, peer)
	}
	if r.PrefixListID != "" {
		peers = append(peers, secgroup.PrefixListPeer(r.PrefixListID))
	}
	if r.ReferencedGroupID != "" {
		peers = append(peers, secgroup.GroupPeer(r.ReferencedGroupID, r.ReferencedGroupUserID))
	}
	if len(peers) != 1 {
		return secgroup.Peer{}, errors.New("reading rule: want exactly one of cidrIpv4, cidrIpv6, prefixListId and referencedGroupId")
	}
	return peers[0], nil
}
