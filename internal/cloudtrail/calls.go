package cloudtrail

// Openings lists the calls that ParseRecord and ParseEvent judge: those that can open
// a group. A record of another call is skipped.
func Openings() []string { return []string{authorizeIngress, authorizeEgress, modifyRules} }
