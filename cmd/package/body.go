package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"sgward/internal/cloudformation"
)

// spared are the texts that the body does without, by section: what they say is for people who look at the template, at the form of the
// console or at a resource there.
var spared = []struct {
	section string
	path    []string // below each entry of the section
}{
	{"Parameters", []string{"Description"}},
	{"Parameters", []string{"ConstraintDescription"}}, // CloudFormation then names the pattern that a value does not have
	{"Outputs", []string{"Description"}},
	{"Resources", []string{"Metadata"}},
	{"Resources", []string{"Properties", "Description"}},
}

// bodyOf is a translated template in few bytes. It leaves out what is spared, gives each role one policy with all of its statements, gives
// conditions, which are in no stack, short names, and writes no blank that YAML can do without. A line holds one parameter, rule or
// resource. It changes root.
func bodyOf(root *yaml.Node, version string) []byte {
	take(root, "Metadata")
	for _, s := range spared {
		for _, entry := range cloudformation.Pairs(cloudformation.Child(root, s.section)) {
			for _, key := range s.path[:len(s.path)-1] {
				entry = cloudformation.Child(entry, key)
			}
			take(entry, s.path[len(s.path)-1])
		}
	}
	for _, resource := range cloudformation.Pairs(cloudformation.Child(root, "Resources")) {
		if kind := cloudformation.Child(resource, "Type"); kind != nil && kind.Value == "AWS::IAM::Role" {
			onePolicy(cloudformation.Child(resource, "Properties"))
		}
	}
	shortenConditions(root)
	var b bytes.Buffer
	fmt.Fprintf(&b, "# sgward %s: sgward.yaml in few bytes, for a TemplateBody. Read that one.\n", version)
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		fmt.Fprintf(&b, "%s: ", flowScalar(key))
		if value.Kind != yaml.MappingNode {
			writeFlow(&b, value)
			b.WriteByte('\n')
			continue
		}
		b.WriteByte('\n')
		for j := 0; j < len(value.Content); j += 2 {
			fmt.Fprintf(&b, " %s: ", flowScalar(value.Content[j]))
			writeFlow(&b, value.Content[j+1])
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// onePolicy joins the inline policies of a role: each statement keeps the condition of the policy that it was in.
func onePolicy(role *yaml.Node) {
	policies := cloudformation.Child(role, "Policies")
	if policies == nil || policies.Kind != yaml.SequenceNode || policies.Tag != "!!seq" {
		return
	}
	all := &yaml.Node{Kind: yaml.SequenceNode}
	for _, policy := range policies.Content {
		statements := func(policy *yaml.Node) []*yaml.Node {
			return cloudformation.Items(cloudformation.Child(cloudformation.Child(policy, "PolicyDocument"), "Statement"))
		}
		if policy.Tag != "!If" {
			all.Content = append(all.Content, statements(policy)...)
			continue
		}
		condition, branches := policy.Content[0], policy.Content[1:]
		for i, branch := range branches {
			for _, statement := range statements(branch) {
				chosen := []*yaml.Node{condition, nothing(), nothing()}
				chosen[i+1] = statement
				all.Content = append(all.Content, &yaml.Node{Kind: yaml.SequenceNode, Tag: "!If", Style: yaml.TaggedStyle, Content: chosen})
			}
		}
	}
	put(role, "Policies", &yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{mapping(
		"PolicyName", scalar("sgward"), "PolicyDocument", mapping("Version", quoted("2012-10-17"), "Statement", all))}})
}

func nothing() *yaml.Node { return tagged("!Ref", "AWS::NoValue") }

// shortenConditions gives the conditions of a template names of one or two letters.
func shortenConditions(root *yaml.Node) {
	conditions := cloudformation.Child(root, "Conditions")
	if conditions == nil {
		return
	}
	short := map[string]string{}
	for i := 0; i < len(conditions.Content); i += 2 {
		n := i / 2
		name := string(rune('A' + n%26))
		if n >= 26 {
			name += string(rune('A' + n/26 - 1))
		}
		short[conditions.Content[i].Value] = name
		conditions.Content[i].Value = name
	}
	var rename func(node *yaml.Node)
	rename = func(node *yaml.Node) {
		switch {
		case node.Tag == "!Condition":
			node.Value = short[node.Value]
		case node.Tag == "!If":
			name := *node.Content[0] // joined policies share it
			if to, known := short[name.Value]; known {
				name.Value = to
				node.Content[0] = &name
			}
		}
		for _, child := range node.Content {
			rename(child)
		}
	}
	rename(root)
	for _, section := range []string{"Resources", "Outputs"} {
		for _, entry := range cloudformation.Pairs(cloudformation.Child(root, section)) {
			if condition := cloudformation.Child(entry, "Condition"); condition != nil {
				put(entry, "Condition", scalar(short[condition.Value])) // a function shares it with its invocations
			}
		}
	}
}

// writeFlow writes a node in flow style. yaml.v3 puts a blank after each comma, which are thousands of bytes here.
func writeFlow(b *bytes.Buffer, node *yaml.Node) {
	if node.Style&yaml.TaggedStyle != 0 {
		b.WriteString(node.Tag + " ")
	}
	switch node.Kind {
	case yaml.MappingNode:
		b.WriteByte('{')
		for i := 0; i < len(node.Content); i += 2 {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(flowScalar(node.Content[i]) + ": ")
			writeFlow(b, node.Content[i+1])
		}
		b.WriteByte('}')
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, item := range node.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			writeFlow(b, item)
		}
		b.WriteByte(']')
	default:
		b.WriteString(flowScalar(node))
	}
}

// flowScalar writes a scalar as it can stand in flow style. What the source quotes stays quoted.
func flowScalar(node *yaml.Node) string {
	value := node.Value
	quoted := node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	switch {
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }):
		encoded, _ := json.Marshal(value) // a string, which YAML's double quotes hold as JSON's do
		return string(encoded)
	case !quoted && value != "" && value == strings.TrimSpace(value) && !strings.ContainsAny(value, ",[]{}?") && !strings.Contains(value, ": ") &&
		!strings.Contains(value, " #") && !strings.HasSuffix(value, ":") && !strings.ContainsAny(value[:1], "!&*?|>@`\"'%#:-"):
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", "''") + "'"
}
