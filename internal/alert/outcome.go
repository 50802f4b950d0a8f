package alert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sgward/internal/finding"
	"sgward/internal/policy"
	"sgward/internal/text"
)

// done lists the outcome of each opening and the policy's reasons.
func (v *view) done(lim limits) section {
	s := section{title: "What was done"}
	if v.isExpiry {
		return s
	}
	listed := v.listed(lim)
	var outcomes, reasons [][]string
	for i := range listed {
		outcomes = append(outcomes, []string{listed[i].done})
		reasons = append(reasons, listed[i].reasons)
	}
	for _, out := range grouped(outcomes) {
		// A text about several openings says so.
		if len(listed) > 1 && strings.HasPrefix(out, "sgward") {
			out = "Each of them: " + out
		}
		s.say(out)
	}
	lines := grouped(reasons)
	for _, out := range first(lines, lim.reasons) {
		s.say(out)
	}
	more := len(lines) - lim.reasons
	s.leftOut(more, text.Plural(more, "more reason")+" of the policy")
	for i := range first(v.exempt, lim.listed) {
		s.say(v.exempt[i].sentence)
	}
	more = len(v.exempt) - lim.listed
	s.leftOut(more, text.Plural(more, "more rule")+" that exceptions allow")
	if len(v.openings) == 0 && len(v.exempt) == 0 {
		s.say("Nothing.")
	}
	return s
}

// grouped lists texts for numbered openings, each text once in the order of its first
// appearance, after its numbers: "1-3, 7: text". A text for all openings has no numbers.
func grouped(texts [][]string) []string {
	numbers := map[string][]int{}
	var order []string
	for i, list := range texts {
		for _, text := range list {
			held := numbers[text]
			if held == nil {
				order = append(order, text)
			}
			if len(held) == 0 || held[len(held)-1] != i+1 {
				numbers[text] = append(held, i+1)
			}
		}
	}
	out := make([]string, 0, len(order))
	for _, text := range order {
		if len(numbers[text]) == len(texts) {
			out = append(out, text)
		} else {
			out = append(out, ranges(numbers[text])+": "+text)
		}
	}
	return out
}

