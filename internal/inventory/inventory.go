// Package inventory reads security groups as they are now: live, from EC2, or from
// the JSON of "aws ec2 describe-security-groups" and "describe-security-group-rules".
// Judge says what a policy makes of one, and Notes what else deserves attention. It
// changes nothing.
package inventory
