package alert

import (
	"fmt"
	"strings"

	"sgward/internal/secgroup"
)

// maxServices is how many names a range of ports is explained with.
const maxServices = 3

// traffic says protocol and ports with the name people know:
// "tcp 3306 (MySQL)", "tcp 3300-3310 (MySQL 3306 among them)",
// "all traffic (every protocol and port)", "protocol 50 (ESP)".
func traffic(p secgroup.Permission) string {
	text := p.Traffic()
	switch {
	case p.Protocol == secgroup.AllProtocols:
		return text + " (every protocol and port)"
	case p.Protocol.HasPorts():
		if note := serviceNote(p); note != "" {
			return text + " (" + note + ")"
		}
	default:
		if name := p.Protocol.Title(); name != "" {
			return text + " (" + name + ")"
		}
	}
	return text
}

func serviceNote(p secgroup.Permission) string {
	if p.Ports == secgroup.AllPorts {
		return "every " + strings.ToUpper(string(p.Protocol)) + " port"
	}
	var names []string
	for _, known := range secgroup.ServicesOn(p.Protocol, p.Ports) {
		if p.Ports.CoveredBy(known.PortRange) {
			return known.Title
		}
		names = append(names, known.Title+" "+known.PortRange.String())
	}
	switch n := len(names); {
	case n == 0:
		return ""
	case n <= maxServices:
		return strings.Join(names, ", ") + " among them"
	default:
		return fmt.Sprintf("%s and %d more known services among them", strings.Join(names[:maxServices], ", "), n-maxServices)
	}
}
