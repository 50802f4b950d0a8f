package inventory

import (
	"cmp"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"sgward/internal/awsid"
	"sgward/internal/ec2rules"
	"sgward/internal/secgroup"
)

// errIncomplete says why an element of a dump cannot be used.
var errIncomplete = errors.New("is not complete")

// errNoCIDR is for entries of a prefix list.
var errNoCIDR = errors.New("is not a CIDR: want one such as 203.0.113.0/24")

// errTooLong is for names and ids.
var errTooLong = fmt.Errorf("is longer than %d bytes", maxName)

// groupElement is an element of SecurityGroups.
type groupElement struct {
	GroupId, GroupName, Description, VpcId, OwnerId, SecurityGroupArn string
	Tags                                                              tagList
	// Nil if missing: an empty list means that there are no rules.
	IpPermissions, IpPermissionsEgress []permissionElement
}

// permissionElement is an IpPermission. EC2 writes one for all peers of the same ports.
type permissionElement struct {
	IpProtocol       string
	FromPort, ToPort *int32
	IpRanges         []struct{ CidrIp, Description string }
	Ipv6Ranges       []struct{ CidrIpv6, Description string }
	PrefixListIds    []struct{ PrefixListId, Description string }
	UserIdGroupPairs []struct{ GroupId, UserId, Description string }
	Others           jsontext.Value `json:",embed"` // unknown members
}

// ruleElement is an element of SecurityGroupRules.
type ruleElement struct {
	SecurityGroupRuleId, SecurityGroupRuleArn, GroupId, GroupOwnerId string
	IsEgress                                                         *bool
	IpProtocol                                                       string
	FromPort, ToPort                                                 *int32
	CidrIpv4, CidrIpv6, PrefixListId, Description                    string
	ReferencedGroupInfo                                              struct{ GroupId, UserId string }
	Tags                                                             tagList
}

type tagList []struct{ Key, Value string }

func (l tagList) tags() []secgroup.Tag {
	var out []secgroup.Tag
	for _, t := range l {
		out = append(out, secgroup.Tag(t))
	}
	return out
}

// checkLength refuses a text too long for a name or id of EC2. A name of megabytes,
// repeated in messages for each of a group's rules, would exhaust memory.
func checkLength(member, name string) error {
	if len(name) > maxName {
		return fmt.Errorf("%s %w", member, errTooLong)
	}
	return nil
}

// check refuses a group that cannot be identified, and returns the names of missing lists.
func (e *groupElement) check() (missing []string, err error) {
	if e.GroupId == "" {
		return nil, fmt.Errorf("%w: GroupId is missing", errIncomplete)
	}
	err = cmp.Or(checkLength("GroupId", e.GroupId), checkLength("GroupName", e.GroupName), checkLength("VpcId", e.VpcId),
		checkLength("OwnerId", e.OwnerId), checkLength("SecurityGroupArn", e.SecurityGroupArn))
	if err != nil {
		return nil, err
	}
	for _, side := range [][]permissionElement{e.IpPermissions, e.IpPermissionsEgress} {
		for i := range side {
			if err := checkLength("IpProtocol", side[i].IpProtocol); err != nil {
				return nil, err
			}
		}
	}
	if e.IpPermissions == nil {
		missing = append(missing, ingressKey)
	}
	if e.IpPermissionsEgress == nil {
		missing = append(missing, egressKey)
	}
	return missing, nil
}

// group returns the group with its rules. Permissions that cannot be parsed are in Unread.
func (e *groupElement) group() secgroup.Group {
	g := secgroup.Group{
		ID: e.GroupId, Name: e.GroupName, VPCID: e.VpcId, OwnerID: e.OwnerId, Region: regionOf(e.SecurityGroupArn),
		Description: e.Description, Tags: e.Tags.tags(), TagsKnown: true, Rules: make([]secgroup.Rule, 0, e.peers()),
	}
	for i := range e.IpPermissions {
		addPermission(&g, ingressKey, i, &e.IpPermissions[i], false)
	}
	for i := range e.IpPermissionsEgress {
		addPermission(&g, egressKey, i, &e.IpPermissionsEgress[i], true)
	}
	return g
}

