package alert

import (
	"strings"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
)

// nextStep advises on the most urgent opening: how to close an open one, and for a closed
// one the access to give instead.
func (v *view) nextStep(lim limits) section {
	s := section{title: "Next", isFact: true}
	switch {
	case v.isExpiry:
		s.say("Close what the exception covers, or agree on a new last day with its owner and change the policy; remove exceptions that have ended.")
		return s
	case len(v.openings) == 0:
		return s
	}
	o := &v.openings[0]
	switch it := v.numbered(0); {
	case o.Rule == nil && v.isSweep:
		s.say("Look at the group's rules: sgward could not read all of them.")
	case o.Rule == nil:
		s.say("Look at the event and at the group's rules: the opened rules are unknown.")
	case o.isFinal():
		s.say("Find the group by the CloudTrail event, and close the rule by hand.")
	case o.Gone:
		s.say("Close the rules that let the traffic through now, and find out who makes such rules again and again.")
	case o.closeCommand == "":
		s.say("Look at the group's rules: the record lacks parts of this one.")
	case o.isOpen():
		s.title, s.isFact = "Close "+it, false
		if o.Outcome == finding.OutcomeAlerted && !o.Union && o.Verdict != policy.Revoke {
			s.title = "Not meant to be open? Close " + it
		}
		s.command("", o.closeCommand, lim)
	case o.EditedBack:
		s.say("Nothing has to be closed. Find out why it was opened.")
	case o.isEgress() || v.isSweep || v.isDigest: // no user of the rule is known
	default:
		s.title, s.isFact = "Need access?", false
		o.offer(&s, v, lim)
	}
	return s
}

// offer shows the access to give in place of a closed rule.
func (o *opening) offer(s *section, v *view, lim limits) {
	p := o.Rule.Permission
	rule := secgroup.Rule{Permission: p}
	switch {
	case v.alert.PrefixListID != "":
		how := "the command is " + pick(lim.isLong, "below", "in the e-mail")
		if undo, _ := o.undoCall(v); undo != "" && !lim.isLong {
			how = id(undo)
		}
		s.say("Take the entry out of the prefix list " + id(v.alert.PrefixListID) + ", then restore the rule: " + how + ".")
		return
	case o.Fix != nil && o.Fix.Permission.Peer.Kind() == secgroup.GroupPeerKind:
		groupID, _ := o.Fix.Permission.Peer.Group()
		rule.Permission.Peer = o.Fix.Permission.Peer
		s.command("Open it to "+id(groupID)+" instead, a group that this one lets in already", oneLine("authorize", o.accountID, o.region, o.GroupID, rule), lim)
	case o.Fix != nil:
		rule.Permission.Peer = o.Fix.Permission.Peer
		s.command("Open it to the caller's own address instead", oneLine("authorize", o.accountID, o.region, o.GroupID, rule), lim)
	default:
		rule.Permission.Peer = secgroup.GroupPeer(clientsID, "")
		command := oneLine("authorize", o.accountID, o.region, o.GroupID, rule)
		s.command("Open it to the group of its clients instead, by its id", command, lim)
	}
	if o.Edited {
		s.say("AWS Config, or else CloudTrail, knows what the rule allowed before its edit" + pick(lim.isLong, ": the commands are below.", "."))
	}
	switch p := program(v.alert.Event.UserAgent); {
	case o.Repeat != nil: // which says it
	case isOfCode(p):
		s.say(p + " made the rule: change the code as well, or its next run opens it again.")
	case isByCloudFormation(v.alert.Event):
		s.say("CloudFormation made the rule: change the template as well.")
	}
}

// clientsID stands for the id of a group that only people know. EC2 refuses it as it is.
const clientsID = "SG-OF-THE-CLIENTS"

// oneLine is the command that makes or removes a rule (without its description, which EC2
// does not compare), in the options that the AWS CLI has for simple ones; "" if there is
// none. It removes the rule only if its values are unchanged.
func oneLine(verb, accountID, region, groupID string, rule secgroup.Rule) string {
	p := rule.Permission
	rule.Description = ""
	args := ruleArguments(verb, accountID, region, groupID, rule)
	if args == nil {
		return ""
	}
	option := ""
	referenced, owner := p.Peer.Group()
	switch {
	case p.Peer.CIDR().IsValid() && p.Peer.CIDR().Addr().Is4():
		option = "--cidr " + p.Peer.CIDR().String()
	case isIdentifier(referenced) && (owner == "" || owner == accountID):
		option = "--source-group " + referenced
	}
	if option != "" && p.Protocol.HasPorts() && p.Direction == secgroup.Ingress {
		args = append(args[:len(args)-1], "--protocol "+string(p.Protocol)+" --port "+p.Ports.String(), option)
	}
	return strings.Join(args, " ")
}
