// Package template reads CloudFormation and SAM templates and returns the security groups
// that their stacks would have, as if they were made anew.
package template

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"sgward/internal/cloudformation"
	"sgward/internal/planned"
	"sgward/internal/secgroup"
	"sgward/internal/text"
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
	s.change.Problems = append(s.change.Problems, text.Problem{Place: at.String(), Text: fmt.Sprintf(format, args...)})
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