func (e *groupElement) peers() int {
	n := 0
	for _, side := range [][]permissionElement{e.IpPermissions, e.IpPermissionsEgress} {
		for i := range side {
			n += side[i].peers()
		}
	}
	return n
}

func (e *permissionElement) peers() int {
	return len(e.IpRanges) + len(e.Ipv6Ranges) + len(e.PrefixListIds) + len(e.UserIdGroupPairs)
}

// unknownLists returns the names of lists that may hold a new kind of peer, or a known one
// under a misspelt name. Either may open the group.
func (e *permissionElement) unknownLists() []string {
	if len(e.Others) == 0 {
		return nil
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(e.Others, &members, jsontext.AllowInvalidUTF8(true)); err != nil {
		return []string{"?"} // cannot happen: the decoder has parsed it already
	}
	var out []string
	for name, value := range members {
		var list []jsontext.Value
		if value.Kind() == jsontext.KindBeginArray && json.Unmarshal(value, &list, jsontext.AllowInvalidUTF8(true)) == nil && len(list) > 0 {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// addPermission splits a permission, the i-th of a list, into rules of one peer each.
func addPermission(g *secgroup.Group, key string, i int, p *permissionElement, egress bool) {
	unread := func(format string, args ...any) {
		g.Unread = append(g.Unread, fmt.Sprintf("%s[%d]", key, i)+fmt.Sprintf(format, args...))
	}
	unknown := p.unknownLists()
	for _, list := range unknown {
		unread(" has a list %q, which is unknown: its peers were not judged", list)
	}
	if p.peers()+len(unknown) == 0 {
		unread(" has no peer: want IpRanges, Ipv6Ranges, PrefixListIds or UserIdGroupPairs")
	}
	add := func(list string, i int, description *string, peer types.SecurityGroupRule) {
		peer.GroupId, peer.GroupOwnerId, peer.IsEgress, peer.Description = &g.ID, &g.OwnerID, &egress, description
		peer.IpProtocol, peer.FromPort, peer.ToPort = &p.IpProtocol, p.FromPort, p.ToPort
		rule, err := ec2rules.RuleOf(peer)
		if err != nil {
			unread(".%s[%d]: %v", list, i, err)
			return
		}
		g.Rules = append(g.Rules, rule)
	}
	for i := range p.IpRanges {
		r := &p.IpRanges[i]
		add("IpRanges", i, &r.Description, types.SecurityGroupRule{CidrIpv4: &r.CidrIp})
	}
	for i := range p.Ipv6Ranges {
		r := &p.Ipv6Ranges[i]
		add("Ipv6Ranges", i, &r.Description, types.SecurityGroupRule{CidrIpv6: &r.CidrIpv6})
	}
	for i := range p.PrefixListIds {
		r := &p.PrefixListIds[i]
		add("PrefixListIds", i, &r.Description, types.SecurityGroupRule{PrefixListId: &r.PrefixListId})
	}
	for i := range p.UserIdGroupPairs {
		r := &p.UserIdGroupPairs[i]
		add("UserIdGroupPairs", i, &r.Description, types.SecurityGroupRule{ReferencedGroupInfo: &types.ReferencedSecurityGroup{GroupId: &r.GroupId, UserId: &r.UserId}})
	}
}

// check refuses a rule without a group.
func (e *ruleElement) check() error {
	if e.GroupId == "" {
		return fmt.Errorf("%w: GroupId of rule %q is missing", errIncomplete, e.SecurityGroupRuleId)
	}
	return cmp.Or(checkLength("GroupId", e.GroupId), checkLength("GroupOwnerId", e.GroupOwnerId), checkLength("SecurityGroupRuleArn", e.SecurityGroupRuleArn))
}

// group returns a group with this rule, or with the rule in Unread.
func (e *ruleElement) group() secgroup.Group {
	g := secgroup.Group{ID: e.GroupId, OwnerID: e.GroupOwnerId, Region: regionOf(e.SecurityGroupRuleArn)}
	rule, err := ec2rules.RuleOf(types.SecurityGroupRule{
		SecurityGroupRuleId: &e.SecurityGroupRuleId, GroupId: &e.GroupId, GroupOwnerId: &e.GroupOwnerId, Description: &e.Description,
		IsEgress: e.IsEgress, IpProtocol: &e.IpProtocol, FromPort: e.FromPort, ToPort: e.ToPort,
		CidrIpv4: &e.CidrIpv4, CidrIpv6: &e.CidrIpv6, PrefixListId: &e.PrefixListId,
		ReferencedGroupInfo: &types.ReferencedSecurityGroup{GroupId: &e.ReferencedGroupInfo.GroupId, UserId: &e.ReferencedGroupInfo.UserId},
	})
	if err != nil {
		g.Unread = []string{err.Error()}
		return g
	}
	rule.Tags = e.Tags.tags()
	g.Rules = []secgroup.Rule{rule}
	return g
}

// decodeInterface reads an element of NetworkInterfaces.
func decodeInterface(dec *jsontext.Decoder) (types.NetworkInterface, error) {
	var n types.NetworkInterface
	// The CLI's time format is configurable, and no time is used here.
	ignoreTimes := json.WithUnmarshalers(json.UnmarshalFunc(func([]byte, *time.Time) error { return nil }))
	if err := json.UnmarshalDecode(dec, &n, ignoreTimes); err != nil {
		return n, err
	}
	if aws.ToString(n.NetworkInterfaceId) == "" {
		return n, fmt.Errorf("%w: NetworkInterfaceId is missing", errIncomplete)
	}
	return n, nil
}

// decodeEntry reads an element of Entries, the answer of
// get-managed-prefix-list-entries.
func decodeEntry(dec *jsontext.Decoder) ([]netip.Prefix, error) {
	var e struct{ Cidr string }
	if err := json.UnmarshalDecode(dec, &e); err != nil {
		return nil, err
	}
	return ranges([]string{e.Cidr})
}

// decodePrefixList reads an element of PrefixLists, the answer of describe-prefix-lists
// (the entries of AWS's own lists) or describe-managed-prefix-lists (the owners).
func decodePrefixList(dec *jsontext.Decoder) (id string, list secgroup.PrefixList, err error) {
	var l struct {
		PrefixListId, OwnerId string
		Cidrs                 []string
	}
	if err := json.UnmarshalDecode(dec, &l); err != nil {
		return "", secgroup.PrefixList{}, err
	}
	if l.Cidrs != nil {
		list.OwnerID = secgroup.OwnerAWS
		list.Entries, err = ranges(l.Cidrs)
		return l.PrefixListId, list, err
	}
	if err := checkLength("OwnerId", l.OwnerId); err != nil || l.OwnerId != "" {
		return l.PrefixListId, secgroup.PrefixList{OwnerID: l.OwnerId}, err
	}
	return "", list, fmt.Errorf("%w: Cidrs of %s is missing, and so is OwnerId: get-managed-prefix-list-entries has the entries, describe-managed-prefix-lists the owner",
		errIncomplete, l.PrefixListId)
}

func ranges(cidrs []string) ([]netip.Prefix, error) {
	out := make([]netip.Prefix, 0, len(cidrs))
	for _, c := range cidrs {
		p, err := netip.ParsePrefix(c)
		if err != nil {
			return nil, fmt.Errorf("%q %w", c, errNoCIDR)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// regionOf returns the region in an ARN, or "" if it has none.
func regionOf(arn string) string {
	parsed, _ := awsid.ParseARN(arn)
	return parsed.Region
}
