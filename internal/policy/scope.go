package policy

import (
	"slices"
	"strings"

	"sgward/internal/awsid"
	"sgward/internal/policy/document"
)

// answer is the three-valued truth of a clause, which may depend on an unknown fact. The
// zero value is no.
type answer uint8

const (
	no answer = iota
	unknown
	yes
)

// scope limits a statement or exception to places and actors. The zero value is everywhere
// and everyone.
type scope struct {
	accounts, regions, vpcs, groups []string
	tags                            []tagClause
	actors                          []actorPattern
}

type tagClause struct {
	key    string
	values []string // "*" stands for any
}

const accountWanted = "an account id of 12 digits (quote it if it starts with 0)"

var scopeFields = []string{"accounts", "regions", "vpcs", "groups", "group-tags", "actors"}

func (s *scope) isEmpty() bool {
	return len(s.accounts)+len(s.regions)+len(s.vpcs)+len(s.groups)+len(s.tags)+len(s.actors) == 0
}

// match answers whether every clause holds, and which unknown facts it depends on. One
// clause that does not hold decides, whatever else is unknown.
func (s *scope) match(req *Request) (answer, Needs) {
	if s.isEmpty() {
		return yes, 0
	}
	out, needs := yes, Needs(0)
	for _, c := range []struct {
		asked bool
		known bool
		holds func() bool
		need  Needs
	}{
		{len(s.accounts) > 0, req.AccountID != "", func() bool { return slices.Contains(s.accounts, req.AccountID) }, NeedGroupID},
		{len(s.regions) > 0, req.Region != "", func() bool { return slices.Contains(s.regions, req.Region) }, NeedGroupID},
		{len(s.groups) > 0, req.Group.ID != "", func() bool { return slices.Contains(s.groups, req.Group.ID) }, NeedGroupID},
		{len(s.vpcs) > 0, req.Group.VPCID != "", func() bool { return slices.Contains(s.vpcs, req.Group.VPCID) }, NeedVPC},
		{len(s.tags) > 0, req.Group.TagsKnown || tagsHold(s.tags, req), func() bool { return tagsHold(s.tags, req) }, NeedGroupTags},
		{len(s.actors) > 0, req.Actor.Known, func() bool { return actorsHold(s.actors, req.Actor.ARN) }, NeedActor},
	} {
		switch {
		case !c.asked:
		case !c.known:
			out, needs = unknown, needs|c.need
		case !c.holds():
			return no, 0
		}
	}
	return out, needs
}

func tagsHold(clauses []tagClause, req *Request) bool {
	for _, c := range clauses {
		held := false
		for _, t := range req.Group.Tags {
			if t.Key == c.key && (slices.Contains(c.values, "*") || slices.Contains(c.values, t.Value)) {
				held = true
			}
		}
		if !held {
			return false
		}
	}
	return true
}

func actorsHold(patterns []actorPattern, arn string) bool {
	if arn == "" {
		return false
	}
	return slices.ContainsFunc(patterns, func(p actorPattern) bool { return p.match(arn) })
}

// actorPattern is an ARN in which * stands for any characters but a colon, so that no
// wildcard reaches past the account.
type actorPattern struct{ segments [][]string } // by colon, then by star

func newActorPattern(s string) actorPattern {
	var p actorPattern
	for _, seg := range strings.Split(s, ":") {
		p.segments = append(p.segments, strings.Split(seg, "*"))
	}
	return p
}

func (p actorPattern) match(arn string) bool {
	segments := strings.Split(arn, ":")
	if len(segments) != len(p.segments) {
		return false
	}
	for i, parts := range p.segments {
		if !globMatch(parts, segments[i]) {
			return false
		}
	}
	return true
}

// globMatch reports whether s is parts with anything between them.
func globMatch(parts []string, s string) bool {
	if len(parts) == 1 {
		return parts[0] == s
	}
	if !strings.HasPrefix(s, parts[0]) {
		return false
	}
	s = s[len(parts[0]):]
	for _, middle := range parts[1 : len(parts)-1] {
		i := strings.Index(s, middle)
		if i < 0 {
			return false
		}
		s = s[i+len(middle):]
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}

// readScope reads the scope's fields from a mapping.
func (r *reader) readScope(f map[string]field, where string, tagsAllowed bool) scope {
	var s scope
	read := func(name string, form func(string) bool, want string) []string {
		v, ok := f[name]
		if !ok {
			return nil
		}
		return r.matching(v.value, where+"."+name, form, want)
	}
	s.accounts = read("accounts", awsid.IsAccount, accountWanted)
	s.regions = read("regions", awsid.IsRegion, "a region such as eu-central-1")
	s.vpcs = read("vpcs", awsid.IsVPC, "a VPC id such as vpc-0123456789abcdef0")
	s.groups = read("groups", awsid.IsGroup, "a security group id such as sg-0123456789abcdef0")
	for _, arn := range read("actors", isActorPattern, "the ARN of a role, a user or root such as arn:aws:iam::123456789012:role/deploy, "+
		"where * stands for any characters but a colon; of a session the role's own ARN, as session names are chosen by the caller") {
		s.actors = append(s.actors, newActorPattern(arn))
	}
	if v, ok := f["group-tags"]; ok {
		if !tagsAllowed {
			r.problem(v.key, "%s.group-tags: who may tag a group could exempt it: set allow-tag-exemptions: true at the top of the policy if that is meant", where)
		}
		tags := r.names(v.value, where+".group-tags")
		if v.value.Kind == document.Mapping && len(v.value.Content) == 0 {
			r.problem(v.value, "%s.group-tags: no tag is named: every group would do; leave the field out or name one", where)
		}
		for _, t := range tags {
			s.tags = append(s.tags, tagClause{t.key.Value, r.texts(t.value, where+".group-tags")})
		}
	}
	return s
}
