// Package ec2rules is EC2 as the rest of the product needs it: it reads security
// groups, prefix lists and network interfaces, revokes rules and authorizes them, and
// knows what EC2's errors mean. It is the one place that turns EC2's shapes into
// values of secgroup and back. It judges nothing and chooses nothing.
//
// Each function takes a client interface of the calls that it makes, so that a
// program links no other. Who may call Revoke and Authorize is held by a test of the
// module.
//
// Throttled and broken calls are retried by the client. What reaches a caller is
// final unless IsTransient says otherwise.
package ec2rules
