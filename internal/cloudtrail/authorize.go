package cloudtrail

import (
	"strings"

	"sgward/internal/secgroup"
)

// authorize reads an Authorize call. EC2's response is canonical and takes precedence;
// records made before mid-2021, and those that were too large, lack it.
func (d *decoder) authorize(c *Call, direction secgroup.Direction) (skipped string) {
	var answer response
	d.value(d.record.response, "responseElements", func(r *reader) { answer.read(r, direction) })
	if answer.refused {
		return answeredFalse
	}
	asked := request{namesOnly: len(answer.rules) > 0}
	d.value(d.record.request, "requestParameters", func(r *reader) { asked.read(r, direction) })
	c.Group = asked.group
	switch {
	case len(answer.rules) > 0:
		c.Group.ID, c.Rules, c.From = answer.rules[0].GroupID, answer.rules, RulesFromResponse
		c.Incomplete = asked.count > len(answer.rules)
	case len(asked.rules) > 0:
		c.Rules, c.From = asked.rules, RulesFromRequest
		d.mustName(c.Group)
	}
	return ""
}

const answeredFalse = "the call failed: EC2 answered false"

// mustName fails if the request names no group.
func (d *decoder) mustName(g secgroup.Group) {
	if g.String() == "" {
		d.fail("requestParameters.groupId", "is missing, and so is groupName")
	}
}

// request is the requestParameters of an Authorize or Revoke call, as the caller typed
// them.
type request struct {
	// namesOnly skips the rules, which the response has. count is then the number of
	// requested rules, as far as it can be read.
	namesOnly bool
	count     int

	group secgroup.Group
	rules []secgroup.Rule
	ids   []string // rules that a Revoke call names by id
}

// read reads the request in its nested form (ipPermissions), its flat form (the members of
// one permission, beside an empty ipPermissions), and both together.
func (q *request) read(r *reader, direction secgroup.Direction) {
	var (
		nested, flat            grant
		omitted                 bool
		sourceName, sourceOwner string
	)
	r.object(func(key []byte) bool {
		switch string(key) {
		case "groupId":
			q.group.ID = cut(r.text(), mostName)
			return true
		case "groupName":
			q.group.Name = cut(r.text(), mostName)
			return true
		case "omitted":
			omitted, _ = r.boolean()
			return true
		}
		if q.namesOnly {
			return q.countMember(r, string(key))
		}
		switch string(key) {
		case "ipPermissions":
			r.list(func() {
				nested.reset()
				nested.read(r)
				q.rules = nested.appendRules(r, q.rules, direction)
			})
		case "ipProtocol":
			flat.protocol = r.protocol(false)
		case "fromPort":
			flat.from, flat.hasFrom = r.port(false)
		case "toPort":
			flat.to, flat.hasTo = r.port(false)
		case "cidrIp":
			if peer := r.rangePeer(4); peer.Kind() != secgroup.NoPeer {
				flat.sources = append(flat.sources, source{peer: peer})
			}
		case "sourceSecurityGroupName":
			sourceName = r.text()
		case "sourceSecurityGroupOwnerId":
			sourceOwner = r.text()
		case "securityGroupRuleIds":
			q.ids = r.ruleIDs()
		default:
			return false
		}
		return true
	})
	if sourceName != "" {
		peer := secgroup.GroupPeer(sourceName, sourceOwner)
		if flat.silent() && len(flat.sources) == 0 {
			q.rules = appendWholeGroup(r, q.rules, direction, peer)
		} else {
			flat.sources = append(flat.sources, source{peer: peer})
		}
	}
	q.rules = flat.appendRules(r, q.rules, direction)
	if omitted {
		*q = request{group: q.group} // a request that was too large is incomplete
	}
	for i := range q.rules {
		q.rules[i].GroupID = q.group.ID
	}
}

// countMember adds the number of rules that a member of the request asks for to q.count.
// Unknown spellings count nothing: EC2's response has the result.
func (q *request) countMember(r *reader, key string) bool {
	switch key {
	case "cidrIp", "sourceSecurityGroupName":
		if bestEffort(r.raw()) != "" {
			q.count++
		}
	case "ipPermissions":
		r.items(func() { q.countSources(r) })
	default:
		return false
	}
	return true
}

// countSources adds the sources of an item of ipPermissions, each of which is a rule.
func (q *request) countSources(r *reader) {
	if r.kind() != '{' {
		r.value()
		return
	}
	r.object(func(key []byte) bool {
		switch string(key) {
		case "groups", "ipRanges", "ipv6Ranges", "prefixListIds":
			r.items(func() {
				r.value()
				q.count++
			})
			return true
		}
		return false
	})
}

// appendWholeGroup appends the rules of a flat form that names a source group alone: full
// ICMP, UDP and TCP access
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AuthorizeSecurityGroupIngress.html).
func appendWholeGroup(r *reader, rules []secgroup.Rule, direction secgroup.Direction, peer secgroup.Peer) []secgroup.Rule {
	for _, p := range []secgroup.Protocol{secgroup.ICMPv4, secgroup.UDP, secgroup.TCP} {
		whole := grant{protocol: p, sources: []source{{peer: peer}}}
		rules = whole.appendRules(r, rules, direction)
	}
	return rules
}

// grant is a permission as requests hold it: one protocol and its ports for any number of
// sources.
type grant struct {
	protocol       secgroup.Protocol // "" if absent
	from, to       int
	hasFrom, hasTo bool
	sources        []source
	wrapped        bool // of a wrapped call: in a wrappedRule, with names in PascalCase
}

