package ec2api

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// prefixList is a managed prefix list with all its versions.
type prefixList struct {
	id         string
	seq        uint64
	name       string
	owner      string
	ipv6       bool
	maxEntries int
	state      string
	tags       []xmlTag
	versions   [][]entry // versions[0] is version 1
}

type entry struct {
	cidr        netip.Prefix
	description string
}

func (l *prefixList) current() []entry { return l.versions[len(l.versions)-1] }

func (l *prefixList) family() string {
	if l.ipv6 {
		return "IPv6"
	}
	return "IPv4"
}

func (c *call) listByID(id string) (*prefixList, error) {
	if id == "" {
		return nil, missing("PrefixListId")
	}
	if err := c.checkList(id, true); err != nil {
		return nil, err
	}
	return c.region.lists[id], nil
}

func (c *call) xmlList(l *prefixList) xmlPrefixList {
	arn := c.region.arn("prefix-list/" + l.id)
	if l.owner == awsOwner {
		arn = "arn:" + partition(c.region.name) + ":ec2:" + c.region.name + ":aws:prefix-list/" + l.id
	}
	x := xmlPrefixList{ID: l.id, AddressFamily: l.family(), State: l.state, ARN: arn, Name: l.name, Tags: listOf(l.tags), OwnerID: l.owner}
	if l.owner != awsOwner { // AWS shows neither size nor version of its own lists
		x.MaxEntries, x.Version = l.maxEntries, len(l.versions)
	}
	return x
}

// recordList is a list as the records of the wrapped calls carry it.
func (c *call) recordList(l *prefixList) object {
	x := c.xmlList(l)
	return object{{"prefixList", object{
		{"prefixListId", x.ID}, {"addressFamily", x.AddressFamily}, {"state", x.State}, {"prefixListArn", x.ARN},
		{"prefixListName", x.Name}, {"maxEntries", x.MaxEntries}, {"version", x.Version}, {"ownerId", x.OwnerID},
	}}}
}

func (c *call) entries(member string, ipv6 bool) ([]entry, error) {
	var out []entry
	for _, p := range c.list(member) {
		cidr, err := parseCIDR(p.str("Cidr"), ipv6)
		if err != nil {
			return nil, err
		}
		if err := checkDescription(p.str("Description")); err != nil {
			return nil, err
		}
		out = append(out, entry{cidr, p.str("Description")})
	}
	return out, nil
}

