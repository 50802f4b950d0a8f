// Package input reads hand-written input: rules, groups and tags, as flags of a command
// and as fields of a policy test; a file with one event; a policy file.
package input

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"sgward/internal/awsid"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// Naming returns a field's name in errors.
type Naming func(field string) string

// Flag is the Naming of a command line.
func Flag(field string) string { return "--" + field }

// Field is the Naming of a file.
func Field(field string) string { return field }

// Rule is a rule as written, with "" for a missing field.
type Rule struct {
	Direction   string `yaml:"direction"`
	Protocol    string `yaml:"protocol"`
	Port        string `yaml:"port"`
	CIDR        string `yaml:"cidr"`
	PrefixList  string `yaml:"prefix-list"`
	SourceGroup string `yaml:"source-group"`
}

// Place is where, and by whom, a rule is made, with "" for unknown parts.
type Place struct{ Account, Region, Group, VPC, Actor string }

// form is the required form of a value.
type form struct {
	field, value string
	is           func(string) bool
	want         string
}

// Check refuses the first value that lacks its form. The policy only compares values, so a
// typing error would give a wrong verdict and no error.
func (p Place) Check(name Naming) error {
	return check(name, []form{
		{"account", p.Account, awsid.IsAccount, "an account id of 12 digits"},
		{"region", p.Region, awsid.IsRegion, "a region such as eu-central-1"},
		{"group-id", p.Group, awsid.IsGroup, "a security group such as sg-0123456789abcdef0"},
		{"vpc-id", p.VPC, awsid.IsVPC, "a VPC such as vpc-0123456789abcdef0"},
		{"actor", p.Actor, policy.IsActor, "the ARN of one role, user or root such as arn:aws:iam::123456789012:role/deploy, with no * and no colon in its name (of a session, that of its role)"},
	})
}

func check(name Naming, forms []form) error {
	for _, f := range forms {
		if f.value != "" && !f.is(f.value) {
			return fmt.Errorf("%s %q: want %s", name(f.field), f.value, f.want)
		}
	}
	return nil
}

// Request builds the policy request at a time for rules made in the place; the caller adds
// them.
func (p Place) Request(now time.Time) policy.Request {
	return policy.Request{
		Time: now, AccountID: p.Account, Region: p.Region,
		Actor: policy.Actor{Known: p.Actor != "", ARN: p.Actor},
		Group: secgroup.Group{ID: p.Group, VPCID: p.VPC},
	}
}

// Read returns the rule in the place.
func (r Rule) Read(in Place, name Naming) (secgroup.Rule, error) {
	if err := check(name, []form{
		{"prefix-list", r.PrefixList, awsid.IsPrefixList, "a prefix list such as pl-0123456789abcdef0"},
		{"source-group", r.SourceGroup, isPeerGroup, "a security group such as sg-0123456789abcdef0, or 111122223333/sg-0123456789abcdef0 of another account"},
	}); err != nil {
		return secgroup.Rule{}, err
	}
	direction, err := secgroup.ParseDirection(r.Direction)
	if err != nil {
		return secgroup.Rule{}, fmt.Errorf("%s: %w", name("direction"), err)
	}
	protocol, err := secgroup.ParseProtocol(r.Protocol)
	if err != nil {
		return secgroup.Rule{}, fmt.Errorf("%s: %w", name("protocol"), err)
	}
	var peer secgroup.Peer
	switch {
	case r.CIDR != "":
		if peer, err = secgroup.ParseCIDRPeer(r.CIDR); err != nil {
			return secgroup.Rule{}, fmt.Errorf("%s: %w", name("cidr"), err)
		}
	case r.PrefixList != "":
		peer = secgroup.PrefixListPeer(r.PrefixList)
	case r.SourceGroup != "":
		peer = peerGroup(r.SourceGroup, in.Account)
	default:
		return secgroup.Rule{}, errors.New("the peer is missing: want one of cidr, prefix-list and source-group")
	}
	var from, to *int
	if r.Port != "" {
		if !protocol.HasPorts() {
			return secgroup.Rule{}, fmt.Errorf("%s: protocol %s has no ports", name("port"), protocol)
		}
		ports, err := secgroup.ParseServicePorts(protocol, r.Port)
		if err != nil {
			return secgroup.Rule{}, fmt.Errorf("%s %w", name("port"), err)
		}
		a, b := int(ports.From), int(ports.To)
		from, to = &a, &b
	}
	permission, err := secgroup.NewPermission(direction, protocol, from, to, peer)
	if err != nil {
		return secgroup.Rule{}, fmt.Errorf("%s: %w", name("port"), err)
	}
	return secgroup.Rule{GroupID: in.Group, OwnerID: in.Account, Permission: permission}, nil
}

// PrefixList reads the owner of a prefix list, "" for an unknown one, and its entries:
// nil if they are unknown, and "none" alone for an empty list.
func PrefixList(owner string, entries []string, ownerField, entryField string, name Naming) (secgroup.PrefixList, error) {
	list := secgroup.PrefixList{OwnerID: owner}
	if owner != "" && owner != secgroup.OwnerAWS && !awsid.IsAccount(owner) {
		return list, fmt.Errorf("%s %q: want an account id of 12 digits, or %s", name(ownerField), owner, secgroup.OwnerAWS)
	}
	if entries == nil {
		return list, nil
	}
	list.Entries = []netip.Prefix{}
	if slices.Equal(entries, []string{"none"}) {
		return list, nil
	}
	for _, text := range entries {
		peer, err := secgroup.ParseCIDRPeer(text)
		if err != nil {
			return list, fmt.Errorf("%s: %w", name(entryField), err)
		}
		list.Entries = append(list.Entries, peer.CIDR())
	}
	return list, nil
}

// Peers reads ranges and groups from fields that name peers.
func Peers(name Naming, cidrField string, cidrs []string, groupField string, groups []string) ([]secgroup.Peer, error) {
	var out []secgroup.Peer
	for _, text := range cidrs {
		peer, err := secgroup.ParseCIDRPeer(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name(cidrField), err)
		}
		out = append(out, peer)
	}
	for _, text := range groups {
		if !isPeerGroup(text) {
			return nil, fmt.Errorf("%s %q: want a security group such as sg-0123456789abcdef0, or ACCOUNT/sg-... of another account", name(groupField), text)
		}
		out = append(out, peerGroup(text, ""))
	}
	return out, nil
}

// isPeerGroup reports whether s names a group, of another account if it says so.
func isPeerGroup(s string) bool {
	owner, id, ok := strings.Cut(s, "/")
	if !ok {
		return awsid.IsGroup(s)
	}
	return awsid.IsAccount(owner) && awsid.IsGroup(id)
}

// peerGroup reads a group that isPeerGroup has checked. account is the default owner.
func peerGroup(s, account string) secgroup.Peer {
	owner, id, ok := strings.Cut(s, "/")
	if !ok {
		owner, id = account, s
	}
	return secgroup.GroupPeer(id, owner)
}

// Tags reads tags written as KEY=VALUE in a field.
func Tags(texts []string, field string, name Naming) ([]secgroup.Tag, error) {
	var out []secgroup.Tag
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%s %q: want KEY=VALUE", name(field), text)
		}
		out = append(out, secgroup.Tag{Key: key, Value: value})
	}
	return out, nil
}
