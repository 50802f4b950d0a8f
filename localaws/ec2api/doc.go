// Package ec2api is an in-memory stand-in for the part of Amazon EC2 that
// holds security groups. It speaks the EC2 Query protocol (form-encoded
// requests, XML answers), so that the AWS SDKs, the AWS CLI and Terraform talk
// to it as they talk to AWS, and it hands out one CloudTrail record, in the
// envelope EventBridge delivers, for every call that changes or tries to change
// something.
//
// It is for tests and for tours on one machine, and for nothing else. It keeps
// everything in memory, verifies no signature (the access key and the region
// are read from the credential scope and believed) and grants every caller
// everything unless SetAuthorizer says otherwise.
//
// What it takes care to do as EC2 does, because sgward depends on it:
//
//   - CIDRs lose their host bits and protocols get their canonical name when
//     they are stored; the CloudTrail record keeps what the caller typed in its
//     request and what was stored in its response.
//   - A rule is known by direction, protocol, ports and peer. A second one with
//     equal properties is InvalidPermission.Duplicate, whatever its description.
//   - A call is done whole or not at all, except in the default VPC, where a
//     revoke passes over what the group does not hold and reports it.
//   - Rules, groups and prefix lists are paged, quotas are kept, and reads may
//     be made to lag behind writes.
//
// What it leaves out: everything of EC2 but security groups, their tags, managed
// prefix lists and the few reads around them; VPC peering, sharing of anything but
// prefix lists, and associating a group with a second VPC; filters on ip-permission.*;
// idempotency tokens; the states between (a prefix list is complete at once); and the
// order in which AWS checks two mistakes made in one call. Limits on tags and on
// resources per VPC are not kept.
package ec2api
