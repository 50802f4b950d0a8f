package report

import (
	"cmp"
	"strings"
	"time"

	"sgward/internal/awsid"
	"sgward/internal/cloudtrail"
	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
)

// mostName limits names and ARNs; mostText limits reasons and descriptions.
const (
	mostName = 120
	mostText = 600
)

// date prints the day of a time in UTC.
func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// ruleText returns a finding's rule in words: "ingress tcp 3306 from 0.0.0.0/0".
func ruleText(r *secgroup.Rule) string {
	if r == nil {
		return "rules that the record leaves out"
	}
	return r.Permission.String()
}

// titleText names a finding's opening: "MySQL (3306) from the whole internet".
func titleText(r *secgroup.Rule) string {
	if r == nil {
		return ruleText(nil)
	}
	return r.Permission.Title()
}

// verdictWord is a verdict in a word or two, as a command's report says it: an audit closes
// nothing, and a replay says what would have happened.
func verdictWord(c Command, v policy.Verdict) string {
	words := [...]string{"forbidden", "needs a look", "warned", "excepted", "allowed"}
	if c == Check {
		words[1] = "not known yet"
	}
	if c == Replay {
		words = [...]string{"would close", "needs a look", "would alert", "excepted", "left alone"}
	}
	return words[rankOf(v)]
}

// groupText names a security group: "web (sg-0123456789abcdef0)".
func groupText(id, name string) string {
	switch {
	case id == "" && name == "":
		return "a group that the record does not name"
	case id == "":
		return name
	case name == "":
		return id
	default:
		return name + " (" + id + ")"
	}
}

// titleText is titleText of the entry's rule. A check has findings without one.
func (e *Entry) titleText() string {
	if e.Location != nil && e.Rule == nil {
		return "rules not known yet"
	}
	return titleText(e.Rule)
}

// unnamedGroup stands for the id of a group that has none.
func (e *Entry) unnamedGroup() string {
	if e.Location != nil {
		return cmp.Or(e.Group, "not known yet")
	}
	return "not named"
}

// groupText names the entry's group: its resource, if only that is known.
func (e *Entry) groupText() string {
	if e.Location != nil && e.GroupID == "" && e.GroupName == "" {
		return cmp.Or(e.Group, "a group not known yet")
	}
	return groupText(e.GroupID, e.GroupName)
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
// "123456789012". Other texts are returned unchanged.
func shortARN(s string) (label, accountID string) {
	arn, _ := awsid.ParseARN(s)
	if arn.Resource == "" {
		return s, ""
	}
	return arn.Resource, arn.Account
}

// callerText is actorText with the details needed to find the person: the session's name,
// the service in between, and the address.
func callerText(e *cloudtrail.Event) string {
	out := actorText(e.Actor)
	if e.Actor.SessionIssuerARN != "" {
		arn, _ := awsid.ParseARN(e.Actor.ARN)
		if _, session, _ := arn.Session(); session != "" {
			out += " (session " + session + ")"
		}
	}
	if e.Actor.InvokedBy != "" && e.Actor.InvokedBy != out {
		out += " through " + e.Actor.InvokedBy
	}
	if e.SourceIPAddress != "" && e.SourceIPAddress != e.Actor.InvokedBy {
		out += " from " + e.SourceIPAddress
	}
	return out
}

// public counts the interfaces that have a public address.
func (g *Group) public() int {
	n := 0
	for i := range g.Attached {
		if len(g.Attached[i].PublicAddresses()) > 0 {
			n++
		}
	}
	return n
}

// interfaceText names a network interface and its service.
func interfaceText(a *finding.Interface) string {
	out := a.ID
	behind := []string{a.Service, a.InstanceID}
	if a.Service == "" && a.InstanceID == "" {
		behind = []string{a.Description}
	}
	for _, b := range behind {
		if b != "" {
			out += ", " + b
		}
	}
	if public := a.PublicAddresses(); len(public) > 0 {
		out += " (public " + listed(public, 3) + ")"
	}
	return out
}

// place returns "123456789012 us-east-1", as far as known.
func place(accountID, accountName, region string) string {
	if accountName != "" {
		accountID += " (" + accountName + ")"
	}
	return strings.TrimSpace(accountID + " " + region)
}

// listed names the first items of a list and the number of the others.
func listed(names []string, most int) string {
	var safe []string
	for _, name := range names {
		safe = append(safe, text.Shown(name, mostName))
	}
	return text.First(safe, most, "; ")
}

// rulesText lists rules as ruleText says them.
func rulesText(rules []secgroup.Rule) []string {
	var out []string
	for i := range rules {
		out = append(out, ruleText(&rules[i]))
	}
	return out
}

// closedText says how long the rule was open and who closed it.
func closedText(e *Entry) string {
	if e.ClosedAt == nil {
		return "the history does not show it closed"
	}
	out := "closed"
	if e.ExposureSeconds != nil {
		out += " after " + text.Span(*e.ExposureSeconds)
	}
	out += ", " + text.Time(*e.ClosedAt)
	if e.ClosedBy != nil {
		by := callerText(e.ClosedBy)
		if e.Event != nil && by == callerText(e.Event) {
			by = "the same caller"
		}
		out += ", " + text.Shown(e.ClosedBy.EventName, mostName) + " by " + text.Shown(by, mostText)
	}
	return out
}