func createManagedPrefixList(c *call) (response, error) {
	name, family := c.str("PrefixListName"), c.str("AddressFamily")
	size, err := c.number("MaxEntries")
	switch {
	case err != nil:
		return nil, err
	case name == "":
		return nil, missing("PrefixListName")
	case size == nil:
		return nil, missing("MaxEntries")
	case *size < 1 || *size > 1000:
		return nil, fail("InvalidParameterValue", "Value (%d) for parameter MaxEntries is invalid.", *size)
	case family != "IPv4" && family != "IPv6":
		return nil, fail("InvalidParameterValue", "Value (%s) for parameter AddressFamily is invalid.", family)
	}
	entries, err := c.entries("Entry", family == "IPv6")
	if err != nil {
		return nil, err
	}
	if entries, err = edited(nil, entries, nil, *size); err != nil {
		return nil, err
	}
	tags, err := c.tagSpecification("prefix-list")
	if err != nil {
		return nil, err
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	l := c.srv.addList(c.region, name, c.region.account, family == "IPv6", *size, entries)
	l.tags = tags
	c.elements = c.recordList(l)
	return &prefixListReply{List: c.xmlList(l)}, nil
}

func (s *Server) addList(r *region, name, owner string, ipv6 bool, size int, entries []entry) *prefixList {
	l := &prefixList{id: s.newID(r, "pl"), seq: s.nextListSeq(), name: name, owner: owner, ipv6: ipv6, maxEntries: size,
		state: "create-complete", versions: [][]entry{entries}}
	r.lists[l.id] = l
	r.listOrder = append(r.listOrder, l)
	return l
}

// nextListSeq counts the lists of all regions together, as a region may show another
// account's.
func (s *Server) nextListSeq() uint64 {
	s.lists++
	return s.lists
}

// SharePrefixList shares a list of one account with another, in the list's region, as
// a share of AWS RAM does: the other account sees it and its entries and may use it in
// rules; only its owner may edit it, and what the owner does is recorded in the owner's
// account.
func (s *Server) SharePrefixList(listID, account string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.sortedRegions() {
		l := r.lists[listID]
		if l == nil || l.owner != r.account {
			continue
		}
		with := s.regionAt(place{account, r.name})
		if with.lists[listID] == nil {
			with.lists[listID] = l
			with.listOrder = append(with.listOrder, l)
			slices.SortFunc(with.listOrder, func(a, b *prefixList) int { return cmp.Compare(a.seq, b.seq) })
		}
		return nil
	}
	return fmt.Errorf("sharing prefix list %s: no account owns it", listID)
}

// edited is a list of entries with some removed and some added. An added CIDR
// that is there already gets the new description.
func edited(old, add, remove []entry, size int) ([]entry, error) {
	byCIDR := make(map[netip.Prefix]entry, len(old)+len(add))
	for _, e := range old {
		byCIDR[e.cidr] = e
	}
	for _, e := range remove {
		if _, known := byCIDR[e.cidr]; !known {
			return nil, fail("InvalidParameterValue", "The entry %s does not exist in the prefix list.", e.cidr)
		}
		delete(byCIDR, e.cidr)
	}
	for _, e := range add {
		byCIDR[e.cidr] = e
	}
	if len(byCIDR) > size {
		return nil, fail("PrefixListMaxEntriesExceeded", "The maximum number of entries (%d) for the prefix list has been reached.", size)
	}
	out := make([]entry, 0, len(byCIDR))
	for _, e := range byCIDR {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b entry) int {
		return cmp.Or(a.cidr.Addr().Compare(b.cidr.Addr()), cmp.Compare(a.cidr.Bits(), b.cidr.Bits()))
	})
	return out, nil
}

// writableList is the list of a call that changes it, at the version the caller
// believes it to have.
func (c *call) writableList(versionNeeded bool) (*prefixList, error) {
	l, err := c.listByID(c.str("PrefixListId"))
	if err != nil {
		return nil, err
	}
	if l.owner != c.region.account {
		return nil, fail("UnauthorizedOperation", "%s", messageFor("UnauthorizedOperation", c.action, c.identity.arn(c.region.name)))
	}
	version, err := c.number("CurrentVersion")
	switch {
	case err != nil:
		return nil, err
	case version == nil && versionNeeded:
		return nil, missing("CurrentVersion")
	case version != nil && *version != len(l.versions):
		return nil, fail("PrefixListVersionMismatch", "The prefix list has the incorrect version number (%d).", *version)
	}
	return l, nil
}

