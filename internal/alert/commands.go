package alert

import (
	"fmt"
	"slices"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/secgroup"
)

// toClose shows the commands that close the open rules.
func (v *view) toClose(lim limits) section {
	s := section{title: "To close it by hand"}
	for i, o := range v.detailed(lim) {
		if o.Rule != nil && o.isOpen() {
			s.command("To close "+v.numbered(i)+" yourself, if it still is as judged", o.closeCommand, lim)
		}
	}
	return s
}

// toUndo shows the commands that restore the closed rules, and those that a person
// closes in observe mode.
func (v *view) toUndo(lim limits) section {
	s := section{title: "Undo"}
	isClosed := false
	for i, o := range v.detailed(lim) {
		if o.Rule == nil || o.isOpen() && o.Outcome != finding.OutcomeWouldRevoke {
			continue
		}
		intro := "To put " + v.numbered(i) + " back exactly as it was, description and tags included"
		switch {
		case o.Outcome == finding.OutcomeWouldRevoke:
			intro = "If you close " + v.numbered(i) + " and regret it, this puts it back"
		case o.Edited:
			intro = "To put " + v.numbered(i) + " back as the edit left it, description and tags included"
		}
		isClosed = isClosed || !o.isOpen()
		s.command(intro, o.undoCommand, lim)
		if slices.ContainsFunc(o.Rule.Tags, secgroup.Tag.IsOwnedByAWS) {
			s.say("Tags that begin with aws: are missing from it: only AWS can set them.")
		}
		if o.Edited {
			s.say("This is not what the rule was before the edit: see below.")
		}
	}
	if isClosed {
		account := "the account"
		if isIdentifier(v.alert.Event.AccountID) {
			account += " " + v.alert.Event.AccountID
		}
		s.say("Run it with credentials of " + account + ": sgward itself has no permission to open anything. " +
			"While the policy forbids the rule, sgward will close it again within seconds: add an exception first.")
	}
	return s
}

// command shows a command to copy, or says why it is missing.
func (s *section) command(intro, command string, lim limits) {
	switch {
	case command == "":
		s.say(intro + ", there is no command: the record does not tell enough of the rule.")
	case hasLongLine(command, lim):
		s.say(intro + ", the command is too long for this text; it is in the JSON form of this alert, as \"undo\".")
	default:
		s.say(intro + ":")
		s.show(command)
	}
}

func hasLongLine(s string, lim limits) bool {
	return slices.ContainsFunc(strings.Split(s, "\n"), func(line string) bool { return len(line) > lim.line })
}

// beforeEdit says how to find the old values of an edited rule: a record of
// ModifySecurityGroupRules holds the new ones only. One example serves: the
// commands differ by the ids only.
func (v *view) beforeEdit(lim limits) section {
	s := section{title: "What the rule was before the edit"}
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

// toAllow shows the exceptions to paste.
func (v *view) toAllow(lim limits) section {
	s := section{title: "If this is meant to be open"}
	detailed := v.detailed(lim)
	for i, o := range first(detailed, lim.excepted) {
		if o.exception == "" || hasLongLine(o.exception, lim) { // only a forged id is so long
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

// elsewhere says that commands and exceptions are missing from a text.
func (v *view) elsewhere(lim limits) section {
	s := section{}
	n := len(v.openings)
	if !v.isExpiry && (lim.commands < n || n > 0 && lim.excepted == 0) {
		s.say("More commands and exceptions to paste are in the e-mail of this alert; its JSON form has what there was no room for.")
	}
	return s
}

// lookupEvent returns the command that prints one CloudTrail event, like the next two
// folded for pasting and "" where an id is not known.
func lookupEvent(region, eventID string) string {
	return awsCommand("cloudtrail lookup-events", region, eventID, "--lookup-attributes AttributeKey=EventId,AttributeValue="+eventID)
}

// lookupRule returns the command that prints the events of one name that mention a
// rule. CloudTrail files events under the group's id, not under the rule's, so the
// rule's id is looked for in the records themselves.
func lookupRule(region, eventName, ruleID string) string {
	return awsCommand("cloudtrail lookup-events", region, ruleID, "--lookup-attributes AttributeKey=EventName,AttributeValue="+eventName,
		`--query "Events[?contains(CloudTrailEvent,'`+ruleID+`')].CloudTrailEvent"`)
}

// groupHistory returns the command that prints AWS Config's records of a group.
func groupHistory(region, groupID string) string {
	return awsCommand("configservice get-resource-config-history", region, groupID,
		"--resource-type AWS::EC2::SecurityGroup --resource-id "+groupID)
}

// awsCommand writes a command over several lines, one option each; "" where an id
// that it holds could mean anything to a shell.
func awsCommand(operation, region, id string, options ...string) string {
	if !isIdentifier(region) || !isIdentifier(id) {
		return ""
	}
	return folded(append([]string{"aws " + operation, "--region " + region}, options...))
}
