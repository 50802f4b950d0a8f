// Package group makes security groups and rules that a policy allows: Create brings a
// group up to a pattern (a web server, a database, a compliance scanner), Allow adds one
// rule. Each judges before it makes anything.
//
// What it refuses to open: SSH to anyone not named, a database to addresses outside the
// VPC and private space, and anything that the policy forbids.
package group
