package alert

import (
	"fmt"
	"strings"

	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// done says what was done about an opening and what was not.
func (o *opening) done(v voice, a *finding.Alert, limit int) string {
	text := ""
	switch o.Outcome {
	case finding.OutcomeRevoked:
		text = "sgward closed it: the rule is gone."
	case finding.OutcomeAlreadyClosed:
		text = "sgward found it closed: the rule is gone. " + o.closedBy(a)
	case finding.OutcomeWouldRevoke:
		text = "Nothing was changed: sgward runs in observe mode. In enforce mode it would have closed this. It is still open."
	case finding.OutcomeFailed:
		if o.isFinal() {
			text = "sgward COULD NOT CLOSE it: " + o.Left + ". It did not ask EC2, and no other try will help: " +
				"find the group by the CloudTrail event, and close the rule by hand."
			break
		}
		text = "sgward COULD NOT CLOSE it. " + o.refusal(v, limit) + " " + nextTry(a)
	default:
		text = o.whyLeft()
	}
	if o.ClosedAt != nil && !o.ClosedAt.IsZero() && o.Outcome == finding.OutcomeRevoked {
		text += " EC2 said so at " + o.ClosedAt.UTC().Format("2006-01-02 15:04:05.000") + " UTC."
	}
	if o.Edited && !stillOpen(*o) {
		text += " The call had edited an older rule: WHAT THAT RULE ALLOWED BEFORE IS CLOSED TOO (below: how to find out what it was)."
	}
	if o.FromRequest {
		text += " The record had no answer from EC2: this is the rule as the caller typed it, EC2 may have stored it otherwise."
	}
	return text
}

// isFinal reports that sgward could not even try to close the opening, and that
// nothing tries again.
func (o *opening) isFinal() bool { return o.Outcome == finding.OutcomeFailed && o.Left != "" }

// closedBy says who may have closed a rule that was found gone.
func (o *opening) closedBy(a *finding.Alert) string {
	if !o.MaybeEarlier {
		return "Someone or something else had removed it before sgward got to it."
	}
	if a.Try > 1 {
		return fmt.Sprintf("An earlier try of sgward may have closed it (this was %s), or someone else.", tryOf(a))
	}
	return "An earlier try of sgward may have closed it, or someone else."
}

// whyLeft says why a finding was only told.
func (o *opening) whyLeft() string {
	switch {
	case o.Left != "":
		return "sgward left it open: " + o.Left + "."
	case o.Rule == nil && o.GroupID == "":
		return "Nothing was closed: sgward does not know which group to look at."
	case o.Verdict == policy.Undetermined || o.Verdict == policy.Revoke || o.Rule == nil:
		return "sgward left it open. It could not find out all that it has to know before it closes something; the policy's reasons say what."
	default:
		return "sgward left it open. The policy has it tell people about this and close nothing."
	}
}

// refusal says what EC2 answered.
func (o *opening) refusal(v voice, limit int) string {
	text := "EC2 did not say why."
	if o.ErrorCode != "" || o.ErrorMessage != "" {
		text = "EC2 answered " + v.name(firstOf(o.ErrorCode, "an error"), 64)
		if o.ErrorMessage != "" {
			text += ": " + v.quote(strings.TrimRight(o.ErrorMessage, "."), limit)
		}
		text += "."
	}
	if o.ErrorCode == "UnauthorizedOperation" {
		text += " Something forbids sgward's role to revoke: often a service control policy, a permissions boundary, or a stack deployed in observe mode."
	}
	return text
}

// nextTry says whether anything will try again.
func nextTry(a *finding.Alert) string {
	switch {
	case a.Try <= 0 || a.Tries <= 0:
		return "Close it by hand (command below)."
	case a.Try >= a.Tries:
		return "This was the last try, " + tryOf(a) + ": nothing will try again until the message is sent again from the dead-letter queue. Close it by hand (command below)."
	default:
		return "This was " + tryOf(a) + "; sgward will try again. To be sooner, close it by hand (command below)."
	}
}

func tryOf(a *finding.Alert) string {
	if a.Tries <= 0 {
		return fmt.Sprintf("try %d", a.Try)
	}
	return fmt.Sprintf("try %d of %d", a.Try, a.Tries)
}

// source shows where a call came from: an address, or what CloudTrail wrote in
// its place.
func (v voice) source(s string, limit int) string {
	if isPlainAddress(s) {
		return v.address(s)
	}
	return v.quote(s, limit)
}

// actor says who made the call, from where and with what. What the caller could
// choose is marked so.
func actor(v voice, e cloudtrail.Event, limit int) []string {
	who := "The record does not say who made the call"
	arn := arnOf(e.Actor.ARN)
	switch {
	case e.Actor.SessionIssuerARN != "":
		who = "The role " + v.quote(e.Actor.SessionIssuerARN, 2*limit)
		if arn.session != "" {
			who += ", session " + v.quote(arn.session, limit) + " (a name that the caller chose)"
		}
	case e.Actor.Type == "Root":
		who = "The account's ROOT user, " + v.quote(e.Actor.ARN, 2*limit)
	case arn.session != "":
		who = "The role " + v.quote(arn.role, 2*limit) + ", session " + v.quote(arn.session, limit) + " (a name that the caller chose)"
	case e.Actor.ARN != "":
		who = v.quote(e.Actor.ARN, 2*limit)
	case e.Actor.Type == "AWSService" && e.Actor.InvokedBy != "":
		who = "The AWS service " + v.quote(e.Actor.InvokedBy, limit)
	case e.Actor.Type != "":
		who = "A caller of type " + v.name(e.Actor.Type, limit) + " whom the record does not name"
	}
	if e.Actor.InvokedBy != "" && e.Actor.Type != "AWSService" {
		who += ", through " + v.quote(e.Actor.InvokedBy, limit)
	}
	if e.SourceIPAddress != "" {
		who += ", from " + v.source(e.SourceIPAddress, limit)
	}
	lines := []string{who + "."}
	if e.UserAgent != "" {
		lines = append(lines, "User agent (the caller's own word): "+v.quote(e.UserAgent, 2*limit)+".")
	}
	when := "The call was " + v.name(firstOf(e.EventName, "not named"), limit)
	if !e.EventTime.IsZero() {
		when += " at " + text.Time(e.EventTime) + " (CloudTrail counts whole seconds)"
	}
	if e.AccountID != "" {
		when += ", account " + v.id(e.AccountID)
	}
	if e.Region != "" {
		when += ", " + v.id(e.Region)
	}
	return append(lines, when+".")
}
