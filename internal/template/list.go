package template

import (
	"fmt"
	"net/netip"

	"sgward/internal/cloudformation"
	"sgward/internal/secgroup"
)

// addList adds a prefix list.
func (s *stack) addList(res *cloudformation.Resource) {
	list := secgroup.PrefixList{OwnerID: secgroup.OwnerSelf, Entries: []netip.Prefix{}}
	key := s.path + res.LogicalID
	v, err := s.Value(cloudformation.Child(res.Properties, "Entries"))
	entries, ok := v.([]any)
	if err != nil || !ok && v != nil || cloudformation.Child(res.Properties, "Fn::Transform") != nil {
		s.change.Lists[key] = secgroup.PrefixList{OwnerID: secgroup.OwnerSelf}
		return
	}
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		c, err := netip.ParsePrefix(fmt.Sprint(entry["Cidr"]))
		if err != nil { // unknown, or damaged: then the list is unknown
			list.Entries = nil
			if _, unknown := entry["Cidr"].(cloudformation.Unknown); !unknown && entry != nil {
				s.problem(s.at(res.Line, res.LogicalID), "Entries: %q is not a CIDR: want one such as 203.0.113.0/24", fmt.Sprint(entry["Cidr"]))
			}
			break
		}
		list.Entries = append(list.Entries, c.Masked())
	}
	s.change.Lists[key] = list
}
