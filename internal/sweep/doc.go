// Package sweep judges existing rules: those that use an edited managed prefix list, and
// in a sweep all of the region, because events get lost, exceptions end and policies
// change. It decides which rules to close and which to report.
//
// It closes nothing. It hands rules to close over to remediation, by the queue that detect
// uses too. remediation reads and judges again, closes what is still forbidden, and
// reports the outcomes. The message is also a record: a rule that is gone is in no read,
// and a second try after a failed publish would otherwise not know what the first one had
// closed.
//
// What it refuses to do:
//
//   - It believes no old version of a list. Until EC2 has finished an edit, a rule
//     that is safe by the entries shown is not taken for safe.
//   - It never guesses who made a rule: where a clause on the actor could exempt one,
//     it reports the rule and closes nothing.
//   - It has an existing rule closed only if the statement says "existing: revoke",
//     and never more than a stated number per run.
package sweep
