package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"sgward/internal/text"
)

// reader walks a policy's YAML and collects every problem with its line, instead
// of stopping at the first.
type reader struct {
	file     string
	problems Problems
}

func (r *reader) problem(n *yaml.Node, format string, args ...any) {
	r.problemAt(n.Line, format, args...)
}

func (r *reader) problemAt(line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{r.file, max(line, 1), fmt.Sprintf(format, args...)})
}

// root parses the file into its one document, or reports why there is none.
func (r *reader) root(data []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := decoder.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		r.problemAt(1, "the file is empty: want version, world and statements")
		return nil
	case err != nil:
		r.syntaxProblem(err)
		return nil
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		if err != nil {
			r.syntaxProblem(err)
		} else {
			r.problemAt(more.Line, "a second YAML document: want one policy a file")
		}
		return nil
	}
	n := doc.Content[0]
	if n.Kind != yaml.MappingNode {
		if n.Tag == "!!null" {
			r.problemAt(1, "the file is empty: want version, world and statements")
		} else {
			r.problem(n, "want version, world and statements, found %s", kindOf(n))
		}
		return nil
	}
	return n
}

// syntaxProblem reports the YAML parser's error at its threshold.
func (r *reader) syntaxProblem(err error) {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if m := regexp.MustCompile(`line (\d+): `).FindStringSubmatchIndex(text); m != nil {
		if n, convErr := strconv.Atoi(text[m[2]:m[3]]); convErr == nil {
			line = n
		}
		text = text[:m[0]] + text[m[1]:]
	}
	r.problemAt(line, "not YAML: %s", text)
}

// field is a key of a mapping with its value.
type field struct{ key, value *yaml.Node }

// fields returns the values of a mapping by key. Unknown and repeated keys are problems.
// The result is nil if n is not a mapping, so that callers do not report missing fields
// too. where names the mapping in messages.
func (r *reader) fields(n *yaml.Node, where string, known ...string) map[string]field {
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s: want fields (%s), found %s", where, strings.Join(known, ", "), kindOf(n))
		return nil
	}
	out := map[string]field{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch _, repeated := out[key.Value]; {
		case key.Tag == "!!merge":
			r.problem(key, "%s: merge keys (<<) are not read: write the fields out", where)
		case key.Kind != yaml.ScalarNode || !slices.Contains(known, key.Value):
			r.problem(key, "%s: unknown field %q: want %s", where, key.Value, strings.Join(known, ", "))
		case repeated:
			r.problem(key, "%s: field %q stands here twice", where, key.Value)
		default:
			out[key.Value] = field{key, value}
		}
	}
	return out
}

// names returns the values of a mapping with keys of the file's own choice, in file order.
func (r *reader) names(n *yaml.Node, where string) []field {
	if n.Kind != yaml.MappingNode {
		r.problem(n, "%s: want names with values, found %s", where, kindOf(n))
		return nil
	}
	var out []field
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if _, ok := r.text(key, where+": the name"); !ok {
			continue
		}
		if seen[key.Value] {
			r.problem(key, "%s: %q stands here twice", where, key.Value)
			continue
		}
		seen[key.Value] = true
		out = append(out, field{key, n.Content[i+1]})
	}
	return out
}

// text reads a string. Numbers and dates are read as typed; null, an empty string and an
// alias are problems.
func (r *reader) text(n *yaml.Node, where string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || strings.TrimSpace(n.Value) == "" {
		r.problem(n, "%s: want text, found %s", where, kindOf(n))
		return "", false
	}
	return n.Value, true
}

// line reads one line of printable text of at most limit characters, without the white space around
// it. "" stands for a problem.
func (r *reader) line(n *yaml.Node, where string, limit int) string {
	read, ok := r.text(n, where)
	if !ok {
		return ""
	}
	read = strings.TrimSpace(read)
	switch length := utf8.RuneCountInString(read); {
	case strings.ContainsFunc(read, func(c rune) bool { return !unicode.IsPrint(c) }):
		r.problem(n, "%s: want one line of printable text, found %s (YAML's >- joins lines)", where, kindOf(n))
	case length > limit:
		r.problem(n, "%s: %d characters: want %d at most", where, length, limit)
	default:
		return read
	}
	return ""
}

// list reads a list, or a single entry in its place. An empty list is a problem: it could
// mean "nothing" or "everything".
func (r *reader) list(n *yaml.Node, where string) []*yaml.Node {
	switch {
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		return []*yaml.Node{n}
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0:
		return n.Content
	case n.Kind == yaml.SequenceNode:
		r.problem(n, "%s: the list is empty: leave the field out or name something", where)
	default:
		r.problem(n, "%s: want a list, found %s", where, kindOf(n))
	}
	return nil
}

// texts reads a list of strings.
func (r *reader) texts(n *yaml.Node, where string) []string {
	var out []string
	for _, item := range r.list(n, where) {
		if s, ok := r.text(item, where); ok {
			out = append(out, s)
		}
	}
	return out
}

// matching reads a list of strings of one form; want describes it.
func (r *reader) matching(n *yaml.Node, where string, form func(string) bool, want string) []string {
	var out []string
	for _, item := range r.list(n, where) {
		s, ok := r.text(item, where)
		if !ok {
			continue
		}
		if !form(s) {
			r.problem(item, "%s: %q: want %s", where, s, want)
			continue
		}
		out = append(out, s)
	}
	return out
}

// integer reads a whole number from least to most.
func (r *reader) integer(n *yaml.Node, where string, least, most int) (int, bool) {
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < least || v > most {
		r.problem(n, "%s: want a whole number from %d to %d, found %s", where, least, most, kindOf(n))
		return 0, false
	}
	return v, true
}

// boolean reads true or false.
func (r *reader) boolean(n *yaml.Node, where string) bool {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		r.problem(n, "%s: want true or false, found %s", where, kindOf(n))
		return false
	}
	return strings.EqualFold(n.Value, "true")
}

// oneOf reads a word of a fixed set.
func (r *reader) oneOf(n *yaml.Node, where string, words ...string) (string, bool) {
	if n.Kind != yaml.ScalarNode || !slices.Contains(words, n.Value) {
		r.problem(n, "%s: want %s, found %s", where, text.Or(words), kindOf(n))
		return "", false
	}
	return n.Value, true
}

// kindOf describes a node for messages.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.AliasNode:
		return "an alias (write the value out)"
	case n.Kind == yaml.MappingNode:
		return "fields"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null" || n.Value == "":
		return "nothing"
	default:
		return strconv.Quote(n.Value)
	}
}
