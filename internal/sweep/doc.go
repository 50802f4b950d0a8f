// Package sweep judges existing rules: those that use an edited managed prefix list, and
// in a sweep all of the region, because events get lost, exceptions end and policies
// change. It decides which rules to close and which to report.
//
// It closes nothing. It hands rules to close over to remediation, by the queue that detect
// uses too. remediation reads and judges again, closes the rules that are still forbidden,
// and reports the outcomes. The message is also a record: no read shows a closed rule, so
// without it a retry after a failed publish could not report what the first try closed.
//
// What it refuses to do:
//
//   - It does not trust an old version of a list: until EC2 has finished an edit, the
//     entries shown make no rule safe.
//   - It never guesses who made a rule: where a clause on the actor could exempt one,
//     it reports the rule and closes nothing.
//   - It has an existing rule closed only if the statement says "existing: revoke",
//     and never more than a stated number per run.
package sweep
