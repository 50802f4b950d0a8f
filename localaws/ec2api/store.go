package ec2api

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// region is the state of one account in one region.
type region struct {
	account    string
	name       string
	counters   map[string]uint64
	seq        uint64 // order of creation, for stable pages
	vpcs       []*vpc
	defaultVPC *vpc
	groups     map[string]*group
	groupOrder []*group // by seq
	groupNames map[groupName]*group
	rules      map[string]*rule // by id
	gone       map[string]*rule // revoked ones, kept only while reads lag
	references map[string]int   // group id -> rules of other groups that name it
	lists      map[string]*prefixList
	listOrder  []*prefixList
	interfaces []NetworkInterface
}

type vpc struct {
	id        string
	seq       uint64
	cidr      string
	isDefault bool
	ipv6      bool
	tags      []xmlTag
}

type groupName struct{ vpcID, name string }

type group struct {
	region      *region
	id          string
	seq         uint64
	name        string
	description string
	vpc         *vpc
	tags        []xmlTag
	created     time.Time
	rules       []*rule // by seq
	byKey       map[permission]*rule
	past        []snapshot // oldest first; empty unless reads lag
}

// snapshot is a group's rules as they were before a change.
type snapshot struct {
	until time.Time
	rules []*rule
}

// rule is immutable once stored: an edit replaces it, so that a snapshot or an answer
// being written keeps its state.
type rule struct {
	id          string
	seq         uint64
	group       *group
	perm        permission
	description string
	tags        []xmlTag
}

// permission is the identity of a rule within its group: two rules of a group
// never have equal ones. It is comparable. Ports are type and code for ICMP and
// -1/-1 for protocols that have no ports.
type permission struct {
	egress   bool
	protocol string
	from, to int
	peer     peer
}

// peer is exactly one of: a masked CIDR, a prefix list, a group and its owner.
type peer struct {
	cidr   netip.Prefix
	listID string
	group  string
	owner  string
}

// regionAt returns the region, made with its default VPC at the first touch.
func (s *Server) regionAt(at place) *region {
	if r := s.regions[at]; r != nil {
		return r
	}
	r := &region{
		account:    at.account,
		name:       at.region,
		counters:   make(map[string]uint64),
		groups:     make(map[string]*group),
		groupNames: make(map[groupName]*group),
		rules:      make(map[string]*rule),
		gone:       make(map[string]*rule),
		references: make(map[string]int),
		lists:      make(map[string]*prefixList),
	}
	s.regions[at] = r
	r.defaultVPC = s.addVPC(r, "172.31.0.0/16", true, false, nil)
	return r
}

func (r *region) nextSeq() uint64 {
	r.seq++
	return r.seq
}

// addVPC makes a VPC and its group "default", whose members reach each other and whose
// egress is open.
func (s *Server) addVPC(r *region, cidr string, isDefault, ipv6 bool, tags []xmlTag) *vpc {
	v := &vpc{id: s.newID(r, "vpc"), seq: r.nextSeq(), cidr: cidr, isDefault: isDefault, ipv6: ipv6, tags: tags}
	r.vpcs = append(r.vpcs, v)
	// The zero time: a lagging read must not miss it.
	g := s.addGroup(r, v, "default", "default VPC security group", nil, time.Time{})
	s.addRule(g, permission{protocol: "-1", from: -1, to: -1, peer: peer{group: g.id, owner: r.account}}, "", nil)
	return v
}

func (r *region) vpc(id string) *vpc {
	i := slices.IndexFunc(r.vpcs, func(v *vpc) bool { return v.id == id })
	if i < 0 {
		return nil
	}
	return r.vpcs[i]
}

// addGroup makes a group with the egress rule that EC2 gives to every new one,
// and a second one for IPv6 where the VPC has it.
func (s *Server) addGroup(r *region, v *vpc, name, description string, tags []xmlTag, now time.Time) *group {
	g := &group{
		region: r, id: s.newID(r, "sg"), seq: r.nextSeq(), name: name, description: description,
		vpc: v, tags: tags, created: now, byKey: make(map[permission]*rule),
	}
	r.groups[g.id] = g
	r.groupOrder = append(r.groupOrder, g)
	r.groupNames[groupName{v.id, name}] = g
	everywhere := []string{"0.0.0.0/0"}
	if v.ipv6 {
		everywhere = append(everywhere, "::/0")
	}
	for _, cidr := range everywhere {
		s.addRule(g, permission{egress: true, protocol: "-1", from: -1, to: -1, peer: peer{cidr: netip.MustParsePrefix(cidr)}}, "", nil)
	}
	return g
}

