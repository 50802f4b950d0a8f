package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sgward/internal/awsid"
	"sgward/internal/policy/document"
	"sgward/internal/secgroup"
)

// id reads the id of a statement or exception, which must be unique.
func (c *compiler) id(f map[string]field, n *document.Node, where string) (string, bool) {
	v, ok := f["id"]
	if !ok {
		c.problem(n, "%s: id is missing", where)
		return "", false
	}
	id, ok := c.text(v.value, where+".id")
	if !ok {
		return "", false
	}
	if !isID(id) {
		c.problem(v.value, "%s: id %q: want lower-case letters, digits and hyphens, 64 at most", where, id)
		return id, true
	}
	if line, repeated := c.ids[id]; repeated {
		c.problem(v.value, "%s: id %q is taken by line %d", where, id, line)
		return id, true
	}
	c.ids[id] = v.value.Line
	return id, true
}

func (c *compiler) statement(n *document.Node, index int) {
	where := fmt.Sprintf("statements[%d]", index)
	f := c.fields(n, where, "id", "severity", "effect", "existing", "ingress", "egress", "when", "unless", "description", "runbook", "controls")
	if f == nil {
		return
	}
	s := statement{line: n.Line}
	if id, ok := c.id(f, n, where); ok {
		s.id, where = id, "statement "+id
	}
	if v, ok := f["effect"]; ok {
		if word, ok := c.oneOf(v.value, where+": effect", "revoke", "alert", "ignore"); ok {
			s.effect = map[string]effect{"revoke": effectRevoke, "alert": effectAlert, "ignore": effectIgnore}[word]
		}
	} else {
		c.problem(n, "%s: effect is missing: want revoke, alert or ignore", where)
	}
	if v, ok := f["severity"]; ok {
		if word, ok := c.oneOf(v.value, where+": severity", "critical", "high", "medium", "low"); ok {
			_ = s.severity.UnmarshalText([]byte(word)) // checked above
		}
	} else if s.effect > effectIgnore {
		c.problem(n, "%s: severity is missing: want critical, high, medium or low", where)
	}
	if v, ok := f["existing"]; ok {
		word, ok := c.oneOf(v.value, where+": existing", "revoke", "alert")
		if ok && word == "revoke" {
			s.existing = ExistingRevoke
			if s.effect != effectRevoke {
				c.problem(v.value, "%s: existing: revoke goes with effect: revoke only", where)
			}
		}
	}
	c.opening(f, n, where, &s)
	c.annotations(f, where, &s)
	if v, ok := f["when"]; ok {
		s.when = c.readScope(c.fields(v.value, where+".when", scopeFields...), where+".when", true)
	}
	if v, ok := f["unless"]; ok {
		s.unless = c.readScope(c.fields(v.value, where+".unless", scopeFields...), where+".unless", c.tagsExempt)
	}
	c.policy.statements = append(c.policy.statements, s)
}

// annotations reads the fields that alerts and reports repeat. Their limits keep alerts
// short, and links whole.
func (c *compiler) annotations(f map[string]field, where string, s *statement) {
	if v, ok := f["description"]; ok {
		s.description = c.line(v.value, where+".description", maxDescription)
	}
	if v, ok := f["runbook"]; ok {
		s.runbook = c.line(v.value, where+".runbook", maxRunbook)
		if s.runbook != "" && !isLink(s.runbook) {
			c.problem(v.value, "%s.runbook: %q: want a URL such as https://wiki.example.com/runbooks/open-ports", where, s.runbook)
		}
	}
	if v, ok := f["controls"]; ok {
		items := c.list(v.value, where+".controls")
		if len(items) > maxControls {
			c.problem(v.value, "%s.controls: %d of them: want %d at most", where, len(items), maxControls)
		}
		for _, item := range items {
			if control := c.line(item, where+".controls", maxControl); control != "" {
				s.controls = append(s.controls, control)
			}
		}
	}
}

// The longest annotations, in characters, and the most controls of a statement.
const (
	maxDescription = 300
	maxRunbook     = 300
	maxControl     = 60
	maxControls    = 20
)

