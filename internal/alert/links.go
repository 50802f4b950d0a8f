package alert

import "strings"

// partition is a part of AWS with its own console and ARNs.
type partition struct {
	name    string // as in ARNs
	console string // host name
}

// partitionOf returns the partition of a region. ok is false for regions of
// partitions whose console's address is not public, and for what is no region.
func partitionOf(region string) (p partition, ok bool) {
	if !isIdentifier(region) || strings.Count(region, "-") < 2 {
		return partition{}, false
	}
	switch {
	case strings.HasPrefix(region, "us-gov-"):
		return partition{"aws-us-gov", "console.amazonaws-us-gov.com"}, true
	case strings.HasPrefix(region, "cn-"):
		return partition{"aws-cn", "console.amazonaws.cn"}, true
	case strings.Contains(region, "-iso"), strings.HasPrefix(region, "eusc-"):
		return partition{}, false
	default:
		return partition{"aws", "console.aws.amazon.com"}, true
	}
}

// groupURL returns the console's page of a security group, or "".
func groupURL(region, groupID string) string {
	p, ok := partitionOf(region)
	if !ok || !isIdentifier(groupID) {
		return ""
	}
	return "https://" + p.console + "/ec2/home?region=" + region + "#SecurityGroup:groupId=" + groupID
}

// eventURL returns the console's page of a CloudTrail event, or "".
func eventURL(region, eventID string) string {
	p, ok := partitionOf(region)
	if !ok || !isIdentifier(eventID) {
		return ""
	}
	return "https://" + p.console + "/cloudtrailv2/home?region=" + region + "#/events/" + eventID
}

// groupARN returns a security group's ARN, or "".
func groupARN(accountID, region, groupID string) string {
	p, ok := partitionOf(region)
	if !ok || !isIdentifier(groupID) || !isIdentifier(accountID) {
		return ""
	}
	return "arn:" + p.name + ":ec2:" + region + ":" + accountID + ":security-group/" + groupID
}

// lookupEvent returns the words of the command that prints one CloudTrail event.
func lookupEvent(region, eventID string) []string {
	if !isIdentifier(region) || !isIdentifier(eventID) {
		return nil
	}
	return []string{
		"aws cloudtrail lookup-events", "--region " + region,
		"--lookup-attributes AttributeKey=EventId,AttributeValue=" + eventID,
	}
}

// lookupRule returns the words of the command that prints the events of one name
// that mention a rule. CloudTrail files events under the group's id, not
// under the rule's, so the rule's id is looked for in the records themselves.
func lookupRule(region, eventName, ruleID string) []string {
	if !isIdentifier(region) || !isIdentifier(ruleID) {
		return nil
	}
	return []string{
		"aws cloudtrail lookup-events", "--region " + region,
		"--lookup-attributes AttributeKey=EventName,AttributeValue=" + eventName,
		`--query "Events[?contains(CloudTrailEvent,'` + ruleID + `')].CloudTrailEvent"`,
	}
}

// groupHistory returns the words of the command that prints what AWS Config
// recorded of a group, or nil.
func groupHistory(region, groupID string) []string {
	if !isIdentifier(region) || !isIdentifier(groupID) {
		return nil
	}
	return []string{
		"aws configservice get-resource-config-history", "--region " + region,
		"--resource-type AWS::EC2::SecurityGroup --resource-id " + groupID,
	}
}
