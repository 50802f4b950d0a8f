package tour

import (
	"cmp"
	"fmt"
	"strings"

	"sgward/internal/policy"
	"sgward/internal/secgroup"
	"sgward/internal/text"
	"sgward/localaws"
)

// stepLine is one step as a line of a timeline.
type stepLine struct {
	where string
	what  string
	how   text.Style
	more  []string // below it
}

// describe describes a step; false for one that the timeline leaves out.
func describe(step localaws.Step) (stepLine, bool) {
	switch step.Kind {
	case localaws.StepCall:
		l := stepLine{where: "EC2", what: text.Visible(step.EventName)}
		if on := text.Visible(cmp.Or(step.GroupID, step.ListID)); on != "" {
			l.what += " on " + on
		}
		if name := text.Visible(step.GroupName); name != "" {
			l.what += " (" + name + ")"
		}
		switch {
		case isDryRun(step):
			l.what, l.how = l.what+", dry run: allowed", text.Dim
		case step.ErrorCode != "":
			l.what, l.how = l.what+" failed: "+text.Visible(step.ErrorCode), text.Yellow
		}
		return l, true
	case localaws.StepInvoked:
		if step.Function == sweepFunction {
			return stepLine{where: part(step.Function), what: "starts: looks at all groups"}, true
		}
		return stepLine{where: part(step.Function), what: "is invoked"}, true
	case localaws.StepMatched:
		return stepLine{where: "EventBridge", what: "rule " + step.Rule + " takes the event"}, true
	case localaws.StepIgnored:
		what := "no rule takes " + cmp.Or(text.Visible(step.EventName), "it")
		switch {
		case step.Reason != "":
			what += " (" + step.Reason + "): ignored"
		case isDryRun(step):
			what = "no rule takes it: a dry run opens nothing"
		case step.ErrorCode != "":
			what = "no rule takes it: the call failed, so it opened nothing"
		default:
			what += ": ignored"
		}
		return stepLine{where: "EventBridge", what: what, how: text.Dim}, true
	case localaws.StepDetected:
		return describeDetection(step), true
	case localaws.StepFiltered:
		return stepLine{where: "SQS", what: "the queue's filter drops it: done", how: text.Dim}, true
	case localaws.StepDelivered:
		return stepLine{where: "SQS", what: fmt.Sprintf("%s for %s", text.Plural(step.Messages, "message"), part(step.Function))}, true
	case localaws.StepSent:
		l := stepLine{where: part(step.Function), what: "has read the group: rules to close", how: text.Red}
		if d := step.Detection; d != nil {
			l.what = "has read the group: " + text.Plural(len(d.Findings), "rule") + " to close"
		}
		return l, true
	case localaws.StepRevoked:
		l := stepLine{where: part(step.Function), what: step.EventName, how: text.Green}
		if step.ErrorCode != "" {
			l.what, l.how = l.what+" failed: "+text.Visible(step.ErrorCode), text.Red
		}
		return l, true
	case localaws.StepAlerted:
		return stepLine{where: "SNS", what: "alert: " + text.Visible(step.Message.Subject), how: text.Yellow}, true
	case localaws.StepFunctionFailed:
		return stepLine{where: part(step.Function), what: "failed", how: text.Red, more: []string{text.Visible(step.Reason)}}, true
	case localaws.StepReturned:
		return stepLine{where: "SQS", what: "the message will be retried: " + text.Visible(step.Reason), how: text.Yellow}, true
	case localaws.StepDeadLetter:
		return stepLine{where: "SQS", what: "kept in " + step.Queue + ": " + text.Visible(step.Reason), how: text.Red}, true
	case localaws.StepLost:
		return stepLine{where: part(step.Function), what: "lost: " + text.Visible(step.Reason), how: text.Red}, true
	}
	return stepLine{}, false
}

// isDryRun reports that a call only asked whether it would be allowed, and would be: EC2
// answers with an error.
func isDryRun(step localaws.Step) bool { return step.ErrorCode == "Client.DryRunOperation" }

func describeDetection(step localaws.Step) stepLine {
	l := stepLine{where: part(step.Function)}
	if step.Detection == nil {
		l.what = "answered"
		return l
	}
	d := step.Detection
	l.what = "says " + strings.ToUpper(d.Verdict.String())
	switch d.Verdict {
	case policy.Revoke:
		l.how = text.Red
	case policy.Compliant:
		l.how = text.Green
		l.what += ": the policy allows it"
		if step.Function == sweepFunction { // shown by itself
			l.what = "has judged: nothing to close"
		}
	case policy.Undetermined:
		l.how = text.Yellow
		l.what += ": the event alone cannot tell"
	default:
		l.how = text.Yellow
	}
	for _, f := range d.Findings {
		head := f.Verdict.String() + ", " + f.Severity.String()
		if f.Rule != nil {
			head = ruleText(*f.Rule) + ": " + head
		}
		l.more = append(l.more, head)
		for _, reason := range f.Deciding() {
			l.more = append(l.more, "  "+text.Visible(reason.String()))
		}
	}
	return l
}

// column is where the words of a timeline start.
const column = 25

// part shortens a function's logical id to its common name.
func part(logicalID string) string {
	return strings.ToLower(strings.TrimSuffix(logicalID, "Function"))
}

// ruleText returns a finding's rule as "tcp 3306 from 0.0.0.0/0".
func ruleText(r secgroup.Rule) string {
	p := r.Permission
	peer, word := p.Peer.String(), " from "
	if id, _ := p.Peer.Group(); id != "" {
		peer = id // the account is the same
	}
	if p.Direction == secgroup.Egress {
		word = " to "
	}
	from, to := p.FromTo()
	return protocolText(string(p.Protocol), &from, &to) + word + text.Visible(peer)
}

func protocolText(protocol string, from, to *int) string {
	if protocol == "-1" {
		return "everything"
	}
	protocol = text.Visible(protocol)
	switch {
	case from == nil || to == nil || *from == -1:
		return protocol
	case *from == *to:
		return fmt.Sprintf("%s %d", protocol, *from)
	}
	return fmt.Sprintf("%s %d-%d", protocol, *from, *to)
}
