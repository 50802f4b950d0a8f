package group

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"sgward/internal/secgroup"
)

// Pattern is a kind of server with known needs. The zero value is invalid.
type Pattern string

// The patterns.
const (
	WebServer Pattern = "web-server"
	Database  Pattern = "database"
	Scanner   Pattern = "scanner"
)

// Patterns lists every pattern.
func Patterns() []Pattern { return []Pattern{WebServer, Database, Scanner} }

// ParsePattern reads the name of a pattern.
func ParsePattern(s string) (Pattern, error) {
	if i := slices.Index(Patterns(), Pattern(s)); i >= 0 {
		return Patterns()[i], nil
	}
	return "", fmt.Errorf("%q: want web-server, database or scanner", s)
}

// Description describes the pattern's groups, in characters that EC2 allows.
func (n Pattern) Description() string {
	return map[Pattern]string{
		WebServer: "Web servers: HTTP and HTTPS from anywhere",
		Database:  "Databases: reached by their applications only",
		Scanner:   "Compliance scanners: nothing from the internet",
	}[n]
}

// Wish describes a group to make. Peers that its pattern does not use must be empty.
type Wish struct {
	Pattern Pattern
	// Admin may use SSH (web-server, database). If empty: nobody for a web server, and the
	// VPC for a database.
	Admin []secgroup.Peer
	// App are the database's clients.
	App []secgroup.Peer
	// Management may use SSH to a scanner; ManagementNetwork if empty.
	Management []secgroup.Peer
	// Port is the database's; MySQL's if zero.
	Port secgroup.PortRange
	// Updates opens port 80 to the internet for a scanner's updates.
	Updates bool
	// NoSSH leaves out SSH: Systems Manager's Session Manager needs no open port.
	NoSSH bool
	// VPC are the ranges of the group's VPC.
	VPC []netip.Prefix
}

// ManagementNetwork is the default network from which scanners are administered.
const ManagementNetwork = "10.0.0.0/16"

// Rules returns the rules of a group as wished, ingress first, each with a description.
// There is no rule that lets everything out.
func Rules(w Wish) ([]secgroup.Rule, error) {
	if err := w.check(); err != nil {
		return nil, err
	}
	var b builder
	switch w.Pattern {
	case WebServer:
		b.add(secgroup.Ingress, port(80), anywhere(), "HTTP from anywhere")
		b.add(secgroup.Ingress, port(443), anywhere(), "HTTPS from anywhere")
		b.add(secgroup.Ingress, port(22), w.admin(), "SSH for administration")
		b.add(secgroup.Egress, port(443), anywhere(), "HTTPS to anywhere")
		b.add(secgroup.Egress, port(80), anywhere(), "HTTP to anywhere")
	case Database:
		b.add(secgroup.Ingress, w.port(), w.App, EngineOf(w.port())+" from the application")
		b.add(secgroup.Ingress, port(22), w.admin(), "SSH for administration")
		b.add(secgroup.Egress, port(443), anywhere(), "HTTPS for updates and AWS APIs")
	case Scanner:
		b.add(secgroup.Ingress, port(22), w.management(), "SSH from the management network")
		b.add(secgroup.Egress, port(443), anywhere(), "HTTPS for AWS APIs")
		if w.Updates {
			b.add(secgroup.Egress, port(80), anywhere(), "HTTP for updates")
		}
	}
	return b.rules, nil
}

func (w Wish) port() secgroup.PortRange {
	if w.Port == (secgroup.PortRange{}) {
		return port(3306)
	}
	return w.Port
}

func (w Wish) admin() []secgroup.Peer {
	if w.NoSSH || len(w.Admin) > 0 || w.Pattern != Database {
		return w.Admin
	}
	var out []secgroup.Peer
	for _, p := range w.VPC {
		out = append(out, secgroup.CIDRPeer(p))
	}
	return out
}

func (w Wish) management() []secgroup.Peer {
	if len(w.Management) == 0 && !w.NoSSH {
		return []secgroup.Peer{secgroup.CIDRPeer(netip.MustParsePrefix(ManagementNetwork))}
	}
	return w.Management
}

// errNoApplication is for a database without clients.
var errNoApplication = errors.New("a database needs clients: name their group (better) or their range")