func modifyManagedPrefixList(c *call) (response, error) {
	changesEntries := c.hasAny("AddEntry", "RemoveEntry")
	l, err := c.writableList(changesEntries)
	if err != nil {
		return nil, err
	}
	size := l.maxEntries
	if n, err := c.number("MaxEntries"); err != nil {
		return nil, err
	} else if n != nil {
		if changesEntries {
			return nil, fail("InvalidParameterCombination", "MaxEntries may not be changed together with entries.")
		}
		size = *n
	}
	add, err := c.entries("AddEntry", l.ipv6)
	if err != nil {
		return nil, err
	}
	remove, err := c.entries("RemoveEntry", l.ipv6)
	if err != nil {
		return nil, err
	}
	entries, err := edited(l.current(), add, remove, size)
	if err != nil {
		return nil, err
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	l.maxEntries = size
	if name := c.str("PrefixListName"); name != "" {
		l.name = name
	}
	if changesEntries {
		l.versions = append(l.versions, entries)
	}
	l.state = "modify-complete"
	c.elements = c.recordList(l)
	return &prefixListReply{List: c.xmlList(l)}, nil
}

func restoreManagedPrefixListVersion(c *call) (response, error) {
	l, err := c.writableList(true)
	if err != nil {
		return nil, err
	}
	previous, err := c.number("PreviousVersion")
	switch {
	case err != nil:
		return nil, err
	case previous == nil:
		return nil, missing("PreviousVersion")
	case *previous < 1 || *previous > len(l.versions):
		return nil, fail("InvalidPrefixListVersion.NotFound", "The version %d of the prefix list does not exist.", *previous)
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	l.versions = append(l.versions, l.versions[*previous-1])
	l.state = "restore-complete"
	c.elements = c.recordList(l)
	return &prefixListReply{List: c.xmlList(l)}, nil
}

func describeManagedPrefixLists(c *call) (response, error) {
	filters, err := c.filters("owner-id", "prefix-list-id", "prefix-list-name", "tag-key", "tag:*")
	if err != nil {
		return nil, err
	}
	limit, after, err := c.window(1, 100)
	if err != nil {
		return nil, err
	}
	found := c.region.listOrder
	if ids := c.strings("PrefixListId"); len(ids) > 0 {
		found = nil
		for _, id := range ids {
			l, err := c.listByID(id)
			if err != nil {
				return nil, err
			}
			found = append(found, l)
		}
		slices.SortFunc(found, func(a, b *prefixList) int { return cmp.Compare(a.seq, b.seq) })
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(slices.Clone(found), func(l *prefixList) bool {
		attrs := map[string]string{"owner-id": l.owner, "prefix-list-id": l.id, "prefix-list-name": l.name}
		return !matches(filters, l.tags, func(name string) string { return attrs[name] })
	})
	found, token := page(c, found, limit, after, func(l *prefixList) uint64 { return l.seq })
	out := &prefixListsReply{NextToken: token}
	for _, l := range found {
		out.Lists.Items = append(out.Lists.Items, c.xmlList(l))
	}
	return out, nil
}

// getManagedPrefixListEntries pages by 100 unless asked for less, as EC2 does.
func getManagedPrefixListEntries(c *call) (response, error) {
	l, err := c.listByID(c.str("PrefixListId"))
	if err != nil {
		return nil, err
	}
	limit, after, err := c.window(1, 100)
	if err != nil {
		return nil, err
	}
	version := len(l.versions)
	if n, err := c.number("TargetVersion"); err != nil {
		return nil, err
	} else if n != nil {
		if version = *n; version < 1 || version > len(l.versions) {
			return nil, fail("InvalidPrefixListVersion.NotFound", "The version %d of the prefix list does not exist.", version)
		}
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	all := l.versions[version-1]
	from := min(int(after.major), len(all))
	until := min(from+cmp.Or(limit, 100), len(all))
	out := &entriesReply{}
	for _, e := range all[from:until] {
		out.Entries.Items = append(out.Entries.Items, xmlEntry{CIDR: e.cidr.String(), Description: e.description})
	}
	if until < len(all) {
		out.NextToken = c.token(cursor{major: uint64(until)})
	}
	return out, nil
}

// getManagedPrefixListAssociations tells a list's owner which resources of all accounts
// use it, and anybody else which of his own do.
func getManagedPrefixListAssociations(c *call) (response, error) {
	l, err := c.listByID(c.str("PrefixListId"))
	if err != nil {
		return nil, err
	}
	limit, after, err := c.window(5, 255)
	if err != nil {
		return nil, err
	}
	if err := c.dryRun(); err != nil {
		return nil, err
	}
	var all []xmlListUse
	for _, r := range c.srv.sortedRegions() {
		if r.name != c.region.name || r.account != c.region.account && l.owner != c.region.account {
			continue
		}
		for _, g := range r.groupOrder {
			if slices.ContainsFunc(g.rules, func(have *rule) bool { return have.perm.peer.listID == l.id }) {
				all = append(all, xmlListUse{ID: g.id, Owner: r.account})
			}
		}
	}
	from := min(int(after.major), len(all))
	until := min(from+cmp.Or(limit, 255), len(all))
	out := &associationsReply{}
	out.Associations.Items = all[from:until]
	if until < len(all) {
		out.NextToken = c.token(cursor{major: uint64(until)})
	}
	return out, nil
}
