package secgroup

import "net/netip"

// OwnerAWS is the owner that EC2 gives for AWS's own prefix lists.
const OwnerAWS = "AWS"

// PrefixList is a managed prefix list as far as it is known. The zero value is an
// unknown one.
type PrefixList struct {
	// OwnerID is the account that may edit the list, or OwnerAWS; "" where it is not
	// known.
	OwnerID string
	// Entries are nil where they are not known, and not nil for an empty list.
	Entries []netip.Prefix
}
