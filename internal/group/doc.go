// Package group makes security groups and rules that a policy allows: Create brings a
// group up to a pattern (a web server, a database, a compliance scanner), Allow adds
// one rule. Each judges before it makes anything.
//
// What it refuses to do: it opens SSH to nobody who was not named, a database to no
// address outside the VPC and private space, and nothing that the policy forbids.
package group
