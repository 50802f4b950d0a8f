package secgroup

import (
	"fmt"
	"net/netip"
	"strings"
)

// PeerKind is the kind of a Peer.
type PeerKind uint8

// The kinds of peer. NoPeer is the zero value and invalid.
const (
	NoPeer PeerKind = iota
	CIDRPeerKind
	PrefixListPeerKind
	GroupPeerKind
	// UnknownPeerKind is a peer of any other kind that is not known yet: a plan leaves it
	// open until it is applied. EC2 has no such rules.
	UnknownPeerKind
)

// Peer is the far side of a rule: exactly one of an address range, a prefix list
// or a referenced security group. Peers are comparable with ==, and equal peers
// are the same to EC2: ranges are stored masked. The zero value is no peer.
type Peer struct {
	kind  PeerKind
	cidr  netip.Prefix
	id    string
	owner string
}

// CIDRPeer returns the peer for an address range, masked as EC2 stores it:
// 1.2.3.4/0 becomes 0.0.0.0/0. An invalid prefix gives the zero Peer.
func CIDRPeer(p netip.Prefix) Peer {
	if !p.IsValid() {
		return Peer{}
	}
	return Peer{kind: CIDRPeerKind, cidr: p.Masked()}
}

// ParseCIDRPeer reads an address range such as "203.0.113.0/24". Host bits are
// cleared; an address without a prefix length is an error, as it is to EC2.
func ParseCIDRPeer(s string) (Peer, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return Peer{}, fmt.Errorf("parsing CIDR %q: want an address and a prefix length such as 203.0.113.0/24 or 2001:db8::/32", s)
	}
	return CIDRPeer(p), nil
}

// PrefixListPeer returns the peer for a managed prefix list (pl-...). An empty id
// gives the zero Peer.
func PrefixListPeer(id string) Peer {
	if id == "" {
		return Peer{}
	}
	return Peer{kind: PrefixListPeerKind, id: id}
}

// GroupPeer returns the peer for a referenced security group. owner is the account that
// owns it, empty if the source leaves it out. An empty id gives the zero Peer.
func GroupPeer(id, owner string) Peer {
	if id == "" {
		return Peer{}
	}
	return Peer{kind: GroupPeerKind, id: id, owner: owner}
}

// UnknownPeer returns the peer of a planned rule whose peer is not known yet, or not shown.
// why is printed in its place, such as "known after apply".
func UnknownPeer(why string) Peer { return Peer{kind: UnknownPeerKind, id: why} }

// Kind returns the kind of the peer.
func (p Peer) Kind() PeerKind { return p.kind }

// CIDR returns the address range, or the invalid Prefix for other kinds.
func (p Peer) CIDR() netip.Prefix { return p.cidr }

// CIDRByFamily returns the address range as EC2's fields CidrIpv4 and CidrIpv6 hold
// it: one of the texts is empty, and both are for other kinds.
func (p Peer) CIDRByFamily() (v4, v6 string) {
	switch {
	case p.kind != CIDRPeerKind:
		return "", ""
	case p.cidr.Addr().Is4():
		return p.cidr.String(), ""
	default:
		return "", p.cidr.String()
	}
}

// PrefixList returns the prefix list's id, or "" for other kinds.
func (p Peer) PrefixList() string {
	if p.kind != PrefixListPeerKind {
		return ""
	}
	return p.id
}

// Group returns the referenced group's id and the account that owns it, or two
// empty strings for other kinds.
func (p Peer) Group() (id, owner string) {
	if p.kind != GroupPeerKind {
		return "", ""
	}
	return p.id, p.owner
}

// String prints the range, the prefix list's id or the group's id, the latter
// with its owner where known: "111122223333/sg-0123456789abcdef0".
func (p Peer) String() string {
	switch p.kind {
	case CIDRPeerKind:
		return p.cidr.String()
	case PrefixListPeerKind:
		return p.id
	case GroupPeerKind:
		if p.owner == "" {
			return p.id
		}
		return strings.Join([]string{p.owner, p.id}, "/")
	case UnknownPeerKind:
		return "(" + p.id + ")"
	default:
		return "no peer"
	}
}
