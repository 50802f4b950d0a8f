package alert

import "sgward/internal/secgroup"

// Close returns the AWS CLI command that closes a rule if its values are unchanged, on one
// line for a POSIX shell; "" where Undo has none.
func Close(accountID, region, groupID string, rule secgroup.Rule) string {
	return oneLine("revoke", accountID, region, groupID, rule)
}

// GroupURL returns the page of a security group in the AWS console; "" if its region or id
// lacks their form, or the console is not public.
func GroupURL(region, groupID string) string { return groupURL(region, groupID) }

// EventURL returns the page of a CloudTrail event in the AWS console; "" as for GroupURL.
func EventURL(region, eventID string) string { return eventURL(region, eventID) }
