package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"sgward/internal/cloudformation"
)

// bodyOf is a translated template in few bytes: without what is for people only (the form of the console, descriptions of parameters and
// outputs, reasons for linters), and without the blanks that YAML can do without. A line holds one parameter, rule or resource. It takes the
// texts out of root.
func bodyOf(root *yaml.Node, version string) []byte {
	take(root, "Metadata")
	for section, text := range map[string]string{"Parameters": "Description", "Outputs": "Description", "Resources": "Metadata"} {
		for _, entry := range cloudformation.Pairs(cloudformation.Child(root, section)) {
			take(entry, text)
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# sgward %s: sgward.yaml without its texts, small enough for a TemplateBody.\n", version)
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