// opening reads ingress or egress: direction, peer and traffic.
func (c *compiler) opening(f map[string]field, n *document.Node, where string, s *statement) {
	in, isIngress := f["ingress"]
	out, isEgress := f["egress"]
	if isIngress == isEgress {
		c.problem(n, "%s: want one of ingress and egress", where)
		return
	}
	v, word := in, "from"
	s.direction = secgroup.Ingress
	if isEgress {
		v, word, s.direction = out, "to", secgroup.Egress
	}
	where += "." + s.direction.String()
	body := c.fields(v.value, where, word, "ended", "ports", "except-ports", "covering-ports", "protocols")
	if body == nil {
		return
	}
	if peer, ok := body[word]; ok {
		s.peer = c.peer(peer.value, where+"."+word)
	} else {
		c.problem(v.key, "%s: %s is missing: want world, public, any, or fields such as in: [10.0.0.0/8]", where, word)
	}
	if v, ok := body["ended"]; ok && c.boolean(v.value, where+".ended") {
		if s.peer.kind != anyPeer {
			c.problem(v.key, "%s: ended: true goes with %s: any only: the end of a rule does not depend on its peer", where, word)
		}
		s.peer.kind, s.peer.words = endedPeer, "a peer after the end in the tag "+UntilTag
	}
	before := len(c.problems)
	t, covering, given := c.traffic(body, where)
	if !given {
		t = traffic{withPorts}
	} else if len(t) == 0 && len(c.problems) == before {
		c.problem(v.key, "%s: no port is left: the statement would never apply", where)
	}
	s.traffic, s.covering = t, covering
}

// peer reads the value of from or to.
func (c *compiler) peer(n *document.Node, where string) peerMatcher {
	const want = "world, public, any, or one of the fields public, in, not-in, prefix-lists, referenced-groups"
	if n.IsScalar() {
		switch n.Value {
		case "world":
			return peerMatcher{kind: widePeer, width: c.world, words: "the world"}
		case "public":
			return peerMatcher{kind: widePeer, width: widthOf(32, 128), words: "a public address"}
		case "any":
			return peerMatcher{kind: anyPeer, words: "any peer"}
		}
		c.problem(n, "%s: want %s, found %s", where, want, n)
		return peerMatcher{}
	}
	before := len(c.problems)
	f := c.fields(n, where, "public", "in", "not-in", "prefix-lists", "referenced-groups")
	if len(f) != 1 {
		if len(c.problems) == before {
			c.problem(n, "%s: want %s", where, want)
		}
		return peerMatcher{}
	}
	for key, v := range f {
		where += "." + key
		switch key {
		case "public":
			w := c.width(v.value, where)
			return peerMatcher{kind: widePeer, width: w, words: "a wide public range"}
		case "in":
			return peerMatcher{kind: insidePeer, list: c.ipSet(v.value, where), words: "a listed network"}
		case "not-in":
			return peerMatcher{kind: outsidePeer, list: c.ipSet(v.value, where), words: "addresses outside the listed networks"}
		case "prefix-lists":
			ids := c.matching(v.value, where, awsid.IsPrefixList, "a prefix list id such as pl-0123456789abcdef0")
			return peerMatcher{kind: prefixListPeer, ids: ids, words: "a listed prefix list"}
		case "referenced-groups":
			if v.value.IsScalar() && v.value.Value == "other-accounts" {
				return peerMatcher{kind: foreignGroupPeer, words: "a security group of another account"}
			}
			ids := c.matching(v.value, where, awsid.IsGroup, "other-accounts or a security group id such as sg-0123456789abcdef0")
			return peerMatcher{kind: groupPeer, ids: ids, words: "a listed security group"}
		}
	}
	return peerMatcher{}
}

// PlaceholderReason and PlaceholderOwner stand in the exceptions that alerts and commands
// suggest, for a person to replace. A policy with one of their marks does not load.
const (
	PlaceholderReason = "CHANGE ME: why this has to be open"
	PlaceholderOwner  = "CHANGE-ME@example.com"
)

// isPlaceholder reports whether a text still holds the mark of a placeholder.
func isPlaceholder(s string) bool {
	return strings.Contains(strings.ReplaceAll(s, "-", " "), "CHANGE ME")
}

