package planned

import (
	"slices"

	"sgward/internal/secgroup"
)

// Since marks the rules that before, an earlier state of the same resources, has as well:
// they stand. One that is unknown in part does not: it may be another. A group that it has, too, is not created; other rules may have been added to
// it since. A group whose name, description or VPC changes is made anew, with all of its
// rules: EC2 cannot edit these.
func (c *Change) Since(before *Change) {
	for i := range c.Groups {
		g := &c.Groups[i]
		old := slices.IndexFunc(before.Groups, func(o Group) bool {
			return o.Address == g.Address && o.ID == g.ID && o.Name == g.Name && o.Description == g.Description && o.VPCID == g.VPCID
		})
		if old < 0 {
			continue
		}
		g.Created, g.Complete = false, false
		had := map[secgroup.Permission]bool{}
		for _, o := range before.Groups[old].Rules {
			if len(o.Unknown) == 0 {
				had[o.Permission.Identity()] = true
			}
		}
		for k := range g.Rules {
			r := &g.Rules[k]
			r.Standing = len(r.Unknown) == 0 && had[r.Permission.Identity()]
		}
	}
}
