package inventory

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/ec2rules"
)

// ReadDumps reads answers of the AWS CLI, of any version: of describe-security-groups,
// describe-security-group-rules, describe-network-interfaces, describe-prefix-lists and
// get-managed-prefix-list-entries, in any number and order. region is that of dumps
// that do not tell it ("" for none). A source that cannot be read or understood whole
// is a Problem, and what can be is judged. progress, where it is not nil, takes the
// number of bytes read since it was called last, from one goroutine. The error is
// ctx's.
func ReadDumps(ctx context.Context, sources []Source, region string, progress func(int)) (*Snapshot, error) {
	d := dumps{joint: newJoint()}
	if err := readSources(ctx, sources, progress, d.take); err != nil {
		return nil, err
	}
	if d.interfacesMissing {
		clear(d.covered)
	}
	if len(sources) > 0 && !d.ofGroups && len(d.problems) == 0 {
		d.problems = []Problem{{namesOf(sources), "no security groups are told of; " + wantDump}}
	}
	s := d.snapshot(region)
	for _, id := range PrefixLists(s.Groups) {
		if s.Lists.Entries[id] == nil {
			s.Lists.Unreadable[id] = fmt.Sprintf("no dump tells the entries of %s (aws ec2 get-managed-prefix-list-entries --prefix-list-id %s > %s.json makes one)", id, id, id)
		}
	}
	return s, nil
}

// namesOf names sources in a few words.
func namesOf(sources []Source) string {
	if more := len(sources) - 1; more > 0 {
		return fmt.Sprintf("%s and %d more", sources[0].Name, more)
	}
	return sources[0].Name
}

// dumps puts together what dumps tell.
type dumps struct {
	joint
	interfacesMissing bool // some, of nobody knows which groups
	ofGroups          bool // a list of groups or rules was there, if only an empty one

	// Of the source that is being read.
	pending      map[string][]netip.Prefix // lists, of which the rest may be missing
	ofInterfaces bool
	earlier      int // problems, of the sources before
}

// take takes what was read, in the order of the sources.
func (d *dumps) take(b *batch) {
	for i := range b.groups {
		d.addGroup(&b.groups[i])
	}
	for _, n := range b.interfaces {
		d.ofInterfaces = true
		d.cover(n)
		ec2rules.AddInterface(d.interfaces, n)
	}
	for _, l := range b.lists {
		if d.pending == nil {
			d.pending = map[string][]netip.Prefix{}
		}
		d.pending[l.id] = append(d.pending[l.id], l.entries...)
	}
	d.problems = append(append(d.problems, b.problems...), b.remarks...)
	d.ofGroups = d.ofGroups || b.ofGroups
	if b.last {
		d.endSource(b)
	}
}

// endSource decides on what only a whole source can tell: half of a list's entries
// could make what is open look safe, and half of the interfaces a group unused.
func (d *dumps) endSource(b *batch) {
	switch whole := len(d.problems) == d.earlier; {
	case whole:
		for id, entries := range d.pending {
			d.lists.Entries[id] = append(d.lists.Entries[id], entries...)
		}
		if b.emptyList != "" && d.lists.Entries[b.emptyList] == nil {
			d.lists.Entries[b.emptyList] = []netip.Prefix{}
		}
	case d.ofInterfaces:
		d.interfacesMissing = true
	}
	d.pending, d.ofInterfaces, d.earlier = nil, false, len(d.problems)
}

// zoneRegion is the region in the name of an availability zone or local zone, such as
// us-west-2 in us-west-2-lax-1a.
var zoneRegion = regexp.MustCompile(`^[a-z]+(-[a-z]+)+-[0-9]+`)

// cover notes of which account's VPC and region an interface's dump tells.
func (d *dumps) cover(n types.NetworkInterface) {
	owner := aws.ToString(n.OwnerId)
	for _, where := range []string{aws.ToString(n.VpcId), zoneRegion.FindString(aws.ToString(n.AvailabilityZone))} {
		if where != "" {
			d.covered[place(owner, where)] = true
		}
	}
}
