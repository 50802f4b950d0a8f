// Package inventory reads the current security groups: live, from EC2, or from the JSON of
// "aws ec2 describe-security-groups" and "describe-security-group-rules". Judge applies a
// policy to a group, and Notes lists other points that need attention. It changes nothing.
package inventory
