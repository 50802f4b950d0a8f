package secgroup

import (
	"fmt"
	"strconv"
	"strings"
)

// Protocol is an IP protocol in EC2's own spelling: "tcp", "udp", "icmp",
// "icmpv6", "-1" for all, or a decimal number. The zero value is invalid.
type Protocol string

// The protocols that EC2 knows by name.
const (
	TCP          Protocol = "tcp"
	UDP          Protocol = "udp"
	ICMPv4       Protocol = "icmp"
	ICMPv6       Protocol = "icmpv6"
	AllProtocols Protocol = "-1"
)

// ParseProtocol reads a protocol in any spelling that EC2 accepts (names in any
// case, numbers from 0 to 255, -1, all) and returns EC2's canonical one: "6" and
// "TCP" are both "tcp".
func ParseProtocol(s string) (Protocol, error) {
	switch s { // the spellings of nearly every record, without allocating
	case "tcp", "6":
		return TCP, nil
	case "udp", "17":
		return UDP, nil
	case "-1":
		return AllProtocols, nil
	}
	switch strings.ToLower(s) {
	case "tcp":
		return TCP, nil
	case "udp":
		return UDP, nil
	case "icmp", "1":
		return ICMPv4, nil
	case "icmpv6", "58":
		return ICMPv6, nil
	case "all":
		return AllProtocols, nil
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return "", fmt.Errorf("parsing protocol %q: want tcp, udp, icmp, icmpv6, -1 or a number from 0 to 255", s)
	}
	switch n { // numbers with leading zeros
	case 1:
		return ICMPv4, nil
	case 6:
		return TCP, nil
	case 17:
		return UDP, nil
	case 58:
		return ICMPv6, nil
	}
	return Protocol(strconv.FormatUint(n, 10)), nil
}

// HasPorts reports whether EC2 stores a port range for the protocol: TCP and UDP.
func (p Protocol) HasPorts() bool { return p == TCP || p == UDP }

// IsICMP reports whether the protocol's fields are an ICMP type and code.
func (p Protocol) IsICMP() bool { return p == ICMPv4 || p == ICMPv6 }

// PortRange is a range of ports, both ends included. The zero value is port 0
// alone, never "all ports": that is AllPorts.
type PortRange struct{ From, To uint16 }

// AllPorts covers every port.
var AllPorts = PortRange{0, 65535}

// Contains reports whether port lies in the range.
func (r PortRange) Contains(port uint16) bool { return r.From <= port && port <= r.To }

// Overlaps reports whether the ranges share a port.
func (r PortRange) Overlaps(o PortRange) bool { return r.From <= o.To && o.From <= r.To }

// CoveredBy reports whether every port of r is one of o's.
func (r PortRange) CoveredBy(o PortRange) bool { return o.From <= r.From && r.To <= o.To }

// String prints "3306", "27017-27019" or "0-65535".
func (r PortRange) String() string {
	if r.From == r.To {
		return strconv.Itoa(int(r.From))
	}
	return fmt.Sprintf("%d-%d", r.From, r.To)
}

// portRange reads EC2's FromPort and ToPort. A missing pair, or -1 and -1, is
// every port: EC2 writes both for "all".
func portRange(from, to *int) (PortRange, error) {
	if from == nil && to == nil || from != nil && to != nil && *from == -1 && *to == -1 {
		return AllPorts, nil
	}
	if from == nil || to == nil {
		return PortRange{}, fmt.Errorf("reading ports: one of fromPort and toPort is missing")
	}
	if *from < 0 || *to > 65535 || *from > *to {
		return PortRange{}, fmt.Errorf("reading ports %d-%d: want 0 <= fromPort <= toPort <= 65535", *from, *to)
	}
	return PortRange{uint16(*from), uint16(*to)}, nil
}

// ICMP is an ICMP type and code; -1 stands for all. The zero value is type 0
// (echo reply) with code 0.
type ICMP struct{ Type, Code int16 }

// AllICMP covers every type and code.
var AllICMP = ICMP{-1, -1}

// String prints " type 8 code 0", with "all" left out.
func (i ICMP) String() string {
	s := ""
	if i.Type != -1 {
		s += fmt.Sprintf(" type %d", i.Type)
	}
	if i.Code != -1 {
		s += fmt.Sprintf(" code %d", i.Code)
	}
	return s
}

func icmpOf(from, to *int) (ICMP, error) {
	out := AllICMP
	for _, f := range []struct {
		in   *int
		out  *int16
		name string
	}{{from, &out.Type, "type"}, {to, &out.Code, "code"}} {
		if f.in == nil {
			continue
		}
		if *f.in < -1 || *f.in > 255 {
			return ICMP{}, fmt.Errorf("reading ICMP %s %d: want -1 to 255", f.name, *f.in)
		}
		*f.out = int16(*f.in)
	}
	return out, nil
}
