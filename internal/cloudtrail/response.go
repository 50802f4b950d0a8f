package cloudtrail

import "sgward/internal/secgroup"

// response is the responseElements of an Authorize call: the rules that EC2 stored.
type response struct {
	refused bool   // _return is false
	groupID string // for items that name none
	rules   []secgroup.Rule
}

// read reads the response of an Authorize call. Its rules are empty for records made
// before mid-2021, which have no securityGroupRuleSet, and for a response that was too
// large.
func (a *response) read(r *reader, direction secgroup.Direction) {
	if omitted := a.members(r, "securityGroupRuleSet", direction, nil); omitted {
		a.rules = nil
	}
}

// members reads the members that both calls' responses have, with the rules in the list
// of the given name. other, unless nil, reads a member or returns false. omitted reports a
// response that was too large and so is incomplete.
func (a *response) members(r *reader, rules string, direction secgroup.Direction, other func(key []byte) bool) (omitted bool) {
	r.object(func(key []byte) bool {
		switch string(key) {
		case "_return":
			a.refused = r.refused()
		case "omitted":
			omitted, _ = r.boolean()
		case rules:
			r.list(func() { a.item(r, direction) })
		default:
			return other != nil && other(key)
		}
		return true
	})
	return omitted
}

// item reads one item of securityGroupRuleSet, or of the revokedSecurityGroupRuleSet of a
// Revoke call, which has a shorter form for a referenced group.
func (a *response) item(r *reader, direction secgroup.Direction) {
	var (
		rule, first secgroup.Rule
		g           grant
		peer        secgroup.Peer
		peers       int
	)
	if len(a.rules) > 0 {
		first = a.rules[0]
	}
	named := func(p secgroup.Peer) {
		if p.Kind() != secgroup.NoPeer {
			peer = p
			peers++
		}
	}
	r.object(func(key []byte) bool {
		switch string(key) {
		case "securityGroupRuleId":
			rule.ID = r.text()
		case "groupId":
			rule.GroupID = r.textAs(first.GroupID)
		case "groupOwnerId":
			rule.OwnerID = r.textAs(first.OwnerID)
		case "isEgress":
			if egress, ok := r.boolean(); ok && egress != (direction == secgroup.Egress) {
				r.fail("contradicts eventName, which is of " + direction.String() + " rules")
			}
		case "ipProtocol":
			g.protocol = r.protocol(false)
		case "fromPort":
			g.from, g.hasFrom = r.port(false)
		case "toPort":
			g.to, g.hasTo = r.port(false)
		case "cidrIpv4":
			named(r.rangePeer(4))
		case "cidrIpv6":
			named(r.rangePeer(6))
		case "prefixListId":
			named(secgroup.PrefixListPeer(r.text()))
		case "referencedGroupInfo":
			named(r.referencedGroup())
		case "referencedGroupId":
			named(secgroup.GroupPeer(r.text(), ""))
		case "description":
			rule.Description = r.text()
		case "tags", "tagSet":
			rule.Tags = r.tags(rule.Tags)
		default:
			return false
		}
		return true
	})
	if rule.GroupID == "" {
		rule.GroupID = a.groupID
	}
	switch {
	case r.failed:
		return
	case peers != 1:
		r.fail("want one of cidrIpv4, cidrIpv6, prefixListId and referencedGroupInfo, found " + count(peers))
	case rule.GroupID == "":
		r.failAt("groupId", "is missing")
	case len(a.rules) > 0 && first.GroupID != rule.GroupID:
		r.failAt("groupId", "is another group than that of the first item: a call makes rules in one group")
	}
	rule.Permission = r.permission(direction, &g, peer)
	a.rules = append(a.rules, rule)
}

// referencedGroup reads a referencedGroupInfo; null and {} give no peer.
func (r *reader) referencedGroup() secgroup.Peer {
	if r.null() {
		return secgroup.Peer{}
	}
	var id, owner string
	empty := true
	r.object(func(key []byte) bool {
		empty = false
		switch string(key) {
		case "groupId":
			id = r.text()
		case "userId":
			owner = r.text()
		default:
			return false
		}
		return true
	})
	if id == "" && !empty {
		r.failAt("groupId", "is missing")
	}
	return secgroup.GroupPeer(id, owner)
}

// tags reads tags, which records hold as a plain list ("tags") and as one with items
// ("tagSet"), and appends them.
func (r *reader) tags(tags []secgroup.Tag) []secgroup.Tag {
	tag := func() {
		var t secgroup.Tag
		r.object(func(key []byte) bool {
			switch string(key) {
			case "key":
				t.Key = r.text()
			case "value":
				t.Value = r.text()
			default:
				return false
			}
			return true
		})
		tags = append(tags, t)
	}
	if r.kind() == '[' {
		r.array(tag)
	} else {
		r.list(tag)
	}
	return tags
}

func count(n int) string {
	if n == 0 {
		return "none"
	}
	return "several"
}