func (c *compiler) exception(n *document.Node, index int) {
	where := fmt.Sprintf("exceptions[%d]", index)
	f := c.fields(n, where, "id", "reason", "owner", "expires", "until", "match")
	if f == nil {
		return
	}
	x := exception{line: n.Line}
	if id, ok := c.id(f, n, where); ok {
		x.id, where = id, "exception "+id
	}
	for _, field := range []struct {
		name, want string
		into       *string
	}{
		{"reason", "why the opening is allowed", &x.reason},
		{"owner", "who answers for it", &x.owner},
	} {
		if v, ok := f[field.name]; ok {
			*field.into, _ = c.text(v.value, where+": "+field.name)
			if isPlaceholder(*field.into) {
				c.problem(v.value, "%s: %s: %q is a placeholder: want %s", where, field.name, *field.into, field.want)
			}
		} else {
			c.problem(n, "%s: %s is missing: want %s", where, field.name, field.want)
		}
	}
	c.expiry(f, n, where, &x)
	if v, ok := f["match"]; ok {
		c.exceptionMatch(v.value, where+".match", &x)
	} else {
		c.problem(n, "%s: match is missing: an exception names what it covers", where)
	}
	c.policy.exceptions = append(c.policy.exceptions, x)
}

// expiry reads the end of an exception: expires, its last day, or until, a moment.
func (c *compiler) expiry(f map[string]field, n *document.Node, where string, x *exception) {
	day, hasDay := f["expires"]
	moment, hasMoment := f["until"]
	switch {
	case hasDay && hasMoment:
		c.problem(moment.key, "%s: want one of expires (a last day) and until (a time), found both", where)
	case hasDay:
		text, ok := c.text(day.value, where+": expires")
		_, err := time.Parse(time.DateOnly, text)
		if ok && err != nil {
			hint := ""
			if _, isMoment := ParseMoment(text); isMoment {
				hint = "; a time belongs to until"
			}
			c.problem(day.value, "%s: expires: want a day such as 2027-03-31, found %s%s", where, day.value, hint)
		}
		x.expires = text
	case hasMoment:
		text, ok := c.text(moment.value, where+": until")
		end, sound := ParseMoment(text)
		if ok && !sound {
			hint := ""
			if _, err := time.Parse(time.DateOnly, text); err == nil {
				hint = "; a day belongs to expires"
			}
			c.problem(moment.value, "%s: until: want a time with its zone such as 2027-03-01T18:00Z or 2027-03-01T19:00+01:00, found %s%s",
				where, moment.value, hint)
		}
		x.expires = end.Format(time.RFC3339)
	default:
		c.problem(n, "%s: expires is missing: want its last day such as 2027-03-31, or until and a time such as 2027-03-31T18:00Z", where)
	}
	x.ends, _ = ParseExpiry(x.expires)
}

func (c *compiler) exceptionMatch(n *document.Node, where string, x *exception) {
	known := append(slices.Clone(scopeFields), "statements", "direction", "ports", "protocols", "peers", "prefix-lists", "referenced-groups")
	f := c.fields(n, where, known...)
	if f != nil && len(f) == 0 {
		c.problem(n, "%s: want at least one of %s: an exception from everything would switch the policy off", where, strings.Join(known, ", "))
	}
	x.scope = c.readScope(f, where, c.tagsExempt)
	if v, ok := f["statements"]; ok {
		x.statements = c.matching(v.value, where+".statements", isID, "a statement's id")
	}
	if v, ok := f["direction"]; ok {
		if word, ok := c.oneOf(v.value, where+".direction", "ingress", "egress"); ok {
			x.direction, _ = secgroup.ParseDirection(word)
		}
	}
	if t, _, given := c.traffic(f, where); given {
		x.traffic = t
	}
	if v, ok := f["peers"]; ok {
		x.peers = c.ipSet(v.value, where+".peers")
	}
	if v, ok := f["prefix-lists"]; ok {
		x.prefixLists = c.matching(v.value, where+".prefix-lists", awsid.IsPrefixList, "a prefix list id such as pl-0123456789abcdef0")
	}
	if v, ok := f["referenced-groups"]; ok {
		x.groups = c.matching(v.value, where+".referenced-groups", awsid.IsGroup, "a security group id such as sg-0123456789abcdef0")
	}
}

// checkStatementNames reports exceptions that name statements that do not exist.
func (c *compiler) checkStatementNames() {
	ids := map[string]bool{}
	for _, s := range c.policy.statements {
		if s.id != "" {
			ids[s.id] = true
		}
	}
	for _, x := range c.policy.exceptions {
		for _, id := range x.statements {
			if !ids[id] {
				c.problemAt(x.line, "exception %s.match.statements: no statement has the id %q: want one of %s", x.id, id,
					strings.Join(slices.Sorted(maps.Keys(ids)), ", "))
			}
		}
	}
}
