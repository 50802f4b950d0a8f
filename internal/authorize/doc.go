// Package authorize puts rules into security groups: at a person's command and with
// that person's credentials. It is the one part of sgward that can open something:
// packages undo and group alone import it, and no function links it.
//
// What it refuses to do:
//
//   - It changes no rule that is there. A group cannot hold two rules that let the
//     same through, so one that is there already is success, and how its description
//     or tags differ is told.
//   - It takes nothing for made but what EC2 says it made.
//   - It guesses at no verdict: Judge asks the policy about the rules together with
//     what the group holds, and what cannot be read leaves a verdict undetermined.
package authorize
