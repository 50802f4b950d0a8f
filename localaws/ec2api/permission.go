package ec2api

import (
	"net/netip"
	"strconv"
	"strings"
)

// wanted is one permission of a request, with one peer.
type wanted struct {
	perm        permission
	description string
}

const maxDescription = 255

// validText reports whether EC2 accepts a description or name
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpRange.html).
func validText(s string) bool {
	if len(s) > maxDescription {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case strings.ContainsRune(" ._-:/()#,@[]+=&;{}!$*", r):
		default:
			return false
		}
	}
	return true
}

func checkDescription(s string) error {
	if validText(s) {
		return nil
	}
	return fail("InvalidParameterValue", "Invalid rule description. Valid descriptions are strings less than 256 characters "+
		"from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*")
}

// protocolName folds the spellings of a protocol into EC2's own.
func protocolName(s string) (string, error) {
	switch name := strings.ToLower(strings.TrimSpace(s)); name {
	case "tcp", "udp", "icmp", "icmpv6", "-1":
		return name, nil
	case "":
		return "", missing("ipProtocol")
	}
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 8)
	if err != nil {
		return "", fail("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", s)
	}
	switch n {
	case 1:
		return "icmp", nil
	case 6:
		return "tcp", nil
	case 17:
		return "udp", nil
	case 58:
		return "icmpv6", nil
	default:
		return strconv.FormatUint(n, 10), nil
	}
}

