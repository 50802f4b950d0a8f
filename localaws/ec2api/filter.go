package ec2api

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// filter is one of a request's filters: any of its values may match, and all
// filters must.
type filter struct {
	name   string
	values []string
}

// filters reads the request's filters and refuses those that are neither among
// the names known for the action nor about tags.
func (c *call) filters(known ...string) ([]filter, error) {
	var out []filter
	for _, item := range c.list("Filter") {
		f := filter{name: item.str("Name"), values: item.strings("Value")}
		if !slices.Contains(known, f.name) && !(strings.HasPrefix(f.name, "tag:") && slices.Contains(known, "tag:*")) {
			return nil, fail("InvalidParameterValue", "The filter '%s' is invalid", f.name)
		}
		if len(f.values) == 0 {
			return nil, fail("InvalidParameterValue", "The filter '%s' has no value", f.name)
		}
		out = append(out, f)
	}
	return out, nil
}

// matches judges one resource. attr gives the value of a filter that is not
// about tags.
func matches(filters []filter, tags []xmlTag, attr func(name string) string) bool {
	for _, f := range filters {
		ok := false
		switch key, isTag := strings.CutPrefix(f.name, "tag:"); {
		case isTag:
			ok = slices.ContainsFunc(tags, func(t xmlTag) bool { return t.Key == key && f.accepts(t.Value) })
		case f.name == "tag-key":
			ok = slices.ContainsFunc(tags, func(t xmlTag) bool { return f.accepts(t.Key) })
		default:
			ok = f.accepts(attr(f.name))
		}
		if !ok {
			return false
		}
	}
	return true
}

func (f filter) accepts(value string) bool {
	return slices.ContainsFunc(f.values, func(pattern string) bool { return wildcard(pattern, value) })
}

// exact returns the values of the first filter of that name if they are plain,
// so that an index can serve them.
func exact(filters []filter, name string) ([]string, bool) {
	for _, f := range filters {
		if f.name == name && !slices.ContainsFunc(f.values, func(v string) bool { return strings.ContainsAny(v, `*?\`) }) {
			return f.values, true
		}
	}
	return nil, false
}

// wildcard matches as EC2's filters do: '*' is any text, '?' one character, and
// a backslash takes the meaning from what follows.
func wildcard(pattern, s string) bool {
	star, mark := -1, 0
	p, i := 0, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, i
			p++
		case p < len(pattern) && pattern[p] == '?':
			p++
			i++
		case p+1 < len(pattern) && pattern[p] == '\\' && pattern[p+1] == s[i]:
			p += 2
			i++
		case p < len(pattern) && pattern[p] != '\\' && pattern[p] == s[i]:
			p++
			i++
		case star >= 0:
			mark++
			p, i = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// cursor is the place after which a page starts: the creation numbers of the
// last item, and of the group it is in where items are rules.
type cursor struct{ major, minor uint64 }

// window reads MaxResults and NextToken. A limit of zero is none.
func (c *call) window(least, most int) (limit int, after cursor, err error) {
	n, err := c.number("MaxResults")
	if err != nil {
		return 0, cursor{}, err
	}
	if n != nil {
		if *n < least || *n > most {
			return 0, cursor{}, fail("InvalidParameterValue", "Value ( %d ) for parameter maxResults is invalid. "+
				"Expecting a value between %d and %d.", *n, least, most)
		}
		limit = *n
	}
	token := c.str("NextToken")
	if token == "" {
		return limit, cursor{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		_, err = fmt.Sscanf(string(raw), c.action+" %d %d", &after.major, &after.minor)
	}
	if err != nil {
		return 0, cursor{}, fail("InvalidNextToken", "The token '%s' is invalid", token)
	}
	return limit, after, nil
}

// token names the place after which the next page starts. It belongs to the
// action that made it.
func (c *call) token(at cursor) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %d %d", c.action, at.major, at.minor))
}

// page cuts one page out of items in the order of their creation numbers.
func page[T any](c *call, items []T, limit int, after cursor, seq func(T) uint64) ([]T, string) {
	from, _ := slices.BinarySearchFunc(items, after.major+1, func(item T, want uint64) int {
		if seq(item) < want {
			return -1
		}
		return 1
	})
	items = items[from:]
	if limit == 0 || len(items) <= limit {
		return items, ""
	}
	items = items[:limit]
	return items, c.token(cursor{major: seq(items[limit-1])})
}
