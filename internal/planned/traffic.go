package planned

import (
	"slices"

	"sgward/internal/secgroup"
)

// Traffic is the traffic of a rule of which parts may be unknown.
type Traffic struct {
	Direction secgroup.Direction
	// Protocol, FromPort and ToPort are nil where they are not set. Unknown ones are in
	// the fields below.
	Protocol         *string
	FromPort, ToPort *int
	// UnknownProtocol, UnknownFrom and UnknownTo say why a value is unknown; "" if it is
	// not.
	UnknownProtocol, UnknownFrom, UnknownTo string
}

// Permission returns the widest permission that the traffic may be, with an unknown peer,
// and why it may be narrower. An error names the field: 0 for the protocol, 1 for the ports.
func (t *Traffic) Permission() (permission secgroup.Permission, unknown []string, field int, err error) {
	protocol := secgroup.AllProtocols
	if t.UnknownProtocol != "" {
		unknown = append(unknown, t.UnknownProtocol)
	} else {
		text := ""
		if t.Protocol != nil {
			text = *t.Protocol
		}
		if protocol, err = secgroup.ParseProtocol(text); err != nil {
			return secgroup.Permission{}, nil, 0, err
		}
	}
	from, to := t.FromPort, t.ToPort
	if protocol.HasPorts() || protocol.IsICMP() {
		least, most := 0, 65535
		if protocol.IsICMP() {
			least, most = -1, -1
		}
		if t.UnknownFrom != "" {
			unknown, from = append(unknown, t.UnknownFrom), &least
		}
		if t.UnknownTo != "" {
			if !slices.Contains(unknown, t.UnknownTo) {
				unknown = append(unknown, t.UnknownTo)
			}
			to = &most
		}
	}
	permission, err = secgroup.NewPermission(t.Direction, protocol, from, to, secgroup.UnknownPeer("unknown"))
	return permission, unknown, 1, err
}