// errSSH is for a contradicting wish.
var errSSH = errors.New("SSH is left out, but its clients are named")

// check verifies that the wish suits its pattern, and that no peer is the internet unless
// the pattern allows it.
func (w Wish) check() error {
	of := func(given bool, what string, patterns ...Pattern) error {
		if given && !slices.Contains(patterns, w.Pattern) {
			return fmt.Errorf("the pattern %s has no %s", w.Pattern, what)
		}
		return nil
	}
	if err := errors.Join(
		of(len(w.Admin) > 0, "administrators", WebServer, Database),
		of(len(w.App) > 0, "application", Database),
		of(w.Port != secgroup.PortRange{}, "port of its own", Database),
		of(len(w.Management) > 0, "management network", Scanner),
		of(w.Updates, "updates", Scanner),
	); err != nil {
		return err
	}
	if w.NoSSH && len(w.Admin)+len(w.Management) > 0 {
		return errSSH
	}
	switch w.Pattern {
	case WebServer:
		return nil // the policy judges how wide an office may be
	case Database:
		if len(w.App) == 0 {
			return errNoApplication
		}
		return w.inside(append(slices.Clone(w.App), w.Admin...))
	case Scanner:
		return w.inside(w.management())
	default:
		return fmt.Errorf("%q is not a pattern", w.Pattern)
	}
}

// inside verifies that no peer is an internet address.
func (w Wish) inside(peers []secgroup.Peer) error {
	for _, p := range peers {
		cidr := p.CIDR()
		within := func(o netip.Prefix) bool { return o.Bits() <= cidr.Bits() && o.Contains(cidr.Addr()) }
		if p.Kind() == secgroup.CIDRPeerKind && !slices.ContainsFunc(private(), within) && !slices.ContainsFunc(w.VPC, within) {
			return fmt.Errorf("%s is neither in private space nor in the VPC: the pattern %s does not admit the internet", cidr, w.Pattern)
		}
	}
	return nil
}

// private is address space that is not routed on the internet: RFC 1918, RFC 6598 and RFC
// 4193.
func private() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// anywhere is the world in both families.
func anywhere() []secgroup.Peer {
	return []secgroup.Peer{
		secgroup.CIDRPeer(netip.MustParsePrefix("0.0.0.0/0")), secgroup.CIDRPeer(netip.MustParsePrefix("::/0")),
	}
}

func port(n uint16) secgroup.PortRange { return secgroup.PortRange{From: n, To: n} }

type builder struct{ rules []secgroup.Rule }

// add adds a TCP rule for each peer, without duplicates.
func (b *builder) add(d secgroup.Direction, ports secgroup.PortRange, peers []secgroup.Peer, description string) {
	for _, peer := range peers {
		p := secgroup.Permission{Direction: d, Protocol: secgroup.TCP, Ports: ports, Peer: peer}
		if !slices.ContainsFunc(b.rules, func(r secgroup.Rule) bool { return r.Permission == p }) {
			b.rules = append(b.rules, secgroup.Rule{Permission: p, Description: description})
		}
	}
}

// Engines lists the names of databases that ParsePort knows, MySQL first. Further ports of
// a service (between cluster members, for administration) stay closed.
func Engines() []string {
	var out []string
	for _, s := range secgroup.Databases() {
		out = append(out, s.Name)
	}
	return out
}

// EngineOf returns the database that listens on ports, or "Database".
func EngineOf(ports secgroup.PortRange) string {
	for _, s := range secgroup.Databases() {
		if ports == port(s.Client) {
			return s.Title
		}
	}
	return "Database"
}

// ParsePort reads a database's name, its port or a range of ports.
func ParsePort(s string) (secgroup.PortRange, error) {
	if known, ok := secgroup.ServiceNamed(s); ok && known.Client != 0 {
		return port(known.Client), nil
	}
	ports, err := secgroup.ParsePorts(s)
	if err != nil || ports.From == 0 {
		return secgroup.PortRange{}, fmt.Errorf("%q: want %s, or ports such as 3307 or 27017-27019", s, strings.Join(Engines(), ", "))
	}
	return ports, nil
}
