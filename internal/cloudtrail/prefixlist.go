package cloudtrail

import (
	"net/netip"
	"strconv"
)

// The calls that change what a managed prefix list holds, and so what the rules
// that use it let through, without any security group event.
const (
	modifyPrefixList  = "ModifyManagedPrefixList"
	restorePrefixList = "RestoreManagedPrefixListVersion"
)

// PrefixListChange is what one successful call did to the entries of a managed
// prefix list. It is Skipped where the call changed none: it renamed or resized the
// list, say. The zero value names no list.
type PrefixListChange struct {
	Record

	// PrefixListID is pl-..., empty where the record leaves the parameters out and
	// its answer does not tell either.
	PrefixListID string
	// Added and Removed are the entries as asked for, masked, in the order of the
	// request. A call that only gives an entry another description adds it. Both are
	// empty for RestoreManagedPrefixListVersion, and may lack entries where Omitted is
	// set.
	Added, Removed []netip.Prefix
	// FromVersion is the version that the call started from; it makes the next one.
	// 0 where the record does not tell.
	FromVersion int64
	// RestoredVersion is the version whose entries the call put back, 0 for
	// ModifyManagedPrefixList or where the record does not tell.
	RestoredVersion int64
	// Omitted is set where the record does not tell all that was asked for, so that
	// only EC2 knows what was changed: it leaves the parameters out (they had more than
	// 100 KB), or has members that are not known, which may be entries in another
	// spelling or what has them come from elsewhere
	// (IpamPrefixListResolverSyncEnabled).
	Omitted bool
}

// ParsePrefixListEvent reads an EventBridge event whose detail is the CloudTrail
// record of a call that changes the entries of a managed prefix list. An event of
// another detail-type, and a record of another call or of one that failed, is
// Skipped. The error is always a *MalformedError.
//
// No sample of RestoreManagedPrefixListVersion was found: it is read by analogy to
// ModifyManagedPrefixList and the members that EC2's API gives it.
func ParsePrefixListEvent(event []byte) (PrefixListChange, error) {
	var rec record
	d, skipped, err := openEvent(event, &rec)
	if err != nil || skipped.Skipped != "" {
		return PrefixListChange{Record: skipped}, err
	}
	head, caller := d.head(rec, modifyPrefixList, restorePrefixList)
	c := PrefixListChange{Record: head}
	if c.Skipped != "" {
		return c, nil
	}
	d.listRequest(rec, &c)
	if err := d.finish(rec, &c.Record, "", caller); err != nil {
		return PrefixListChange{}, err
	}
	if c.EventName == modifyPrefixList && !c.Omitted && len(c.Added)+len(c.Removed) == 0 {
		return PrefixListChange{Record: d.skip(rec, "no entries were changed")}, nil
	}
	return c, nil
}

// listRequest reads what was asked for. Like all records that are made from the XML
// of a call, these have the name of the request around its members.
func (d *decoder) listRequest(rec record, c *PrefixListChange) {
	found, leftOut := false, rec.request == nil // as left out as can be
	wrapper := c.EventName + "Request"
	d.value(rec.request, "requestParameters", func(r *reader) {
		r.object(func(key []byte) bool {
			switch string(key) {
			case wrapper:
				if found = !r.null(); found {
					c.readRequest(r)
				}
			case "omitted":
				leftOut, _ = r.boolean()
			default:
				return false
			}
			return true
		})
		if !found && !leftOut {
			r.failAt(wrapper, "is missing")
		}
	})
	c.Omitted = c.Omitted || leftOut
	if c.PrefixListID != "" || d.err != nil {
		return
	}
	if !leftOut {
		d.fail("requestParameters."+wrapper+".PrefixListId", "is missing")
		return
	}
	// The answer names the list too.
	d.value(rec.response, "responseElements", func(r *reader) {
		r.member(c.EventName+"Response", func() {
			r.member("prefixList", func() {
				r.member("prefixListId", func() { c.PrefixListID = r.text() })
			})
		})
	})
}

func (c *PrefixListChange) readRequest(r *reader) {
	r.object(func(key []byte) bool {
		switch string(key) {
		case "PrefixListId":
			c.PrefixListID = r.text()
		case "AddEntry":
			c.Added = r.listEntries()
		case "RemoveEntry":
			c.Removed = r.listEntries()
		case "CurrentVersion":
			c.FromVersion = r.version()
		case "PreviousVersion":
			c.RestoredVersion = r.version()
		case "PrefixListName", "MaxEntries", "DryRun", "xmlns":
			return false // says nothing of entries
		default:
			c.Omitted = true
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
	case r.failed, r.null():
	case r.peek() == '[':
		r.array(func() { out = r.listEntry(out, false) })
	case r.peek() == '{':
		out = r.listEntry(out, true)
	default:
		r.mismatch("an object or a list of objects")
	}
	return out
}

// listEntry reads one entry. Where it may stand for a list, an object with items
// is that list and an empty one is none.
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
