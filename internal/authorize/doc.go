// Package authorize puts rules into security groups: at a person's command and with that
// person's credentials. It is the only part of sgward that can open something: only
// packages undo and group import it, and no function links it.
//
// What it refuses to do:
//
//   - It changes no existing rule. A group cannot hold two rules of one permission, so an
//     existing one is success; differences of description or tags are reported.
//   - It reports a rule as made only if EC2 confirms it.
//   - It never guesses a verdict: Judge asks the policy about the rules together with
//     the group's own, and a failed read leaves a verdict undetermined.
package authorize
