package cloudformation

import (
	"iter"

	"go.yaml.in/yaml/v3"
)

// mergeTag is the tag of the key <<.
const mergeTag = "!!merge"

// Pairs yields the keys of a mapping as written, and then those that it merges; other nodes
// have none. Values that are aliases are followed.
func Pairs(node *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		for key, value := range entries(node) {
			if !yield(key.Value, value) {
				return
			}
		}
	}
}

// entries is Pairs with the nodes of the keys.
func entries(node *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(*yaml.Node, *yaml.Node) bool) {
		walkEntries(node, map[string]bool{}, 0, yield)
	}
}

func walkEntries(node *yaml.Node, seen map[string]bool, depth int, yield func(*yaml.Node, *yaml.Node) bool) bool {
	node = followed(node)
	if node == nil || node.Kind != yaml.MappingNode || depth > mostMerges {
		return true
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], followed(node.Content[i+1])
		if key.Tag == mergeTag {
			if value.Kind == yaml.SequenceNode {
				merged = append(merged, value.Content...)
			} else {
				merged = append(merged, value)
			}
			continue
		}
		if seen[key.Value] {
			continue
		}
		seen[key.Value] = true
		if !yield(key, value) {
			return false
		}
	}
	for _, from := range merged {
		if !walkEntries(from, seen, depth+1, yield) {
			return false
		}
	}
	return true
}

// mostMerges limits how deep merged mappings may merge others.
const mostMerges = 20

// followed returns the node that an alias stands for, or the node itself.
func followed(node *yaml.Node) *yaml.Node {
	for range mostMerges {
		if node == nil || node.Kind != yaml.AliasNode {
			return node
		}
		node = node.Alias
	}
	return node
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

// Items returns the elements of a list, without aliases; other nodes have none.
func Items(node *yaml.Node) []*yaml.Node {
	node = followed(node)
	if node == nil || node.Kind != yaml.SequenceNode || node.Tag != "" && node.Tag != "!!seq" {
		return nil
	}
	out := make([]*yaml.Node, len(node.Content))
	for i, inner := range node.Content {
		out[i] = followed(inner)
	}
	return out
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
