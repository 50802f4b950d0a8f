package sweep

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"sgward/internal/ec2rules"
	"sgward/internal/secgroup"
)

// group is a security group with a rule that uses the edited list.
type group struct {
	secgroup.Group // TagsKnown is set once it has been described
	using          []secgroup.Rule
	others         []secgroup.Rule
}

// readGroups reads groups with all their rules, in the order of their ids. Of a
// group that EC2 does not let this account describe, name, VPC and tags stay
// unknown.
func (a *Sweeper) readGroups(ctx context.Context, ids []string, listID string) ([]*group, error) {
	slices.Sort(ids)
	out := make([]*group, len(ids))
	byID := map[string]*group{}
	for i, id := range ids {
		out[i] = &group{Group: secgroup.Group{ID: id}}
		byID[id] = out[i]
	}
	rules, err := ec2rules.Rules(ctx, a.EC2, ec2rules.WithIDs(ids...))
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		g := byID[r.GroupID]
		if g == nil {
			return nil, fmt.Errorf("reading security group rules: %q is of %q, which was not asked for", r.ID, r.GroupID)
		}
		g.OwnerID = cmp.Or(g.OwnerID, r.OwnerID)
		if r.Permission.Peer.PrefixList() == listID {
			g.using = append(g.using, r)
		} else {
			g.others = append(g.others, r)
		}
	}
	described, err := ec2rules.DescribeGroups(ctx, a.EC2, ec2rules.WithIDs(ids...))
	switch {
	case err == nil:
	case ec2rules.IsTransient(err):
		return nil, err
	default:
		a.Logger.WarnContext(ctx, "groups not described", "errorCode", ec2rules.ErrorCode(err), "error", err.Error())
	}
	for _, found := range described {
		if g := byID[found.ID]; g != nil {
			found.OwnerID = cmp.Or(g.OwnerID, found.OwnerID)
			g.Group = found
		}
	}
	for _, g := range out {
		slices.SortFunc(g.using, func(a, b secgroup.Rule) int { return cmp.Compare(a.ID, b.ID) })
	}
	return out, nil
}
