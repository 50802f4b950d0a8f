// Package localaws runs sgward's pipeline in one process, for tours and for fast
// tests: the real `bootstrap` binaries of the functions behind a Lambda Runtime API,
// wired as template.yaml says, between in-memory stand-ins for the services around
// them.
//
//	any AWS client -> EC2 (ec2api) -> CloudTrail record -> the template's event pattern
//	  -> detect -> its destination -> queue -> the template's filter -> remediate
//	  -> EC2 revoke and SNS publish (snsapi)
//	any AWS client -> Lambda's Invoke -> sweep -> DynamoDB (dynamodbapi), EC2, SNS
//	any AWS client -> CloudTrail's LookupEvents (cloudtrailapi), of EC2's records
//	a topic -> the functions that subscribe to it -> Secrets Manager (secretsapi),
//	  EventBridge and Security Hub (outletsapi)
//
// The template decides the way: nothing of its patterns, filters, timeouts, retries,
// queues or roles is copied here. It is the smallest thing that serves tours and
// tests, not an emulator: one region, no signatures, only inline role policies and of
// these only the actions, no alarms, no schedules (invoke the function instead), and
// of a topic's subscribers only functions get messages.
package localaws
