package cloudtrail

import (
	"slices"

	"sgward/internal/secgroup"
)

// The calls that close rules. ModifySecurityGroupRules does so too, where it edits a
// rule away: ParseRecord reads it.
const (
	revokeIngress = "RevokeSecurityGroupIngress"
	revokeEgress  = "RevokeSecurityGroupEgress"
	deleteGroup   = "DeleteSecurityGroup"
)

// Closings lists the calls that ParseClosing reads.
func Closings() []string { return []string{revokeIngress, revokeEgress, deleteGroup} }

// Closing is what one successful call closed in one group. It is Skipped where the
// call closed nothing.
type Closing struct {
	Record

	// GroupID is empty where the record names the group by GroupName only, or not at
	// all.
	GroupID   string
	GroupName string
	// Whole is set where the group itself is gone, and so every rule of it. Rules is
	// then empty.
	Whole bool
	// RulesFrom says where Rules come from: of RulesFromResponse EC2 says that they
	// are gone; of RulesFromRequest the caller asked for it, and EC2 named none of
	// them as unknown. RulesUnknown without Whole means that some of the group's rules
	// are gone, and that the record does not tell which.
	RulesFrom RulesFrom
	// Rules have the Direction of the call. One that was asked for by its id alone
	// has that, and nothing else of its Permission: no Protocol, no Peer.
	Rules []secgroup.Rule
}

// Group returns the id of the group, else its name, else "".
func (c Closing) Group() string {
	if c.GroupID != "" {
		return c.GroupID
	}
	return c.GroupName
}

// ParseClosing reads a bare CloudTrail record of RevokeSecurityGroupIngress,
// RevokeSecurityGroupEgress or DeleteSecurityGroup. A record of another call, or of
// one that failed, gives a Closing that is Skipped. The error is always a
// *MalformedError.
//
// No record was found that holds revokedSecurityGroupRuleSet or
// unknownIpPermissionSet: they are read as EC2's API describes them
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RevokedSecurityGroupRule.html)
// in the spelling of Authorize calls.
func ParseClosing(data []byte) (Closing, error) {
	var rec record
	if err := openRecord(data, &rec); err != nil {
		return Closing{}, err
	}
	return (&decoder{}).closing(rec)
}

// ParseClosingEvent reads like ParseClosing an EventBridge event around the record.
func ParseClosingEvent(event []byte) (Closing, error) {
	var rec record
	d, skipped, err := openEvent(event, &rec)
	if err != nil || skipped.Skipped != "" {
		return Closing{Record: skipped}, err
	}
	return d.closing(rec)
}

func (d *decoder) closing(rec record) (Closing, error) {
	head, caller := d.head(rec, Closings()...)
	c := Closing{Record: head}
	if c.Skipped != "" {
		return c, nil
	}
	direction := secgroup.Ingress
	if c.EventName == revokeEgress {
		direction = secgroup.Egress
	}
	asked := request{namesOnly: c.EventName == deleteGroup}
	d.value(rec.request, "requestParameters", func(r *reader) { asked.read(r, direction) })
	c.GroupID, c.GroupName = asked.groupID, asked.groupName
	var answer revoked
	answer.groupID = asked.groupID
	d.value(rec.response, "responseElements", func(r *reader) { answer.read(r, direction) })
	if d.err == nil && answer.refused {
		return Closing{Record: d.skip(rec, "the call failed: EC2 answered false")}, nil
	}
	owner := ""
	switch {
	case c.EventName == deleteGroup:
		c.Whole = true
		if c.Group() == "" {
			d.fail("requestParameters.groupId", "is missing, and so is groupName")
		}
	case len(answer.rules) > 0:
		c.Rules, c.RulesFrom = answer.rules, RulesFromResponse
		c.GroupID, owner = answer.rules[0].GroupID, answer.rules[0].OwnerID
	case len(asked.rules)+len(asked.ids) > 0:
		c.Rules, c.RulesFrom = answer.known(asked, direction), RulesFromRequest
		if c.Group() == "" && len(asked.ids) == 0 {
			d.fail("requestParameters.groupId", "is missing, and so is groupName")
		}
	}
	if err := d.finish(rec, &c.Record, owner, caller); err != nil {
		return Closing{}, err
	}
	if c.RulesFrom == RulesFromRequest && len(c.Rules) == 0 {
		return Closing{Record: d.skip(rec, "the group held none of the rules")}, nil
	}
	return c, nil
}

// revoked is the responseElements of a Revoke call.
type revoked struct {
	response
	// unknown are rules that were asked for and that the group did not hold. A default
	// VPC's groups answer so; others refuse the call.
	unknown []secgroup.Permission
}

func (a *revoked) read(r *reader, direction secgroup.Direction) {
	var omitted bool
	r.object(func(key []byte) bool {
		switch string(key) {
		case "_return":
			ok, given := r.boolean()
			a.refused = given && !ok
		case "omitted":
			omitted, _ = r.boolean()
		case "revokedSecurityGroupRuleSet":
			r.list(func() { a.item(r, direction) })
		case "unknownIpPermissionSet":
			var g grant
			r.list(func() {
				g.reset()
				g.read(r)
				for _, rule := range g.appendRules(r, nil, direction) {
					a.unknown = append(a.unknown, rule.Permission.Identity())
				}
			})
		default:
			return false
		}
		return true
	})
	if omitted { // what is left of a response that was too large is not all of it
		a.rules, a.unknown = nil, nil
	}
}

// known returns what was asked for without what EC2 names as unknown.
func (a *revoked) known(asked request, direction secgroup.Direction) []secgroup.Rule {
	rules := slices.DeleteFunc(asked.rules, func(r secgroup.Rule) bool { return slices.Contains(a.unknown, r.Permission.Identity()) })
	for _, id := range asked.ids {
		rules = append(rules, secgroup.Rule{ID: id, GroupID: asked.groupID, Permission: secgroup.Permission{Direction: direction}})
	}
	return rules
}

// ruleIDs reads the ids by which a Revoke call names rules.
func (r *reader) ruleIDs() (ids []string) {
	r.list(func() {
		id := ""
		r.object(func(key []byte) bool {
			if string(key) != "securityGroupRuleId" {
				return false
			}
			id = r.text()
			return true
		})
		if id == "" {
			r.failAt("securityGroupRuleId", "is missing")
		}
		ids = append(ids, id)
	})
	return ids
}
