package policy

import (
	"net/netip"
	"strings"

	"go4.org/netipx"

	"sgward/internal/awsid"
	"sgward/internal/policy/document"
	"sgward/internal/secgroup"
)

// Names begin with a letter, so that none can be taken for a port or an address.
const nameWanted = "want a name of lower-case letters, digits and hyphens that begins with a letter, 64 characters at most"

// Compile compiles a policy file. Package policyyaml reads the file as people write it. On
// errors the policy is nil and the error is a Problems that holds every problem of the file.
func Compile(d document.Document) (*Policy, error) {
	c := &compiler{reader: &reader{file: d.File}, policy: &Policy{file: d.File, digest: d.Digest}, ids: map[string]int{}}
	switch {
	case d.Problem != nil:
		c.problemAt(d.Problem.Line, "%s", d.Problem.Text)
	case d.Root == nil:
		c.problemAt(1, "no document was read")
	default:
		c.document(d.Root)
	}
	if len(c.problems) > 0 {
		c.problems.sort()
		return nil, c.problems
	}
	return c.policy, nil
}

// compiler turns the document of one file into a Policy.
type compiler struct {
	*reader
	policy     *Policy
	world      width
	ports      map[string]traffic // names defined under ports
	networks   map[string][]netip.Prefix
	ids        map[string]int // the line of each statement and exception
	tagsExempt bool
}

func (c *compiler) document(root *document.Node) {
	f := c.fields(root, "policy", "version", "world", "ports", "networks", "trusted-prefix-list-owners", "allow-tag-exemptions", "owner-tag", "statements", "exceptions")
	if v, ok := f["version"]; !ok {
		c.problem(root, "version is missing: want version: 1")
	} else if !v.value.IsScalar() || v.value.Value != "1" {
		c.problem(v.value, "version: want 1, found %s", v.value)
	}
	c.world = widthOf(9, 32)
	if v, ok := f["world"]; ok {
		c.world = c.width(v.value, "world")
	} else {
		c.problem(root, "world is missing: want the threshold from which a peer is the world, such as world: {ipv4: 9, ipv6: 32}")
	}
	c.policy.world = c.world
	if v, ok := f["trusted-prefix-list-owners"]; ok {
		c.policy.trusted = c.matching(v.value, "trusted-prefix-list-owners", awsid.IsAccount, accountWanted)
	}
	if v, ok := f["allow-tag-exemptions"]; ok {
		c.tagsExempt = c.boolean(v.value, "allow-tag-exemptions")
	}
	if v, ok := f["owner-tag"]; ok {
		c.policy.ownerTag, _ = c.text(v.value, "owner-tag")
		if len(c.policy.ownerTag) > maxTagKey || strings.HasPrefix(c.policy.ownerTag, "aws:") {
			c.problem(v.value, "owner-tag: want the key of a tag that people set, of at most %d bytes", maxTagKey)
		}
	}
	if v, ok := f["networks"]; ok {
		c.defineNetworks(v.value)
	}
	if v, ok := f["ports"]; ok {
		c.definePorts(v.value)
	}
	if v, ok := f["statements"]; ok && !isEmptyList(v.value) {
		for i, n := range c.list(v.value, "statements") {
			c.statement(n, i)
		}
	} else if ok {
		c.problem(v.key, "statements is empty: a policy without statements allows everything")
	} else {
		c.problem(root, "statements is missing: a policy without statements allows everything")
	}
	if v, ok := f["exceptions"]; ok && !isEmptyList(v.value) {
		for i, n := range c.list(v.value, "exceptions") {
			c.exception(n, i)
		}
	}
	c.checkStatementNames()
}

// isEmptyList reports whether a list is [] or null.
func isEmptyList(n *document.Node) bool {
	return n.Kind == document.Null || n.Kind == document.List && len(n.Content) == 0
}

// width reads prefix lengths such as {ipv4: 9, ipv6: 32}. Lengths that ask for more
// addresses than are public are problems.
func (c *compiler) width(n *document.Node, where string) width {
	lengths := map[string]int{"ipv4": 9, "ipv6": 32}
	f := c.fields(n, where, "ipv4", "ipv6")
	if f == nil {
		return widthOf(lengths["ipv4"], lengths["ipv6"])
	}
	for _, family := range []struct {
		name        string
		least, most int
	}{{"ipv4", 1, 32}, {"ipv6", 4, 128}} {
		v, ok := f[family.name]
		if !ok {
			c.problem(n, "%s: %s is missing: want a prefix length from %d to %d", where, family.name, family.least, family.most)
			continue
		}
		if length, ok := c.integer(v.value, where+"."+family.name, family.least, family.most); ok {
			lengths[family.name] = length
		}
	}
	return widthOf(lengths["ipv4"], lengths["ipv6"])
}

