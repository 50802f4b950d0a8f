package report

import (
	"strings"
	"time"

	"sgward/internal/cloudtrail"
	"sgward/internal/secgroup"
)

// mostName is how much of a name or ARN is shown; mostText of a reason or
// description.
const (
	mostName = 120
	mostText = 600
)

// date prints the day of a time in UTC.
func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// ruleText says what a finding's rule lets through: "ingress tcp 3306 from
// 0.0.0.0/0".
func ruleText(r *secgroup.Rule) string {
	if r == nil {
		return "rules that the record does not tell"
	}
	return r.Permission.String()
}

// groupText names a security group: "sg-0123456789abcdef0 (web)".
func groupText(id, name string) string {
	switch {
	case id == "" && name == "":
		return "a group that the record does not name"
	case id == "":
		return name
	case name == "":
		return id
	default:
		return id + " (" + name + ")"
	}
}

// actorText names who made a call: the role behind a session, else the caller
// itself.
func actorText(a cloudtrail.Actor) string {
	for _, s := range []string{a.Principal(), a.InvokedBy, a.Type} {
		if s != "" {
			return s
		}
	}
	return "a caller that the record does not name"
}

// shortARN splits "arn:aws:iam::123456789012:role/deploy" into "role/deploy" and
// "123456789012". What is no such ARN comes back whole.
func shortARN(s string) (label, accountID string) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[5] == "" {
		return s, ""
	}
	return parts[5], parts[4]
}

// callerText is actorText with what a reader needs to find the person: the session's
// name, the service in between, and the address.
func callerText(e *cloudtrail.Event) string {
	text := actorText(e.Actor)
	if e.Actor.SessionIssuerARN != "" {
		if _, session, ok := strings.Cut(e.Actor.ARN, ":assumed-role/"); ok {
			if _, session, ok = strings.Cut(session, "/"); ok {
				text += " (session " + session + ")"
			}
		}
	}
	if e.Actor.InvokedBy != "" && e.Actor.InvokedBy != text {
		text += " through " + e.Actor.InvokedBy
	}
	if e.SourceIPAddress != "" && e.SourceIPAddress != e.Actor.InvokedBy {
		text += " from " + e.SourceIPAddress
	}
	return text
}
