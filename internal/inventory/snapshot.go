package inventory

import (
	"cmp"
	"maps"
	"slices"

	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/secgroup"
)

// Problem is a part of the sources that could not be read.
type Problem struct {
	Place string // the source, or the account and region
	Text  string
	Err   error // the error of AWS behind it; nil if there is none
}

// Snapshot is the merged content of all sources.
type Snapshot struct {
	// Groups are sorted by account, region and id. Sources may overlap: each group and
	// each rule occurs once.
	Groups []secgroup.Group
	// Lists are the prefix lists that the groups' rules reference.
	Lists ec2rules.PrefixLists
	// Own are the accounts that were read, sorted; nil if the sources do not name theirs.
	// Groups of other accounts are shared with these.
	Own []string
	// Problems are in the order of the sources.
	Problems []Problem
	// RulesMissing is set if a source lacks rules of some group, so that those may
	// reference any other group.
	RulesMissing bool

	interfaces map[string][]finding.Interface // by group id
	covered    map[string]bool
}

// Attached returns the network interfaces that use a group. known is set if the sources
// hold all interfaces that its account has in its VPC or region.
func (s *Snapshot) Attached(g *secgroup.Group) (attached []finding.Interface, known bool) {
	return s.interfaces[g.ID], s.covered[place(g.OwnerID, g.VPCID)] || s.covered[place(g.OwnerID, g.Region)]
}

// IsShared reports whether a group belongs to another account.
func (s *Snapshot) IsShared(g *secgroup.Group) bool {
	return s.Own != nil && g.OwnerID != "" && !slices.Contains(s.Own, g.OwnerID)
}

// joint merges the content of sources.
type joint struct {
	groups     map[string][]*secgroup.Group // by id; ids of two accounts or regions may be equal
	interfaces map[string][]finding.Interface
	// covered are the places whose interfaces are completely known, each for one account:
	// in a shared VPC, each account sees only its own.
	covered  map[string]bool
	lists    ec2rules.PrefixLists
	problems []Problem
}

func newJoint() joint {
	return joint{
		groups: map[string][]*secgroup.Group{}, interfaces: map[string][]finding.Interface{}, covered: map[string]bool{},
		lists: ec2rules.PrefixLists{Known: map[string]secgroup.PrefixList{}, Unreadable: map[string]string{}},
	}
}

// addList merges a prefix list with what other sources say about it.
func (j *joint) addList(id string, list secgroup.PrefixList) {
	known := j.lists.Known[id]
	if known.OwnerID = cmp.Or(known.OwnerID, list.OwnerID); list.Entries != nil {
		known.Entries = list.Entries
	}
	j.lists.Known[id] = known
}

// place is the key in covered of a region or VPC of an account.
func place(account, where string) string { return account + " " + where }

// maxSameID is how many groups of one id may be in different accounts or regions. Ids
// hardly ever collide, and each further group is compared with all others.
const maxSameID = 1000

// addGroup merges a group with what other sources say about it. It returns false if too
// many groups have its id, and leaves the group out.
func (j *joint) addGroup(g *secgroup.Group) bool {
	for _, known := range j.groups[g.ID] {
		if differ(known.OwnerID, g.OwnerID) || differ(known.Region, g.Region) {
			continue
		}
		known.OwnerID, known.Region = cmp.Or(known.OwnerID, g.OwnerID), cmp.Or(known.Region, g.Region)
		if g.TagsKnown && !known.TagsKnown {
			known.Name, known.VPCID, known.Description, known.Tags, known.TagsKnown = g.Name, g.VPCID, g.Description, g.Tags, true
		}
		known.Rules, known.Unread = append(known.Rules, g.Rules...), append(known.Unread, g.Unread...)
		return true
	}
	if len(j.groups[g.ID]) == maxSameID {
		return false
	}
	added := *g
	j.groups[g.ID] = append(j.groups[g.ID], &added)
	return true
}

// differ reports whether two values are known and different.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

// snapshot returns the merged content, sorted. region is for groups whose sources do not
// name theirs.
func (j *joint) snapshot(region string) *Snapshot {
	s := &Snapshot{Lists: j.lists, Problems: j.problems, interfaces: j.interfaces, covered: j.covered}
	ofVPC := j.regionsOfVPCs()
	for _, same := range j.groups {
		for _, g := range same {
			g.Region = cmp.Or(g.Region, ofVPC[g.VPCID], region)
			g.Arrange()
			s.Groups = append(s.Groups, *g)
		}
	}
	slices.SortFunc(s.Groups, func(a, b secgroup.Group) int { return a.Compare(&b) })
	ec2rules.SortInterfaces(s.interfaces)
	return s
}

// regionsOfVPCs returns the regions of VPCs, as known from groups. Contradicting sources
// leave a VPC out.
func (j *joint) regionsOfVPCs() map[string]string {
	out := map[string]string{}
	contradicted := map[string]bool{}
	for _, same := range j.groups {
		for _, g := range same {
			if g.VPCID == "" || g.Region == "" {
				continue
			}
			contradicted[g.VPCID] = contradicted[g.VPCID] || differ(out[g.VPCID], g.Region)
			out[g.VPCID] = g.Region
		}
	}
	maps.DeleteFunc(out, func(vpc, _ string) bool { return contradicted[vpc] })
	return out
}
