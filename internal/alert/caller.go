package alert

import (
	"strings"

	"sgward/internal/text"
)

// caller names the caller, its address and its program. Texts that the caller chose are
// marked.
func (v *view) caller(limits) section {
	s := section{title: "Who did it"}
	if v.isSweep || v.isExpiry {
		return s
	}
	e := v.alert.Event
	if v.isDigest {
		s.say(v.oldEvents())
		return s
	}
	role, session := assumedRole(e.Actor.ARN)
	sessionSaid := ", session " + quote(session) + " (a name that the caller chose)"
	who := "The record does not say who made the call"
	switch {
	case e.Actor.SessionIssuerARN != "":
		who = "The role " + quoteLong(e.Actor.SessionIssuerARN)
		if session != "" {
			who += sessionSaid
		}
	case e.Actor.Type == "Root":
		who = "The account's ROOT user, " + quoteLong(e.Actor.ARN)
	case session != "":
		who = "The role " + quoteLong(role) + sessionSaid
	case e.Actor.ARN != "":
		who = quoteLong(e.Actor.ARN)
	case e.Actor.Type == "AWSService" && e.Actor.InvokedBy != "":
		who = "The AWS service " + quote(e.Actor.InvokedBy)
	case e.Actor.Type != "":
		who = "A caller of type " + name(e.Actor.Type) + " that the record does not name"
	}
	if e.Actor.InvokedBy != "" && e.Actor.Type != "AWSService" {
		who += ", through " + quote(e.Actor.InvokedBy)
	}
	switch {
	case isAddress(e.SourceIPAddress):
		who += ", from " + e.SourceIPAddress
	case e.SourceIPAddress != "": // a service's name, or "AWS Internal"
		who += ", from " + quote(e.SourceIPAddress)
	}
	s.say(who + ".")
	if e.UserAgent != "" {
		s.say("User agent (the caller's own word): " + quoteLong(e.UserAgent) + ".")
	}
	call := "The call was not named"
	if e.EventName != "" {
		call = "The call was " + name(e.EventName)
	}
	if !e.EventTime.IsZero() {
		call += " at " + text.Time(e.EventTime) + " (CloudTrail counts whole seconds)"
	}
	if e.AccountID != "" {
		call += ", account " + id(e.AccountID)
	}
	if e.Region != "" {
		call += ", " + id(e.Region)
	}
	s.say(call + ".")
	if e.ReplayName != "" {
		s.say("EventBridge sent the event again by the replay " + name(e.ReplayName) + ": its rule exists already.")
	}
	return s
}

// oldEvents says why an alert tells of several events.
func (v *view) oldEvents() string {
	n, replay := v.alert.OldEvents, v.alert.Event.ReplayName
	out := text.Thousands(n) + " old events are reported together: "
	if replay != "" {
		out += "EventBridge sent them again by the replay " + name(replay) + ". "
	} else {
		out += "they reached sgward hours after their calls, or were replayed. "
	}
	return out + "Their rules exist already, so they are closed only if a statement says so (existing: revoke). Each opening above names its event."
}

// madeBy names the call of an opening in an alert that tells of several.
func (o *opening) madeBy() string {
	e := o.Event
	if e == nil {
		return ""
	}
	who := "somebody whom the record does not name"
	if p := e.Actor.Principal(); p != "" {
		who = quoteLong(p)
	} else if e.Actor.InvokedBy != "" {
		who = "the AWS service " + quote(e.Actor.InvokedBy)
	}
	return name(e.EventName) + " at " + text.Time(e.EventTime) + " by " + who + ", event " + id(e.EventID) + "."
}

// assumedRole returns the parts of
// "arn:aws:sts::123456789012:assumed-role/ROLE/SESSION", "" for any other ARN.
func assumedRole(arn string) (role, session string) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[2] != "sts" {
		return "", ""
	}
	rest, ok := strings.CutPrefix(parts[5], "assumed-role/")
	if !ok {
		return "", ""
	}
	role, session, _ = strings.Cut(rest, "/")
	return role, session
}
