package document

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
	"math"
)

// JSONName returns the name of the JSON form that stands beside a policy file.
func JSONName(file string) string { return file + ".json" }

// format is the version of the JSON form.
const format = 1

// The JSON form:
//
//	{"format": 1, "digest": "sha256:...", "policy": NODE}
//
// A node is an array that begins with its line: [7, "text"], [7, "true", true] for true or
// false, [7] for null, [7, [NODE, ...]] for a list, and [7, {"key": [LINE, NODE], ...}] for
// a mapping, with the line of each key.

// JSON returns the JSON form. The same document gives the same bytes. A document that does
// not compile has none: the error names the first node that has no JSON form.
func (d Document) JSON() ([]byte, error) {
	if d.Root == nil {
		return nil, fmt.Errorf("%s holds no policy", d.File)
	}
	var out bytes.Buffer
	e := jsontext.NewEncoder(&out, jsontext.SpaceAfterComma(true))
	w := writer{e: e}
	w.token(jsontext.BeginObject)
	w.token(jsontext.String("format"))
	w.token(jsontext.Int(format))
	w.token(jsontext.String("digest"))
	w.token(jsontext.String(d.Digest))
	w.token(jsontext.String("policy"))
	w.node(d.Root)
	w.token(jsontext.EndObject)
	if w.err != nil {
		return nil, fmt.Errorf("%s: %w", d.File, w.err)
	}
	return out.Bytes(), nil
}

type writer struct {
	e   *jsontext.Encoder
	err error // the first
}

func (w *writer) token(t jsontext.Token) {
	if w.err == nil {
		w.err = w.e.WriteToken(t)
	}
}

func (w *writer) node(n *Node) {
	w.token(jsontext.BeginArray)
	w.token(jsontext.Int(int64(n.Line)))
	switch n.Kind {
	case Text:
		w.token(jsontext.String(n.Value))
	case Bool:
		w.token(jsontext.String(n.Value))
		w.token(jsontext.True)
	case Null:
	case List:
		w.token(jsontext.BeginArray)
		for _, item := range n.Content {
			w.node(item)
		}
		w.token(jsontext.EndArray)
	case Mapping:
		w.token(jsontext.BeginObject)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != Text && key.Kind != Bool && w.err == nil {
				w.err = fmt.Errorf("line %d: a key that is not a string has no JSON form", key.Line)
			}
			w.token(jsontext.String(key.Value))
			w.token(jsontext.BeginArray)
			w.token(jsontext.Int(int64(key.Line)))
			w.node(n.Content[i+1])
			w.token(jsontext.EndArray)
		}
		w.token(jsontext.EndObject)
	default:
		if w.err == nil {
			w.err = fmt.Errorf("line %d: a reference to another value has no JSON form", n.Line)
		}
	}
	w.token(jsontext.EndArray)
}

// maxDepth is more than any policy has: a deeper document is damaged.
const maxDepth = 64

var errForm = errors.New("not the JSON form of a policy, as \"sgward policy package\" makes it")

// FromJSON reads the JSON form of a document that reasons are to cite as file. It does not
// check that the values are a policy: package policy does that when it compiles them.
func FromJSON(file string, data []byte) (Document, error) {
	r := reader{d: jsontext.NewDecoder(bytes.NewReader(data))}
	out := Document{File: file}
	r.token('{')
	r.name("format")
	if version := r.integer(); r.err == nil && version != format {
		return Document{}, fmt.Errorf("it has format %d: want %d, as \"sgward policy package\" of this release makes it", version, format)
	}
	r.name("digest")
	out.Digest = r.text()
	r.name("policy")
	out.Root = r.node(0)
	r.token('}')
	if r.err == nil && out.Root.Kind != Mapping {
		r.err = errForm
	}
	if r.err == nil {
		if _, err := r.d.ReadToken(); !errors.Is(err, io.EOF) {
			r.err = errForm
		}
	}
	if r.err != nil {
		return Document{}, fmt.Errorf("at byte %d: %w", r.d.InputOffset(), r.err)
	}
	return out, nil
}

type reader struct {
	d   *jsontext.Decoder
	err error // the first; nothing is read after it
}

// token reads a token that must be of a kind.
func (r *reader) token(kind jsontext.Kind) jsontext.Token {
	if r.err != nil {
		return jsontext.Token{}
	}
	t, err := r.d.ReadToken()
	switch {
	case err != nil:
		r.err = fmt.Errorf("%w: %w", errForm, err)
	case t.Kind() != kind:
		r.err = errForm
	}
	if r.err != nil {
		return jsontext.Token{}
	}
	return t
}

// text reads a string.
func (r *reader) text() string {
	t := r.token('"')
	if r.err != nil {
		return ""
	}
	return t.String()
}

// name reads a name of an object that must be this one.
func (r *reader) name(want string) {
	if got := r.text(); r.err == nil && got != want {
		r.err = errForm
	}
}

// integer reads a number of 0 or more.
func (r *reader) integer() int {
	t := r.token('0')
	if r.err != nil {
		return 0
	}
	v, err := t.Int()
	if err != nil || v < 0 || v > math.MaxInt32 {
		r.err = errForm
	}
	return int(v)
}

func (r *reader) node(depth int) *Node {
	if depth > maxDepth && r.err == nil {
		r.err = errForm
	}
	r.token('[')
	n := &Node{Kind: Null, Line: r.integer()}
	if r.err != nil {
		return n
	}
	switch r.d.PeekKind() {
	case '"':
		n.Kind, n.Value = Text, r.text()
		if r.d.PeekKind() == 't' {
			n.Kind = Bool
			r.token('t')
		}
	case '[':
		n.Kind = List
		r.token('[')
		for r.err == nil && r.d.PeekKind() != ']' {
			n.Content = append(n.Content, r.node(depth+1))
		}
		r.token(']')
	case '{':
		n.Kind = Mapping
		r.token('{')
		for r.err == nil && r.d.PeekKind() != '}' {
			key := &Node{Kind: Text, Value: r.text()}
			r.token('[')
			key.Line = r.integer()
			n.Content = append(n.Content, key, r.node(depth+1))
			r.token(']')
		}
		r.token('}')
	}
	r.token(']')
	return n
}
