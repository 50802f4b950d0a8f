// Package sweep judges rules that exist already: those that use a managed prefix list
// which was edited, and in a sweep all of the region, since events get lost, exceptions
// end and policies change. It decides what is closed and what is told.
//
// A run that has something to close does it in two steps. The first reads and
// judges, and only chooses; what it chose travels through a queue. The second reads
// and judges again, closes of the chosen what is still forbidden, and tells. A rule
// that is gone is in no read: without the message, a second try after a failed
// publish would know nothing of what the first one had closed.
//
// What it refuses to do:
//
//   - It believes no old version of a list. Until EC2 has finished an edit, what
//     would be safe by the entries that it shows is not taken for safe.
//   - It guesses nothing of who made a rule: where a clause on the actor could
//     exempt one, it tells people and closes nothing.
//   - It closes a standing rule only where the statement says "existing: revoke",
//     never more than a stated number a run, and by the values that were judged.
package sweep
