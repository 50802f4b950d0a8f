package remediation

import (
	"errors"
	"slices"

	"sgward/internal/ec2rules"
	"sgward/internal/secgroup"
)

// Opening is a rule to close. Its Permission was judged; the rule's id, description and
// tags are not used to close it.
type Opening struct {
	Rule secgroup.Rule
	// EventID is the CloudTrail event that made it, for the log. Empty if there is none.
	EventID string
	// Retried is set if an earlier try may have closed it.
	Retried bool
	// Late is set if its event is so old that a read which does not show the rule proves
	// that it is gone.
	Late bool
}

// check reports a missing part that closing needs.
func (o Opening) check() error {
	switch p := o.Rule.Permission; {
	case o.Rule.GroupID == "":
		return errors.New("closing rule: its group is unknown")
	case p.Direction != secgroup.Ingress && p.Direction != secgroup.Egress:
		return errors.New("closing rule: its direction is unknown")
	case p.Protocol == "" || p.Peer.Kind() == secgroup.NoPeer:
		return errors.New("closing rule: its protocol or peer is unknown")
	default:
		return nil
	}
}

// Plan is a list of calls to EC2 that close some openings.
type Plan struct{ Calls []Call }

// Call is one revoke call: rules of one group in one direction, no two of them
// with equal permissions.
type Call struct {
	GroupID   string
	Direction secgroup.Direction
	Rules     []secgroup.Rule
	EventIDs  []string // of the openings behind Rules, without repeats
	// Retried and Late are set if they are for all openings behind Rules.
	Retried, Late bool
}

// NewPlan gathers openings into as few calls as EC2's API allows: one for each group and
// direction, of at most 500 rules. Openings with equal permissions are one rule. Calls and
// rules keep the order of the openings. An opening with an unknown group, direction,
// protocol or peer is left out.
func NewPlan(openings []Opening) Plan {
	type place struct {
		groupID   string
		direction secgroup.Direction
	}
	type spot struct {
		place
		permission secgroup.Permission
	}
	var plan Plan
	last := map[place]int{}   // the call that is being filled
	planned := map[spot]int{} // the call that holds a permission
	for _, o := range openings {
		if o.check() != nil {
			continue
		}
		at := place{o.Rule.GroupID, o.Rule.Permission.Direction}
		i, known := planned[spot{at, o.Rule.Permission.Identity()}]
		if !known {
			if i, known = last[at]; !known || len(plan.Calls[i].Rules) == ec2rules.MaxRulesPerCall {
				i = len(plan.Calls)
				plan.Calls = append(plan.Calls, Call{GroupID: at.groupID, Direction: at.direction, Retried: true, Late: true})
				last[at] = i
			}
			plan.Calls[i].Rules = append(plan.Calls[i].Rules, o.Rule)
			planned[spot{at, o.Rule.Permission.Identity()}] = i
		}
		call := &plan.Calls[i]
		call.Retried, call.Late = call.Retried && o.Retried, call.Late && o.Late
		if o.EventID != "" && !slices.Contains(call.EventIDs, o.EventID) {
			call.EventIDs = append(call.EventIDs, o.EventID)
		}
	}
	return plan
}
