package inventory

import (
	"fmt"
	"strings"

	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// rulesQuota is EC2's default quota of rules per group, direction and address family
// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html).
const rulesQuota = 60

// nearQuota is the number of rules from which a group is noted.
const nearQuota = rulesQuota * 9 / 10

// Usage describes the use of a group.
type Usage struct {
	// Attached is the number of network interfaces that use it, including those of
	// functions, endpoints and load balancers. It is valid only if Known is set.
	Attached int
	Known    bool
	// Referenced is set if a rule of another group references it.
	Referenced bool
}

// Notes returns points that need attention whatever the policy says, and details that are
// worth mentioning only where the group is listed anyway.
func Notes(g *secgroup.Group, u Usage) (notes, details []string) {
	isDefault := g.Name == "default"
	switch {
	case isDefault && len(g.Rules) > 0:
		notes = append(notes, fmt.Sprintf("the default group of its VPC has %s: whatever is started without a group gets them", text.Plural(len(g.Rules), "rule")))
	case isDefault: // as it should be, and it cannot be deleted
	case u.Known && u.Attached == 0 && !u.Referenced:
		notes = append(notes, "nothing uses it: no network interface, and no rule of another group (launch templates and the like are not seen)")
	}
	if strings.HasPrefix(g.Name, "launch-wizard-") {
		notes = append(notes, "the console's launch wizard made it")
	}
	notes = append(notes, overQuota(g)...)
	bare := 0
	for i := range g.Rules {
		if g.Rules[i].Description == "" {
			bare++
		}
	}
	if bare > 0 {
		details = append(details, fmt.Sprintf("%d of %s without a description", bare, text.Plural(len(g.Rules), "rule")))
	}
	return notes, details
}

// overQuota notes the directions and families in which a group holds nearly as many rules
// as EC2 allows by default, or more. A rule for a group or prefix list counts in both
// address families. A rule for a prefix list counts as its maximum number of entries,
// which is unknown here.
func overQuota(g *secgroup.Group) []string {
	var out []string
	for _, direction := range []secgroup.Direction{secgroup.Ingress, secgroup.Egress} {
		four, six := 0, 0
		for i := range g.Rules {
			p := &g.Rules[i].Permission
			if p.Direction != direction {
				continue
			}
			is4, is6 := true, true
			if p.Peer.Kind() == secgroup.CIDRPeerKind {
				is4 = p.Peer.CIDR().Addr().Is4()
				is6 = !is4
			}
			if is4 {
				four++
			}
			if is6 {
				six++
			}
		}
		for _, family := range []struct {
			name  string
			count int
		}{{"IPv4", four}, {"IPv6", six}} {
			if family.count >= nearQuota {
				out = append(out, fmt.Sprintf("%d %s rules for %s: EC2 allows %d, unless the account was given more", family.count, direction, family.name, rulesQuota))
			}
		}
	}
	return out
}

// References returns the ids of the groups that rules of other groups reference.
func References(groups []secgroup.Group) map[string]bool {
	out := map[string]bool{}
	for _, g := range groups {
		for i := range g.Rules {
			if id, _ := g.Rules[i].Permission.Peer.Group(); id != "" && id != g.ID {
				out[id] = true
			}
		}
	}
	return out
}