func (s *Server) removeGroup(g *group) {
	r := g.region
	for _, old := range g.rules {
		r.forget(old)
	}
	delete(r.groups, g.id)
	delete(r.groupNames, groupName{g.vpc.id, g.name})
	r.groupOrder = slices.DeleteFunc(r.groupOrder, func(o *group) bool { return o == g })
}

func (s *Server) addRule(g *group, p permission, description string, tags []xmlTag) *rule {
	added := &rule{id: s.newID(g.region, "sgr"), seq: g.region.nextSeq(), group: g, perm: p, description: description, tags: tags}
	g.rules = append(g.rules, added)
	g.region.remember(added)
	return added
}

// remember and forget keep the indexes in step with a group's rules.
func (r *region) remember(n *rule) {
	r.rules[n.id] = n
	n.group.byKey[n.perm] = n
	if named := n.perm.peer.group; named != "" && named != n.group.id {
		r.references[named]++
	}
}

func (r *region) forget(old *rule) {
	delete(r.rules, old.id)
	delete(old.group.byKey, old.perm)
	if named := old.perm.peer.group; named != "" && named != old.group.id {
		if r.references[named]--; r.references[named] == 0 {
			delete(r.references, named)
		}
	}
}

// removeRules takes rules out in one pass, however many they are.
func (s *Server) removeRules(g *group, out map[*rule]bool) {
	for old := range out {
		g.region.forget(old)
		if s.readLag > 0 {
			g.region.gone[old.id] = old
		}
	}
	g.rules = slices.DeleteFunc(g.rules, func(r *rule) bool { return out[r] })
}

// replaceRules replaces edited rules, which keep their ids and their order. All old ones
// are removed before the first new one is added, so that two rules may swap their
// properties.
func (g *group) replaceRules(edits map[*rule]*rule) {
	for old := range edits {
		g.region.forget(old)
	}
	for i, old := range g.rules {
		if edited := edits[old]; edited != nil {
			g.rules[i] = edited
			g.region.remember(edited)
		}
	}
}

// beforeChange keeps the group's rules for reads that lag behind.
func (s *Server) beforeChange(g *group, now time.Time) {
	if s.readLag <= 0 {
		g.past = nil
		return
	}
	visible := now.Add(-s.readLag)
	g.past = slices.DeleteFunc(g.past, func(p snapshot) bool { return !p.until.After(visible) })
	g.past = append(g.past, snapshot{until: now, rules: slices.Clone(g.rules)})
}

// view is a group's rules as they were at the given moment, or false if the group is
// younger.
func (s *Server) view(g *group, visible time.Time) ([]*rule, bool) {
	if s.readLag <= 0 {
		return g.rules, true
	}
	if g.created.After(visible) {
		return nil, false
	}
	for _, p := range g.past {
		if p.until.After(visible) {
			return p.rules, true
		}
	}
	return g.rules, true
}

// visibleRule is the rule with that id as a read sees it, or nil.
func (s *Server) visibleRule(r *region, id string, visible time.Time) *rule {
	known := r.rules[id]
	if known == nil && s.readLag > 0 {
		known = r.gone[id]
	}
	if known == nil || r.groups[known.group.id] == nil {
		return nil
	}
	rules, _ := s.view(known.group, visible)
	i, found := slices.BinarySearchFunc(rules, known.seq, func(r *rule, seq uint64) int { return cmp.Compare(r.seq, seq) })
	if !found {
		return nil
	}
	return rules[i]
}

// partition is the first part of a region's ARNs.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	default:
		return "aws"
	}
}

func (r *region) arn(resource string) string {
	return "arn:" + partition(r.name) + ":ec2:" + r.name + ":" + r.account + ":" + resource
}