func (c *compiler) defineNetworks(n *document.Node) {
	c.networks = map[string][]netip.Prefix{}
	for _, def := range c.names(n, "networks") {
		where := "networks." + def.key.Value
		if !isName(def.key.Value) {
			c.problem(def.key, "%s: %s", where, nameWanted)
			continue
		}
		c.networks[def.key.Value] = c.prefixes(def.value, where)
	}
}

// prefixes reads a list of CIDRs and names of networks defined above it.
func (c *compiler) prefixes(n *document.Node, where string) []netip.Prefix {
	var out []netip.Prefix
	for _, item := range c.list(n, where) {
		s, ok := c.text(item, where)
		if !ok {
			continue
		}
		if named, ok := c.networks[s]; ok {
			out = append(out, named...)
			continue
		}
		p, err := netip.ParsePrefix(s)
		switch {
		case err != nil:
			c.problem(item, "%s: %q is not a CIDR: want an address and a prefix length such as 203.0.113.0/24, or a name defined under networks", where, s)
		case p != p.Masked():
			c.problem(item, "%s: %s has host bits set: write %s, or a longer prefix", where, s, p.Masked())
		default:
			out = append(out, p)
		}
	}
	return out
}

func (c *compiler) ipSet(n *document.Node, where string) *netipx.IPSet {
	var b netipx.IPSetBuilder
	for _, p := range c.prefixes(n, where) {
		b.AddPrefix(p)
	}
	set, err := b.IPSet()
	if err != nil {
		c.problem(n, "%s: %v", where, err)
	}
	return set
}

// definePorts reads the names under ports. A name may use those defined above it.
func (c *compiler) definePorts(n *document.Node) {
	c.ports = map[string]traffic{}
	for _, def := range c.names(n, "ports") {
		name, where := def.key.Value, "ports."+def.key.Value
		switch {
		case !isName(name):
			c.problem(def.key, "%s: %s", where, nameWanted)
			continue
		}
		if s, ok := secgroup.ServiceNamed(name); ok {
			c.problem(def.key, "%s: %s is built in (%s): choose another name", where, name, s.PortList())
			continue
		}
		c.ports[name] = c.portList(def.value, where)
	}
}

// portList reads a list of ports and names.
func (c *compiler) portList(n *document.Node, where string) traffic {
	var spans []span
	for _, item := range c.list(n, where) {
		s, ok := c.text(item, where)
		if !ok {
			continue
		}
		if named, ok := c.ports[s]; ok {
			spans = append(spans, named...)
			continue
		}
		if service, ok := secgroup.ServiceNamed(s); ok {
			for _, p := range service.Ports {
				spans = append(spans, portSpan(p.Protocol, p.PortRange))
			}
			continue
		}
		sp, err := parsePort(s)
		if err != nil {
			c.problem(item, "%s: %v", where, err)
			continue
		}
		spans = append(spans, sp)
	}
	return trafficOf(spans)
}

// traffic reads the ports and protocols of a statement or exception. ok is false if it
// names none.
func (c *compiler) traffic(f map[string]field, where string) (t traffic, covering, ok bool) {
	var spans []span
	given := 0
	if v, has := f["ports"]; has {
		given++
		spans = append(spans, c.portList(v.value, where+".ports")...)
	}
	if v, has := f["except-ports"]; has {
		given++
		spans = append(spans, c.portList(v.value, where+".except-ports").without(withPorts)...)
	}
	if v, has := f["covering-ports"]; has {
		given++
		covering = true
		spans = append(spans, c.portList(v.value, where+".covering-ports")...)
	}
	if given > 1 {
		c.problemAt(lineOf(f), "%s: want one of ports, except-ports and covering-ports", where)
	}
	if v, has := f["protocols"]; has {
		given++
		if covering {
			c.problem(v.key, "%s: protocols do not go with covering-ports", where)
		}
		for _, item := range c.list(v.value, where+".protocols") {
			s, isText := c.text(item, where+".protocols")
			if !isText {
				continue
			}
			more, err := parseProtocol(s)
			if err != nil {
				c.problem(item, "%s.protocols: %v", where, err)
				continue
			}
			spans = append(spans, more...)
		}
	}
	return trafficOf(spans), covering, given > 0
}

func lineOf(f map[string]field) int {
	line := 0
	for _, v := range f {
		if line == 0 || v.key.Line < line {
			line = v.key.Line
		}
	}
	return line
}
