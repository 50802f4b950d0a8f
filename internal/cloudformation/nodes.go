package cloudformation

import (
	"iter"

	"go.yaml.in/yaml/v3"
)

// Pairs yields the keys of a mapping as written; other nodes have none.
func Pairs(node *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		if node == nil || node.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			if !yield(node.Content[i].Value, node.Content[i+1]) {
				return
			}
		}
	}
}

// Child returns the value of a key of a mapping, nil if it is missing.
func Child(node *yaml.Node, key string) *yaml.Node {
	for k, v := range Pairs(node) {
		if k == key {
			return v
		}
	}
	return nil
}

// untagged returns the argument of a short-form intrinsic: the node without its tag, so
// that its scalar is a string and its contents evaluate as usual.
func untagged(node *yaml.Node) *yaml.Node {
	plain := *node
	plain.Tag = ""
	if node.Kind == yaml.ScalarNode {
		plain.Tag = "!!str"
	}
	return &plain
}
