package terraform

import (
	"slices"
	"strings"
)

// address is the address of a resource, or a reference to one.
type address struct {
	modules []instance
	data    bool
	// kind and name are those of a resource. A reference to something else has its first
	// word in kind: "var", "local", "each", or an output's name behind modules.
	kind, name string
	key        string // of the instance, with its brackets; "" for none
}

// instance is a module call and the key of one of its instances, with brackets.
type instance struct{ name, key string }

// parseAddress reads `module.db["eu west"].aws_security_group_rule.x[0]`. What follows the
// name is ignored.
func parseAddress(s string) address {
	var a address
	words := split(s)
	for len(words) >= 2 && words[0] == "module" {
		name, key := cutKey(words[1])
		a.modules = append(a.modules, instance{name, key})
		words = words[2:]
	}
	if len(words) > 1 && words[0] == "data" {
		a.data = true
		words = words[1:]
	}
	if len(words) > 0 {
		a.kind, a.key = cutKey(words[0])
	}
	if len(words) > 1 {
		a.name, a.key = cutKey(words[1])
	}
	return a
}

// split cuts an address at the dots outside of brackets. Keys are quoted and may hold
// dots, brackets and quotes.
func split(s string) []string {
	var out []string
	depth, quoted, start := 0, false, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '.' && depth == 0:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

func cutKey(word string) (name, key string) {
	if i := strings.IndexByte(word, '['); i >= 0 {
		return word[:i], word[i:]
	}
	return word, ""
}

// block is the address of the resource's block: without keys.
func (a *address) block() string {
	var b strings.Builder
	for _, m := range a.modules {
		b.WriteString("module." + m.name + ".")
	}
	if a.data {
		b.WriteString("data.")
	}
	b.WriteString(a.kind + "." + a.name)
	return b.String()
}

// hasKey reports whether the resource, or a module that holds it, is the instance of a key.
func (a *address) hasKey(key string) bool {
	return key != "" && (a.key == key || slices.ContainsFunc(a.modules, func(m instance) bool { return m.key == key }))
}

// keys are the keys of the resource and of the modules that hold it, each once.
func (a *address) keys() []string {
	var out []string
	for _, m := range a.modules {
		out = append(out, m.key)
	}
	out = append(out, a.key)
	slices.Sort(out)
	return slices.Compact(slices.DeleteFunc(out, func(key string) bool { return key == "" }))
}

// modulePath is the address of the module's instance.
func (a *address) modulePath() string {
	var b strings.Builder
	for _, m := range a.modules {
		b.WriteString("module." + m.name + m.key + ".")
	}
	return b.String()
}

// matches reports whether an address is one that a reference may mean: keys that the
// reference leaves open match any.
func (a *address) matches(to *address) bool {
	for i, m := range a.modules {
		if m.key != "" && m.key != to.modules[i].key {
			return false
		}
	}
	return a.key == "" || a.key == to.key
}
