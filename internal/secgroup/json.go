package secgroup

import (
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"errors"
	"fmt"
)

// ruleJSON is a rule in EC2's own fields. Exactly one of CidrIPv4, CidrIPv6,
// PrefixListID and ReferencedGroupID is set. FromPort and ToPort are ports for TCP
// and UDP, type and code for ICMP, and absent otherwise.
type ruleJSON struct {
	SecurityGroupRuleID   string `json:"securityGroupRuleId,omitempty"`
	Direction             string `json:"direction"` // "ingress", "egress" or "unknown"
	IPProtocol            string `json:"ipProtocol"`
	FromPort              *int   `json:"fromPort,omitempty"`
	ToPort                *int   `json:"toPort,omitempty"`
	CidrIPv4              string `json:"cidrIpv4,omitempty"`
	CidrIPv6              string `json:"cidrIpv6,omitempty"`
	PrefixListID          string `json:"prefixListId,omitempty"`
	ReferencedGroupID     string `json:"referencedGroupId,omitempty"`
	ReferencedGroupUserID string `json:"referencedGroupUserId,omitempty"`
	Description           string `json:"description,omitempty"`
	Tags                  []Tag  `json:"tags,omitempty"`
}

// MarshalJSONTo writes the rule with the field names of DescribeSecurityGroupRules, and
// direction in place of isEgress. It leaves out the group and its owner, which the JSON
// around a rule names. encoding/json calls this method too.
func (r Rule) MarshalJSONTo(enc *jsontext.Encoder) error {
	p := r.Permission
	out := ruleJSON{
		SecurityGroupRuleID: r.ID,
		Direction:           p.Direction.String(),
		IPProtocol:          string(p.Protocol),
		PrefixListID:        p.Peer.PrefixList(),
		Description:         r.Description,
		Tags:                r.Tags,
	}
	if p.Protocol.HasPorts() || p.Protocol.IsICMP() {
		from, to := p.FromTo()
		out.FromPort, out.ToPort = &from, &to
	}
	out.CidrIPv4, out.CidrIPv6 = p.Peer.CIDRByFamily()
	out.ReferencedGroupID, out.ReferencedGroupUserID = p.Peer.Group()
	return jsonv2.MarshalEncode(enc, &out)
}

// UnmarshalJSONFrom reads what MarshalJSONTo writes; the group and its owner stay empty. An
// unknown protocol, ports that are missing or out of range, and anything but exactly one
// peer are errors: a missing field never widens a rule. encoding/json calls this method
// too, and adds the place to its errors.
func (r *Rule) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	var in ruleJSON
	if err := jsonv2.UnmarshalDecode(dec, &in); err != nil {
		return err
	}
	out, err := in.rule()
	if err != nil {
		return err
	}
	*r = out
	return nil
}

func (in *ruleJSON) rule() (Rule, error) {
	var direction Direction
	var err error
	if in.Direction != Direction(0).String() {
		if direction, err = ParseDirection(in.Direction); err != nil {
			return Rule{}, err
		}
	}
	protocol, err := ParseProtocol(in.IPProtocol)
	if err != nil {
		return Rule{}, err
	}
	peer, err := in.peer()
	if err != nil {
		return Rule{}, err
	}
	switch {
	case !protocol.HasPorts() && !protocol.IsICMP():
	case in.FromPort == nil || in.ToPort == nil:
		return Rule{}, errors.New("its ports are missing: want fromPort and toPort")
	case protocol.HasPorts() && *in.FromPort < 0: // -1 would mean every port
		return Rule{}, fmt.Errorf("fromPort is %d: want 0 to 65535", *in.FromPort)
	}
	permission, err := NewPermission(direction, protocol, in.FromPort, in.ToPort, peer)
	if err != nil {
		return Rule{}, err
	}
	return Rule{ID: in.SecurityGroupRuleID, Permission: permission, Description: in.Description, Tags: in.Tags}, nil
}

func (in *ruleJSON) peer() (Peer, error) {
	var peers []Peer
	for _, c := range []struct {
		field, text string
		v4          bool
	}{{"cidrIpv4", in.CidrIPv4, true}, {"cidrIpv6", in.CidrIPv6, false}} {
		if c.text == "" {
			continue
		}
		peer, err := ParseCIDRPeer(c.text)
		if err != nil {
			return Peer{}, fmt.Errorf("%s: %w", c.field, err)
		}
		if peer.CIDR().Addr().Is4() != c.v4 {
			return Peer{}, fmt.Errorf("%s: %q is of the other address family", c.field, c.text)
		}
		peers = append(peers, peer)
	}
	if in.PrefixListID != "" {
		peers = append(peers, PrefixListPeer(in.PrefixListID))
	}
	if in.ReferencedGroupID != "" {
		peers = append(peers, GroupPeer(in.ReferencedGroupID, in.ReferencedGroupUserID))
	}
	switch {
	case len(peers) != 1:
		return Peer{}, errors.New("want exactly one of cidrIpv4, cidrIpv6, prefixListId and referencedGroupId")
	case in.ReferencedGroupUserID != "" && in.ReferencedGroupID == "":
		return Peer{}, errors.New("referencedGroupUserId goes with referencedGroupId only")
	}
	return peers[0], nil
}