// portRange gives the ports as EC2 stores them. Protocols without ports have
// -1/-1, whatever was sent with them
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html).
func portRange(protocol string, from, to *int) (int, int, error) {
	switch protocol {
	case "tcp", "udp":
		if from == nil || to == nil {
			return 0, 0, fail("InvalidParameterValue", "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		}
		for _, port := range []int{*from, *to} {
			if port < 0 || port > 65535 {
				return 0, 0, fail("InvalidParameterValue", "TCP/UDP port (%d) out of range", port)
			}
		}
		if *from > *to {
			return 0, 0, fail("InvalidParameterValue", "Invalid TCP/UDP port range (%d:%d)", *from, *to)
		}
		return *from, *to, nil
	case "icmp", "icmpv6":
		if from == nil && to == nil && protocol == "icmpv6" {
			return -1, -1, nil
		}
		if from == nil || to == nil {
			return 0, 0, fail("InvalidParameterValue", "Invalid value 'Must specify both type and code with ICMP.' for portRange.")
		}
		for _, v := range []int{*from, *to} {
			if v < -1 || v > 255 {
				return 0, 0, fail("InvalidParameterValue", "ICMP type or code (%d) out of range", v)
			}
		}
		if *from == -1 && *to != -1 {
			return 0, 0, fail("InvalidParameterValue", "ICMP code (%d) must be -1 when the ICMP type is -1", *to)
		}
		return *from, *to, nil
	default:
		return -1, -1, nil
	}
}

// parseCIDR reads a CIDR of one family and masks it. EC2 takes no IPv6 range in
// an IPv4 member, nor the reverse.
func parseCIDR(s string, ipv6 bool) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(s)
	if err != nil || prefix.Addr().Is4() == ipv6 {
		return netip.Prefix{}, fail("InvalidParameterValue", "CIDR block %s is malformed", s)
	}
	return prefix.Masked(), nil
}

// wellFormedID reports whether an id is the prefix and 8 or 17 hex digits.
func wellFormedID(id, prefix string) bool {
	digits, found := strings.CutPrefix(id, prefix+"-")
	return found && (len(digits) == 8 || len(digits) == 17) && strings.Trim(digits, "0123456789abcdef") == ""
}

// permissionsOf reads the IpPermissions of a request, or its flat form, one permission per
// peer. mustExist requires that groups and prefix lists named as peers exist: a revoke may
// name deleted ones.
func (c *call) permissionsOf(g *group, egress, mustExist bool) ([]wanted, error) {
	flat := c.hasAny("IpProtocol", "FromPort", "ToPort", "CidrIp", "SourceSecurityGroupName", "SourceSecurityGroupOwnerId")
	nested := c.list("IpPermissions")
	switch {
	case flat && len(nested) > 0:
		return nil, fail("InvalidParameterCombination", "The parameter 'ipPermissions' may not be used in combination with 'ipProtocol'")
	case flat && egress:
		// "Not supported. Use IP permissions instead", says the reference.
		return nil, fail("InvalidParameterCombination", "Only 'ipPermissions' may be used with this action")
	case flat:
		return c.flatPermissions(g, mustExist)
	case len(nested) == 0:
		return nil, missing("ipPermissions")
	}
	var all []wanted
	for _, p := range nested {
		more, err := c.expand(p, g, egress, mustExist)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return all, distinct(all)
}

// distinct refuses a call that names one permission twice.
func distinct(all []wanted) error {
	seen := make(map[permission]bool, len(all))
	for _, w := range all {
		if seen[w.perm] {
			return fail("InvalidParameterValue", "The same permission must not appear multiple times")
		}
		seen[w.perm] = true
	}
	return nil
}

// expand splits one IpPermission.
func (c *call) expand(p *params, g *group, egress, mustExist bool) ([]wanted, error) {
	base, err := basePermission(p, egress)
	if err != nil {
		return nil, err
	}
	var out []wanted
	add := func(from *params, to peer) error {
		w := wanted{perm: base, description: from.str("Description")}
		w.perm.peer = to
		out = append(out, w)
		return checkDescription(w.description)
	}
	for _, item := range p.list("IpRanges") {
		cidr, err := parseCIDR(item.str("CidrIp"), false)
		if err != nil {
			return nil, err
		}
		if err := add(item, peer{cidr: cidr}); err != nil {
			return nil, err
		}
	}
	for _, item := range p.list("Ipv6Ranges") {
		cidr, err := parseCIDR(item.str("CidrIpv6"), true)
		if err != nil {
			return nil, err
		}
		if err := add(item, peer{cidr: cidr}); err != nil {
			return nil, err
		}
	}
	for _, item := range p.list("PrefixListIds") {
		id := item.str("PrefixListId")
		if err := c.checkList(id, mustExist); err != nil {
			return nil, err
		}
		if err := add(item, peer{listID: id}); err != nil {
			return nil, err
		}
	}
	for _, item := range p.list("Groups") {
		to, err := c.groupPeer(g, item.str("GroupId"), item.str("GroupName"), item.str("UserId"), mustExist)
		if err != nil {
			return nil, err
		}
		if err := add(item, to); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, fail("MissingParameter", "Missing source specification: include source security group or CIDR information")
	}
	return out, nil
}

// basePermission reads all of a permission but its peer.
func basePermission(p *params, egress bool) (permission, error) {
	protocol, err := protocolName(p.str("IpProtocol"))
	if err != nil {
		return permission{}, err
	}
	from, err := p.number("FromPort")
	if err != nil {
		return permission{}, err
	}
	to, err := p.number("ToPort")
	if err != nil {
		return permission{}, err
	}
	first, last, err := portRange(protocol, from, to)
	return permission{egress: egress, protocol: protocol, from: first, to: last}, err
}

// flatPermissions reads the form with CidrIp beside IpProtocol, or the one that
// names a source group and opens TCP, UDP and ICMP to it whole.
func (c *call) flatPermissions(g *group, mustExist bool) ([]wanted, error) {
	name := c.str("SourceSecurityGroupName")
	if name == "" {
		if c.str("CidrIp") == "" {
			return nil, fail("MissingParameter", "Missing source specification: include source security group or CIDR information")
		}
		base, err := basePermission(c.params, false)
		if err != nil {
			return nil, err
		}
		cidr, err := parseCIDR(c.str("CidrIp"), false)
		base.peer = peer{cidr: cidr}
		return []wanted{{perm: base}}, err
	}
	if c.hasAny("CidrIp", "IpProtocol", "FromPort", "ToPort") {
		return nil, fail("InvalidParameterCombination", "The parameter 'sourceSecurityGroupName' may not be used in combination with 'cidrIp', 'ipProtocol', 'fromPort' or 'toPort'")
	}
	source, err := c.groupPeer(g, "", name, c.str("SourceSecurityGroupOwnerId"), mustExist)
	if err != nil {
		return nil, err
	}
	return []wanted{
		{perm: permission{protocol: "tcp", from: 0, to: 65535, peer: source}},
		{perm: permission{protocol: "udp", from: 0, to: 65535, peer: source}},
		{perm: permission{protocol: "icmp", from: -1, to: -1, peer: source}},
	}, nil
}

// groupPeer reads a reference to a group, by id or by its name in the same VPC. A group of
// another account is not checked, because it is not visible here.
func (c *call) groupPeer(g *group, id, name, owner string, mustExist bool) (peer, error) {
	if owner == "" {
		owner = c.region.account
	}
	if id == "" && name == "" {
		return peer{}, missing("groupId")
	}
	if id == "" {
		named := c.region.groupNames[groupName{g.vpc.id, name}]
		if named == nil {
			return peer{}, fail("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", name, g.vpc.id)
		}
		return peer{group: named.id, owner: owner}, nil
	}
	if !wellFormedID(id, "sg") {
		return peer{}, fail("InvalidGroupId.Malformed", "Invalid id: \"%s\" (expecting \"sg-...\")", id)
	}
	if mustExist && owner == c.region.account {
		named := c.region.groups[id]
		if named == nil {
			return peer{}, fail("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
		}
		if named.vpc != g.vpc {
			return peer{}, fail("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")
		}
	}
	return peer{group: id, owner: owner}, nil
}

func (c *call) checkList(id string, mustExist bool) error {
	if !wellFormedID(id, "pl") {
		return fail("InvalidPrefixListId.Malformed", "Invalid id: \"%s\" (expecting \"pl-...\")", id)
	}
	if mustExist && c.region.lists[id] == nil {
		return fail("InvalidPrefixListID.NotFound", "The prefix list ID '%s' does not exist", id)
	}
	return nil
}
