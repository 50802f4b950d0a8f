// Package remediation closes the openings that a policy forbids, and says what
// became of them. It has two parts. NewPlan is pure: it turns openings into as few
// revoke calls as the EC2 API allows. Closer executes a plan and believes nothing
// but EC2's answers. Engine stands above both: it takes what detect or sweep found,
// judges it again with its own policy, reads the group where the event does not
// carry the whole truth, has the Closer act, and publishes one alert per event.
//
// What it refuses to do:
//
//   - It takes no orders. A message that claims a rule forbidden removes nothing
//     unless this side's own policy says so.
//   - It revokes by properties, one peer per permission and exactly the values that
//     were judged, never by rule id: a rule that was edited since is left alone by
//     EC2 itself, without a read in front and without a race.
//   - It never takes the absence of an error for a revoke, nor a rule missing from
//     one young read for a closed one.
//   - It opens nothing. No Authorize call is within its reach.
//
// Closing one opening from a complete event costs one EC2 call. What an alert says
// about exposed network interfaces is read after that and costs one more, which no
// verdict depends on.
package remediation
