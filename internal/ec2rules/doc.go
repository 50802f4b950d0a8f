// Package ec2rules is the product's access to EC2: it reads security groups, prefix lists
// and network interfaces, revokes and authorizes rules, and classifies EC2's errors. It is
// the one place that converts between EC2's shapes and values of secgroup. It decides
// nothing.
//
// Each function takes a client interface with just the calls that it makes, so that a
// program links no others. layout_test.go restricts which packages may call Revoke and
// Authorize.
//
// The client retries throttled and broken calls. An error that reaches a caller is final
// unless IsTransient says otherwise.
package ec2rules
