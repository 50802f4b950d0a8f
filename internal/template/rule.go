package template

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"sgward/internal/cloudformation"
	"sgward/internal/planned"
	"sgward/internal/secgroup"
)

// everythingOut is EC2's egress rule of a group for which the template sets none.
func (s *stack) everythingOut(res *cloudformation.Resource, address string) planned.Rule {
	r := planned.Rule{
		Rule:     secgroup.Rule{GroupID: address, Permission: secgroup.Permission{Direction: secgroup.Egress, Protocol: secgroup.AllProtocols, Peer: secgroup.CIDRPeer(netip.MustParsePrefix("0.0.0.0/0"))}},
		Location: s.at(res.Line, res.LogicalID), Uncertain: res.Uncertain != "",
		Remark: "the template sets no SecurityGroupEgress: EC2 then lets everything out",
	}
	if s.options.alone {
		r.Uncertain = true
		r.Remark = "the group sets no SecurityGroupEgress: EC2 then lets everything out, unless an AWS::EC2::SecurityGroupEgress of the stack takes the place of that rule"
	}
	return r
}

// unknownRule is a rule of which nothing is known but its direction.
func unknownRule(d secgroup.Direction, at planned.Location, why string) planned.Rule {
	return planned.Rule{
		Rule:     secgroup.Rule{Permission: secgroup.Permission{Direction: d, Protocol: secgroup.AllProtocols, Peer: secgroup.UnknownPeer("not known")}},
		Location: at, Unknown: []string{why}, Uncertain: true,
	}
}

// inline reads the rules in a group: a list of them, or one. What may be there only
// conditionally is uncertain, for the reason given. A list within a list counts as its rules.
func (s *stack) inline(res *cloudformation.Resource, node *yaml.Node, key string, d secgroup.Direction, uncertain string) []planned.Rule {
	var out []planned.Rule
	for _, b := range s.Branches(node) {
		if s.isNothing(b.Node) {
			continue
		}
		at, uncertain := s.at(b.Node.Line, res.LogicalID), cmp.Or(b.Uncertain, uncertain)
		items := cloudformation.Items(b.Node)
		switch {
		case items != nil:
			for _, item := range items {
				out = append(out, s.inline(res, item, key, d, uncertain)...)
			}
		case isFunction(b.Node) || cloudformation.Child(b.Node, "Fn::Transform") != nil:
			out = append(out, unknownRule(d, at, s.whyUnknown(b.Node, key)))
		case b.Node.Kind == yaml.MappingNode:
			out = append(out, s.rule(b.Node, d, at, uncertain)...)
		default:
			if _, _, why := s.known(b.Node); why != "" {
				out = append(out, unknownRule(d, at, why))
				continue
			}
			s.problem(at, "%s: want a list of rules, found %.40q; it was not judged", key, b.Node.Value)
		}
	}
	return out
}

// isFunction reports whether a mapping is a function, and no mapping of properties.
func isFunction(node *yaml.Node) bool {
	if strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!") {
		return true
	}
	return len(node.Content) == 2 && (node.Content[0].Value == "Ref" || strings.HasPrefix(node.Content[0].Value, "Fn::"))
}

// isNothing reports whether a node is missing, null or AWS::NoValue.
func (s *stack) isNothing(node *yaml.Node) bool {
	if node == nil || node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return true
	}
	if node.Kind != yaml.ScalarNode && !isFunction(node) {
		return false
	}
	v, err := s.Value(node)
	_, nothing := v.(cloudformation.NoValue)
	return err == nil && nothing
}

// whyUnknown says why a node that should hold rules does not.
func (s *stack) whyUnknown(node *yaml.Node, key string) string {
	v, err := s.Value(node)
	if err != nil {
		return err.Error()
	}
	if u, ok := v.(cloudformation.Unknown); ok {
		return u.Why
	}
	return fmt.Sprintf("line %d: %s is made by a function, whose rules are not read", node.Line, key)
}

// number reads a port.
func (s *stack) number(node *yaml.Node) (n *int, why string, err error) {
	text, set, why, err := s.one(node)
	if !set || why != "" || err != nil {
		return nil, why, err
	}
	v, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return nil, "", fmt.Errorf("%q is not a number", text)
	}
	return &v, "", nil
}

// rule reads the properties of a rule. They make one rule, or several that it may be.
func (s *stack) rule(node *yaml.Node, d secgroup.Direction, at planned.Location, uncertain string) []planned.Rule {
	permission, lacks, ok := s.traffic(node, d, at)
	if !ok {
		return nil
	}
	description, _, _ := s.known(cloudformation.Child(node, "Description"))
	if uncertain != "" {
		lacks = append(lacks, uncertain)
	}
	var out []planned.Rule
	s.peers(node, d, at, func(peer secgroup.Peer, why string, either bool) {
		p := permission
		p.Peer = peer
		r := planned.Rule{
			Rule:     secgroup.Rule{Permission: p, Description: description},
			Location: at, Unknown: slices.Clone(lacks), Uncertain: len(lacks) > 0 || either,
		}
		if why != "" {
			r.Unknown = append(r.Unknown, why)
		}
		out = append(out, r)
	})
	if len(out) == 0 {
		s.problem(at, "has no peer: want one of CidrIp, CidrIpv6, %[1]sPrefixListId and %[1]sSecurityGroupId; it was not judged", peerPrefix(d))
	}
	return out
}

