package alert

import "sgward/internal/secgroup"

// Close returns the AWS CLI command that closes a rule if its values are unchanged, on one
// line for a POSIX shell; "" where Undo has none.
func Close(accountID, region, groupID string, rule secgroup.Rule) string {
	return oneLine("revoke", accountID, region, groupID, rule)
}
