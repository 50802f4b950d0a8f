package secgroup

import (
	"cmp"
	"slices"
)

// Group is a security group as its source describes it. Empty fields are unknown. Tags are
// all of the group's tags if TagsKnown is set, else those that are known of them.
type Group struct {
	ID    string
	Name  string
	VPCID string
	// OwnerID is the account that owns the group. Groups that another account shares are
	// listed beside one's own, but only the owner can edit them.
	OwnerID     string
	Region      string
	Description string
	Tags        []Tag
	TagsKnown   bool
	// Rules are the group's rules, as far as the source was asked for them.
	Rules []Rule
	// Unread names each rule that could not be parsed, with the reason. Such rules are not
	// judged, so a group that has any must not be called safe.
	Unread []string
}

// String returns the group's id, else its name, else "".
func (g *Group) String() string { return cmp.Or(g.ID, g.Name) }

// Arrange sorts the rules (ingress first, then by protocol, ports and peer) and merges
// equal ones, keeping what only one source knows of a rule.
func (g *Group) Arrange() {
	slices.SortStableFunc(g.Rules, func(a, b Rule) int { return compareRules(&a, &b) })
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

// Compare orders groups by owner, region and id.
func (g *Group) Compare(o *Group) int {
	return cmp.Or(cmp.Compare(g.OwnerID, o.OwnerID), cmp.Compare(g.Region, o.Region), cmp.Compare(g.ID, o.ID))
}

// complete adds to a rule the fields that only another source of the same rule has.
func complete(r, other *Rule) {
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

// compareRules orders rules by traffic, and rules of equal traffic by id.
func compareRules(a, b *Rule) int {
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

// FindRule finds the rule with the permission.
func FindRule(rules []Rule, p Permission) (Rule, bool) {
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Permission.Identity() == p.Identity() })
	if i < 0 {
		return Rule{}, false
	}
	return rules[i], true
}

// PrefixLists returns the ids of the prefix lists that rules reference, sorted.
func PrefixLists(rules ...[]Rule) []string {
	var out []string
	for _, some := range rules {
		for i := range some {
			if id := some[i].Permission.Peer.PrefixList(); id != "" {
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TagValue returns the value of a tag. EC2 holds a key once; of a dump with two the first
// counts.
func TagValue(tags []Tag, key string) (value string, ok bool) {
	for i := range tags {
		if tags[i].Key == key {
			return tags[i].Value, true
		}
	}
	return "", false
}
