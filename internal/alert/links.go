package alert

import "sgward/internal/text"

// consoleOf returns the address of the console's pages for a region, without what is
// shown there; empty where that is not public.
func consoleOf(region, page string) string {
	p, ok := text.PartitionOf(region)
	if !ok || p.ConsoleHost(region) == "" {
		return ""
	}
	return "https://" + p.ConsoleHost(region) + "/" + page + "/home?region=" + region
}

// groupURL returns the console's page of a security group, or "".
func groupURL(region, groupID string) string {
	console := consoleOf(region, "ec2")
	if console == "" || !isIdentifier(groupID) {
		return ""
	}
	return console + "#SecurityGroup:groupId=" + groupID
}

// eventURL returns the console's page of a CloudTrail event, or "".
func eventURL(region, eventID string) string {
	console := consoleOf(region, "cloudtrailv2")
	if console == "" || !isIdentifier(eventID) {
		return ""
	}
	return console + "#/events/" + eventID
}

// groupARN returns a security group's ARN, or "".
func groupARN(accountID, region, groupID string) string {
	p, ok := text.PartitionOf(region)
	if !ok || !isIdentifier(groupID) || !isIdentifier(accountID) {
		return ""
	}
	return "arn:" + p.Name + ":ec2:" + region + ":" + accountID + ":security-group/" + groupID
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
