// Package template reads CloudFormation and SAM templates and returns the security groups
// that their stacks would have, as if they were made anew.
package template

import (
	"cmp"
	"errors"
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

// Options are the options of Read.
type Options struct {
	// Parameters are the values of the template's parameters. Those that it does not
	// declare are ignored; Used gets the others.
	Parameters map[string]string
	Used       map[string]bool
	// Load returns the template of a nested stack, whose path is relative to the one that
	// holds it, and its name. If nil, nested stacks are unclear.
	Load func(file, path string) (data []byte, name string, err error)

	// alone is set for a resource without its template: what other resources of the stack,
	// and the stack's own tags, add to it is unknown.
	alone bool
}

// mostNested is how deep stacks may be nested.
const mostNested = 10

// Read reads a template. file is its name in locations. The error says why the data is no
// template, or cannot be read.
func Read(data []byte, file string, o Options) (*planned.Change, error) {
	r := &reader{
		options: o, byKey: map[string]*planned.Group{}, withEgress: map[string]bool{},
		change: &planned.Change{Lists: map[string]secgroup.PrefixList{}},
	}
	parameters := map[string]string{}
	s, err := r.stack(data, file, "", cloudformation.Options{Partial: true, Parameters: parameters}, 0)
	if err != nil {
		return nil, err
	}
	s.read()
	if err := s.exhausted(); err != nil {
		return nil, err
	}
	r.finish()
	return r.change, nil
}

// reader reads a template with its nested stacks. Groups and prefix lists are known by
// their address, which is also the value of a reference to them.
type reader struct {
	options    Options
	change     *planned.Change
	groups     []*planned.Group
	byKey      map[string]*planned.Group // by address, id or name
	rules      []pending
	withEgress map[string]bool // addresses of groups with egress rules of their own
	implied    []planned.Rule  // EC2's egress rules of groups without, by GroupID
}

// pending is a rule that waits for its group.
type pending struct {
	rule  planned.Rule
	group any // the value of GroupId or GroupName
	why   string
}

// stack is a template, or a nested one.
type stack struct {
	*reader
	*cloudformation.Template
	file   string
	path   string // of the addresses of its resources: "", or "Network/"
	depth  int
	nested map[string]*stack
}

// stack parses a template and its nested ones.
func (r *reader) stack(data []byte, file, path string, o cloudformation.Options, depth int) (*stack, error) {
	s := &stack{reader: r, file: file, path: path, depth: depth, nested: map[string]*stack{}}
	o.Ref, o.Attribute = s.ref, s.attribute
	if depth == 0 {
		if err := s.choose(data, o.Parameters); err != nil {
			return nil, err
		}
	}
	var err error
	if s.Template, err = cloudformation.Parse(data, o); err != nil {
		return nil, err
	}
	s.unclearTransforms()
	for i := range s.Resources {
		s.nest(&s.Resources[i])
	}
	return s, nil
}

// choose keeps the given parameters that the template declares.
func (s *stack) choose(data []byte, into map[string]string) error {
	declared, err := cloudformation.Declared(data)
	if err != nil {
		return err
	}
	for name, value := range s.options.Parameters {
		if slices.Contains(declared, name) {
			into[name] = value
			s.options.Used[name] = true
		}
	}
	return nil
}

// at returns the location of a line.
func (s *stack) at(line int, id string) planned.Location {
	if s.options.alone { // it has no file
		line = 0
	}
	return planned.Location{File: s.file, Line: line, Address: s.path + id}
}

// problem records a part that cannot be read.
func (s *stack) problem(at planned.Location, format string, args ...any) {
	s.change.Problems = append(s.change.Problems, planned.Problem{Place: at.String(), Text: fmt.Sprintf(format, args...)})
}

// unclear records a resource of which nothing can be known.
func (s *stack) unclear(at planned.Location, format string, args ...any) {
	s.change.Unclear = append(s.change.Unclear, planned.Unclear{Location: at, Text: fmt.Sprintf(format, args...)})
}

// harmless are the transforms that make no security groups of their own accord.
var harmless = []string{"AWS::Serverless-2016-10-31", "AWS::LanguageExtensions", "AWS::CodeDeployBlueGreen", "AWS::SecretsManager-2020-07-23", "AWS::SecretsManager-2024-09-16"}

// unclearTransforms records the macros that may rewrite the template.
func (s *stack) unclearTransforms() {
	node := cloudformation.Child(s.Root, "Transform")
	if node == nil {
		return
	}
	list := cloudformation.Items(node)
	if node.Kind != yaml.SequenceNode {
		list = []*yaml.Node{node}
	}
	for _, item := range list {
		name := item.Value
		if n := cloudformation.Child(item, "Name"); n != nil {
			name = n.Value
		}
		if !slices.Contains(harmless, name) {
			s.unclear(s.at(item.Line, ""), "the macro %s may rewrite the template: check what it makes, or the stack once it exists", name)
		}
	}
}

// unclearKeys records entries under Resources that are not resources.
func (s *stack) unclearKeys() {
	for key, node := range cloudformation.Pairs(cloudformation.Child(s.Root, "Resources")) {
		switch {
		case key == "Fn::Transform":
			name := "a macro"
			if n := cloudformation.Child(node, "Name"); n != nil {
				name = n.Value
			}
			s.unclear(s.at(node.Line, key), "%s adds resources that only AWS knows: check them where they come from", name)
		case strings.HasPrefix(key, "Fn::"):
			s.unclear(s.at(node.Line, key), "%s is a loop over a list that is not known: set its parameter with --parameter-overrides", key)
		}
	}
}

// read adds the groups, lists and rules of a stack and its nested ones.
func (s *stack) read() {
	s.unclearKeys()
	for i := range s.Resources {
		res := &s.Resources[i]
		switch res.Type {
		case "AWS::EC2::SecurityGroup":
			s.addGroup(res)
		case "AWS::EC2::SecurityGroupIngress":
			s.addRule(res, secgroup.Ingress)
		case "AWS::EC2::SecurityGroupEgress":
			s.addRule(res, secgroup.Egress)
		case "AWS::EC2::PrefixList":
			s.addList(res)
		}
		if inner := s.nested[res.LogicalID]; inner != nil {
			inner.read()
		}
	}
}

// exhausted is the error of a stack, or a nested one, that was not evaluated to its end.
func (s *stack) exhausted() error {
	err := s.Exhausted()
	for _, inner := range s.nested {
		if err == nil && inner != nil {
			err = inner.exhausted()
		}
	}
	return err
}

// errNotOne is the error of a property that CloudFormation takes no list or object for.
var errNotOne = errors.New("want one value, found a list or an object")

// one reads a property as text. set is false for one that is missing; why is not "" for an
// unknown one. The error is errNotOne.
func (s *stack) one(node *yaml.Node) (text string, set bool, why string, err error) {
	if node == nil {
		return "", false, "", nil
	}
	v, err := s.Value(node)
	if err != nil {
		v = cloudformation.Unknown{Why: err.Error()}
	}
	switch v := v.(type) {
	case cloudformation.NoValue, nil:
		return "", false, "", nil
	case cloudformation.Unknown:
		return "", true, v.Why, nil
	case map[string]any, []any:
		return "", true, "", errNotOne
	default:
		return fmt.Sprint(v), true, "", nil
	}
}

// known is one for properties that decide nothing by themselves: a list or an object is
// unknown.
func (s *stack) known(node *yaml.Node) (text string, set bool, why string) {
	text, set, why, err := s.one(node)
	if err != nil {
		why = fmt.Sprintf("line %d: %v", node.Line, err)
	}
	return text, set, why
}

// addGroup adds a group with its in-line rules.
func (s *stack) addGroup(res *cloudformation.Resource) {
	address := s.path + res.LogicalID
	g := &planned.Group{Address: address, Created: true, Complete: true}
	g.Name, _, _ = s.known(cloudformation.Child(res.Properties, "GroupName"))
	g.VPCID, _, _ = s.known(cloudformation.Child(res.Properties, "VpcId"))
	g.Description, _, _ = s.known(cloudformation.Child(res.Properties, "GroupDescription"))
	if !strings.HasPrefix(g.VPCID, "vpc-") { // one of the template
		g.VPCID = ""
	}
	g.Tags, g.TagsKnown = s.tags(cloudformation.Child(res.Properties, "Tags"))
	g.TagsKnown = g.TagsKnown && !s.options.alone
	s.groups = append(s.groups, g)
	s.byKey[address] = g
	if g.Name != "" && s.byKey[g.Name] == nil {
		s.byKey[g.Name] = g
	}
	for _, side := range []struct {
		key       string
		direction secgroup.Direction
	}{{"SecurityGroupIngress", secgroup.Ingress}, {"SecurityGroupEgress", secgroup.Egress}} {
		node := cloudformation.Child(res.Properties, side.key)
		rules := s.inline(res, node, side.key, side.direction, res.Uncertain)
		if macro := cloudformation.Child(res.Properties, "Fn::Transform"); macro != nil && node == nil {
			rules = []planned.Rule{unknownRule(side.direction, s.at(macro.Line, res.LogicalID), fmt.Sprintf("line %d: Fn::Transform may add %s", macro.Line, side.key))}
		}
		if side.direction == secgroup.Egress && len(rules) == 0 {
			s.implied = append(s.implied, s.everythingOut(res, address))
		}
		g.Rules = append(g.Rules, rules...)
	}
}

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

// tags reads the tags of a group.
func (s *stack) tags(node *yaml.Node) ([]secgroup.Tag, bool) {
	if node == nil {
		return nil, true
	}
	v, err := s.Value(node)
	list, ok := v.([]any)
	if err != nil || !ok {
		return nil, false
	}
	var out []secgroup.Tag
	for _, e := range list {
		tag, ok := e.(map[string]any)
		if !ok {
			return nil, false
		}
		for _, part := range []any{tag["Key"], tag["Value"]} {
			if _, unknown := part.(cloudformation.Unknown); unknown {
				return nil, false
			}
		}
		out = append(out, secgroup.Tag{Key: fmt.Sprint(tag["Key"]), Value: fmt.Sprint(tag["Value"])})
	}
	return out, true
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
	child := func(name string) *yaml.Node { return cloudformation.Child(node, name) }
	t := planned.Traffic{Direction: d}
	protocol, set, why, err := s.one(child("IpProtocol"))
	if err != nil {
		s.problem(at, "IpProtocol: %v; it was not judged", err)
		return nil
	}
	if t.UnknownProtocol = why; set && why == "" {
		t.Protocol = &protocol
	}
	for _, port := range []struct {
		name string
		to   **int
		why  *string
	}{{"FromPort", &t.FromPort, &t.UnknownFrom}, {"ToPort", &t.ToPort, &t.UnknownTo}} {
		if *port.to, *port.why, err = s.number(child(port.name)); err != nil {
			s.problem(at, "%s: %v; it was not judged", port.name, err)
			return nil
		}
	}
	permission, lacks, field, err := t.Permission()
	if err != nil {
		s.problem(at, "%s: %v; it was not judged", []string{"IpProtocol", "FromPort"}[field], err)
		return nil
	}
	description, _, _ := s.known(child("Description"))
	if uncertain != "" {
		lacks = append(lacks, uncertain)
	}
	prefix := "Source"
	if d == secgroup.Egress {
		prefix = "Destination"
	}
	var out []planned.Rule
	add := func(peer secgroup.Peer, why string, either bool) {
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
	}
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
	if len(out) == 0 {
		s.problem(at, "has no peer: want one of CidrIp, CidrIpv6, %[1]sPrefixListId and %[1]sSecurityGroupId; it was not judged", prefix)
	}
	return out
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

// addList adds a prefix list.
func (s *stack) addList(res *cloudformation.Resource) {
	list := secgroup.PrefixList{OwnerID: secgroup.OwnerSelf, Entries: []netip.Prefix{}}
	key := s.path + res.LogicalID
	v, err := s.Value(cloudformation.Child(res.Properties, "Entries"))
	entries, ok := v.([]any)
	if err != nil || !ok && v != nil || cloudformation.Child(res.Properties, "Fn::Transform") != nil {
		s.change.Lists[key] = secgroup.PrefixList{OwnerID: secgroup.OwnerSelf}
		return
	}
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		c, err := netip.ParsePrefix(fmt.Sprint(entry["Cidr"]))
		if err != nil { // unknown, or damaged: then the list is unknown
			list.Entries = nil
			if _, unknown := entry["Cidr"].(cloudformation.Unknown); !unknown && entry != nil {
				s.problem(s.at(res.Line, res.LogicalID), "Entries: %q is not a CIDR: want one such as 203.0.113.0/24", fmt.Sprint(entry["Cidr"]))
			}
			break
		}
		list.Entries = append(list.Entries, c.Masked())
	}
	s.change.Lists[key] = list
}

// finish puts the rules into their groups.
func (r *reader) finish() {
	for _, p := range r.rules {
		key, _ := p.group.(string)
		g := r.byKey[key]
		switch {
		case g != nil && p.why == "":
		case p.why == "": // a group outside of the template
			g = &planned.Group{}
			if strings.HasPrefix(key, "sg-") {
				g.ID = key
			} else {
				g.Name = key
			}
			r.byKey[key] = g
			r.groups = append(r.groups, g)
		default:
			g = &planned.Group{}
			p.rule.Unknown = append(p.rule.Unknown, p.why)
			r.groups = append(r.groups, g)
			// It may be a rule of any of the groups here, or of another.
			if !strings.Contains(p.why, "ImportValue") && !strings.Contains(p.why, "parameter ") {
				for _, other := range r.groups {
					other.Complete = false
				}
			}
		}
		g.Rules = append(g.Rules, p.rule)
	}
	for _, rule := range r.implied {
		g := r.byKey[rule.GroupID]
		if !r.withEgress[rule.GroupID] && !r.withEgress[g.Name] {
			rule.GroupID = ""
			g.Rules = append(g.Rules, rule)
		}
	}
	for _, g := range r.groups {
		if len(g.Rules) > 0 {
			r.change.Groups = append(r.change.Groups, *g)
		}
	}
}

// errLater says of a reference that only AWS knows its value.
var errLater = errors.New("is known once the stack is made")

// ref is the value of a reference to a resource.
func (s *stack) ref(_ *cloudformation.Template, res cloudformation.Resource) (any, error) {
	switch res.Type {
	case "AWS::EC2::SecurityGroup", "AWS::EC2::PrefixList", "AWS::EC2::VPC":
		return s.path + res.LogicalID, nil
	}
	return nil, fmt.Errorf("%s %w", res.LogicalID, errLater)
}

// attribute is the value of an attribute of a resource.
func (s *stack) attribute(t *cloudformation.Template, res cloudformation.Resource, name string) (any, error) {
	switch res.Type + "." + name {
	case "AWS::EC2::SecurityGroup.GroupId", "AWS::EC2::SecurityGroup.Id", "AWS::EC2::PrefixList.PrefixListId":
		return s.path + res.LogicalID, nil
	case "AWS::EC2::VPC.DefaultSecurityGroup":
		return s.path + res.LogicalID + ".DefaultSecurityGroup", nil
	case "AWS::EC2::SecurityGroup.VpcId", "AWS::EC2::VPC.CidrBlock", "AWS::EC2::Subnet.CidrBlock":
		if node := cloudformation.Child(res.Properties, name); node != nil {
			return t.Value(node)
		}
	}
	if output, ok := strings.CutPrefix(name, "Outputs."); ok {
		if s.Template == nil { // it is being parsed
			return nil, fmt.Errorf("%s.%s %w", res.LogicalID, name, errLater)
		}
		if inner := s.nest(&res); inner != nil {
			if node := cloudformation.Child(cloudformation.Child(cloudformation.Child(inner.Root, "Outputs"), output), "Value"); node != nil {
				return inner.Value(node)
			}
			return nil, fmt.Errorf("stack %s has no output %s", res.LogicalID, output)
		}
	}
	return nil, fmt.Errorf("%s.%s %w", res.LogicalID, name, errLater)
}
