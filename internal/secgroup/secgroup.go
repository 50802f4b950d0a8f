// Package secgroup holds the values that sgward judges: security group rules
// and their parts, each with exactly one peer.
//
// EC2 lets one IpPermission name many sources. Here that form does not exist:
// it is taken apart at the edge, so that judging, comparing and revoking are
// operations on single values. The package reads no clock, no environment and
// no network, and depends on the standard library only.
//
// No zero value of this package opens, names or covers anything: the zero
// Direction, Protocol and Peer are invalid, and NewPermission refuses the latter two.
package secgroup

import (
	"errors"
	"fmt"
	"strings"
)

// Direction is the direction of a rule's traffic. The zero value is invalid and means that
// the direction is unknown: CloudTrail records of ModifySecurityGroupRules leave it out.
type Direction uint8

// The two directions of a rule.
const (
	Ingress Direction = iota + 1
	Egress
)

// String returns "ingress", "egress" or, for the zero value, "unknown".
func (d Direction) String() string {
	switch d {
	case Ingress:
		return "ingress"
	case Egress:
		return "egress"
	default:
		return "unknown"
	}
}

// ParseDirection reads "ingress" or "egress".
func ParseDirection(s string) (Direction, error) {
	switch s {
	case "ingress":
		return Ingress, nil
	case "egress":
		return Egress, nil
	default:
		return 0, fmt.Errorf("parsing direction %q: want ingress or egress", s)
	}
}

// Permission is one protocol, its ports and one peer in one direction: the part
// of a rule that decides what may pass. Two rules of a group never hold equal
// permissions, so within a group it identifies a rule even without its id.
//
// Permissions are comparable with ==. The zero value is invalid.
type Permission struct {
	Direction Direction
	Protocol  Protocol
	// Ports is the range of destination ports. It has a meaning for TCP and UDP
	// only and is zero otherwise; use PortRange, which knows what a protocol
	// without ports covers.
	Ports PortRange
	// ICMP is the type and code. It has a meaning for ICMP and ICMPv6 only and
	// is zero otherwise.
	ICMP ICMP
	Peer Peer
}

// NewPermission builds a permission from EC2's fields. from and to are nil
// where EC2 left them out. They are ports for TCP and UDP, type and code for
// ICMP, and without meaning for every other protocol: EC2 opens all ports of
// those whatever the fields say
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html).
func NewPermission(d Direction, proto Protocol, from, to *int, peer Peer) (Permission, error) {
	p := Permission{Direction: d, Protocol: proto, Peer: peer}
	switch {
	case proto == "":
		return Permission{}, errors.New("building permission: protocol is missing")
	case peer.Kind() == NoPeer:
		return Permission{}, errors.New("building permission: peer is missing")
	case proto.HasPorts():
		ports, err := portRange(from, to)
		if err != nil {
			return Permission{}, err
		}
		p.Ports = ports
	case proto.IsICMP():
		icmp, err := icmpOf(from, to)
		if err != nil {
			return Permission{}, err
		}
		p.ICMP = icmp
	}
	return p, nil
}

// IsValid reports whether the permission is one that NewPermission makes.
func (p Permission) IsValid() bool {
	if p.Peer.Kind() == NoPeer {
		return false
	}
	switch p.Protocol {
	case TCP, UDP, AllProtocols, ICMPv4, ICMPv6:
		return true
	}
	canonical, err := ParseProtocol(string(p.Protocol))
	return err == nil && canonical == p.Protocol
}

// Identity returns what a group can hold only once: the permission without the owner
// of a referenced group, which some sources name and others leave out.
func (p Permission) Identity() Permission {
	if id, _ := p.Peer.Group(); id != "" {
		p.Peer = GroupPeer(id, "")
	}
	return p
}

// SharesTraffic reports whether two permissions allow some of the same traffic, whoever their
// peers are. ICMP counts as one, whatever its types and codes.
func (p Permission) SharesTraffic(o Permission) bool {
	switch {
	case p.Direction != o.Direction:
		return false
	case p.Protocol != o.Protocol:
		return p.Protocol == AllProtocols || o.Protocol == AllProtocols
	default:
		return !p.Protocol.HasPorts() || p.Ports.Overlaps(o.Ports)
	}
}

// PortRange returns the ports that the permission covers. ok is false where
// ports have no meaning (ICMP, ESP, GRE and their like). All protocols ("-1")
// cover every port.
func (p Permission) PortRange() (r PortRange, ok bool) {
	switch {
	case p.Protocol == AllProtocols:
		return AllPorts, true
	case p.Protocol.HasPorts():
		return p.Ports, true
	default:
		return PortRange{}, false
	}
}

// FromTo returns the FromPort and ToPort that EC2 stores for the permission: -1
// and -1 where the protocol has no ports.
func (p Permission) FromTo() (from, to int) {
	switch {
	case p.Protocol.HasPorts():
		return int(p.Ports.From), int(p.Ports.To)
	case p.Protocol.IsICMP():
		return int(p.ICMP.Type), int(p.ICMP.Code)
	default:
		return -1, -1
	}
}

// String prints the permission as people say it, such as "ingress tcp 3306 from
// 0.0.0.0/0".
func (p Permission) String() string {
	word := "from"
	if p.Direction == Egress {
		word = "to"
	}
	return fmt.Sprintf("%s %s %s %s", p.Direction, p.Traffic(), word, p.Peer)
}

// Traffic prints protocol and ports, for example "tcp 3306", "udp 1-1024",
// "icmp type 8 code 0", "all traffic" or "protocol 50".
func (p Permission) Traffic() string {
	switch {
	case p.Protocol == AllProtocols:
		return "all traffic"
	case p.Protocol.HasPorts():
		return string(p.Protocol) + " " + p.Ports.String()
	case p.Protocol.IsICMP():
		return string(p.Protocol) + p.ICMP.String()
	case p.Protocol == "":
		return "unknown traffic"
	default:
		return "protocol " + string(p.Protocol)
	}
}

// Rule is one security group rule as EC2 knows it. ID is empty if the source leaves it out
// (records made before mid-2021); GroupID and Permission then identify the rule.
type Rule struct {
	ID          string // sgr-...
	GroupID     string // sg-...
	OwnerID     string // the account that owns the group, 12 digits
	Permission  Permission
	Description string
	Tags        []Tag
}

// Tag is one key and value of a rule or group.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// IsOwnedByAWS reports whether only AWS can set the tag: its key begins with "aws:"
// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html).
func (t Tag) IsOwnedByAWS() bool { return strings.HasPrefix(strings.ToLower(t.Key), "aws:") }

// String prints the id, where known, and the permission.
func (r Rule) String() string {
	if r.ID == "" {
		return r.Permission.String()
	}
	return strings.Join([]string{r.ID, r.Permission.String()}, " ")
}
