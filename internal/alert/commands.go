package alert

import (
	"fmt"
	"slices"
	"strings"

	"sgward/internal/secgroup"
)

// toClose lists the commands that close the open rules beside the first, whose command
// comes earlier.
func (v *view) toClose(lim limits) section {
	s := section{title: "To close the others by hand"}
	for i, o := range v.detailed(lim) {
		if i > 0 && o.Rule != nil && o.isOpen() && !o.Gone {
			s.command("To close "+v.numbered(i)+", if it still is as judged", o.closeCommand, lim)
		}
	}
	return s
}

// toUndo lists the commands that restore the closed rules.
func (v *view) toUndo(lim limits) section {
	s := section{title: "Undo"}
	for i, o := range v.detailed(lim) {
		if o.Rule == nil || o.isOpen() && !o.Gone {
			continue
		}
		intro := "To restore " + v.numbered(i) + " exactly, with description and tags"
		if o.Edited {
			intro = "To restore " + v.numbered(i) + " as the edit left it, with description and tags"
		}
		s.command(intro, o.undoCommand, lim)
		if slices.ContainsFunc(o.Rule.Tags, secgroup.Tag.IsOwnedByAWS) {
			s.say("Tags that begin with aws: are missing from it: only AWS can set them.")
		}
		if o.Edited {
			s.say("The rule's values before the edit are not restored: see below.")
		}
	}
	if len(s.items) > 0 {
		account := "the account"
		if isIdentifier(v.alert.Event.AccountID) {
			account += " " + v.alert.Event.AccountID
		}
		s.say("Run it with credentials of " + account + ": sgward itself has no permission to open anything. " +
			"While the policy forbids the rule, sgward will close it again within seconds: add an exception first.")
	}
	return s
}

// command adds a command to copy, or the reason why it is missing.
func (s *section) command(intro, command string, lim limits) {
	switch {
	case command == "":
		s.say(strings.TrimPrefix(intro+", there is no command: the record lacks parts of the rule.", ", "))
	case hasLongLine(command, lim):
		s.say(strings.TrimPrefix(intro+", the command is too long for this text; it is in the JSON form of this alert, as \"undo\".", ", "))
	default:
		if intro != "" {
			s.say(intro + ":")
		}
		s.show(command)
	}
}

func hasLongLine(s string, lim limits) bool {
	return slices.ContainsFunc(strings.Split(s, "\n"), func(line string) bool { return len(line) > lim.line })
}

// beforeEdit describes how to find the old values of an edited rule: a record of
// ModifySecurityGroupRules holds only the new ones. One example is enough, because the
// commands differ only by ids.
func (v *view) beforeEdit(lim limits) section {
	s := section{title: "Before the edit"}
	listed := v.listed(lim)
	i := slices.IndexFunc(listed, func(o opening) bool { return o.Edited && o.Rule != nil })
	if i < 0 {
		return s
	}
	o := &listed[i]
	s.say("CloudTrail records an edit without the old values, so sgward cannot put them back.")
	if command := groupHistory(o.region, o.GroupID); command != "" {
		s.say("If AWS Config records security groups here, it knows them:")
		s.show(command)
	}
	call := "AuthorizeSecurityGroupIngress"
	if o.isEgress() {
		call = "AuthorizeSecurityGroupEgress"
	}
	if command := lookupRule(o.region, call, o.Rule.ID); command != "" {
		s.say("Else look in the last 90 days for the call that made the rule, and for earlier edits with EventName ModifySecurityGroupRules:")
		s.show(command)
	}
	return s
}

// toAllow lists the exceptions to paste.
func (v *view) toAllow(lim limits) section {
	s := section{title: "If it must stay open"}
	for i, o := range v.detailed(lim) {
		if o.exception == "" || hasLongLine(o.exception, lim) { // only a forged id is that long
			continue
		}
		if len(s.items) == 0 {
			s.say(fmt.Sprintf("Paste this under exceptions: in policy.yaml; "+
				"fill in reason and owner, have it reviewed, deploy. It ends after %d days.", exceptionDays))
		}
		if len(v.openings) > 1 {
			s.say("For " + v.numbered(i) + ":")
		}
		s.show(o.exception)
	}
	return s
}

// lookupEvent returns the command that prints one CloudTrail event. Like the next two, it
// is folded for pasting, and "" if an id is unknown.
func lookupEvent(region, eventID string) string {
	return awsCommand("cloudtrail lookup-events", region, eventID, "--lookup-attributes AttributeKey=EventId,AttributeValue="+eventID)
}

// lookupRule returns the command that prints the events of one name that mention a rule.
// CloudTrail indexes events by the group's id and not the rule's, so the command searches
// the records for it.
func lookupRule(region, eventName, ruleID string) string {
	return awsCommand("cloudtrail lookup-events", region, ruleID, "--lookup-attributes AttributeKey=EventName,AttributeValue="+eventName,
		`--query "Events[?contains(CloudTrailEvent,'`+ruleID+`')].CloudTrailEvent"`)
}

// groupHistory returns the command that prints AWS Config's records of a group.
func groupHistory(region, groupID string) string {
	return awsCommand("configservice get-resource-config-history", region, groupID,
		"--resource-type AWS::EC2::SecurityGroup --resource-id "+groupID)
}

// awsCommand writes a command over several lines, one option each; "" if an id in it could
// mean something to a shell.
func awsCommand(operation, region, id string, options ...string) string {
	if !isIdentifier(region) || !isIdentifier(id) {
		return ""
	}
	return folded(append([]string{"aws " + operation, "--region " + region}, options...))
}

// Close returns the AWS CLI command that closes a rule if its values are unchanged, on one
// line for a POSIX shell; "" where Undo has none.
func Close(accountID, region, groupID string, rule secgroup.Rule) string {
	return oneLine("revoke", accountID, region, groupID, rule)
}
