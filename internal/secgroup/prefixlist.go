package secgroup

import "net/netip"

// OwnerAWS is the owner that EC2 gives for AWS's own prefix lists.
const OwnerAWS = "AWS"

// OwnerSelf is the owner of prefix lists that belong to the account of the group, whichever
// account that is. Only plans have it: EC2 names the account.
const OwnerSelf = "self"

// PrefixList is a managed prefix list as far as it is known. The zero value is an
// unknown one.
type PrefixList struct {
	// OwnerID is the account that may edit the list, OwnerAWS or OwnerSelf; "" where it is
	// not known.
	OwnerID string
	// Entries are nil where they are not known, and not nil for an empty list.
	Entries []netip.Prefix
}
