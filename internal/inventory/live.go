package inventory

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"sgward/internal/crash"
	"sgward/internal/ec2rules"
	"sgward/internal/finding"
	"sgward/internal/secgroup"
)

// placesAtOnce limits how many regions are read at the same time, over all accounts. EC2
// throttles by account and region, so they do not slow each other down.
const placesAtOnce = 32

// EC2 is the part of EC2's API that reading a region needs. *ec2.Client implements it.
type EC2 interface {
	ec2rules.GroupReader
	ec2rules.ListReader
	ec2rules.InterfaceReader
}

var _ EC2 = (*ec2.Client)(nil)

// Place is a region of an account to read.
type Place struct {
	AccountID string
	Account   string // the account for people: its id, with its name if it has one
	Region    string
	API       EC2 // the client of the region, with credentials of the account
}

func (p *Place) String() string {
	return fmt.Sprintf("account %s, %s", cmp.Or(p.Account, p.AccountID), p.Region)
}

// ReadLive reads the groups of all places, the interfaces that use them and the prefix
// lists that they reference. A place that cannot be read is a Problem and does not stop
// the others. done, if not nil, is called after each place, from any goroutine, with the
// number of its groups. The error is ctx's.
func ReadLive(ctx context.Context, places []Place, done func(groups int)) (*Snapshot, error) {
	found := make([]placeRead, len(places))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(len(places), placesAtOnce) {
		workers.Go(func() {
			defer crash.Exit()
			for i := int(next.Add(1)) - 1; i < len(places) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				found[i] = readPlace(ctx, &places[i])
				if done != nil {
					done(len(found[i].groups))
				}
			}
		})
	}
	workers.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("reading security groups: %w", ctx.Err())
	}
	j := newJoint()
	own := []string{}
	for i, p := range places {
		own = append(own, p.AccountID)
		j.addPlace(&p, &found[i])
	}
	s := j.snapshot("")
	slices.Sort(own)
	s.Own = slices.Compact(own)
	return s, nil
}

// placeRead is the result for one place.
type placeRead struct {
	groups     []secgroup.Group
	interfaces map[string][]finding.Interface // nil if they could not be read
	lists      ec2rules.PrefixLists
	problems   []Problem
}

func readPlace(ctx context.Context, p *Place) placeRead {
	var out placeRead
	problem := func(err error) {
		out.problems = append(out.problems, Problem{Place: p.String(), Text: ec2rules.ErrorText(err), Err: err})
	}
	var err error
	if out.groups, err = ec2rules.Groups(ctx, p.API, p.Region, ec2rules.All()); err != nil {
		problem(err)
		return out
	}
	if out.interfaces, err = ec2rules.AllInterfaces(ctx, p.API); err != nil {
		problem(err)
	}
	if out.lists, err = ec2rules.NewLists(p.API).Read(ctx, PrefixLists(out.groups)); err != nil {
		problem(err)
	}
	return out
}

func (j *joint) addPlace(p *Place, found *placeRead) {
	for i := range found.groups {
		j.addGroup(&found.groups[i])
	}
	if found.interfaces != nil {
		j.covered[place(p.AccountID, p.Region)] = true
	}
	for id, list := range found.interfaces {
		j.interfaces[id] = append(j.interfaces[id], list...)
	}
	for id, list := range found.lists.Known { // every account that may read a list reads the same entries
		j.addList(id, list)
	}
	for id, why := range found.lists.Unreadable {
		j.lists.Unreadable[id] = why
	}
	for id, list := range j.lists.Known {
		if list.Entries != nil && list.OwnerID != "" {
			delete(j.lists.Unreadable, id)
		}
	}
	j.problems = append(j.problems, found.problems...)
}
