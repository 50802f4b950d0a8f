package cloudtrail

import "sgward/internal/secgroup"

// wrappedRule is the member of an edit that holds the rule's new values.
const wrappedRule = "SecurityGroupRule"

// modify reads ModifySecurityGroupRules. The record is made from the XML of the call:
// names are PascalCase, a list of one is the element itself, and numbers may be strings.
// It holds neither a rule's direction nor its old values.
func (d *decoder) modify(c *Call, _ secgroup.Direction) (skipped string) {
	refused := false
	d.value(d.record.response, "responseElements", func(r *reader) {
		r.member("ModifySecurityGroupRulesResponse", func() {
			r.member("return", func() { refused = r.refused() })
		})
	})
	if refused {
		return answeredFalse
	}
	var asked edit
	omitted := d.wrapped("ModifySecurityGroupRulesRequest", false, asked.read)
	c.Group.ID = asked.groupID
	switch {
	case omitted:
	case len(asked.rules) > 0:
		c.Rules, c.From = asked.rules, RulesFromRequest
		if c.Group.ID == "" {
			d.fail("requestParameters.ModifySecurityGroupRulesRequest.GroupId", "is missing")
		}
	case asked.described:
		return "only descriptions were edited"
	}
	return ""
}

// wrapped reads the parameters of a call whose record wraps them in the name of the
// request, and reports whether the record leaves them out. If must is set, an empty object
// is malformed.
func (d *decoder) wrapped(name string, must bool, read func(*reader)) (omitted bool) {
	found, empty := false, !must
	d.value(d.record.request, "requestParameters", func(r *reader) {
		r.object(func(key []byte) bool {
			empty = false
			switch string(key) {
			case name:
				if found = !r.null(); found {
					read(r)
				}
			case "omitted":
				omitted, _ = r.boolean()
			default:
				return false
			}
			return true
		})
		if !found && !omitted && !empty {
			r.failAt(name, "is missing")
		}
	})
	return omitted
}

// edit is the ModifySecurityGroupRulesRequest.
type edit struct {
	groupID   string
	described bool // at least one rule got a new description and nothing else
	rules     []secgroup.Rule
}

func (e *edit) read(r *reader) {
	r.object(func(key []byte) bool {
		switch string(key) {
		case "GroupId":
			e.groupID = cut(r.text(), mostName)
		case "SecurityGroupRule":
			e.list(r)
		default:
			return false
		}
		return true
	})
	for i := range e.rules {
		e.rules[i].GroupID = e.groupID
	}
}

// list reads the edited rules: an object for one, a list for several, or a list
// in CloudTrail's usual spelling.
func (e *edit) list(r *reader) {
	switch {
	case r.null():
	case r.kind() == '[':
		r.array(func() { e.item(r, false) })
	case r.kind() == '{':
		e.item(r, true)
	default:
		r.mismatch("an object or a list of objects")
	}
}

// item reads one edited rule. If it may stand for a list, an object with items is that
// list and an empty one is an empty list.
func (e *edit) item(r *reader, mayBeList bool) {
	var (
		id      string
		inner   editedRule
		isList  bool
		nothing = true
	)
	r.object(func(key []byte) bool {
		nothing = false
		switch string(key) {
		case "SecurityGroupRuleId":
			id = r.text()
		case wrappedRule:
			inner.read(r)
		case "items":
			if !mayBeList {
				return false
			}
			isList = true
			if !r.null() {
				r.array(func() { e.item(r, false) })
			}
		default:
			return false
		}
		return true
	})
	if r.failed || isList || mayBeList && nothing {
		return
	}
	if id == "" {
		r.failAt("SecurityGroupRuleId", "is missing")
		return
	}
	e.add(r, id, &inner)
}

// add keeps the edit of one rule.
func (e *edit) add(r *reader, id string, inner *editedRule) {
	inner.grant.wrapped = true
	silent := inner.grant.silent()
	switch {
	case inner.peers == 0 && silent && inner.described:
		e.described = true
		return
	case inner.peers == 0 && silent:
		r.failAt(wrappedRule, "says nothing of what the rule is to be")
	case inner.peers != 1:
		r.failAt(wrappedRule, "want one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId, found "+count(inner.peers))
	}
	permission := r.permission(0, &inner.grant, inner.peer)
	if r.failed {
		return
	}
	e.rules = append(e.rules, secgroup.Rule{ID: id, Permission: permission, Description: inner.description})
}

// editedRule holds the new values of a rule.
type editedRule struct {
	grant       grant
	peer        secgroup.Peer
	peers       int
	description string
	described   bool
}

func (e *editedRule) read(r *reader) {
	if r.null() {
		return
	}
	named := func(p secgroup.Peer) {
		if p.Kind() != secgroup.NoPeer {
			e.peer = p
			e.peers++
		}
	}
	r.object(func(key []byte) bool {
		switch string(key) {
		case "IpProtocol":
			e.grant.protocol = r.protocol(true)
		case "FromPort":
			e.grant.from, e.grant.hasFrom = r.port(true)
		case "ToPort":
			e.grant.to, e.grant.hasTo = r.port(true)
		case "CidrIpv4":
			named(r.rangePeer(4))
		case "CidrIpv6":
			named(r.rangePeer(6))
		case "PrefixListId":
			named(secgroup.PrefixListPeer(r.text()))
		case "ReferencedGroupId":
			named(secgroup.GroupPeer(r.text(), ""))
		case "Description":
			if e.described = !r.null(); e.described {
				e.description = r.textOrNumber()
			}
		default:
			return false
		}
		return true
	})
}
