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

// revokeCall is one call to EC2 that revokes rules of one group in one direction, no two of
// them with equal permissions.
type revokeCall struct {
	groupID   string
	direction secgroup.Direction
	rules     []secgroup.Rule
	eventIDs  []string // of the openings behind rules, without repeats
	// retried and late are set if they are for all openings behind rules.
	retried, late bool
}

// plan gathers openings into as few calls as EC2's API allows.
//
//   - There is one call for each group and direction, of at most 500 rules.
//   - Openings with equal permissions are one rule.
//   - Calls and rules keep the order of the openings.
//   - An opening with an unknown group, direction, protocol or peer is left out.
func plan(openings []Opening) []revokeCall {
	type place struct {
		groupID   string
		direction secgroup.Direction
	}
	type spot struct {
		place
		permission secgroup.Permission
	}
	var calls []revokeCall
	last := map[place]int{}   // the call that is being filled
	planned := map[spot]int{} // the call that holds a permission
	for _, o := range openings {
		if o.check() != nil {
			continue
		}
		at := place{o.Rule.GroupID, o.Rule.Permission.Direction}
		i, known := planned[spot{at, o.Rule.Permission.Identity()}]
		if !known {
			if i, known = last[at]; !known || len(calls[i].rules) == ec2rules.MaxRulesPerCall {
				i = len(calls)
				calls = append(calls, revokeCall{groupID: at.groupID, direction: at.direction, retried: true, late: true})
				last[at] = i
			}
			calls[i].rules = append(calls[i].rules, o.Rule)
			planned[spot{at, o.Rule.Permission.Identity()}] = i
		}
		call := &calls[i]
		call.retried, call.late = call.retried && o.Retried, call.late && o.Late
		if o.EventID != "" && !slices.Contains(call.eventIDs, o.EventID) {
			call.eventIDs = append(call.eventIDs, o.EventID)
		}
	}
	return calls
}