// silent reports whether the grant names neither protocol nor ports.
func (g *grant) silent() bool { return g.protocol == "" && !g.hasFrom && !g.hasTo }

// source is one peer of a grant.
type source struct {
	peer        secgroup.Peer
	description string
}

func (g *grant) reset() { *g = grant{sources: g.sources[:0]} }

// read reads one item of ipPermissions.
func (g *grant) read(r *reader) {
	r.object(func(key []byte) bool {
		switch string(key) {
		case "ipProtocol":
			g.protocol = r.protocol(false)
		case "fromPort":
			g.from, g.hasFrom = r.port(false)
		case "toPort":
			g.to, g.hasTo = r.port(false)
		case "groups":
			r.list(func() { g.sources = append(g.sources, r.groupSource()) })
		case "ipRanges":
			r.list(func() { g.sources = append(g.sources, r.rangeSource("cidrIp", 4)) })
		case "ipv6Ranges":
			r.list(func() { g.sources = append(g.sources, r.rangeSource("cidrIpv6", 6)) })
		case "prefixListIds":
			r.list(func() { g.sources = append(g.sources, r.prefixListSource()) })
		default:
			return false
		}
		return true
	})
}

// appendRules appends one rule for each source. A grant without sources opens nothing.
func (g *grant) appendRules(r *reader, rules []secgroup.Rule, direction secgroup.Direction) []secgroup.Rule {
	for _, s := range g.sources {
		rules = append(rules, secgroup.Rule{
			Permission:  r.permission(direction, g, s.peer),
			Description: s.description,
		})
		if r.failed {
			return nil
		}
	}
	return rules
}

// permission builds the permission of a grant for one peer, and fails at the member that
// is wrong.
func (r *reader) permission(direction secgroup.Direction, g *grant, peer secgroup.Peer) secgroup.Permission {
	if g.protocol == "" {
		r.failAt(g.member("ipProtocol"), "is missing")
	}
	if r.failed {
		return secgroup.Permission{}
	}
	var from, to *int
	if g.hasFrom {
		from = &g.from
	}
	if g.hasTo {
		to = &g.to
	}
	p, err := secgroup.NewPermission(direction, g.protocol, from, to, peer)
	if err == nil {
		return p
	}
	switch { // blame the member at fault, if there is one
	case from == nil && to != nil:
		r.failAt(g.member("fromPort"), err.Error())
	case from != nil && to == nil:
		r.failAt(g.member("toPort"), err.Error())
	default:
		r.failAt(g.member(""), err.Error())
	}
	return secgroup.Permission{}
}

// member returns the path of a member of the grant, below the last value read.
func (g *grant) member(name string) string {
	if !g.wrapped {
		return name
	}
	if name != "" {
		name = strings.ToUpper(name[:1]) + name[1:]
	}
	return join(wrappedRule, name)
}

// groupSource reads an item of groups. A group named by name only (default VPCs, long ago)
// gives a GroupPeer with that name: it has no address, so it is never the world, and no
// name can begin with "sg-".
func (r *reader) groupSource() source {
	var id, name, owner, description string
	r.object(func(key []byte) bool {
		switch string(key) {
		case "groupId":
			id = r.text()
		case "groupName":
			name = r.text()
		case "userId":
			owner = r.text()
		case "description":
			description = r.text()
		default:
			return false
		}
		return true
	})
	if id == "" {
		id = name
	}
	if id == "" {
		r.failAt("groupId", "is missing, and so is groupName")
	}
	return source{secgroup.GroupPeer(id, owner), description}
}

// rangeSource reads an item of ipRanges or ipv6Ranges.
func (r *reader) rangeSource(member string, family int) source {
	return r.oneSource(member, func() secgroup.Peer { return r.rangePeer(family) })
}

// prefixListSource reads an item of prefixListIds.
func (r *reader) prefixListSource() source {
	return r.oneSource("prefixListId", func() secgroup.Peer { return secgroup.PrefixListPeer(r.text()) })
}

// oneSource reads an item whose peer is one member.
func (r *reader) oneSource(member string, peer func() secgroup.Peer) (s source) {
	r.object(func(key []byte) bool {
		switch string(key) {
		case member:
			s.peer = peer()
		case "description":
			s.description = r.text()
		default:
			return false
		}
		return true
	})
	if s.peer.Kind() == secgroup.NoPeer {
		r.failAt(member, "is missing")
	}
	return s
}

// rangePeer reads an address range of IP version 4 or 6; null gives no peer. Host bits are
// cleared, as EC2 does.
func (r *reader) rangePeer(family int) secgroup.Peer {
	if r.null() {
		return secgroup.Peer{}
	}
	cidr := r.text()
	if r.failed {
		return secgroup.Peer{}
	}
	peer, err := secgroup.ParseCIDRPeer(cidr)
	if err != nil || peer.CIDR().Addr().Is4() != (family == 4) {
		want := "an IPv4 range such as 203.0.113.0/24"
		if family == 6 {
			want = "an IPv6 range such as 2001:db8::/32"
		}
		r.fail("want " + want + ", found " + quote(cidr))
		return secgroup.Peer{}
	}
	return peer
}

// protocol reads a protocol, "" for null. In the wrapped calls it may be a number.
func (r *reader) protocol(wrapped bool) secgroup.Protocol {
	var s string
	if wrapped {
		s = r.textOrNumber()
	} else {
		s = r.text()
	}
	if r.failed || s == "" {
		return ""
	}
	p, err := secgroup.ParseProtocol(s)
	if err != nil {
		r.fail("want tcp, udp, icmp, icmpv6, -1 or a number from 0 to 255, found " + quote(s))
	}
	return p
}
