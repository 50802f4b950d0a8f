// Package policyyaml reads policy files as people write them: as YAML. It stands apart from
// package policy so that the functions, which read the JSON form, do not link the parser.
package policyyaml

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"sgward/internal/policy/document"
)

// Document reads a policy file. file is the name that reasons and problems cite. A file that
// is not YAML, or not one mapping, gives a document with a Problem, which Compile of package
// policy reports.
func Document(file string, data []byte) document.Document {
	d := document.Document{File: file, Digest: document.DigestOf(data)}
	d.Root, d.Problem = root(data)
	return d
}

const emptyFile = "the file is empty: want version, world and statements"

// root parses the file into its one mapping, or says why there is none.
func root(data []byte) (*document.Node, *document.Problem) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := decoder.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return nil, &document.Problem{Line: 1, Text: emptyFile}
	case err != nil:
		return nil, syntaxProblem(err)
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			return nil, syntaxProblem(err)
		}
		return nil, &document.Problem{Line: more.Line, Text: "a second YAML document: want one policy a file"}
	}
	top := nodeOf(doc.Content[0])
	switch top.Kind {
	case document.Mapping:
		return top, nil
	case document.Null:
		return nil, &document.Problem{Line: 1, Text: emptyFile}
	default:
		return nil, &document.Problem{Line: top.Line, Text: "want version, world and statements, found " + top.String()}
	}
}

// lineInError finds the line that the YAML parser names.
var lineInError = regexp.MustCompile(`line (\d+): `)

// syntaxProblem reports the YAML parser's error at its line.
func syntaxProblem(err error) *document.Problem {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if m := lineInError.FindStringSubmatchIndex(text); m != nil {
		if n, convErr := strconv.Atoi(text[m[2]:m[3]]); convErr == nil {
			line = n
		}
		text = text[:m[0]] + text[m[1]:]
	}
	return &document.Problem{Line: line, Text: "not YAML: " + text}
}

// nodeOf copies a node of the YAML parser. What an alias refers to is left out.
func nodeOf(n *yaml.Node) *document.Node {
	out := &document.Node{Kind: kindOf(n), Line: n.Line, Value: n.Value}
	if out.Kind == document.Null {
		out.Value = "" // "!!null 9" is nothing too
	}
	if out.Kind != document.List && out.Kind != document.Mapping {
		return out
	}
	out.Content = make([]*document.Node, len(n.Content))
	for i, c := range n.Content {
		out.Content[i] = nodeOf(c)
		if out.Kind == document.Mapping && i%2 == 0 && c.Tag == "!!merge" {
			out.Content[i].Kind = document.Merge // only as a key is "<<" a reference
		}
	}
	return out
}

func kindOf(n *yaml.Node) document.Kind {
	switch {
	case n.Kind == yaml.AliasNode:
		return document.Alias
	case n.Kind == yaml.MappingNode:
		return document.Mapping
	case n.Kind == yaml.SequenceNode:
		return document.List
	case n.Tag == "!!null":
		return document.Null
	case n.Tag == "!!bool":
		return document.Bool
	default:
		return document.Text
	}
}
