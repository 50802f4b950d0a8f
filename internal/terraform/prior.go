package terraform

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"net/netip"
	"slices"

	"sgward/internal/secgroup"
)

// stateModule is a module of prior_state, with the data sources that were read.
type stateModule struct {
	Resources []struct {
		Mode   string         `json:"mode"`
		Kind   string         `json:"type"`
		Values jsontext.Value `json:"values"`
	} `json:"resources"`
	Children []stateModule `json:"child_modules"`
}

// readPrior reads the prefix lists and accounts that data sources name.
func (p *plan) readPrior(m *stateModule) {
	for _, r := range m.Resources {
		if r.Mode != "data" {
			continue
		}
		var v values
		switch r.Kind {
		case "aws_ec2_managed_prefix_list":
			if json.Unmarshal(r.Values, &v) == nil {
				list := secgroup.PrefixList{OwnerID: str(v.OwnerID), Entries: []netip.Prefix{}}
				for _, e := range v.DataEntries {
					list.Entries = appendCIDR(list.Entries, e.CIDR)
				}
				if int64(len(list.Entries)) == int64(len(v.DataEntries)) {
					p.lists.known[str(v.ID)] = list
				}
			}
		case "aws_prefix_list": // of an AWS service
			var aws struct {
				ID    string    `json:"id"`
				CIDRs []*string `json:"cidr_blocks"`
			}
			if json.Unmarshal(r.Values, &aws) == nil && aws.CIDRs != nil {
				list := secgroup.PrefixList{OwnerID: secgroup.OwnerAWS, Entries: []netip.Prefix{}}
				for _, c := range aws.CIDRs {
					list.Entries = appendCIDR(list.Entries, c)
				}
				if len(list.Entries) == len(aws.CIDRs) {
					p.lists.known[aws.ID] = list
				}
			}
		case "aws_caller_identity":
			if json.Unmarshal(r.Values, &v) == nil && v.AccountID != nil && !slices.Contains(p.accounts, *v.AccountID) {
				p.accounts = append(p.accounts, *v.AccountID)
			}
		}
	}
	for i := range m.Children {
		p.readPrior(&m.Children[i])
	}
}

// appendCIDR appends a range, if it is one.
func appendCIDR(list []netip.Prefix, cidr *string) []netip.Prefix {
	if c, err := netip.ParsePrefix(str(cidr)); err == nil {
		list = append(list, c.Masked())
	}
	return list
}
