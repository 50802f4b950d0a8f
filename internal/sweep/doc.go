// Package sweep judges rules that exist already: those that use a managed prefix list
// which was edited, and in a sweep all of the region, since events get lost, exceptions
// end and policies change. It decides what is to be closed and what is told.
//
// It closes nothing. What has to be closed it hands over, by the queue that detect
// uses too, to remediation, which reads and judges again, closes what is still
// forbidden, and tells what became of it. The message also remembers: a rule that is
// gone is in no read, and a second try after a failed publish would else know nothing
// of what the first one had closed.
//
// What it refuses to do:
//
//   - It believes no old version of a list. Until EC2 has finished an edit, what
//     would be safe by the entries that it shows is not taken for safe.
//   - It guesses nothing of who made a rule: where a clause on the actor could
//     exempt one, it tells people and closes nothing.
//   - It has a standing rule closed only where the statement says "existing: revoke",
//     and never more than a stated number a run.
package sweep
