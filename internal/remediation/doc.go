// Package remediation closes the openings that a policy forbids, and reports their
// outcomes.
//
//   - Closer closes openings in as few revoke calls as EC2's API allows, and believes
//     nothing but EC2's answers.
//   - Engine takes the findings of detect or sweep, judges them again with its own
//     policy, reads the group if the event is incomplete, has the Closer act, and
//     publishes one alert per event.
//
// What it refuses to do:
//
//   - It takes no orders. A message that claims a rule forbidden removes nothing
//     unless this side's own policy says so.
//   - It revokes by properties, one peer per permission and exactly the values that
//     were judged, never by rule id: EC2 itself leaves alone a rule that was edited
//     since, without a read in front and without a race.
//   - It never takes the absence of an error for a revoke, nor a rule missing from
//     one young read for a closed one.
//   - It opens nothing. No Authorize call is within its reach.
//
// Closing one opening from a complete event costs one EC2 call. The network interfaces of
// the alert are read after that with one more call, on which no verdict depends.
package remediation
