package ec2api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// params is a request as a tree: "IpPermissions.1.IpRanges.2.CidrIp=x" becomes
// the value x four levels down. A nil *params is an empty request part, and all
// methods may be called on it.
type params struct {
	value string
	kids  map[string]*params
}

func parseParams(form url.Values) *params {
	root := &params{}
	for name, values := range form {
		if len(values) == 0 {
			continue
		}
		at := root
		for part := range strings.SplitSeq(name, ".") {
			kid := at.kids[part]
			if kid == nil {
				if at.kids == nil {
					at.kids = make(map[string]*params)
				}
				kid = &params{}
				at.kids[part] = kid
			}
			at = kid
		}
		at.value = values[0]
	}
	return root
}

func (p *params) kid(name string) *params {
	if p == nil {
		return nil
	}
	return p.kids[name]
}

// str is the text of a member, or "".
func (p *params) str(name string) string {
	if kid := p.kid(name); kid != nil {
		return kid.value
	}
	return ""
}

func (p *params) has(name string) bool { return p.kid(name) != nil }

func (p *params) hasAny(names ...string) bool {
	return slices.ContainsFunc(names, p.has)
}

// list returns the members Name.1, Name.2, ... in the order of their numbers.
func (p *params) list(name string) []*params {
	return p.kid(name).items()
}

func (p *params) items() []*params {
	if p == nil {
		return nil
	}
	type numbered struct {
		n int
		p *params
	}
	var found []numbered
	for key, kid := range p.kids {
		if n, err := strconv.Atoi(key); err == nil {
			found = append(found, numbered{n, kid})
		}
	}
	slices.SortFunc(found, func(a, b numbered) int { return a.n - b.n })
	out := make([]*params, len(found))
	for i, f := range found {
		out[i] = f.p
	}
	return out
}

func (p *params) strings(name string) []string {
	items := p.list(name)
	out := make([]string, len(items))
	for i, item := range items {
		out[i] = item.value
	}
	return out
}

// number reads an integer member; nil means that it was not sent.
func (p *params) number(name string) (*int, error) {
	kid := p.kid(name)
	if kid == nil || kid.value == "" {
		return nil, nil //nolint:nilnil // an absent number is no error, and not zero
	}
	n, err := strconv.ParseInt(kid.value, 10, 32)
	if err != nil {
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid. Expecting an integer.", kid.value, name)
	}
	v := int(n)
	return &v, nil
}

func (p *params) flag(name string) bool { return strings.EqualFold(p.str(name), "true") }
