package alert

import (
	"sgward/internal/awsid"
	"sgward/internal/cloudtrail"
	"sgward/internal/text"
)

// call gives the record's own words about the caller.
func (v *view) call(limits) section {
	s, e := section{title: "The call"}, v.alert.Event
	if v.isSweep || v.isExpiry {
		return s
	}
	if v.isDigest {
		s.say(v.oldEvents())
		return s
	}
	out := "A call that the record does not name"
	if e.EventName != "" {
		out = name(e.EventName)
	}
	if !e.EventTime.IsZero() {
		out += " at " + text.Time(e.EventTime) + " (CloudTrail counts whole seconds)"
	}
	if p := e.Actor.Principal(); p != "" {
		out += ", by " + quoteLong(p)
	}
	if e.AccountID != "" {
		out += ", account " + id(e.AccountID)
	}
	s.say(out + ".")
	if e.UserAgent != "" {
		s.say("User agent: " + quoteLong(e.UserAgent) + ".")
	}
	if e.ReplayName != "" {
		s.say("EventBridge sent the event again by the replay " + name(e.ReplayName) + ": its rule exists already.")
	}
	if command := lookupEvent(e.Region, e.EventID); command != "" {
		s.say("To see the whole event (the console and CloudTrail's look-up know it after some minutes):")
		s.show(command)
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
	return out + "Their rules exist already, so they are closed only where the policy closes existing rules. Each opening above names its event."
}

// madeBy names the call of an opening in an alert that tells of several.
func (o *opening) madeBy() string {
	e := o.Event
	if e == nil {
		return ""
	}
	return name(e.EventName) + " at " + text.Time(e.EventTime) + " by " + caller(*e) + ", event " + id(e.EventID) + "."
}

// actors are the texts by which the call's author can be routed: the ARN of the role or
// user, and the session's name, which the caller chose.
func actors(e cloudtrail.Event) []string {
	arn, _ := awsid.ParseARN(e.Actor.ARN)
	_, session, _ := arn.Session()
	if p := e.Actor.Principal(); p != "" {
		return []string{p, session}
	}
	return []string{e.Actor.InvokedBy}
}
