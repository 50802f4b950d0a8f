package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"sgward/internal/policy/document"
	"sgward/internal/text"
)

// reader walks a policy's document and collects every problem with its line, instead
// of stopping at the first.
type reader struct {
	file     string
	problems Problems
}

func (r *reader) problem(n *document.Node, format string, args ...any) {
	r.problemAt(n.Line, format, args...)
}

func (r *reader) problemAt(line int, format string, args ...any) {
	r.problems = append(r.problems, Problem{r.file, max(line, 1), fmt.Sprintf(format, args...)})
}

// field is a key of a mapping with its value.
type field struct{ key, value *document.Node }

// fields returns the values of a mapping by key. Unknown and repeated keys are problems.
// The result is nil if n is not a mapping, so that callers do not report missing fields
// too. where names the mapping in messages.
func (r *reader) fields(n *document.Node, where string, known ...string) map[string]field {
	if n.Kind != document.Mapping {
		r.problem(n, "%s: want fields (%s), found %s", where, strings.Join(known, ", "), n)
		return nil
	}
	out := map[string]field{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch _, repeated := out[key.Value]; {
		case key.Kind == document.Merge:
			r.problem(key, "%s: merge keys (<<) are not read: write the fields out", where)
		case key.Kind != document.Text || !slices.Contains(known, key.Value):
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
func (r *reader) names(n *document.Node, where string) []field {
	if n.Kind != document.Mapping {
		r.problem(n, "%s: want names with values, found %s", where, n)
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
func (r *reader) text(n *document.Node, where string) (string, bool) {
	if !n.IsScalar() || n.Kind == document.Null || strings.TrimSpace(n.Value) == "" {
		r.problem(n, "%s: want text, found %s", where, n)
		return "", false
	}
	return n.Value, true
}

// line reads one line of printable text of at most limit characters, without the white space around
// it. "" stands for a problem.
func (r *reader) line(n *document.Node, where string, limit int) string {
	read, ok := r.text(n, where)
	if !ok {
		return ""
	}
	read = strings.TrimSpace(read)
	switch length := utf8.RuneCountInString(read); {
	case strings.ContainsFunc(read, func(c rune) bool { return !unicode.IsPrint(c) }):
		r.problem(n, "%s: want one line of printable text, found %s (YAML's >- joins lines)", where, n)
	case length > limit:
		r.problem(n, "%s: %d characters: want %d at most", where, length, limit)
	default:
		return read
	}
	return ""
}

// list reads a list, or a single entry in its place. An empty list is a problem: it could
// mean "nothing" or "everything".
func (r *reader) list(n *document.Node, where string) []*document.Node {
	switch {
	case n.IsScalar() && n.Kind != document.Null:
		return []*document.Node{n}
	case n.Kind == document.List && len(n.Content) > 0:
		return n.Content
	case n.Kind == document.List:
		r.problem(n, "%s: the list is empty: leave the field out or name something", where)
	default:
		r.problem(n, "%s: want a list, found %s", where, n)
	}
	return nil
}

// texts reads a list of strings.
func (r *reader) texts(n *document.Node, where string) []string {
	var out []string
	for _, item := range r.list(n, where) {
		if s, ok := r.text(item, where); ok {
			out = append(out, s)
		}
	}
	return out
}

// matching reads a list of strings of one form; want describes it.
func (r *reader) matching(n *document.Node, where string, form func(string) bool, want string) []string {
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
func (r *reader) integer(n *document.Node, where string, least, most int) (int, bool) {
	v, err := strconv.Atoi(n.Value)
	if !n.IsScalar() || err != nil || v < least || v > most {
		r.problem(n, "%s: want a whole number from %d to %d, found %s", where, least, most, n)
		return 0, false
	}
	return v, true
}

// boolean reads true or false.
func (r *reader) boolean(n *document.Node, where string) bool {
	if n.Kind != document.Bool {
		r.problem(n, "%s: want true or false, found %s", where, n)
		return false
	}
	return strings.EqualFold(n.Value, "true")
}

// oneOf reads a word of a fixed set.
func (r *reader) oneOf(n *document.Node, where string, words ...string) (string, bool) {
	if !n.IsScalar() || !slices.Contains(words, n.Value) {
		r.problem(n, "%s: want %s, found %s", where, text.Or(words), n)
		return "", false
	}
	return n.Value, true
}
