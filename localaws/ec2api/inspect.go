package ec2api

import (
	"cmp"
	"net/http"
	"net/netip"
	"slices"
)

// Group is a security group in its current state, as a plain value.
type Group struct {
	Account, Region, VPCID string
	ID, Name, Description  string
	Tags                   map[string]string
}

// Rule is a security group rule in its current state, as a plain value. Ports are type and
// code for ICMP, and -1 and -1 for protocols without ports. Exactly one of CIDRIPv4,
// CIDRIPv6, PrefixListID and ReferencedGroupID is set.
type Rule struct {
	ID, GroupID       string
	Egress            bool
	Protocol          string
	FromPort, ToPort  int
	CIDRIPv4          string
	CIDRIPv6          string
	PrefixListID      string
	ReferencedGroupID string
	ReferencedAccount string // set with ReferencedGroupID
	Description       string
	Tags              map[string]string
}

// Groups lists all groups of all accounts and regions, the default ones too, by
// account, region and order of creation. It sees no read lag.
func (s *Server) Groups() []Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Group
	for _, r := range s.sortedRegions() {
		for _, g := range r.groupOrder {
			out = append(out, Group{Account: r.account, Region: r.name, VPCID: g.vpc.id, ID: g.id, Name: g.name,
				Description: g.description, Tags: tagMap(g.tags)})
		}
	}
	return out
}

// PrefixList returns the owner and the current entries of a managed prefix list; ok is
// false if there is none.
func (s *Server) PrefixList(id string) (owner string, entries []netip.Prefix, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.sortedRegions() {
		l := r.lists[id]
		if l == nil || len(l.versions) == 0 {
			continue
		}
		entries = []netip.Prefix{}
		for _, e := range l.versions[len(l.versions)-1] {
			entries = append(entries, e.cidr)
		}
		return l.owner, entries, true
	}
	return "", nil, false
}

// Rules lists the rules of a group in the order of their creation, and nothing
// if there is no such group. It sees no read lag.
func (s *Server) Rules(groupID string) []Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.sortedRegions() {
		g := r.groups[groupID]
		if g == nil {
			continue
		}
		out := make([]Rule, len(g.rules))
		for i, have := range g.rules {
			out[i] = have.plain()
		}
		return out
	}
	return nil
}

func (s *Server) sortedRegions() []*region {
	out := make([]*region, 0, len(s.regions))
	for _, r := range s.regions {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *region) int { return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.name, b.name)) })
	return out
}

func (r *rule) plain() Rule {
	p := r.perm
	out := Rule{ID: r.id, GroupID: r.group.id, Egress: p.egress, Protocol: p.protocol, FromPort: p.from, ToPort: p.to,
		PrefixListID: p.peer.listID, ReferencedGroupID: p.peer.group, ReferencedAccount: p.peer.owner,
		Description: r.description, Tags: tagMap(r.tags)}
	out.CIDRIPv4, out.CIDRIPv6 = p.peer.cidrs()
	return out
}

func tagMap(tags []xmlTag) map[string]string {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		out[t.Key] = t.Value
	}
	return out
}

// Caller identifies a request's access key, as STS would: the account, the ARN and the
// unique id.
func (s *Server) Caller(r *http.Request) (account, arn, userID string) {
	accessKey, regionName := credentialScope(r)
	i := s.identityOf(accessKey)
	switch {
	case i.Role != "":
		userID = s.principal("AROA", i.Account, i.Role) + ":" + i.Session
	case i.Root:
		userID = i.Account
	default:
		userID = s.principal("AIDA", i.Account, i.User)
	}
	return i.Account, i.arn(regionName), userID
}
