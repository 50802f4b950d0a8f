package ec2api

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The functions here turn a request into CloudTrail's requestParameters, with
// every value as the caller typed it: host bits, protocol numbers and all.
//
// CloudTrail has two ways to write an EC2 request. Calls of EC2's first years
// are in camel case with lists as {"items":[...]}, and members keep their place
// when they are empty. Later calls are the request's own XML under its name.

func recordRuleCall(p *params) object {
	o := object{}.text("groupId", p.str("GroupId")).text("groupName", p.str("GroupName"))
	o = append(o, field{"ipPermissions", each(p.list("IpPermissions"), recordPermission)})
	o = o.text("ipProtocol", p.str("IpProtocol"))
	o = p.port(o, "fromPort", "FromPort")
	o = p.port(o, "toPort", "ToPort")
	o = o.text("cidrIp", p.str("CidrIp")).
		text("sourceSecurityGroupName", p.str("SourceSecurityGroupName")).
		text("sourceSecurityGroupOwnerId", p.str("SourceSecurityGroupOwnerId"))
	if ids := p.strings("SecurityGroupRuleId"); len(ids) > 0 {
		o = append(o, field{"securityGroupRuleIds", each(ids, func(id string) object { return object{{"securityGroupRuleId", id}} })})
	}
	return recordTagSpecification(o, p)
}

func recordPermission(p *params) object {
	o := object{}.text("ipProtocol", p.str("IpProtocol"))
	o = p.port(o, "fromPort", "FromPort")
	o = p.port(o, "toPort", "ToPort")
	return append(o,
		field{"groups", each(p.list("Groups"), func(g *params) object {
			return object{}.text("groupId", g.str("GroupId")).text("description", g.str("Description")).
				text("userId", g.str("UserId")).text("groupName", g.str("GroupName"))
		})},
		field{"ipRanges", each(p.list("IpRanges"), func(r *params) object {
			return object{}.text("cidrIp", r.str("CidrIp")).text("description", r.str("Description"))
		})},
		field{"ipv6Ranges", each(p.list("Ipv6Ranges"), func(r *params) object {
			return object{}.text("cidrIpv6", r.str("CidrIpv6")).text("description", r.str("Description"))
		})},
		field{"prefixListIds", each(p.list("PrefixListIds"), func(l *params) object {
			return object{}.text("prefixListId", l.str("PrefixListId")).text("description", l.str("Description"))
		})})
}

// port adds a number, or nothing if the caller left it out.
func (p *params) port(o object, key, member string) object {
	text := p.str(member)
	if n, err := strconv.Atoi(text); err == nil {
		return append(o, field{key, n})
	}
	return o.text(key, text)
}

func recordTagSpecification(o object, p *params) object {
	specs := p.list("TagSpecification")
	if len(specs) == 0 {
		return o
	}
	return append(o, field{"tagSpecificationSet", each(specs, func(spec *params) object {
		var tags []xmlTag
		for _, t := range spec.list("Tag") {
			tags = append(tags, xmlTag{t.str("Key"), t.str("Value")})
		}
		return object{{"resourceType", spec.str("ResourceType")}, {"tags", tagPlainList(tags)}}
	})})
}

func recordCreateSecurityGroup(p *params) object {
	o := object{}.text("groupName", p.str("GroupName")).text("groupDescription", p.str("GroupDescription")).text("vpcId", p.str("VpcId"))
	return recordTagSpecification(o, p)
}

func recordDeleteSecurityGroup(p *params) object {
	return object{}.text("groupId", p.str("GroupId")).text("groupName", p.str("GroupName"))
}

func recordCreateVpc(p *params) object {
	o := object{}.text("cidrBlock", p.str("CidrBlock"))
	o = append(o, field{"instanceTenancy", "default"}, field{"amazonProvidedIpv6CidrBlock", p.flag("AmazonProvidedIpv6CidrBlock")})
	return recordTagSpecification(o, p)
}

func recordTagCall(p *params) object {
	return object{
		{"resourcesSet", each(p.strings("ResourceId"), func(id string) object { return object{{"resourceId", id}} })},
		{"tagSet", each(p.list("Tag"), func(t *params) object {
			return object{{"key", t.str("Key")}}.text("value", t.str("Value"))
		})},
	}
}

// wrapped is an action whose record is XML under the request's and the
// response's name.
func wrapped(name string, run func(*call) (response, error)) action {
	return action{
		run: func(c *call) (response, error) {
			answer, err := run(c)
			content := c.elements
			if content == nil {
				content = object{{"return", true}}
			}
			content = append(content, field{"requestId", c.requestID}, field{"xmlns", apiNamespace})
			c.elements = object{{name + "Response", content}}
			return answer, err
		},
		record: func(p *params) object {
			return object{{name + "Request", wrappedMembers(p)}}
		},
	}
}

// wrappedMembers is a request as CloudTrail makes it from XML: a list of one is
// the element, a longer one an array, and each element of a list has its place
// in it as "tag".
func wrappedMembers(p *params) object {
	o := object{}
	for _, name := range slices.Sorted(maps.Keys(p.kids)) {
		kid := p.kids[name]
		switch elements := kid.items(); {
		case name == "Action" || name == "Version" || name == "DryRun" || strings.HasPrefix(name, "X-Amz-"):
		case len(elements) == 1:
			o = append(o, field{name, wrappedElement(elements[0], 1)})
		case len(elements) > 1:
			list := make([]object, len(elements))
			for i, element := range elements {
				list[i] = wrappedElement(element, i+1)
			}
			o = append(o, field{name, list})
		case len(kid.kids) > 0:
			o = append(o, field{name, wrappedMembers(kid)})
		case isNumber(name):
			o = p.port(o, name, name)
		default:
			o = append(o, field{name, kid.value})
		}
	}
	return o
}

func wrappedElement(p *params, place int) object {
	if len(p.kids) == 0 {
		return object{{"tag", place}, {"content", p.value}}
	}
	return append(wrappedMembers(p), field{"tag", place})
}

func isNumber(member string) bool {
	switch member {
	case "FromPort", "ToPort", "MaxEntries", "CurrentVersion", "PreviousVersion":
		return true
	default:
		return false
	}
}
