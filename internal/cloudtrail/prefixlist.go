package cloudtrail

import (
	"net/netip"
	"strconv"

	"sgward/internal/secgroup"
)

const modifyPrefixList = "ModifyManagedPrefixList"

// editList reads a call that changed the entries of a managed prefix list.
//
// No sample of RestoreManagedPrefixListVersion was found: it is read by analogy to
// ModifyManagedPrefixList, with the members that EC2's API documents.
func (d *decoder) editList(c *Call, _ secgroup.Direction) (skipped string) {
	var list ListEdit
	wrapper := c.EventName + "Request"
	leftOut := d.wrapped(wrapper, true, list.read) || d.record.request == nil // left out altogether
	list.Omitted = list.Omitted || leftOut
	switch {
	case list.ID != "":
	case leftOut: // the response names the list too
		d.value(d.record.response, "responseElements", func(r *reader) {
			r.member(c.EventName+"Response", func() {
				r.member("prefixList", func() {
					r.member("prefixListId", func() { list.ID = cut(r.text(), mostName) })
				})
			})
		})
	default:
		d.fail("requestParameters."+wrapper+".PrefixListId", "is missing")
	}
	if c.EventName == modifyPrefixList && !list.Omitted && len(list.Added)+len(list.Removed) == 0 {
		return "no entries were changed"
	}
	c.List = &list
	return ""
}

func (l *ListEdit) read(r *reader) {
	r.object(func(key []byte) bool {
		switch string(key) {
		case "PrefixListId":
			l.ID = cut(r.text(), mostName)
		case "AddEntry":
			l.Added = r.listEntries()
		case "RemoveEntry":
			l.Removed = r.listEntries()
		case "CurrentVersion":
			l.FromVersion = r.version()
		case "PreviousVersion":
			l.RestoredVersion = r.version()
		case "PrefixListName", "MaxEntries", "DryRun", "xmlns":
			return false // not about entries
		default:
			l.Omitted = true
			return false
		}
		return true
	})
}

// version reads the number of a list's version, which these records may write as a
// string; 0 for null.
func (r *reader) version() int64 {
	s := r.textOrNumber()
	if r.failed || s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		r.fail("want the number of a version, found " + quote(s))
		return 0
	}
	return n
}

// listEntries reads entries: an object for one, a list for several, or a list in
// CloudTrail's usual spelling.
func (r *reader) listEntries() (out []netip.Prefix) {
	switch {
	case r.null():
	case r.kind() == '[':
		r.array(func() { out = r.listEntry(out, false) })
	case r.kind() == '{':
		out = r.listEntry(out, true)
	default:
		r.mismatch("an object or a list of objects")
	}
	return out
}

// listEntry reads one entry. If it may stand for a list, an object with items is that list
// and an empty one is an empty list.
func (r *reader) listEntry(out []netip.Prefix, mayBeList bool) []netip.Prefix {
	cidr, isList, nothing := "", false, true
	r.object(func(key []byte) bool {
		nothing = false
		switch {
		case string(key) == "Cidr":
			cidr = r.text()
		case string(key) == "items" && mayBeList:
			if isList = true; !r.null() {
				r.array(func() { out = r.listEntry(out, false) })
			}
		default:
			return false
		}
		return true
	})
	if r.failed || isList || mayBeList && nothing {
		return out
	}
	if cidr == "" {
		r.failAt("Cidr", "is missing")
		return out
	}
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		r.failAt("Cidr", "want an address range such as 203.0.113.0/24, found "+quote(cidr))
		return out
	}
	return append(out, p.Masked())
}
