package alert

import (
	"fmt"
	"slices"
	"strings"

	"sgward/internal/awsid"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// brief lists the sections that a person reads in five seconds; chat has no others. Each
// is empty in an alert that it does not apply to.
func brief() []func(*view, limits) section {
	return []func(*view, limits) section{
		(*view).overview, (*view).eventsLost, (*view).again, (*view).who, (*view).where, (*view).done, (*view).policy, (*view).found, (*view).nextStep, (*view).mustBeOpen, (*view).whereToLook,
	}
}

// overview lists several openings by number, those of a sweep under the names of their
// groups. A single one is in the title.
func (v *view) overview(lim limits) section {
	s, a, listed := section{}, v.alert, v.listed(lim)
	severities := map[policy.Severity]bool{}
	for i := range v.openings {
		severities[v.openings[i].Severity] = true
	}
	for i := range listed {
		o := &listed[i]
		if v.isSweep && len(v.openings) > 1 && (i == 0 || o.GroupID != listed[i-1].GroupID) {
			s.say(group(o.GroupID, o.GroupName) + ":")
		}
		line := o.headline(v)
		if o.Rule != nil && (!v.isSweep || a.Sweep.Closing) {
			verb, _ := o.verb()
			line = verb + ": " + line
		}
		if o.Event != nil {
			line += ", by " + caller(*o.Event)
		}
		if len(severities) > 1 && o.Severity != policy.NoSeverity {
			line += ", " + o.Severity.String()
		}
		switch {
		case v.isExpiry:
			s.say("- " + o.ending(a))
		case len(v.openings) > 1:
			s.say(fmt.Sprintf("%d. %s", i+1, line))
		}
	}
	others := v.openings[len(listed):]
	counted := ": " + byOutcome(others)
	switch {
	case v.isExpiry || a.FindingsOmitted > 0:
		counted = ""
	case v.isSweep: // which leaves nearly all open
		counted = ": " + bySeverity(others)
	}
	more := len(others) + a.FindingsOmitted
	s.leftOut(more, text.Thousands(more)+" more"+counted)
	if v.isSweep && more+v.omitted > 0 {
		s.say("To list everything: sgward audit --regions " + id(a.Event.Region))
	}
	return s
}

// who names the caller, its address, its program and the time.
func (v *view) who(limits) section {
	s, e := section{title: "Who", isFact: true}, v.alert.Event
	if v.isSweep || v.isExpiry || v.isDigest {
		return s
	}
	who := caller(e)
	switch {
	case isAddress(e.SourceIPAddress):
		who += ", from " + e.SourceIPAddress
	case e.SourceIPAddress != "" && e.SourceIPAddress != e.Actor.InvokedBy: // a service's name, or "AWS Internal"
		who += ", from " + service(e.SourceIPAddress)
	}
	if p := program(e.UserAgent); p != "" {
		who += " with " + p
	}
	if !e.EventTime.IsZero() {
		who += ", " + text.Time(e.EventTime)
	}
	s.say(who)
	return s
}

// caller names who made a call. A session name is the caller's own choice, except in IAM
// Identity Center, whose roles only it can assume or edit.
func caller(e cloudtrail.Event) string {
	a := e.Actor
	arn, _ := awsid.ParseARN(a.ARN)
	role, session, _ := arn.Session()
	if i := strings.LastIndexByte(a.SessionIssuerARN, '/'); i >= 0 {
		role = a.SessionIssuerARN[i+1:]
	}
	who := "not named by the record"
	switch _, user, isUser := strings.Cut(a.ARN, ":user/"); {
	case session != "" && strings.Contains(a.SessionIssuerARN, ":role/aws-reserved/sso.amazonaws.com/"):
		who = quote(session) + ", role " + name(role)
	case session != "":
		who = quote(session) + " (unverified), role " + name(role)
	case role != "":
		who = "role " + name(role)
	case a.Type == "Root":
		who = "the account's ROOT user"
	case isUser:
		who = "user " + name(user)
	case a.ARN != "":
		who = quoteLong(a.ARN)
	case a.Type == "AWSService" && a.InvokedBy != "":
		return "the AWS service " + service(a.InvokedBy)
	case a.Type != "":
		who = "a caller of type " + name(a.Type) + " that the record does not name"
	}
	if a.InvokedBy != "" {
		who += ", through " + service(a.InvokedBy)
	}
	return who
}

// maker names the caller without the name of the session, which each session may choose
// anew.
func maker(e cloudtrail.Event) string {
	if i := strings.LastIndexByte(e.Actor.SessionIssuerARN, '/'); i >= 0 {
		return "role " + name(e.Actor.SessionIssuerARN[i+1:])
	}
	return caller(e)
}

// service names an AWS service: "autoscaling" for autoscaling.amazonaws.com.
func service(host string) string { return name(strings.TrimSuffix(host, ".amazonaws.com")) }

// program names the program of a user agent, which is the caller's own word; "" if its
// name is no plain one.
func program(userAgent string) string {
	lower := strings.ToLower(userAgent)
	for _, known := range []struct{ part, name string }{
		{"terraform", "Terraform"}, {"opentofu", "OpenTofu"}, {"pulumi", "Pulumi"}, {"ansible", "Ansible"},
		{"mozilla", "the console"}, {"console.", "the console"}, {"signin.", "the console"},
	} {
		if strings.Contains(lower, known.part) {
			return known.name
		}
	}
	if product, _, _ := strings.Cut(userAgent, "/"); isPlainName(product) {
		return product
	}
	return ""
}

// where names the group, what uses it, and whose it is.
func (v *view) where(limits) section {
	s := section{title: "Where", isFact: true}
	if len(v.openings) == 0 || v.isExpiry || v.groupCount() > 1 {
		return s
	}
	o := &v.openings[0]
	out := group(o.GroupID, o.GroupName)
	if o.region != "" {
		out += ", " + id(o.region)
	}
	if o.StackName != "" {
		out += ", of CloudFormation stack " + name(o.StackName)
	}
	if use := v.use(); use != "" {
		out += "; " + use
	}
	if o.Owner != "" {
		out += "; owner " + name(o.Owner)
	}
	s.say(out)
	return s
}

// use names the most exposed network interface of the group; "" if they were not read.
func (v *view) use() string {
	a := v.alert
	if len(a.Exposed) == 0 {
		return pick(a.Exposed != nil && a.ExposedError == "", "nothing uses it", "")
	}
	most := 0
	for i := range a.Exposed {
		if len(a.Exposed[i].PublicAddresses()) > 0 {
			most = i
			break
		}
	}
	n := &a.Exposed[most]
	out := "in use by "
	switch {
	case n.InstanceID != "":
		out += id(n.InstanceID)
	case n.Service != "":
		out += quote(n.Service)
	default:
		out += id(n.ID)
	}
	if public := n.PublicAddresses(); len(public) > 0 {
		out += " at " + address(public[0])
	} else {
		out += ", no public address"
	}
	if more := len(a.Exposed) - 1; more > 0 {
		out += " and " + text.Thousands(more) + " more"
	}
	return out
}

// done says what sgward did about each opening.
func (v *view) done(lim limits) section {
	s := section{title: "Done", isFact: true}
	if v.isExpiry {
		return s
	}
	s.each(v.listed(lim), func(o *opening) string { return o.done })
	for i := range first(v.exempt, lim.listed) {
		s.say(v.exempt[i].sentence)
	}
	more := len(v.exempt) - lim.listed
	s.leftOut(more, text.Plural(more, "more rule")+" that exceptions allow")
	if len(v.openings) == 0 && len(v.exempt) == 0 {
		s.say("Nothing.")
	}
	return s
}

// policy names the statement that decided about each opening, and the severity of a single
// one: "world-open-database, critical".
func (v *view) policy(lim limits) section {
	s := section{title: "Policy", isFact: true}
	if v.isExpiry {
		return s
	}
	s.each(v.listed(lim), func(o *opening) string {
		var parts []string
		if o.StatementID != "" {
			parts = append(parts, name(o.StatementID))
		}
		if o.Severity != policy.NoSeverity && len(v.openings) == 1 {
			parts = append(parts, o.Severity.String())
		}
		return strings.Join(parts, ", ")
	})
	return s
}

// each says a text of each opening, equal ones once, behind their numbers.
func (s *section) each(openings []opening, of func(*opening) string) {
	texts := make([][]string, len(openings))
	for i := range openings {
		if out := of(&openings[i]); out != "" {
			texts[i] = []string{out}
		}
	}
	for _, out := range grouped(texts) {
		s.say(out)
	}
}

// mustBeOpen says how to keep what was or is open; in the mail, the way itself comes last.
func (v *view) mustBeOpen(lim limits) section {
	s := section{title: "Must it stay open?"}
	if len(v.openings) == 0 || v.isExpiry {
		return s
	}
	o, undo, restored := &v.openings[0], "", ""
	if i := slices.IndexFunc(v.listed(lim), opening.isUndoable); i >= 0 {
		o = &v.openings[i]
		undo, restored = o.undoCall(v)
	}
	first := pick(o == &v.openings[0], "Add an exception first", "For what was closed, add an exception first") + ", or sgward closes it again: "
	where := pick(lim.isLong, "below", "in the e-mail")
	switch {
	case o.EditedBack || o.exception == "":
	case undo != "" && !lim.isLong:
		s.say(first + id(undo) + " shows its text, and asks before it restores " + restored + ".")
	case !o.isOpen() && lim.isLong:
		s.say(first + "text and undo command are below.")
	case !o.isOpen():
		s.say("Add an exception before it is opened again, or sgward closes it: its text is " + where + " (docs/POLICY.md says how to write one).")
	case o.Outcome == finding.OutcomeAlerted || o.Gone || v.isSweep:
		if !lim.isLong && isIdentifier(o.region) {
			where += ", and on the page that " + id("sgward audit --regions "+o.region+" --out audit.html") + " writes"
		}
		s.say("Add an exception: its text is " + where + ".")
	}
	return s
}

// isUndoable reports whether sgward itself closed the opening. A rule that was found gone
// may have been removed by another caller, whose call undo does not find.
func (o opening) isUndoable() bool {
	return o.Outcome == finding.OutcomeRevoked && !o.isOpen() && !o.EditedBack && o.exception != ""
}

// undoCall returns the call of sgward that restores the opening, and what it restores;
// "" if there is none. It names the alert if the event history leads from the alert's call
// to its closings, else the group: the alerts of sweeps and of old events are of no single
// call, a call without parameters names no group, and that of a replayed event is older
// than what undo searches by itself.
func (o *opening) undoCall(v *view) (call, restored string) {
	a := v.alert
	call = "sgward undo --region " + o.region
	switch {
	case !o.isUndoable() || !isIdentifier(o.region):
		return "", ""
	case a.Sweep == nil && !v.isDigest && a.Event.ReplayName == "":
		closed := 0
		for i := range v.openings {
			if v.openings[i].Outcome == finding.OutcomeRevoked {
				closed++
			}
		}
		return call + " " + a.ID, pick(closed+a.FindingsOmitted > 1, "the rules", "the rule")
	case isIdentifier(o.GroupID):
		return call + " --group-id " + o.GroupID, "what sgward closed in that group"
	default:
		return "", ""
	}
}
