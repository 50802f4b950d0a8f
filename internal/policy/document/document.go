// Package document holds a policy file as it was read: the tree of its values, each with its
// line. Package policy compiles it. The build reads the YAML once and packs the tree as JSON
// beside the file, so that the functions on an event's way link no YAML parser: that saves a
// third of a millisecond of each cold start.
package document

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// Document is one policy file. The zero value holds nothing and does not compile.
type Document struct {
	// File is the name that reasons and problems cite, such as "policy.yaml".
	File string
	// Digest identifies the content: see DigestOf.
	Digest string
	// Root is the mapping at the top; nil if Problem says why there is none.
	Root *Node
	// Problem says why the file could not be read as one mapping; nil if it was.
	Problem *Problem
}

// Problem says why a file is not a document, and where.
type Problem struct {
	Line int // from 1
	Text string
}

// DigestOf returns the digest of a policy file's bytes: "sha256:" and what sha256sum prints.
func DigestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Node is one value of a document.
type Node struct {
	Kind Kind
	Line int // from 1
	// Value is the text of a scalar as the file has it: numbers and dates are not converted.
	Value string
	// Content holds the elements of a list, or the keys and values of a mapping in turn, in
	// the file's order.
	Content []*Node
}

// Kind is the kind of a node. The zero value is none.
type Kind uint8

// The kinds of nodes. Text, Bool and Null are scalars.
const (
	Text Kind = iota + 1
	Bool
	Null
	List
	Mapping
	// Alias and Merge are YAML's references to other values: "*name", and "<<" as a key. No
	// policy may hold them: what a reviewer reads in one place would apply in another.
	Alias
	Merge
)

// IsScalar reports whether a node is a single value.
func (n *Node) IsScalar() bool { return n.Kind == Text || n.Kind == Bool || n.Kind == Null }

// String describes a node for messages.
func (n *Node) String() string {
	switch {
	case n.Kind == Alias:
		return "an alias (write the value out)"
	case n.Kind == Mapping:
		return "fields"
	case n.Kind == List:
		return "a list"
	case n.Kind == Null || n.Value == "":
		return "nothing"
	default:
		return strconv.Quote(n.Value)
	}
}