// traffic reads the protocol and ports of a rule. lacks lists those that are unknown; ok is
// false if they are wrong, which is a problem then.
func (s *stack) traffic(node *yaml.Node, d secgroup.Direction, at planned.Location) (p secgroup.Permission, lacks []string, ok bool) {
	t := planned.Traffic{Direction: d}
	protocol, set, why, err := s.one(cloudformation.Child(node, "IpProtocol"))
	if err != nil {
		s.problem(at, "IpProtocol: %v; it was not judged", err)
		return p, nil, false
	}
	if t.UnknownProtocol = why; set && why == "" {
		t.Protocol = &protocol
	}
	for _, port := range []struct {
		name string
		to   **int
		why  *string
	}{{"FromPort", &t.FromPort, &t.UnknownFrom}, {"ToPort", &t.ToPort, &t.UnknownTo}} {
		if *port.to, *port.why, err = s.number(cloudformation.Child(node, port.name)); err != nil {
			s.problem(at, "%s: %v; it was not judged", port.name, err)
			return p, nil, false
		}
	}
	p, lacks, field, err := t.Permission()
	if err != nil {
		s.problem(at, "%s: %v; it was not judged", []string{"IpProtocol", "FromPort"}[field], err)
		return p, nil, false
	}
	return p, lacks, true
}

// peers passes each peer of a rule to add, with the reason why it is unknown, if it is, and
// whether it is one of several that the rule may have.
func (s *stack) peers(node *yaml.Node, d secgroup.Direction, at planned.Location, add func(peer secgroup.Peer, why string, either bool)) {
	child := func(name string) *yaml.Node { return cloudformation.Child(node, name) }
	prefix := peerPrefix(d)
	for _, name := range []string{"CidrIp", "CidrIpv6"} {
		s.ranges(child(name), name, at, add)
	}
	if id, set, why, err := s.one(child(prefix + "PrefixListId")); set {
		if err != nil {
			s.problem(at, "%sPrefixListId: %v; it was not judged", prefix, err)
		} else if why != "" {
			add(secgroup.UnknownPeer("a prefix list not known"), why, false)
		} else {
			add(secgroup.PrefixListPeer(id), "", false)
		}
	}
	owner, _, _ := s.known(child(prefix + "SecurityGroupOwnerId"))
	for _, name := range []string{prefix + "SecurityGroupId", prefix + "SecurityGroupName"} {
		if id, set, why := s.known(child(name)); set {
			if why != "" || id == "" {
				id = "(not known)"
			}
			add(secgroup.GroupPeer(id, owner), "", false)
		}
	}
}

// peerPrefix begins the names of the properties of a rule's peer.
func peerPrefix(d secgroup.Direction) string {
	if d == secgroup.Egress {
		return "Destination"
	}
	return "Source"
}

// ranges adds the peers that a CIDR may be.
func (s *stack) ranges(node *yaml.Node, name string, at planned.Location, add func(secgroup.Peer, string, bool)) {
	if node == nil {
		return
	}
	v, err := s.Value(node)
	if err != nil {
		v = cloudformation.Unknown{Why: err.Error()}
	}
	values, why := []any{v}, ""
	if u, ok := v.(cloudformation.Unknown); ok {
		if u.Either == nil {
			add(secgroup.UnknownPeer("not known"), u.Why, false)
			return
		}
		values, why = u.Either, u.Why
	}
	for _, v := range values {
		switch v := v.(type) {
		case cloudformation.NoValue, nil:
			continue
		case []any, map[string]any:
			s.problem(at, "%s: want one CIDR, found a list or an object; it was not judged", name)
			continue
		default:
			peer, err := secgroup.ParseCIDRPeer(strings.TrimSpace(fmt.Sprint(v)))
			if err != nil {
				s.problem(at, "%s: %v; it was not judged", name, err)
				continue
			}
			add(peer, why, why != "")
		}
	}
}

// addRule adds a rule that is a resource of its own.
func (s *stack) addRule(res *cloudformation.Resource, d secgroup.Direction) {
	at := s.at(res.Line, res.LogicalID)
	props := res.Properties
	if props == nil || isFunction(props) || cloudformation.Child(props, "Fn::Transform") != nil {
		s.rules = append(s.rules, pending{rule: unknownRule(d, at, "its properties are made by a macro"), why: "its group is made by a macro"})
		return
	}
	group := cloudformation.Child(props, "GroupId")
	if group == nil || s.isNothing(group) {
		group = cloudformation.Child(props, "GroupName")
	}
	id, set, why := s.known(group)
	if !set {
		s.problem(at, "has no group: want GroupId or GroupName; it was not judged")
		return
	}
	if d == secgroup.Egress && why == "" && res.Uncertain == "" {
		s.withEgress[id] = true
	}
	for _, rule := range s.rule(props, d, at, res.Uncertain) {
		s.rules = append(s.rules, pending{rule, id, why})
	}
}
