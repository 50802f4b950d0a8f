// Package inventory reads security groups as they are now: live, from EC2, or from
// the JSON of "aws ec2 describe-security-groups" and "describe-security-group-rules".
// Judge says what a policy makes of one, and Notes what else deserves attention. It
// changes nothing.
package inventory

import (
	"cmp"
	"slices"

	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Group is one security group with all its rules.
type Group struct {
	// Group is its id, and its name, VPC and tags where the source tells them: a dump
	// of rules knows none of these, and TagsKnown is then not set.
	policy.Group
	// AccountID is the account that owns the group. A group that another account
	// shares is listed beside one's own, and only its owner can edit it. Empty where
	// the source does not tell.
	AccountID   string
	Region      string // empty where the source does not tell
	Description string
	// Rules are what the group holds, each once: ingress first, then by protocol, ports
	// and peer.
	Rules []secgroup.Rule
	// Unread says of each rule that could not be understood why, and names it. It is
	// in no judgement: a group with any is not to be called safe.
	Unread []string
}

// compare orders groups by account, region and id.
func (g *Group) compare(o *Group) int {
	return cmp.Or(cmp.Compare(g.AccountID, o.AccountID), cmp.Compare(g.Region, o.Region), cmp.Compare(g.ID, o.ID))
}

// arrange brings the rules into their order and makes one of those that are the same.
// Sources tell different things of a rule: what only one of them knows is kept.
func (g *Group) arrange() {
	slices.SortStableFunc(g.Rules, func(a, b secgroup.Rule) int { return compareRules(&a, &b) })
	kept := g.Rules[:0]
	for i := range g.Rules {
		r := g.Rules[i]
		if last := len(kept) - 1; last >= 0 && kept[last].Permission.Identity() == r.Permission.Identity() {
			complete(&kept[last], &r)
			continue
		}
		kept = append(kept, r)
	}
	g.Rules = kept
	slices.Sort(g.Unread)
	g.Unread = slices.Compact(g.Unread)
}

// complete adds to a rule what another account of the same rule knows.
func complete(r, other *secgroup.Rule) {
	r.ID = cmp.Or(r.ID, other.ID)
	r.OwnerID = cmp.Or(r.OwnerID, other.OwnerID)
	r.Description = cmp.Or(r.Description, other.Description)
	if r.Tags == nil {
		r.Tags = other.Tags
	}
	if _, owner := r.Permission.Peer.Group(); owner == "" {
		r.Permission.Peer = other.Permission.Peer // equal, but for the owner
	}
}

// compareRules orders rules by what they let through, and those that let through the
// same by id.
func compareRules(a, b *secgroup.Rule) int {
	p, q := &a.Permission, &b.Permission
	if c := cmp.Or(cmp.Compare(p.Direction, q.Direction), cmp.Compare(p.Protocol, q.Protocol)); c != 0 {
		return c
	}
	fromA, toA := p.FromTo()
	fromB, toB := q.FromTo()
	if c := cmp.Or(cmp.Compare(fromA, fromB), cmp.Compare(toA, toB), cmp.Compare(p.Peer.Kind(), q.Peer.Kind())); c != 0 {
		return c
	}
	idA, _ := p.Peer.Group()
	idB, _ := q.Peer.Group()
	cidrA, cidrB := p.Peer.CIDR(), q.Peer.CIDR()
	return cmp.Or(
		cidrA.Addr().Compare(cidrB.Addr()), cmp.Compare(cidrA.Bits(), cidrB.Bits()),
		cmp.Compare(p.Peer.PrefixList(), q.Peer.PrefixList()), cmp.Compare(idA, idB), cmp.Compare(a.ID, b.ID))
}
