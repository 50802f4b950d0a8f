package cloudformation

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// document parses YAML or JSON into nodes.
func document(src []byte) (*yaml.Node, error) {
	text := bytes.TrimLeft(src, " \t\r\n")
	if len(text) == 0 {
		return nil, fmt.Errorf("the document is empty")
	}
	if text[0] == '{' && isJSON(text) {
		return parseJSON(src)
	}
	var d yaml.Node
	if err := yaml.Unmarshal(src, &d); err != nil {
		return nil, err
	}
	if len(d.Content) == 0 {
		return nil, fmt.Errorf("the document is empty")
	}
	return d.Content[0], unique(d.Content[0])
}

// isJSON tells JSON from a YAML mapping in braces, by the quote of its first key.
func isJSON(text []byte) bool {
	rest := bytes.TrimLeft(text[1:], " \t\r\n")
	return len(rest) == 0 || rest[0] == '"' || rest[0] == '}'
}

// unique refuses a key that a mapping has twice.
func unique(node *yaml.Node) error {
	if node.Kind == yaml.MappingNode {
		seen := map[string]int{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			if line, twice := seen[key.Value]; twice && key.Tag != mergeTag {
				return fmt.Errorf("line %d: key %q is in line %d already", key.Line, key.Value, line)
			}
			seen[key.Value] = key.Line
		}
	}
	for _, inner := range node.Content {
		if err := unique(inner); err != nil {
			return err
		}
	}
	return nil
}

// jsonReader turns JSON into nodes with lines. YAML's parser refuses some JSON: characters
// that are written as two surrogates, and tabs.
type jsonReader struct {
	src   []byte
	dec   *jsontext.Decoder
	at    int // offset up to which lines are counted
	lines int
}

func parseJSON(src []byte) (*yaml.Node, error) {
	r := &jsonReader{src: src, lines: 1}
	r.dec = jsontext.NewDecoder(bytes.NewReader(src), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	node, err := r.value()
	if err == nil {
		if _, err = r.dec.ReadToken(); err == nil {
			return nil, fmt.Errorf("line %d: there is more than one JSON value", r.line())
		}
		if errors.Is(err, io.EOF) {
			return node, nil
		}
	}
	line := r.line()
	var syntax *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return nil, fmt.Errorf("line %d: is cut off: it ends too early", line)
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("line %d: is not JSON: %w", 1+bytes.Count(src[:min(int(syntax.ByteOffset), len(src))], []byte{'\n'}), syntax.Err)
	}
	return nil, fmt.Errorf("line %d: %w", line, err)
}

// line is the line of the last token.
func (r *jsonReader) line() int {
	end := min(int(r.dec.InputOffset()), len(r.src))
	r.lines += bytes.Count(r.src[r.at:end], []byte{'\n'})
	r.at = end
	return r.lines
}

func (r *jsonReader) value() (*yaml.Node, error) {
	token, err := r.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	node := &yaml.Node{Kind: yaml.ScalarNode, Line: r.line()}
	switch token.Kind() {
	case '{':
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
		at := map[string]int{}
		for r.dec.PeekKind() != '}' {
			key, err := r.value()
			if err != nil {
				return nil, err
			}
			v, err := r.value()
			if err != nil {
				return nil, err
			}
			if i, twice := at[key.Value]; twice { // the last one counts
				node.Content[i], node.Content[i+1] = key, v
				continue
			}
			at[key.Value] = len(node.Content)
			node.Content = append(node.Content, key, v)
		}
		_, err = r.dec.ReadToken()
	case '[':
		node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
		for r.dec.PeekKind() != ']' {
			v, err := r.value()
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, v)
		}
		_, err = r.dec.ReadToken()
	case '"':
		node.Tag, node.Value, node.Style = "!!str", token.String(), yaml.DoubleQuotedStyle
	case '0':
		node.Tag, node.Value = "!!int", token.String()
		if bytes.ContainsAny([]byte(node.Value), ".eE") {
			node.Tag = "!!float"
		}
	case 't', 'f':
		node.Tag, node.Value = "!!bool", token.String()
	default:
		node.Tag, node.Value = "!!null", "null"
	}
	return node, err
}