// ranges prints ascending numbers as "1-3, 7".
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		part := strconv.Itoa(numbers[i])
		if j > i {
			part += "-" + strconv.Itoa(numbers[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ", ")
}

// doneText says how an opening was closed, or why it was not.
func (o *opening) doneText(a *finding.Alert) string {
	out := ""
	switch o.Outcome {
	case finding.OutcomeRevoked:
		out = "sgward closed it: the rule is gone."
	case finding.OutcomeAlreadyClosed:
		out = "sgward found it closed: the rule is gone. " + o.closedBy(a)
	case finding.OutcomeWouldRevoke:
		out = "Nothing was changed: sgward runs in observe mode. In enforce mode it would have closed this. It is still open."
	case finding.OutcomeFailed:
		if o.isFinal() {
			out = "sgward COULD NOT CLOSE it: " + text.Visible(o.Left) + ". It did not call EC2, and there is no other try: " +
				"find the group by the CloudTrail event, and close the rule by hand."
			break
		}
		out = "sgward COULD NOT CLOSE it. " + o.refusal() + " " + nextTry(a)
	default:
		out = o.whyLeft()
	}
	if o.ClosedAt != nil && !o.ClosedAt.IsZero() && o.Outcome == finding.OutcomeRevoked {
		out += " EC2 said so at " + o.ClosedAt.UTC().Format("2006-01-02 15:04:05.000") + " UTC."
	}
	if o.Edited && !o.isOpen() {
		out += " The call had edited an older rule: WHAT THAT RULE ALLOWED BEFORE IS CLOSED TOO (below: how to find out what it was)."
	}
	if o.FromRequest {
		out += " The record lacks EC2's response: this is the rule as the caller typed it, and EC2 may have stored other values."
	}
	return out
}

// isFinal reports that sgward could not even try to close the opening, and that there is
// no further try.
func (o *opening) isFinal() bool { return o.Outcome == finding.OutcomeFailed && o.Left != "" }

// closedBy says who may have closed a rule that was found gone.
func (o *opening) closedBy(a *finding.Alert) string {
	switch {
	case !o.MaybeEarlier:
		return "Someone else had removed it before, or sgward itself for another event of the group."
	case a.Try > 1:
		return "An earlier try of sgward may have closed it (this was " + tryOf(a) + "), or someone else."
	default:
		return "An earlier try of sgward may have closed it, or someone else."
	}
}

// whyLeft says why a finding was only reported.
func (o *opening) whyLeft() string {
	switch {
	case o.Gone:
		return "The rule itself is gone, and yet its traffic is not closed: " + text.Visible(o.Left) + "."
	case o.Left != "":
		return "sgward left it open: " + text.Visible(o.Left) + "."
	case o.Rule == nil && o.GroupID == "":
		return "Nothing was closed: sgward does not know which group to look at."
	case o.Verdict == policy.Undetermined || o.Verdict == policy.Revoke || o.Rule == nil:
		return "sgward left it open: a fact that the policy asks for is unknown, as the reasons say."
	default:
		return "sgward left it open: the policy says alert only."
	}
}

// refusal cites EC2's error.
func (o *opening) refusal() string {
	if o.ErrorCode == "" && o.ErrorMessage == "" {
		return "EC2 gave no reason."
	}
	out := "EC2 answered an error"
	if o.ErrorCode != "" {
		out = "EC2 answered " + id(o.ErrorCode)
	}
	if o.ErrorMessage != "" {
		out += ": " + quoteLong(strings.TrimRight(o.ErrorMessage, "."))
	}
	out += "."
	if o.ErrorCode == "UnauthorizedOperation" {
		out += " sgward's role may not revoke: the cause is often a service control policy, a permissions boundary, or a stack deployed in observe mode."
	}
	return out
}

// nextTry says whether there is another try.
func nextTry(a *finding.Alert) string {
	switch {
	case a.Try <= 0 || a.Tries <= 0:
		return "Close it by hand (command below)."
	case a.Try >= a.Tries:
		return "This was the last try, " + tryOf(a) + ": there is no retry until the message is sent again from the dead-letter queue. Close it by hand (command below)."
	default:
		return "This was " + tryOf(a) + "; sgward will retry. To close it sooner, use the command below."
	}
}

func tryOf(a *finding.Alert) string {
	if a.Tries <= 0 {
		return fmt.Sprintf("try %d", a.Try)
	}
	return fmt.Sprintf("try %d of %d", a.Try, a.Tries)
}

// nextStepOf advises on the most urgent opening.
func (v *view) nextStepOf() string {
	if v.isExpiry {
		return expiryStep
	}
	if len(v.openings) == 0 {
		return ""
	}
	switch o := &v.openings[0]; {
	case o.Rule == nil && v.isSweep:
		return "Look at the group's rules: sgward could not read all of them."
	case o.Rule == nil:
		return "Look at the event and at the group's rules: the opened rules are unknown."
	case o.isFinal():
		return "Find the group by the CloudTrail event, and close the rule by hand."
	case o.Outcome == finding.OutcomeFailed:
		return "Close it by hand, then find out what keeps sgward from doing it."
	case o.Outcome == finding.OutcomeWouldRevoke:
		return "Decide whether it is meant to be open: close it, or add an exception before you switch to enforce mode."
	case o.Gone:
		return "Close the rules that let the traffic through now, and find out who makes such rules again and again."
	case o.Outcome == finding.OutcomeAlerted:
		return "Decide whether it is meant to be open: close it, or add an exception."
	case o.Edited:
		return "Find out what the rule allowed before the edit: clients that relied on it are cut off now."
	default:
		return "If it is meant to be open, add an exception to the policy first, then undo."
	}
}

// bySeverity counts openings, worst first: "3 critical, 1 medium".
func bySeverity(openings []opening) string {
	return counted(openings, []string{"critical", "high", "medium", "low"}, func(o *opening) int { return severityRank(o.Severity) })
}

// byOutcome counts openings, worst first: "1 not closed, 2 closed".
func byOutcome(openings []opening) string {
	// In the order of finding.OutcomesWorstFirst.
	words := []string{"not closed", "would be closed", "left open", "closed", "already closed", "exempt"}
	return counted(openings, words, func(o *opening) int { return outcomeRank(o.Outcome) })
}

func counted(openings []opening, words []string, rank func(*opening) int) string {
	n := make([]int, len(words))
	for i := range openings {
		n[rank(&openings[i])]++
	}
	var parts []string
	for i, word := range words {
		if n[i] > 0 {
			parts = append(parts, text.Thousands(n[i])+" "+word)
		}
	}
	return strings.Join(parts, ", ")
}

// worst returns the severity and outcome of the whole alert: the highest severity and the
// first of finding.OutcomesWorstFirst. Exempt findings do not count for the severity.
func worst(a *finding.Alert) (policy.Severity, finding.Outcome) {
	outcomes := finding.OutcomesWorstFirst()
	severity, outcome := severityRank(policy.Low), len(outcomes)-1
	for i := range a.Findings {
		r := &a.Findings[i]
		outcome = min(outcome, outcomeRank(r.Outcome))
		if r.Outcome != finding.OutcomeExempt {
			severity = min(severity, severityRank(r.Severity))
		}
	}
	return policy.Critical - policy.Severity(severity), outcomes[outcome]
}

// outcomeRank orders outcomes from worst to best. An unknown one is the worst.
func outcomeRank(o finding.Outcome) int {
	return max(slices.Index(finding.OutcomesWorstFirst(), o), 0)
}

// severityRank orders severities from most urgent (0) to least. Findings without a
// severity rank first, because they may be urgent.
func severityRank(s policy.Severity) int {
	if s == policy.NoSeverity {
		return 0
	}
	return int(policy.Critical - s)
}
